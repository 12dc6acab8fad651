"""Receipt, claim slip and daily sheet, as the receipt printer gets them. No name is on any."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from firmware.flow import commands
from firmware.ledger.sheet import DayRow, Head
from firmware.link.messages import Contact, Terms
from firmware.service.config import Config
from firmware.sheets.slip import RULE, Slip, SlipLine, draw
from firmware.sheets.slip_contents import Claim, Issued, Receipt


class Look(NamedTuple):
    """The font of a slip, and the dots across the printer's head."""

    font: Path
    width: int


def look(config: Config) -> Look:
    return Look(config.fonts.gothic, config.receipts.width)


def _issued(terms: Terms, elapsed_s: float, kiosk: str) -> Issued:
    """By the city's clock: the same day that stands on the certificate."""
    now = datetime.fromisoformat(terms.now) + timedelta(seconds=elapsed_s)
    return Issued(
        city=terms.city_name.get("ja", ""),
        city_en=terms.city_name.get("en", ""),
        at=f"{now.year}年{now.month}月{now.day}日 {now:%H:%M}",
        kiosk=kiosk,
    )


def receipt(
    command: commands.PrintReceipt,
    terms: Terms,
    elapsed_s: float,
    kind: str,
    kiosk: str,
    number: str,
) -> Receipt:
    title = next((n.title for n in terms.certificates if n.kind == kind), {})
    return Receipt(
        issued=_issued(terms, elapsed_s, kiosk),
        certificate=title.get("ja", ""),
        certificate_en=title.get("en", ""),
        copies=command.copies,
        fee=command.fee,
        inserted=command.inserted,
        change=command.change,
        number=number,
        charged=command.charged,
    )


def claim(owed: int, case: str, terms: Terms, elapsed_s: float, kiosk: str) -> Claim:
    contact: Contact | None = terms.contacts.get("resident") or next(
        iter(terms.contacts.values()), None
    )
    office = contact.office if contact else {}
    hours = contact.hours if contact else {}
    return Claim(
        issued=_issued(terms, elapsed_s, kiosk),
        amount=owed,
        case=case,
        office=office.get("ja", ""),
        office_en=office.get("en", ""),
        phone=contact.phone if contact else "",
        hours=hours.get("ja", ""),
        hours_en=hours.get("en", ""),
    )


def day_slip(head: Head, rows: Iterable[DayRow], look: Look) -> Slip:
    """日計表 for the operator; rows of what did not happen are left to the screen and the
    spreadsheet.
    """
    lines = [
        SlipLine("日　計　表", size=44, bold=True, centre=True),
        *(SlipLine(text, size=22) for text in head.lines()),
    ]
    section = ""
    for row in rows:
        if row.count == 0 and not row.yen and row.item != "合計":
            continue
        if row.section != section:
            section = row.section
            lines += [RULE, SlipLine(section, size=26, bold=True)]
        lines.append(SlipLine(row.item, value=_figures(row), size=22))
        lines += [SlipLine(f"　{row.note}", size=20)] if row.note else []
    return draw(
        [*lines, RULE, SlipLine("確認印", size=26), *[SlipLine("　")] * 3], look.font, look.width
    )


def _figures(row: DayRow) -> str:
    units = ((row.count, "件"), (row.pieces, "枚"), (row.yen, "円"))
    return "　".join(f"{figure:,}{unit}" for figure, unit in units if figure is not None)
