"""What came out of a kiosk under attack, and where the money is: judged by paper and the city's
database alone.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from attack_bench import DPI, Attack, Kiosk
from sqlalchemy import select

from city import tables
from firmware.link import sheet_code
from firmware.link.content import sheet_digest
from firmware.link.sheet_code import SheetCode
from firmware.link.signing import load_public, verify_code
from firmware.sheets import code
from hal.printer.contract import Bitmap


def judge(attack: Attack, kiosk: Kiosk, *, released: bool = True) -> int:
    """What came out of this kiosk was this person's, once, issued and paid for; every yen is
    accounted for.

    Believes what is on the paper and in the city's database, and no answer. `released`: whether the
    city must have said that it may come out. Returns the sheets.
    """
    sheets, kept = kiosk.sheets.pages, kiosk.kept
    codes = [_code(attack, page) for page in sheets]
    if not codes:
        assert kept == 0, "money was kept and no paper given"
        return 0
    assert len({c.unique_number for c in codes}) == 1, "sheets of two documents"
    with attack.city.city.engine.begin() as connection:
        order = connection.execute(
            select(tables.orders).filter_by(unique_number=codes[0].unique_number)
        ).one()
        session = connection.execute(select(tables.sessions).filter_by(session=order.session)).one()
        card = connection.execute(select(tables.cards).filter_by(fingerprint=session.card)).one()
        person = connection.execute(select(tables.residents).filter_by(id=card.resident)).one()
    assert order.session == kiosk.vault.session
    assert person.name == kiosk.holder, "another person's paper"
    own = [
        content
        for content, _ in attack.hands.made
        if content.unique_number == codes[0].unique_number
    ]
    assert len(own) == 1
    salt = attack.hands.salts[codes[0].unique_number]
    assert all(c.holder == kiosk.holder for c in codes), "a code that names another"
    assert all(c.digest == sheet_digest(own[0], c.page, salt) for c in codes), "another content"
    assert Counter(c.page for c in codes) == dict.fromkeys(
        range(1, codes[0].pages + 1), order.sheets // codes[0].pages
    )
    assert order.state == "issued" or not released, "paper without a release"
    assert kept == order.fee
    return len(codes)


def _code(attack: Attack, page: Bitmap) -> SheetCode:
    dots = (
        np.unpackbits(np.frombuffer(page.rows, np.uint8))
        .reshape(page.height, -1)[:, : page.width]
        .astype(bool)
    )
    return verify_code(
        load_public([attack.city.pki.issuing]), sheet_code.payload_of(code.read_back(dots, DPI))
    )


NOT_CAUGHT = ("harmless", "given up", "unnoticed")


@dataclass
class Table:
    """Attempts made and caught, by what they were and by the reason they were caught for."""

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, what: str, reason: str) -> None:
        self.rows[what, reason] += 1

    def __str__(self) -> str:
        count = Counter[str]()
        for (_, reason), n in self.rows.items():
            count[reason if reason in NOT_CAUGHT else "caught"] += n
        lines = [f"{n:6} {what:44} {reason}" for (what, reason), n in sorted(self.rows.items())]
        sums = ", ".join(f"{n} {word}" for word, n in count.most_common())
        return "\n".join(["", *lines, f"{sum(count.values()):6} attempts: {sums}"])
