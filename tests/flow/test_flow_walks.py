"""Random walks of a person, a card, a city and devices that answer in any order, well, badly or too late.

Whatever happens: money is conserved, no permit is ever refused, no step that needs an empty reader lasts with a card
or an unknown reader, and at the end nothing is outstanding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from flow_rig import OPEN, SPECS, VALUES, Ended, Rig, at_certificates, at_menu, at_paying, at_printing
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.session import Presence
from firmware.flow.states import CardPolicy, Phase, State


# A walk from the door seldom gets to the till: most begin further in.
STARTS = (
    at_menu,
    at_certificates,
    at_paying,
    partial(at_paying, 3),
    at_printing,
    partial(at_printing, 1, 500),
    partial(at_printing, 3, 500),
)


class Walk(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.rig = Rig().start()

    @initialize(start=st.sampled_from(STARTS))
    def somewhere(self, start: Callable[[], Rig]) -> None:
        self.rig = start()

    def act(self, method, *args, **kwargs) -> None:  # type: ignore[no-untyped-def]
        """Do it; when the journey ends the books are checked and the next process starts."""
        try:
            method(*args, **kwargs)
        except Ended:
            self.check_the_end()
            self.rig = Rig().start()

    def check_the_end(self) -> None:
        rig, session = self.rig, self.rig.flow.session
        outcomes, released = rig.all(c.ReportOutcome), bool(rig.all(c.ReleaseOrder))
        kept = sum(outcome.kept for outcome in outcomes)
        assert session.inserted == session.returned + session.owed + kept
        assert session.owed >= 0
        assert len(outcomes) == released, "a released order is reported exactly once"
        assert not (kept and session.printed != rig.permits.facts.printed)
        if rig.all(c.OpenSession) and not kept and not released:
            assert rig.all(c.CancelAtCity), "the city still holds a session"
        if rig.all(c.ReadCard) or rig.stays:
            assert session.presence is Presence.ABSENT or not rig.all(c.ReadCard), "a card is left behind"
        assert not session.digits and not session.accepting
        if session.owed:
            assert rig.all(c.OpenCase), "money is owed and nobody knows"

    # -- the person

    @rule()
    def put_card(self) -> None:
        self.act(self.rig.put_card)

    @rule()
    def lift_card(self) -> None:
        self.act(self.rig.send, e.CardAbsent())

    @rule()
    def lose_reader(self) -> None:
        self.act(self.rig.send, e.CardUnknown())

    @precondition(lambda self: self.rig.flow.screen.actions)
    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        action = data.draw(st.sampled_from(self.rig.flow.screen.actions))
        self.act(self.rig.touch, action, data.draw(st.sampled_from(VALUES.get(action, ("",)))))

    @precondition(lambda self: self.rig.flow.state is State.PIN)
    @rule(digits=st.integers(1, 4))
    def type_digits(self, digits: int) -> None:
        for count in range(1, digits + 1):
            self.act(self.rig.send, e.PinDigit(screen=self.rig.flow.screen.number, count=count))
        self.act(self.rig.touch, "enter")

    @precondition(lambda self: self.rig.slot)
    @rule(value=st.sampled_from([10, 50, 100, 500]))
    def insert(self, value: int) -> None:
        self.act(self.rig.coin, value)

    @precondition(lambda self: self.rig.slot)
    @rule()
    def coin_falls_through(self) -> None:
        self.act(self.rig.send, e.CoinReturned())

    # -- the world

    @precondition(lambda self: any(self.rig.lanes.values()))
    @rule(data=st.data(), outcome=st.sampled_from(["good"] * 6 + ["bad", "worse"]), number=st.integers(0, 2))
    def answer(self, data: st.DataObject, outcome: str, number: int) -> None:
        lane = data.draw(st.sampled_from([lane for lane, waiting in self.rig.lanes.items() if waiting]))
        self.act(self.rig.answer, lane, outcome, number)

    @precondition(lambda self: any(self.rig.lanes.values()))
    @rule()
    def answer_all(self) -> None:
        self.act(self.rig.settle)

    @precondition(lambda self: self.rig.timers)
    @rule(data=st.data())
    def time_passes(self, data: st.DataObject) -> None:
        self.act(self.rig.fire, data.draw(st.sampled_from(sorted(self.rig.timers))))

    @rule(event=st.sampled_from([e.TermsReceived(terms=OPEN), e.Health(problem=""), e.CoinsFailed(reason="silent")]))
    def news(self, event: e.Event) -> None:
        self.act(self.rig.send, event)

    @precondition(lambda self: self.rig.flow.state.phase not in (Phase.OUT, Phase.WELCOME))
    @rule()
    def shutdown(self) -> None:
        self.act(self.rig.send, e.Shutdown())

    # -- what always holds

    @invariant()
    def no_card_where_none_may_be(self) -> None:
        flow = self.rig.flow
        if SPECS[flow.state].card is CardPolicy.MUST_BE_ABSENT:
            assert flow.session.presence is Presence.ABSENT

    @invariant()
    def digits_stay_at_the_pin(self) -> None:
        assert self.rig.flow.session.digits == 0 or self.rig.flow.state is State.PIN

    @invariant()
    def money_adds_up(self) -> None:
        session, facts = self.rig.flow.session, self.rig.permits.facts
        assert (session.inserted, session.returned) == (facts.inserted, facts.returned)
        assert session.owed >= 0
        assert session.held >= 0

    @invariant()
    def the_slot_is_shut_once_released(self) -> None:
        if self.rig.flow.state.phase is Phase.ISSUE:
            assert not self.rig.slot
            assert not any(isinstance(waiting, c.AcceptCoins) for waiting in self.rig.lanes["cash"])



TestWalks = Walk.TestCase
TestWalks.settings = settings(
    max_examples=120, stateful_step_count=120, deadline=None, suppress_health_check=list(HealthCheck)
)
