"""What the city says about a session, as the journey hears it: of one piece, and named by what will
be compared.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from firmware.flow import offers
from firmware.link import messages
from firmware.link.client import LineFault, LineReason
from firmware.service import terms

MEMBERS = {"m1": "明石　太郎", "m2": "明石　花子", "m3": "明石　葛\U000e0102之介"}
BIRTH, ADDRESS = "昭和55年5月14日", "兵庫県明石市大久保町ゆりのき通一丁目98番7号"


HOUSEHOLD = tuple(messages.Choice(id=key, name="明石　太郎") for key in MEMBERS)


def option(id_: str, *choices: messages.Choice) -> messages.Option:
    return messages.Option(id=id_, type="one" if id_ == "year" else "many", choices=choices)


def answer(*options: messages.Option, **more: Any) -> messages.SessionAnswer:
    offer = messages.Offer(
        kind="juminhyo", title={"ja": "住民票の写し"}, fee=300, refusal=None, options=options
    )
    told = messages.SessionAnswer(
        session="5" * 32,
        holder="m2",
        holder_birth=BIRTH,
        holder_address=ADDRESS,
        members=MEMBERS,
        records={},
        record_version=1,
        offers=(offer,),
        card_expires_in_days=900,
        ends_in_s=900,
    )
    return replace(told, **more)


def shown(id_: str, choice: str, name: str) -> str:
    """What the screen calls this choice."""
    opened = terms.session_opened(1, answer(option(id_, messages.Choice(id=choice, name=name))))
    return opened.offers[0].options[0].choices[0].name


@pytest.mark.parametrize(
    "asked",
    [HOUSEHOLD[::-1], HOUSEHOLD[1:], (HOUSEHOLD[0], HOUSEHOLD[2], HOUSEHOLD[1])],
    ids=["turned round", "without the first", "two exchanged"],
)
def test_people_are_asked_for_in_the_order_in_which_they_are_confirmed(
    asked: tuple[messages.Choice, ...],
) -> None:
    """Who hears the kiosk chooses the second person: it must be the second one to confirm, too."""
    with pytest.raises(LineFault) as fault:
        terms.session_opened(1, answer(option("members", *asked)))
    assert fault.value.reason is LineReason.MALFORMED


def test_when_a_refusal_ends_by_itself_is_passed_on() -> None:
    (offer,) = answer().offers
    refused = replace(
        offer, refusal=messages.RefusalCode.NOTICE_IN_PROCESS, opens_at="2026-11-25T06:30:00+09:00"
    )
    told = terms.session_opened(
        1, replace(answer(), offers=(refused, replace(offer, kind="inkan")))
    )
    assert [each.opens_at for each in told.offers] == ["2026-11-25T06:30:00+09:00", ""]


def test_the_holder_is_told_with_name_birth_date_and_address() -> None:
    holder = terms.session_opened(7, answer()).holder
    assert (holder.name, holder.birth, holder.address) == ("明石　花子", BIRTH, ADDRESS)
    assert holder.household == tuple(offers.Choice(key, name) for key, name in MEMBERS.items())


@pytest.mark.parametrize(
    "wrong",
    [
        {"holder": "m9"},
        {"holder_birth": ""},
        {"holder_address": "　 \n"},
        {"members": {**MEMBERS, "m2": ""}},
        {"members": {**MEMBERS, "m3": " "}},
    ],
    ids=[
        "holder of no household",
        "no birth date",
        "blank address",
        "nameless holder",
        "nameless member",
    ],
)
def test_an_answer_that_leaves_nothing_to_be_confirmed_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(LineFault) as fault:
        terms.session_opened(1, answer(**wrong))
    assert fault.value.reason is LineReason.MALFORMED


def test_people_and_years_are_called_what_the_document_will_call_them() -> None:
    """An option that names the second person as the first, or one year as another, changes nothing
    on the screen.
    """
    opened = terms.session_opened(1, answer(option("members", *HOUSEHOLD)))
    assert [each.name for each in opened.offers[0].options[0].choices] == [*MEMBERS.values()]
    assert shown("year", "y2025", "令和8年度") == "令和7年度"
    assert shown("year", "y2019", "") == "平成31年度"
    assert shown("fields", "mynumber", "続柄") == ""  # the texts know it


@pytest.mark.parametrize(("id_", "choice"), [("members", "m9"), ("year", "y1"), ("year", "latest")])
def test_a_person_or_a_year_that_does_not_exist_is_not_offered(id_: str, choice: str) -> None:
    with pytest.raises(LineFault):
        shown(id_, choice, "名")


def test_nothing_of_the_person_is_in_a_repr() -> None:
    opened = terms.session_opened(1, answer(option("members", *HOUSEHOLD)))
    for told in (opened, opened.holder, opened.offers, answer()):
        assert not [value for value in (*MEMBERS.values(), BIRTH, ADDRESS) if value in repr(told)]
