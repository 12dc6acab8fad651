"""Receipt and claim slip of this session, as the receipt printer gets them. No name is on either."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from firmware.flow import commands as c
from firmware.link.messages import Contact, Terms
from firmware.sheets import receipt
from firmware.sheets.receipt import Slip


def _at(terms: Terms, elapsed_s: float) -> str:
    """The city's clock: the same day that stands on the certificate."""
    now = datetime.fromisoformat(terms.now) + timedelta(seconds=elapsed_s)
    return f"{now.year}年{now.month}月{now.day}日 {now:%H:%M}"


def receipt_slip(
    command: c.PrintReceipt, terms: Terms, elapsed_s: float, kind: str, kiosk: str, number: str, font: Path
) -> Slip:
    title = next((n.title for n in terms.certificates if n.kind == kind), {})
    return receipt.receipt(
        city=terms.city_name.get("ja", ""),
        city_en=terms.city_name.get("en", ""),
        certificate=title.get("ja", ""),
        certificate_en=title.get("en", ""),
        copies=command.copies,
        fee=command.fee,
        inserted=command.inserted,
        change=command.change,
        at=_at(terms, elapsed_s),
        kiosk=kiosk,
        number=number,
        font=font,
    )


def claim_slip(owed: int, case: str, terms: Terms, elapsed_s: float, kiosk: str, font: Path) -> Slip:
    contact: Contact | None = terms.contacts.get("resident") or next(iter(terms.contacts.values()), None)
    office = contact.office if contact else {}
    hours = contact.hours if contact else {}
    return receipt.claim_slip(
        city=terms.city_name.get("ja", ""),
        city_en=terms.city_name.get("en", ""),
        amount=owed,
        case=case,
        office=office.get("ja", ""),
        office_en=office.get("en", ""),
        phone=contact.phone if contact else "",
        hours=hours.get("ja", ""),
        hours_en=hours.get("en", ""),
        at=_at(terms, elapsed_s),
        kiosk=kiosk,
        font=font,
    )
