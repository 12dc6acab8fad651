"""The kiosk's service with a coin desk that is wrong on purpose; the journal and the machine are
told that all is well.

    python -m power_cut.wrong --how NAME --config FILE

It is how the judge is judged: permits and machine catch most of what can be wrong above the desk.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from firmware.flow import events
from firmware.service import supervisor
from firmware.service.cash_desk import CashDesk

Pay = Callable[[CashDesk, int], object]
FEE = 100


def _twice(desk: CashDesk, amount: int) -> None:
    for _ in range(2):
        desk.unit.pay(amount, desk.dispenses)


def _with_the_fee(desk: CashDesk, amount: int) -> None:
    desk.unit.pay(amount + FEE, desk.dispenses)


def _nothing(desk: CashDesk, amount: int) -> None:
    """It keeps what it should pay."""


WAYS: Mapping[str, tuple[Pay, str]] = {
    "pays twice": (_twice, "doubled"),
    "returns the fee as well": (_with_the_fee, "both_given"),
    "pays nothing": (_nothing, "lost"),
}


def program(how: str) -> tuple[str, ...]:
    """What runs it, but for the configuration."""
    return ("power_cut.wrong", "--how", how)


def main(argv: Sequence[str] | None = None) -> int:
    """As the service ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--how", required=True, choices=WAYS, metavar="NAME")
    parser.add_argument("--config", required=True, type=Path, metavar="FILE")
    given = parser.parse_args(argv)
    wrong, _ = WAYS[given.how]

    def pay(desk: CashDesk, amount: int) -> events.Event:
        wrong(desk, amount)
        return events.PaidOut(amount=amount)

    setattr(CashDesk, "pay", pay)  # noqa: B010 - to a type checker the method stays what it is
    return supervisor.main(given.config)


if __name__ == "__main__":
    sys.exit(main())
