"""What a screen knows of the person in front of it, so that its words can be true."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flow_rig import OFFERS, Ended, Rig, at_certificates, at_menu, at_printing, placed, session_for

from firmware.flow import commands, events
from firmware.flow.offers import Offer
from firmware.flow.session import Presence
from firmware.flow.states import State
from firmware.flow.timers import Timer
from testbed.world.samples import OPEN


def at_last_try(rig: Rig) -> None:
    rig.put_card()
    rig.answer("card", "card-read 1")
    assert rig.flow.state is State.LASTTRY


def test_the_last_try_of_somebody_who_has_not_typed_yet() -> None:
    rig = at_menu()
    at_last_try(rig)
    assert rig.flow.screen.facts["typed"] is False
    rig.touch("try")
    assert rig.flow.screen.facts["typed"] is False
    rig.pin()
    rig.answer("card", "card-read 1")  # the answer to the PIN was lost
    assert (rig.flow.state, rig.flow.screen.facts["typed"]) == (State.LASTTRY, True)


def test_another_card_has_not_been_typed_for() -> None:
    rig = at_menu()
    at_last_try(rig)
    rig.touch("try")
    rig.pin()
    rig.put_card()
    rig.send(events.CardRead(epoch=rig.flow.session.epoch, tries=3))
    assert (rig.flow.state, rig.flow.screen.facts["typed"]) == (State.PIN, False)


def test_the_total_of_the_questions_never_changes() -> None:
    rig = at_certificates()
    rig.touch("choose", "juminhyo")
    seen = [(rig.flow.screen.facts["step"], rig.flow.screen.facts["steps"])]
    rig.touch("pick", "some")
    rig.touch("next")
    seen.append((rig.flow.screen.facts["step"], rig.flow.screen.facts["steps"]))
    assert rig.flow.screen.facts["option"] == "members"
    rig.touch("pick", "b")
    rig.touch("next")
    seen.append((rig.flow.screen.facts["step"], rig.flow.screen.facts["steps"]))
    assert seen == [(1, 2), (1, 2), (2, 2)]


def test_members_have_positions() -> None:
    rig = at_certificates()
    rig.touch("choose", "juminhyo")
    rig.touch("pick", "some")
    rig.touch("next")
    choices = rig.flow.screen.facts["choices"]
    assert [(each["position"], each["own"]) for each in choices] == [(1, True), (2, False)]
    assert rig.flow.screen.facts["kind"] == "juminhyo"


@pytest.mark.parametrize("today", [("06:30", "23:00"), None])
def test_the_menu_knows_the_hours_of_today(today: tuple[str, str] | None) -> None:
    rig = at_menu()
    rig.send(events.TermsReceived(terms=replace(OPEN, today=today)))
    expected = today and {"from": today[0], "until": today[1]}
    assert rig.flow.screen.facts["hours"] == expected


def test_a_refused_certificate_tells_when_that_ends() -> None:
    ends = "2026-11-25T06:30:00+09:00"
    refused = Offer("late", (("ja", "証明書"),), 100, "notice-in-process", opens_at=ends)
    session = replace(session_for(State.CERTIFICATES), offers=(refused, *OFFERS))
    flow = placed(State.CERTIFICATES, session)
    flow.handle(events.Touch(screen=flow.screen.number, action="choose", value="late"))
    assert (flow.state, flow.screen.facts["opens_at"]) == (State.NOTOFFERED, ends)
    assert flow.screen.facts["kind"] == "late"
    flow.handle(events.Touch(screen=flow.screen.number, action="back"))
    assert flow.session.opens_at == ""


# -- the time is up


@pytest.mark.parametrize("state", [State.PLACE, State.CERTIFICATES, State.OPTIONS, State.CONFIRM])
def test_who_was_too_slow_is_told_that_nothing_was_charged(state: State) -> None:
    absent = replace(session_for(state), presence=Presence.ABSENT, stay="", inserted=0)
    flow = placed(state, absent)
    flow.handle(events.TimerFired(name=Timer.LIMIT, generation=flow.moment.limit))
    assert (flow.state, flow.screen.facts["code"]) == (State.REFUSED, "too-slow")
    assert flow.screen.facts["returned"] == 0
    assert flow.session.holder is None


@pytest.mark.parametrize("state", [State.PIN, State.LASTTRY])
def test_who_was_too_slow_with_the_card_there_is_told_beside_what_is_asked(state: State) -> None:
    flow = placed(state)
    done = flow.handle(events.TimerFired(name=Timer.LIMIT, generation=flow.moment.limit))
    assert (flow.state, flow.screen.facts["notice"]) == (State.TAKECARD, "time-is-up")
    assert commands.ForgetPin() in done


def test_the_thanks_stay_until_a_touch_or_the_next_person() -> None:
    def at_thanks() -> Rig:
        rig = at_printing()
        rig.answer("sheets")
        rig.settle()
        rig.send(events.PaperTaken())
        rig.touch("ok")
        assert rig.flow.state is State.THANKS
        return rig

    assert at_thanks().due[Timer.LIMIT] >= 30
    with pytest.raises(Ended):
        at_thanks().touch("ok")
    rig = at_thanks()
    rig.put_card()
    assert rig.flow.state is State.TAKECARD
    with pytest.raises(Ended):
        rig.send(events.CardAbsent())
