"""A simulated day: a few residents with much trouble, on the whole system; and what the judge of a
day finds when a kiosk does what none may do.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from testbed.demo import FOLDER
from testbed.field_day.command import report
from testbed.field_day.day import play_day
from testbed.field_day.judge import MOST_SCREENS, Stay, Told, check_stay
from testbed.field_day.troubles import COINS, LINE, Dice
from testbed.field_day.visitors import choose_visitor

SERVED = Stay(
    number=7, card="taro", typed=1, sent=1, tries_before=3, tries_after=3, pages=1, thanked=True
)
TRANSIT = Stay(
    number=8, card="transit", right="not-mynumber", told=[Told("refused", "not-mynumber")]
)
AWAY = Stay(number=9, card="taro", told=[Told("refused", "card-unreadable")])


@pytest.mark.wires
@pytest.mark.timeout(600)
def test_a_day_with_much_trouble_is_judged() -> None:
    told: list[str] = []
    day = asyncio.run(play_day(FOLDER, residents=3, percent=20.0, seed=3, report=told.append))
    assert day.findings == []
    assert (len(day.stays), len(told)) == (3, 1)
    assert {"card", "coins", "line", "sheets"} <= {device for device, _ in day.injected}
    figures = report(day)
    assert figures["residents"] == 3
    assert figures["served"] + figures["told_rightly"] + sum(figures["turned_away"].values()) == 3


@pytest.mark.parametrize("stay", [SERVED, TRANSIT, AWAY])
def test_the_judge_is_silent_when_all_is_well(stay: Stay) -> None:
    assert list(check_stay(stay)) == []


@pytest.mark.parametrize(
    ("stay", "says"),
    [
        (replace(SERVED, tries_after=2), "3 tries before, and has 2"),
        (replace(SERVED, sent=2), "1 PINs were typed, and the card got 2"),
        (replace(SERVED, called_wrong=1), "called wrong"),
        (replace(AWAY, told=[Told("refused", "not-mynumber")]), "'not-mynumber' of a good card"),
        (replace(AWAY, told=[Told("refused", "pin-locked")]), "'pin-locked' of a good card"),
        (replace(AWAY, told=[Told("trouble", "unheard-of")]), "'unheard-of' of a good card"),
        (replace(TRANSIT, told=[Told("refused", "card-expired")]), "a card that is not-mynumber"),
        (replace(TRANSIT, pages=1), "came out for a card that is not-mynumber"),
        (replace(SERVED, pages=0), "no paper"),
        (replace(SERVED, stuck="hold"), "no progress on 'hold'"),
        (replace(SERVED, home=["hold"] * (MOST_SCREENS + 1)), "none was the first one"),
        (replace(SERVED, no_reason=1), "without a reason"),
    ],
)
def test_the_judge_names_what_is_wrong(stay: Stay, says: str) -> None:
    (found,) = check_stay(stay)
    assert found.number == stay.number
    assert says in found.what


# -- chance


def draws(seed: int, visitor: int, polls: int = 0) -> list[str | None]:
    dice = Dice(seed, 20.0)
    dice.calm = False
    dice.next_visitor(visitor)
    for _ in range(polls):
        dice.draw("coins", COINS, "2 229")
    return [dice.draw("coins", COINS, "3 167") for _ in range(50)]


def test_trouble_depends_on_the_seed_and_the_count_of_exchanges() -> None:
    assert draws(1, 4) == draws(1, 4)
    assert draws(1, 4) == draws(1, 4, polls=9), "how often is polled moves nothing else"
    assert draws(1, 4) != draws(2, 4)
    assert draws(1, 4) != draws(1, 5)


def test_so_many_of_a_hundred_go_wrong() -> None:
    dice = Dice(0, 5.0)
    dice.calm = False
    wrong = sum(dice.draw("line", LINE) is not None for _ in range(4000))
    assert 140 < wrong < 260
    assert dice.injected.total() == wrong
    assert {kind for _, kind in dice.injected} == set(LINE)


def test_nothing_goes_wrong_while_it_is_calm() -> None:
    dice = Dice(0, 100.0)
    assert dice.draw("line", LINE) is None


def test_a_seed_brings_the_same_people() -> None:
    people = [choose_visitor(5, number) for number in range(200)]
    assert people == [choose_visitor(5, number) for number in range(200)]
    kinds = Counter(visitor.right for visitor in people)
    assert {"not-mynumber", "card-expired", "pin-locked", "card-revoked"} < kinds.keys()
    assert kinds[""] > 140
