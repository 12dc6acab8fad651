"""What counts, flags and levels mean: pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.cash import hopper_test
from hal.cash.contract import CashStatus, Dispense, HopperCount, HopperLevel
from hal.cash.hopper_test import FLAGS, FlagMeaning, why_short
from hal.cash.payout import DispenseOrder, Pace, Watch, short
from hal.faults import Reason

ORDER = Dispense(3, 100, coins=4, events=7)
WHOLE = HopperCount(3, 100, events=8, remaining=0, paid=4, unpaid=0)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (WHOLE, 4),
        (replace(WHOLE, paid=3), None),  # nothing says why
        (replace(WHOLE, paid=3, unpaid=1), None),
        (replace(WHOLE, paid=3, unpaid=1, reason=Reason.HOPPER_EMPTY), 3),
        (
            replace(WHOLE, paid=3, unpaid=0, reason=Reason.HOPPER_EMPTY),
            None,
        ),  # its figures do not agree
        (replace(WHOLE, paid=3, unpaid=1, reason=Reason.UNCERTAIN), None),
        (replace(WHOLE, reason=Reason.UNCERTAIN), None),
        (replace(WHOLE, paid=5), None),
        (replace(WHOLE, remaining=1), None),
        (replace(WHOLE, events=7), 0),
        (replace(WHOLE, events=9), None),
        (replace(WHOLE, events=0), None),
    ],
)
def test_what_came_out(count: HopperCount, expected: int | None) -> None:
    assert ORDER.coins_out(count) == expected


def test_a_counter_at_zero_before_and_after_may_be_a_reset() -> None:
    order = replace(ORDER, events=0)
    assert order.coins_out(replace(WHOLE, events=0, paid=0)) is None
    assert order.coins_out(replace(WHOLE, events=1)) == 4
    assert replace(ORDER, events=255).coins_out(replace(WHOLE, events=1)) == 4


# flags

ALL = [
    (register, bit, flag) for register, table in enumerate(FLAGS) for bit, flag in enumerate(table)
]


def with_bit(register: int, bit: int) -> bytes:
    return bytes(1 << bit if n == register else 0 for n in range(3))


def test_every_bit_of_the_specification_has_a_meaning() -> None:
    assert [len(table) for table in FLAGS] == [8, 8, 5]
    assert len({flag for _, _, flag in ALL}) == 21


@pytest.mark.parametrize(("register", "bit", "flag"), ALL)
def test_every_flag(register: int, bit: int, flag: hopper_test.Flag) -> None:
    raised = with_bit(register, bit)
    expected = {FlagMeaning.NOTE: None, FlagMeaning.SHORT: flag.reason}.get(
        flag.kind, Reason.UNCERTAIN
    )
    assert why_short(raised) is expected
    assert why_short(raised, before=raised) is (
        expected if flag.kind is FlagMeaning.SHORT else None
    )
    assert hopper_test.describe(raised) == flag.text


def test_a_doubt_wins_over_an_explanation() -> None:
    assert why_short(b"\x22\x01\x00") is Reason.UNCERTAIN
    assert why_short(b"\x02") is Reason.HOPPER_EMPTY
    assert why_short(b"\x20") is why_short(b"\x01") is why_short(b"\x00\x10") is Reason.COIN_JAM
    assert (
        why_short(b"") is why_short(bytes(3)) is why_short(b"\x04") is None
    )  # a reversed motor went on


@given(st.binary(max_size=5), st.binary(max_size=5))
def test_any_registers_have_a_meaning(registers: bytes, before: bytes) -> None:
    hopper_test.describe(registers)
    why_short(registers, before)


# one payout, watched

PACE = Pace(follow_s=0.05, stall_s=15, lag_s=1)
REST = HopperCount(3, 100, events=1, remaining=0, paid=0, unpaid=0)


def watching(coins: int = 2, before: int = 0) -> Watch:
    return Watch(
        DispenseOrder(coins, 1, replace(REST, events=0, paid=before), b"\x00"), PACE, now=0
    )


def test_a_late_count_is_waited_for() -> None:
    watch = watching()
    assert watch.look(replace(REST, paid=1), now=0.2) is None
    assert not watch.at_rest
    outcome = watch.look(replace(REST, paid=2), now=0.5)
    assert outcome is not None
    assert (outcome.coins, outcome.reason) == (2, None)


def test_it_is_at_rest_only_after_the_lag() -> None:
    watch = watching()
    for now in (0.2, 0.7, 1.1):
        assert watch.look(replace(REST, paid=1), now) is None
        assert not watch.at_rest
    watch.look(replace(REST, paid=1), now=1.3)
    assert watch.at_rest


def test_the_count_of_the_payout_before_is_not_taken_for_this_one() -> None:
    watch = watching(coins=2, before=2)
    assert watch.look(replace(REST, paid=2), now=0.1) is None
    assert watch.look(replace(REST, paid=0, remaining=2), now=0.2) is None
    done = watch.look(replace(REST, paid=2), now=1.1)
    assert done is not None
    assert done.reason is None


def test_short_is_certain_only_when_the_hopper_says_why_and_its_figures_agree() -> None:
    order = DispenseOrder(2, 1, REST, b"\x00")
    one = replace(REST, paid=1, unpaid=1)
    assert short(order, one, b"\x02").reason is Reason.HOPPER_EMPTY
    assert short(order, one, b"\x00").reason is Reason.UNCERTAIN
    assert short(order, replace(one, unpaid=0), b"\x02").reason is Reason.UNCERTAIN
    assert "2 due, 1 paid, 1 unpaid" in short(order, one, b"\x00").detail


# what change there is


def status(**least: int) -> CashStatus:
    return CashStatus(
        True, tuple(HopperLevel(int(name[1:]), coins) for name, coins in least.items())
    )


@pytest.mark.parametrize(
    ("held", "exact"),
    [
        (status(v10=10, v100=10), False),
        (status(v10=9, v100=4), False),
        (status(v10=8, v100=4), True),  # 90
        (status(v10=10, v100=3), True),
        (status(v10=4, v50=1, v100=4), False),
        (status(v10=10, v50=10, v100=0), False),
        (status(v10=0, v50=10, v100=10), True),
        (status(v50=99, v100=99), True),
        (status(), True),
        (CashStatus(), True),
    ],
)
def test_exact_money_only(held: CashStatus, exact: bool) -> None:
    assert held.exact_only is exact


@given(
    st.dictionaries(st.sampled_from([10, 50, 100, 500]), st.integers(0, 12)),
    st.integers(0, 120).map(lambda tens: tens * 10),
)
def test_can_pay_is_right_by_trying_every_way(held: dict[int, int], amount: int) -> None:
    reachable = {0}
    for value, coins in held.items():
        reachable = {sum_ + n * value for sum_ in reachable for n in range(coins + 1)}
    levels = tuple(HopperLevel(value, coins) for value, coins in held.items())
    assert CashStatus(True, levels).can_pay(amount) == (amount in reachable)
