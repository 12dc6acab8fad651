"""Whose the fee is, for every order of up to four copies of up to four sheets, cut anywhere."""

from __future__ import annotations

from itertools import product

import pytest

from firmware.flow.settlement import Order, Shares, shares

COPIES, SHEETS, FEES = range(1, 5), range(1, 5), (0, 100, 300)
ORDERS = [
    Order(copies * sheets, copies, copies * fee)
    for copies, sheets, fee in product(COPIES, SHEETS, FEES)
]
CUTS = [
    (order, printed, doubtful)
    for order in ORDERS
    for printed in range(order.sheets + 1)
    for doubtful in (False, True)
    if not (doubtful and printed == order.sheets)
]


def copy_by_copy(order: Order, printed: int, doubtful: bool) -> Shares:
    """The rule in other words: look at each copy, at the sheets of it that are out and those that
    may be.
    """
    sheets, fee = order.sheets // order.copies, order.fee // order.copies
    sums = {"kept": 0, "returned": 0, "held": 0}
    for copy in range(order.copies):
        out = [printed > copy * sheets + n for n in range(sheets)]
        may_be = [printed + doubtful > copy * sheets + n for n in range(sheets)]
        sums["kept" if all(out) else "held" if any(may_be) else "returned"] += fee
    return Shares(**sums)


@pytest.mark.parametrize(("order", "printed", "doubtful"), CUTS)
def test_every_cut(order: Order, printed: int, doubtful: bool) -> None:
    found = shares(order, printed, doubtful)
    assert found == copy_by_copy(order, printed, doubtful)
    assert found.kept + found.returned + found.held == order.fee


def test_a_copy_that_may_be_out_is_never_paid_back() -> None:
    for order, printed, doubtful in CUTS:
        whole = (printed + doubtful) * order.copies // order.sheets
        assert (
            shares(order, printed, doubtful).returned
            <= order.fee - whole * order.fee // order.copies
        )


@pytest.mark.parametrize("order", [Order(3, 2, 200), Order(2, 2, 150 + 1), Order(2, 0, 100)])
def test_numbers_that_do_not_divide_are_one_copy(order: Order) -> None:
    assert shares(order, 0, doubtful=False).returned == order.fee
    assert shares(order, 1, doubtful=False).held == order.fee
    assert shares(order, order.sheets, doubtful=False).kept == order.fee


def test_without_an_order_there_is_no_fee() -> None:
    assert shares(Order(0, 1, 0), 0, doubtful=False) == Shares(0, 0, 0)
