"""Whose the fee is: the one rule, for a journey that goes on and for one that a power cut has
ended.

A copy that is certainly out keeps its fee. A copy of which certainly nothing came out has its fee
returned. Anything between (a sheet that nobody saw come out, a copy of which some sheets are
missing) is held: sheet and money are never both given, and an operator looks before anybody has the
money. Amounts in yen.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Order:
    """What was ordered: `sheets` and `fee` of all `copies` together."""

    sheets: int
    copies: int
    fee: int


@dataclass(frozen=True)
class Shares:
    """Of the fee: the city's, the resident's, and what nobody may have before an operator has
    looked.
    """

    kept: int
    returned: int
    held: int


def shares(order: Order, printed: int, doubtful: bool) -> Shares:
    """`printed`: sheets that are certainly out. `doubtful`: nobody can tell whether the next one
    is.

    Sheets come out copy by copy, and one at a time. An order whose numbers do not divide is treated
    as one copy.
    """
    copies = order.copies if _divides(order) else 1
    sheets, fee = order.sheets // copies, order.fee // copies
    if not sheets:
        return Shares(kept=0, returned=order.fee, held=0)
    whole, begun = divmod(printed, sheets)
    in_between = 1 if whole < copies and (begun or doubtful) else 0
    return Shares(
        kept=whole * fee, returned=(copies - whole - in_between) * fee, held=in_between * fee
    )


def _divides(order: Order) -> bool:
    return order.copies > 0 and order.sheets % order.copies == 0 and order.fee % order.copies == 0
