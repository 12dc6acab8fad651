"""What the coin units say of themselves, beside the books. Pure: the units were asked elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from firmware.ledger.accounts import Account, Title, hopper
from firmware.ledger.ledger import Ledger


@dataclass(frozen=True)
class HopperReport:
    """`least`: coins certainly in it. `out`: those of its newest command; None: nobody can tell."""

    address: int
    value: int
    least: int
    out: int | None = None


@dataclass(frozen=True)
class Beside:
    """One place. `yen`: more (+) or less (-) than the books say, as far as the unit can tell.

    `session`, `case`: the journey behind a difference, and what was opened for it.
    """

    place: str
    value: int
    books: int
    yen: int = 0
    what: str = ""
    session: str = ""
    case: str = ""


def beside(
    ledger: Ledger, hoppers: Iterable[HopperReport], missed: Mapping[int, int]
) -> list[Beside]:
    """`missed`: coins by value that the acceptor counted and no entry tells of."""
    cash = ledger.cash()
    return [
        *(_acceptor(ledger, cash, value, coins) for value, coins in sorted(missed.items())),
        *(_hopper(ledger, cash, report) for report in hoppers),
    ]


def _acceptor(ledger: Ledger, cash: Mapping[Account, int], value: int, coins: int) -> Beside:
    place = ledger.layout.place(value)
    books = cash.get(Account(Title.CASH, place, value), 0) // value
    return Beside(place, value, books, coins * value, f"受入機は{coins}枚を帳簿の後に数えた")


def _hopper(ledger: Ledger, cash: Mapping[Account, int], report: HopperReport) -> Beside:
    place = hopper(report.address)
    books = cash.get(Account(Title.CASH, place, report.value), 0) // report.value
    paid = ledger.paid.get(report.address)
    if paid is not None and report.out is not None and report.out != (paid.out or 0):
        yen = ((paid.out or 0) - report.out) * report.value
        case = ledger.case_of.get(paid.session, "")
        what = f"最後の払出しは帳簿{paid.out or 0}枚、機器{report.out}枚"
        return Beside(place, report.value, books, yen, what, paid.session, case)
    if report.least > books:
        what = f"少なくとも{report.least}枚ある"
        return Beside(place, report.value, books, (report.least - books) * report.value, what)
    return Beside(place, report.value, books, what=_agrees(report))


def _agrees(report: HopperReport) -> str:
    return f"{report.least}枚以上ある" if report.least else "残量は機器では分からない"
