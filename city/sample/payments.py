"""What the rehearsal city's people were billed and have paid."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, structs
from sqlalchemy import Connection

from city import registry, tables
from city.records import Payment

PAYMENTS: Final = Path(__file__).parent / "payments.toml"
KINDS: Final = ("民税", "資産税", "軽自動車")  # of tax: a word of each name


class SamplePayment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ago`: fiscal years before the latest one. Yen."""

    resident: Annotated[str, Meta(pattern="^[a-z]+$")]
    ago: Annotated[int, Meta(ge=0, le=3)] = 0
    tax: str
    employer: bool = False
    billed: int
    paid: int
    not_due: int = 0
    vehicle: str = ""
    chassis: str = ""
    inspected: bool = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class PaymentFile(Struct, frozen=True, forbid_unknown_fields=True):
    payments: tuple[SamplePayment, ...]


def read(path: Path = PAYMENTS) -> tuple[SamplePayment, ...]:
    """Everything in the file. Raises msgspec.ValidationError."""
    return msgspec.toml.decode(path.read_bytes(), type=PaymentFile).payments


def seed(connection: Connection, latest: int, taxes: Collection[str]) -> None:
    """Put them into the registry. `latest`: the newest fiscal year; `taxes`: as the city calls
    them.
    """
    for n, each in enumerate(read(), start=1):
        year = latest - each.ago
        values = {**structs.asdict(each), "tax": _called(each.tax, taxes)}
        del values["ago"]
        payment = Payment(
            **values,
            id=f"payment-{n}",
            year=year,
            paid_on=date(year, 5, 28) if each.paid else None,
            valid_until=date(year + 1, 5, 30) if each.vehicle else None,
        )
        registry.put(connection, tables.payments, structs.asdict(payment))


def _called(tax: str, taxes: Collection[str]) -> str:
    """What this city calls it: 特別区民税・都民税 is what 市民税・県民税 is elsewhere."""
    word = next(each for each in KINDS if each in tax)
    return next((each for each in taxes if word in each), tax)
