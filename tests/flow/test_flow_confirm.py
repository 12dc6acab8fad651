"""What is confirmed is what will be printed, of whom, and whose card it is; when the person leaves,
it is gone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from flow_rig import (
    HOLDER,
    HOUSEHOLD,
    OFFERS,
    Ended,
    Rig,
    at_certificates,
    at_confirm,
    at_paying,
    session_for,
)

from firmware.flow import commands, events
from firmware.flow.offers import Answers, Choice, Holder, Offer, Option
from firmware.flow.screens import Facts, confirm
from firmware.flow.states import State

PRIVATE = (HOLDER.name, HOLDER.birth, HOLDER.address, *(member.name for member in HOUSEHOLD))


def facts(answers: Answers, offer: Offer = OFFERS[0], holder: Holder = HOLDER) -> Facts:
    session = session_for(State.CONFIRM)
    return confirm(
        replace(session, holder=holder, offers=(offer,), kind=offer.kind, answers=answers)
    )


def test_the_holder_is_shown_as_printed() -> None:
    shown = at_confirm().flow.screen.facts["holder"]
    assert shown == {"name": HOLDER.name, "birth": HOLDER.birth, "address": HOLDER.address}


@pytest.mark.parametrize(
    ("scope", "chosen", "names", "omitted"),
    [
        ("self", (), [], []),
        ("self", ("b",), [], []),  # an answer to a question that is not asked any more
        ("some", ("b",), ["乙"], ["甲"]),
        ("some", ("b", "a"), ["甲", "乙"], []),  # in the household's order
        ("household", (), ["甲", "乙"], []),
    ],
)
def test_the_people_on_the_sheets(
    scope: str, chosen: tuple[str, ...], names: list[str], omitted: list[str]
) -> None:
    answers = (("scope", (scope,)), ("members", chosen), ("copies", ("1",)))
    people = facts(answers)["people"]
    assert (people["scope"], people["names"], people["omitted"]) == (scope, names, omitted)


def test_the_whole_household_is_everybody_the_city_named_and_not_who_was_on_offer() -> None:
    scope = Option("scope", "one", (Choice("household"),), ("household",))
    few = Option("members", "many", HOUSEHOLD[:1], minimum=1, when=("scope", "some"))
    shown = facts(
        (("scope", ("household",)),), Offer("juminhyo", (("ja", "題"),), 100, options=(scope, few))
    )
    people = shown["people"]
    assert (people["names"], people["omitted"]) == (["甲", "乙"], [])


def test_two_people_of_one_name_are_two() -> None:
    twins = replace(HOLDER, household=(Choice("a", "甲"), Choice("b", "甲")))
    shown = facts((("scope", ("some",)), ("members", ("b",))), holder=twins)
    people = shown["people"]
    assert (people["names"], people["omitted"]) == (["甲"], ["甲"])


@pytest.mark.parametrize("begin", [at_certificates, at_confirm, at_paying])
def test_nothing_of_the_person_is_left_after_leaving(begin: Callable[[], Rig]) -> None:
    rig = begin()
    assert rig.flow.session.holder == HOLDER
    with suppress(Ended):  # the process ends there, with all that was in it
        rig.touch("cancel")
        rig.settle()
    assert rig.flow.session.holder is None
    assert not [value for value in PRIVATE if value in str(rig.flow.screen.facts)]


def test_no_repr_tells_who_it_is() -> None:
    rig = at_certificates()
    rig.touch("choose", "inkan")
    opened = events.SessionOpened(epoch=1, offers=OFFERS, expires_in_days=1, holder=HOLDER)
    screens = rig.all(commands.ShowScreen)
    for told in (opened, HOLDER, rig.flow.session, rig.flow.screen, rig.flow.moment, screens):
        assert not [value for value in PRIVATE if value in repr(told)]
    assert HOLDER.address in str(screens[-1].screen.facts)  # it is there, and is not told
