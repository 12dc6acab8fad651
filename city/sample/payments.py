"""What the rehearsal city's people were billed and have paid."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct, structs
from sqlalchemy import Connection

from city import registry, tables
from city.records import Payment

PAYMENTS: Final = Path(__file__).parent / "payments.toml"


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


def seed(connection: Connection, latest: int) -> None:
    """Put them into the registry. `latest`: the newest fiscal year."""
    for n, each in enumerate(read(), start=1):
        year = latest - each.ago
        values = structs.asdict(each)
        del values["ago"]
        payment = Payment(
            **values,
            id=f"payment-{n}",
            year=year,
            paid_on=date(year, 5, 28) if each.paid else None,
            valid_until=date(year + 1, 5, 30) if each.vehicle else None,
        )
        registry.put(connection, tables.payments, structs.asdict(payment))
