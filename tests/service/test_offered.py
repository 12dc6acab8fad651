"""Questions of a city that is mixed up are no questions."""

from __future__ import annotations

from typing import Any

import pytest

from firmware.link import messages
from firmware.link.client import LineFault
from firmware.service.offered import LANGUAGE, NAMED_BY_TEXTS, NO_CHOICES, check_offers
from firmware.texts.texts import Texts, languages


def option(name: str, type_: str, choices: tuple[str, ...] = (), **more: Any) -> messages.Option:
    return messages.Option(
        id=name, type=type_, choices=tuple(messages.Choice(id=c) for c in choices), **more
    )  # type: ignore[arg-type]


def offer(*options: messages.Option, kind: str = "juminhyo") -> messages.Offer:
    return messages.Offer(
        kind=kind, title={"ja": "住民票の写し"}, fee=100, refusal=None, options=options
    )


COPIES = option("copies", "count", default=("1",), minimum=1, maximum=3)
SCOPE = option("scope", "one", ("self", "household"), default=("self",), minimum=1, maximum=1)
FIELDS = option("fields", "many", ("relationship", "mynumber"), maximum=2)
YEAR = option("year", "one", ("y2026", "y2025"), default=("y2026",))


def test_a_question_may_depend_on_one_before_it() -> None:
    check_offers([offer(SCOPE, option("fields", "many", ("mynumber",), when=("scope", "self")))])


def test_the_questions_of_the_forms_are_taken() -> None:
    check_offers(
        [offer(SCOPE, FIELDS, COPIES), offer(YEAR, COPIES, kind="kazei"), offer(kind="inkan")]
    )


@pytest.mark.parametrize(
    "options",
    [
        (option("copies", "count", default=("abc",), minimum=1, maximum=3),),
        (option("copies", "count", default=("4",), minimum=1, maximum=3),),
        (option("copies", "count", default=("1", "2"), minimum=1, maximum=3),),
        (option("copies", "count", minimum=0, maximum=3),),
        (option("copies", "count", minimum=3, maximum=1),),
        (option("copies", "count", minimum=1, maximum=99),),
        (option("copies", "many", ("1",)),),
        (option("copies", "one", ("x",), default=("x",)),),
        (option("fields", "many", ("relationship",), default=("mynumber",)),),
        (option("fields", "many", ("relationship", "relationship")),),
        (option("fields", "one", ("relationship",)),),
        (option("fields", "many", ("relationship",), minimum=2, maximum=2),),
        (option("scope", "one", ()),),
        (option("scope", "one", ("self", "household"), default=("self", "household")),),
        (option("language", "one", ("ja",)),),
        (option("scope", "one", ("self", "family")),),  # said of a certificate, never asked
        (option("scope", "one", ("self", "chosen")),),
        (option("scope", "one", ("self", "neighbours")),),  # no language has words for these
        (option("fields", "many", ("relationship", "nationality")),),
        (option("fields", "many", ("question",)),),
        (FIELDS, FIELDS),
        # asked behind an answer that comes later, that nobody can give, or of their own
        (option("scope", "one", ("self",), when=("fields", "mynumber")), FIELDS),
        (SCOPE, option("fields", "many", ("mynumber",), when=("scope", "some"))),
        (SCOPE, option("fields", "many", ("mynumber",), when=("fields", "mynumber"))),
    ],
)
def test_a_question_that_no_form_has_is_refused(options: tuple[messages.Option, ...]) -> None:
    with pytest.raises(LineFault):
        check_offers([offer(*options)])


@pytest.mark.parametrize("language", languages())
def test_every_choice_that_is_taken_has_words_in_every_language(language: str) -> None:
    for name in NAMED_BY_TEXTS:
        own, known = Texts.load(language), Texts.load(LANGUAGE).known
        choices = [key for key in known if key.startswith(f"option.{name}.")]
        assert all(map(own.has, choices))
        no_choices = {"question", "label"} | ({"family", "chosen"} if name == "scope" else set())
        assert NO_CHOICES >= no_choices < {key.rpartition(".")[2] for key in choices}


def test_two_offers_of_one_kind_are_refused() -> None:
    with pytest.raises(LineFault):
        check_offers([offer(COPIES), offer(COPIES)])
