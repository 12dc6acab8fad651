"""Whole kiosks against a city that may be wrong, and a judge who believes neither.

The kiosk is the production journey, permits, executor, journal, proof of the sheets and line, over real TLS. Its card
is a key, its printers and coin unit are lists; a person stands in front of it who wants one certificate.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
from city_bench import Card, Rehearsal
from mixed_up_city import Hands, confused
from sqlalchemy import select

from city import tables
from firmware.flow import events as e
from firmware.flow.screens import Screen
from firmware.link import messages as m
from firmware.link import sealing
from firmware.link.client import Line
from firmware.link.signing import load_public, verify_code
from firmware.service.cash_work import CashDesk, told
from firmware.service.city_work import CityDesk
from firmware.service.config import Config
from firmware.service.devices import Devices
from firmware.service.executor import Executor
from firmware.service.journal import Journal
from firmware.service.paper_work import PaperDesk
from firmware.service.resident import Listeners, Resident
from firmware.service.vault import Vault
from firmware.sheets import code
from firmware.texts.texts import Texts
from hal.card.contract import Stay
from hal.cash.contract import CashEvent, CashStatus, CoinAccepted
from hal.printer.contract import Bitmap, Outlet, PaperSupply, PrinterState, PrinterStatus

DPI, WIDTH = 203, 1664
COIN = 100
JOURNEY_S = 20.0
PATIENCE = 60  # screens; an undisturbed journey has about 30
NAMES = {
    "taro": "明石　太郎",
    "hanako": "明石　花子",
    "yoshiko": "𠮷田　美子",
    "misaki": "山本　美咲",
    "shota": "佐藤　翔太",
}


LOGGING: ContextVar[list[tuple[str, dict[str, Any]]]] = ContextVar("the log of the kiosk at work")


class Paper:
    """A printer that keeps what it printed."""

    def __init__(self) -> None:
        self.pages: list[Bitmap] = []
        self.bytes_sent = 0

    def status(self) -> PrinterStatus:
        return PrinterStatus(PrinterState.READY, PaperSupply.ADEQUATE, Outlet.CLEAR)

    def print_page(self, page: Bitmap) -> None:
        self.pages.append(page)

    def purge(self) -> None: ...

    def close(self) -> None: ...


class Coins:
    """A coin unit and the purse of the person before it, yen."""

    def __init__(self) -> None:
        self.inserted = self.paid_out = 0
        self._open, self._wanted = False, 0
        self._notify: Callable[[CashEvent], None] = lambda _: None

    def start(self, notify: Callable[[CashEvent], None]) -> None:
        self._notify = notify

    def status(self) -> CashStatus:
        return CashStatus(ready=True, change=((COIN, True),))

    def accept(self, _: frozenset[int]) -> None:
        self._open = True
        self._drop()

    def stop(self) -> None:
        self._open = False

    def pay(self, amount: int) -> None:
        self.paid_out += amount

    def close(self) -> None: ...

    def want(self, amount: int) -> None:
        self._wanted = amount
        self._drop()

    def _drop(self) -> None:
        if self._open and self._wanted > 0:
            self._wanted -= COIN
            self.inserted += COIN
            self._notify(CoinAccepted(COIN))


class KeyDesk:
    """The card's part: a key that signs the transcript."""

    def __init__(self, card: Card) -> None:
        self._card = card

    def read(self, epoch: int, _: Stay) -> e.Event:
        return e.CardRead(epoch=epoch, tries=3)

    def read_ahead(self, _: int) -> None: ...

    def release(self) -> None: ...

    def authenticate(self, epoch: int, vault: Vault, kiosk: str, challenge: bytes) -> e.Event:
        vault.key, vault.certificate, vault.challenge = sealing.generate(), self._card.der, challenge
        digest = m.transcript_digest(kiosk, vault.session, challenge, self._card.der, vault.key.public)
        vault.signature = self._card.sign(digest)
        return e.CardAuthenticated(epoch=epoch, card="card")


@dataclass(frozen=True)
class Wish:
    kind: str = "juminhyo"
    picks: Mapping[str, str] = field(default_factory=dict)  # option -> choice, where the default is not wanted


class Kiosk:
    """One kiosk and one person: `serve` from the menu to the end. The journal outlives both."""

    def __init__(self, attack: Attack, line: Line, resident: str, wish: Wish, kiosk: str, journal: Journal) -> None:
        self.name, self.holder, self.wish, self.journal = kiosk, NAMES[resident], wish, journal
        self.sheets, self.receipts, self.coins = Paper(), Paper(), Coins()
        self.seen: list[Screen] = []
        self.shown: list[str] = []
        self.when: dict[str, Callable[[], None]] = {}  # a screen's name -> what happens in the world when it is shown
        self.events: list[e.Event] = []
        self.logged: list[tuple[str, dict[str, Any]]] = []
        config, nothing = _config(attack, kiosk), SimpleNamespace(say=lambda *_: None)
        self._resident = resident_ = Resident(config, Listeners(nothing, None), lambda _: None)  # type: ignore[arg-type]
        self._line = line
        self.gives_up = False  # when it comes to paying
        self.vault = resident_._vault
        self._executor = Executor(
            config=config,
            post=self._post,
            failed=resident_.fail,
            devices=Devices(nothing, self.sheets, self.receipts, self.coins, nothing),  # type: ignore[arg-type]
            journal=journal,
            vault=resident_._vault,
            panel=SimpleNamespace(show=self._look),  # type: ignore[arg-type]
            announcer=nothing,  # type: ignore[arg-type]
            texts={"ja": Texts.load("ja")},
            card=KeyDesk(attack.city.card(resident)),  # type: ignore[arg-type]
            city=CityDesk(config, line, load_public(config.trust.issuing_keys)),
            renewal=SimpleNamespace(renew=_nothing),  # type: ignore[arg-type]
            paper=PaperDesk(self.sheets, self.receipts),
            cash=CashDesk(self.coins, self._coin),
            stays=resident_._stays,
        )
        self._stay = Stay("bench", 1)

    async def serve(self) -> Kiosk:
        """Ends when the journey does, or when the person finds the kiosk out of service and goes."""
        self._loop = asyncio.get_running_loop()
        LOGGING.set(self.logged)
        self.coins.start(lambda event: self._coin(event))
        resident = self._resident
        resident._carry(self._executor, resident._flow.start())
        self._post(e.CardAbsent())
        async with asyncio.timeout(JOURNEY_S):
            self.code = await resident._serve(self._executor)
            await self._executor.finish()
            await self._executor._deliver()  # as the next process would
        self.vault.destroy()
        await self._line.close()
        for lane in self._executor.devices.lanes.values():
            lane.shutdown(wait=False)
        return self

    # -- what the judge asks

    @property
    def cases(self) -> list[str]:
        return [case.code for case in self.journal.cases()]

    @property
    def screens(self) -> list[str]:
        return [screen.name for screen in self.seen]

    @property
    def stuck(self) -> bool:
        """The person saw no way on, and left before paying."""
        return len(self.seen) > PATIENCE and not self.coins.inserted

    @property
    def refusal(self) -> str:
        """What the person was told was the cause, or ""."""
        last = next((s for s in reversed(self.seen) if s.name in ("refused", "trouble", "fault")), None)
        return "" if last is None else str(last.facts.get("code") or last.facts.get("problem") or last.name)

    @property
    def said(self) -> str:
        """The page on which that was told."""
        return next((h for s, h in zip(self.seen, self.shown, strict=True) if s.name in ("refused", "trouble")), "")

    # -- the person

    def _look(self, _: int, html: str) -> None:
        screen = self._resident._flow.screen
        self.seen.append(screen)
        self.shown.append(html)
        self.when.pop(screen.name, lambda: None)()
        if len(self.seen) > PATIENCE:
            self.touch(screen, "cancel")
        else:
            DOES.get(screen.name, lambda *_: None)(self, screen)

    def touch(self, screen: Screen, action: str, value: str = "") -> None:
        self._post(e.Touch(screen=screen.number, action=action, value=value))

    def set_card(self, _: Screen) -> None:
        self._resident._stays[str(self._stay)] = self._stay
        self._post(e.CardPresent(stay=str(self._stay)))

    def take_card(self, _: Screen) -> None:
        self._post(e.CardAbsent())

    def type_pin(self, screen: Screen) -> None:
        digits = len(self.vault.pin)
        if digits < 4:
            self.vault.pin.add(1)
            self._post(e.PinDigit(screen=screen.number, count=digits + 1))
        else:
            self.touch(screen, "enter")

    def choose(self, screen: Screen) -> None:
        self.touch(screen, "choose", self.wish.kind)

    def answer(self, screen: Screen) -> None:
        option = screen.facts["option"]
        wanted = self.wish.picks.get(option)
        chosen = [c["id"] for c in screen.facts["choices"] if c["chosen"]]
        if screen.facts["type"] == "count":
            more = wanted is not None and screen.facts["count"] < int(wanted)
            self.touch(screen, "pick", "more") if more else self.touch(screen, "next")
        elif wanted and wanted not in chosen:
            self.touch(screen, "pick", wanted)
        else:
            self.touch(screen, "next")

    def pay(self, screen: Screen) -> None:
        if self.gives_up:
            self.touch(screen, "cancel")
        else:
            self.coins.want(screen.facts["missing"])

    def leave(self, _: Screen) -> None:
        self._post(e.Shutdown())

    # -- wires

    def _post(self, event: e.Event) -> None:
        self.events.append(event)
        self._resident.post(event)

    def _coin(self, event: CashEvent) -> None:
        self._loop.call_soon_threadsafe(self._post, told(event))


DOES: Mapping[str, Callable[[Kiosk, Screen], None]] = {
    "menu": Kiosk.set_card,
    "pin": Kiosk.type_pin,
    **dict.fromkeys(("remove", "removealarm", "takecard", "cardleft", "hold"), Kiosk.take_card),
    "certificates": Kiosk.choose,
    "options": Kiosk.answer,
    "confirm": lambda kiosk, screen: kiosk.touch(screen, "confirm"),
    "paying": Kiosk.pay,
    **dict.fromkeys(("sheets", "uncollected"), lambda kiosk, screen: kiosk.touch(screen, "taken")),
    **dict.fromkeys(("receipt", "thanks", "refused", "trouble"), lambda kiosk, screen: kiosk.touch(screen, "ok")),
    "notoffered": lambda kiosk, screen: kiosk.touch(screen, "cancel"),
    **dict.fromkeys(("fault", "closed"), Kiosk.leave),
}


async def _nothing() -> None: ...


def _config(attack: Attack, kiosk: str) -> Config:
    pki, folder = attack.city.pki, attack.folder
    certificate, key = pki.kiosk(kiosk)
    printer = {"address": "127.0.0.1:1", "width": WIDTH, "dpi": DPI}
    return msgspec.convert(
        {
            "kiosk": {"id": kiosk, "state": folder, "languages": ("ja",)},
            "panel": {},
            "card": {"driver": "vpcd", "listen": "127.0.0.1:1"},
            "sheets": printer,
            "receipts": {**printer, "width": 576},
            "cash": {"port": "none", "hoppers": []},
            "speaker": {"driver": "alsa"},
            "line": {"city": "https://127.0.0.1:1", "city_ca": pki.city_ca, "certificate": certificate, "key": key},
            "trust": {"card_ca": [], "issuing_keys": [pki.issuing], "allow_test_cards": True},
            "voice": {"recordings": folder},
        },
        Config,
        dec_hook=lambda _, value: Path(value),
    )


@dataclass
class Attack:
    """A city, the hands that confuse it, and the kiosks that ask it."""

    city: Rehearsal
    folder: Path
    hands: Hands = field(init=False)
    journals: dict[str, Journal] = field(default_factory=dict)
    logged: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # by all of them

    def __post_init__(self) -> None:
        self.hands = Hands(self.folder)
        self.city.typeset = self.hands.typeset

    def kiosk(self, url: str, resident: str, wish: Wish, kiosk: str = "kiosk-1", place: str = "", **line: Any) -> Kiosk:
        """`place`: whose journal; without it, that of the kiosk of this name."""
        place = place or kiosk
        journal = self.journals.get(place) or Journal(self.folder / f"{place}.sqlite")
        self.journals[place] = journal
        made = {"deadline_s": 5.0, "order_deadline_s": 10.0, **line}
        return Kiosk(self, self.city.line(url, kiosk, **made), resident, wish, kiosk, journal)

    def run(self, how: str, scenario: Callable[[str], Any]) -> Any:
        """`scenario` with the address of the confused gateway; every sheet and yen is judged by `judge`."""
        self.hands.how = how
        handler = _Remember(self.logged)
        logger = logging.getLogger("madoguchi")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            with confused(self.hands) if how else nullcontext():
                return asyncio.run(self.city.run(scenario)())  # type: ignore[arg-type]
        finally:
            logger.removeHandler(handler)
            logger.setLevel(logging.NOTSET)

    def reasons(self, event: str) -> list[str]:
        """Of what was logged under this name."""
        return [str(f.get("reason") or f.get("code")) for name, f in self.logged if name == event]


class _Remember(logging.Handler):
    def __init__(self, into: list[tuple[str, dict[str, Any]]]) -> None:
        super().__init__()
        self._into = into

    def emit(self, record: logging.LogRecord) -> None:
        entry = (record.getMessage(), getattr(record, "facts", {}))
        self._into.append(entry)
        LOGGING.get([]).append(entry)


# -- the judge


def judge(attack: Attack, kiosk: Kiosk, *, released: bool = True) -> int:
    """What came out of this kiosk was this person's, once, issued and paid for; every yen is accounted for.

    Believes what is on the paper and in the city's database, and no answer. `released`: whether the city must have said
    that it may come out. Returns the sheets.
    """
    coins, sheets = kiosk.coins, kiosk.sheets.pages
    owed = sum(n.facts["amount"] for n in kiosk.journal.entries(kiosk.vault.session) if n.kind == "owed")
    kept = coins.inserted - coins.paid_out - owed
    codes = [_code(attack, page) for page in sheets]
    if not codes:
        assert kept == 0, "money was kept and no paper given"
        return 0
    assert len({c.unique_number for c in codes}) == 1, "sheets of two documents"
    with attack.city.city.engine.begin() as connection:
        order = connection.execute(select(tables.orders).filter_by(unique_number=codes[0].unique_number)).one()
        session = connection.execute(select(tables.sessions).filter_by(session=order.session)).one()
        card = connection.execute(select(tables.cards).filter_by(fingerprint=session.card)).one()
        person = connection.execute(select(tables.residents).filter_by(id=card.resident)).one()
    assert order.session == kiosk.vault.session
    assert person.name == kiosk.holder, "another person's paper"
    own = [d for d in attack.hands.made if d.unique_number == codes[0].unique_number]
    assert [d.holder for d in own] == [kiosk.holder]
    assert all(c.text_hash.hex() == order.document_sha256[:36] for c in codes), "another document under its number"
    assert Counter(c.page for c in codes) == dict.fromkeys(range(1, codes[0].pages + 1), order.sheets // codes[0].pages)
    assert order.state == "issued" or not released, "paper without a release"
    assert kept == order.fee
    return len(codes)


def _code(attack: Attack, page: Bitmap) -> m.SheetCode:
    dots = np.unpackbits(np.frombuffer(page.rows, np.uint8)).reshape(page.height, -1)[:, : page.width].astype(bool)
    return verify_code(load_public([attack.city.pki.issuing]), code.read_back(dots, DPI))


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
