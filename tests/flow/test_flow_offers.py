"""Picking among options: whatever is touched, in whatever order, an answer stays one the city
knows.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.flow.offers import (
    Choice,
    Offer,
    Option,
    asked,
    copies,
    defaults,
    localized,
    order_choices,
    pick,
    valid,
)

IDS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5, unique=True)
TOUCHES = st.lists(st.sampled_from([*"abcdefx", "more", "less", ""]), max_size=12)


@st.composite
def options(draw: st.DrawFn) -> Option:
    kind = draw(st.sampled_from(["one", "many", "count"]))
    ids = draw(IDS)
    minimum = draw(st.integers(0, 3))
    if kind == "count":
        return Option(
            "copies", kind, minimum=minimum, maximum=draw(st.integers(max(minimum, 1), 9))
        )
    return Option(
        "o", kind, tuple(Choice(i) for i in ids), default=(ids[0],), minimum=min(minimum, len(ids))
    )


@given(options(), TOUCHES)
def test_touches_never_leave_what_is_known(option: Option, touches: list[str]) -> None:
    offer = Offer("k", (("ja", "題"),), 100, options=(option,))
    chosen = dict(defaults(offer))[option.id]
    for value in touches:
        chosen = pick(option, chosen, value)
        if option.type == "many":
            assert set(chosen) <= {c.id for c in option.choices}
            assert valid(option, chosen) is (option.minimum <= len(chosen))
        else:
            assert valid(option, chosen)


@given(options().filter(lambda o: o.type == "many"), st.sampled_from("abcdef"))
def test_a_second_touch_takes_the_first_back(option: Option, value: str) -> None:
    assert pick(option, pick(option, option.default, value), value) == option.default


@given(options(), st.lists(st.text(max_size=3), max_size=3))
def test_what_is_not_offered_is_no_answer(option: Option, chosen: list[str]) -> None:
    if valid(option, tuple(chosen)):
        assert option.type == "count" or set(chosen) <= {c.id for c in option.choices}


def test_a_question_is_asked_only_when_its_reason_was_chosen() -> None:
    scope = Option("scope", "one", (Choice("self"), Choice("some")), default=("self",))
    members = Option(
        "members", "many", (Choice("a"), Choice("b")), minimum=1, when=("scope", "some")
    )
    offer = Offer(
        "k", (), 100, options=(scope, members, Option("copies", "count", minimum=1, maximum=3))
    )
    answers = defaults(offer)
    assert [o.id for o in asked(offer, answers)] == ["scope", "copies"]
    assert order_choices(offer, answers) == (("scope", ("self",)),)
    some = (("scope", ("some",)), ("members", ("a",)), ("copies", ("2",)))
    assert [o.id for o in asked(offer, some)] == ["scope", "members", "copies"]
    assert order_choices(offer, some) == (("scope", ("some",)), ("members", ("a",)))
    assert (copies(answers), copies(some), copies(())) == (1, 2, 1)


def test_an_answer_left_over_from_another_choice_is_not_ordered() -> None:
    members = Option("members", "many", (Choice("a"),), when=("scope", "some"))
    offer = Offer(
        "k", (), 100, options=(Option("scope", "one", (Choice("self"), Choice("some"))), members)
    )
    assert order_choices(offer, (("scope", ("self",)), ("members", ("a",)))) == (
        ("scope", ("self",)),
    )


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "住民票"),
        ("ja-easy", "住民票"),
        ("en", "Certificate"),
        ("vi", "Certificate"),
        ("ko", "주민표"),
    ],
)
def test_a_city_that_lacks_a_language_is_read_in_another(language: str, text: str) -> None:
    assert localized((("ko", "주민표"), ("ja", "住民票"), ("en", "Certificate")), language) == text


def test_words_of_a_city_without_the_usual_languages_are_its_first_or_none() -> None:
    assert localized((("ko", "주민표"), ("vi", "")), "vi") == "주민표"
    assert localized((), "ja") == ""


def test_names_stay_out_of_reprs() -> None:
    assert "甲" not in repr(Choice("a", "甲"))
