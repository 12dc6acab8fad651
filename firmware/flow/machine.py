"""The journey's machine: one event in, the commands it means out.

Sans-I/O. `transitions` holds the hierarchy and picks the transition; everything that changes the session happens
outside its callbacks, so an event is handled whole or not at all: an error leaves state and session as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from transitions.extensions import HierarchicalMachine
from transitions.extensions.nesting import NestedState

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow import lint
from firmware.flow.guards import Guard
from firmware.flow.screens import Screen
from firmware.flow.session import Presence, Session
from firmware.flow.states import Phase, Spec, State
from firmware.flow.table import IGNORED, ROWS, SPECS, Row

lint.check()

# What is in these facts is spoken: a change of any of them says the screen's words (again).
SPOKEN = ("notice", "code", "option", "sheet", "problem", "inserted", "unknown")


class KioskState(NestedState):
    separator = "/"


class KioskMachine(HierarchicalMachine):
    state_cls = KioskState


class UnhandledEvent(Exception):
    """An event that the table has no answer for in this state. Nothing has changed."""


@dataclass
class _Choice:
    """The bare model given to `transitions`: where we are, what the guards look at, and the row it took."""

    state: str = State.STARTING.value
    session: Session = field(default_factory=Session)
    event: e.Event | None = None
    row: Row | None = None


def build(choice: object, rows: Sequence[Row] = ROWS) -> Any:
    """The hierarchical machine of the table, on the given model."""
    machine = KioskMachine(
        model=choice,
        states=[{"name": phase.value, "children": [s.screen for s in State if s.phase is phase]} for phase in Phase],
        initial=State.STARTING.value,
        auto_transitions=False,
        send_event=True,
    )
    for row in rows:
        machine.add_transition(
            row.trigger,
            row.source.value,
            row.target and row.target.value,
            conditions=[_condition(row.when)] if row.when else None,
            before=[partial(_choose, row)],
        )
    return machine


def _condition(guard: Guard) -> Any:
    def condition(data: Any) -> bool:
        return guard(data.model.session, data.model.event)

    condition.__name__ = guard.__name__
    return condition


def _choose(row: Row, data: Any) -> None:
    data.model.row = row


@dataclass(frozen=True)
class Moment:
    """All there is of a journey at one moment: a flow that is given it goes on from there in the same way."""

    state: State
    session: Session
    screen: Screen
    latched: tuple[e.Event, ...] = ()  # kept until a card has gone
    generation: int = 0  # of the timer started last
    limit: int = 0  # generation of the limit that runs; 0: none
    remind: int = 0


class Flow:
    """One journey after another... of one person: `handle` is all there is to call.

    `first_screen` makes screen numbers of one process unlike those of another, so that a page left over from an
    earlier resident cannot touch anything. Another table than the kiosk's is for proofs.
    """

    def __init__(self, first_screen: int = 0, rows: Sequence[Row] = ROWS, specs: Mapping[State, Spec] = SPECS) -> None:
        self.specs = specs
        self.answered = {s: frozenset(r.trigger for r in rows if r.source in (s, s.phase)) for s in State}
        self.moment = Moment(State.STARTING, Session(), Screen(name="", number=first_screen, language="ja"))
        self._choice = _Choice()
        self._machine = build(self._choice, rows)

    @property
    def state(self) -> State:
        return self.moment.state

    @property
    def session(self) -> Session:
        return self.moment.session

    @property
    def screen(self) -> Screen:
        return self.moment.screen

    def start(self) -> c.Commands:
        """The first commands of a process: ask what holds, show the first screen."""
        return (c.FetchTerms(), c.CheckHealth(), *self._enter(), *self._show(None))

    def handle(self, event: e.Event) -> c.Commands:
        """Take one event, run to completion, return what the world shall do.

        Raises UnhandledEvent when the table has no answer; then nothing has changed.
        """
        before = self.moment
        try:
            return self._step(event, observe(before.session, event)) + self._replay()
        except Exception:
            self.moment = before
            raise

    def _now(self, **changes: Any) -> None:
        self.moment = replace(self.moment, **changes)

    # -- fences

    def _stale(self, event: e.Event) -> str:
        """Why this event is of an older time, or ""."""
        now = self.moment
        match event:
            case e.Answer(epoch=epoch) if epoch != now.session.epoch:
                return "older epoch"
            case e.TimerFired(name=name, generation=generation) if generation != getattr(now, name):
                return "older timer"
            case e.Touch(screen=number) | e.PinDigit(screen=number) if number != now.screen.number:
                return "older screen"
            case e.Touch(action=action) if action not in now.screen.actions:
                return "not offered"
            case e.CardPresent(stay=stay) if (stay, Presence.PRESENT) == (now.session.stay, now.session.presence):
                return "known already"
        return ""

    # -- one step

    def _step(self, event: e.Event, session: Session) -> c.Commands:
        name = e.trigger(event)
        if stale := self._stale(event):
            return (c.Note(what=stale, event=name),)
        if name == "remind":
            self._now(remind=0)
        if name in self.specs[self.state].latches:
            self._now(session=session, latched=(*self.moment.latched, event))
            return (c.Note(what="latched", event=name),)
        row = self._row(name, event, session)
        if row is None:
            return self._pass_over(name, session)
        before = self.state
        session, commands = (row.do)(session, event)
        self._now(session=session, state=row.target or before)
        return commands + self._settle(before, event)

    def _row(self, name: str, event: e.Event, session: Session) -> Row | None:
        """Let `transitions` choose; None when no row applies."""
        if name not in self.answered[self.state]:
            return None
        choice = self._choice
        choice.state, choice.session, choice.event, choice.row = self.state.value, session, event, None
        self._machine.trigger_event(choice, name)
        choice.session, choice.event = Session(), None
        return choice.row

    def _pass_over(self, name: str, session: Session) -> c.Commands:
        spec = self.specs[self.state]
        if name == "remind" and spec.remind_s:
            return (c.Announce(screen=self.screen), *self._start("remind", spec.remind_s))
        if name not in IGNORED:
            raise UnhandledEvent(f"{self.state}: {name}")
        self._now(session=session)
        return (c.Note(what="ignored", event=name), *self._show(self.screen.limit_s))

    def _settle(self, before: State, event: e.Event) -> c.Commands:
        """Timers and screen after a transition."""
        spec = self.specs[self.state]
        commands: c.Commands = ()
        if self.state is not before:
            commands += self._enter()
        elif spec.limit_s and isinstance(event, (e.Touch, e.PinDigit, e.CoinInserted, e.SheetPrinted)):
            commands += self._start("limit", spec.limit_s)
        elif isinstance(event, e.TimerFired) and event.name == "remind":
            commands += self._start("remind", spec.remind_s)
        return commands + self._show(spec.limit_s)

    def _replay(self) -> c.Commands:
        """What was latched is handled, in order, as soon as the state no longer latches it."""
        commands: c.Commands = ()
        while (latched := self.moment.latched) and e.trigger(latched[0]) not in self.specs[self.state].latches:
            self._now(latched=latched[1:])
            commands += self._step(latched[0], self.session)
        return commands

    # -- timers and screen

    def _enter(self) -> c.Commands:
        spec = self.specs[self.state]
        return self._start("limit", spec.limit_s) + self._start("remind", spec.remind_s)

    def _start(self, name: str, seconds: float | None) -> c.Commands:
        running = getattr(self.moment, name)
        generation = self.moment.generation + 1
        self._now(generation=generation, **{name: generation if seconds else 0})
        if seconds:
            device = name == "limit" and self.specs[self.state].device
            return (c.StartTimer(name=name, generation=generation, seconds=seconds, device=device),)
        return (c.StopTimer(name=name),) if running else ()

    def _show(self, limit_s: float | None) -> c.Commands:
        now, spec = self.moment, self.specs[self.state]
        screen = Screen(
            name=now.state.screen,
            number=now.screen.number,
            language=now.session.language,
            actions=spec.actions + (("more-time",) if spec.patient else ()),
            limit_s=limit_s if spec.patient else None,
            deadline=now.limit if spec.patient else 0,
            urgent=spec.urgent,
            facts=spec.view(now.session),
        )
        if screen == now.screen:
            return ()
        self._now(screen=replace(screen, number=screen.number + 1))
        return (c.ShowScreen(screen=self.screen, speak=_spoken(screen) != _spoken(now.screen)),)


def _spoken(screen: Screen) -> tuple[object, ...]:
    return (screen.name, screen.language, *(screen.facts.get(key) for key in SPOKEN))


def observe(session: Session, event: e.Event) -> Session:
    """What an event says about the world is remembered in every state, whatever the table does with it."""
    match event:
        case e.CardPresent(stay=stay):
            return replace(session, presence=Presence.PRESENT, stay=stay)
        case e.CardAbsent():
            return replace(session, presence=Presence.ABSENT, stay="")
        case e.CardUnknown():
            return replace(session, presence=Presence.UNKNOWN, stay="")
        case e.TermsReceived(terms=terms):
            return replace(session, terms=terms, line=True)
        case e.LineLost():
            return replace(session, line=False)
        case e.Health(problem=problem):
            return replace(session, problem=problem, distrusted=session.distrusted and problem != "")
        case e.Shutdown():
            return replace(session, stopping=True)
        case e.CoinInserted(value=value):
            return replace(session, inserted=session.inserted + value)
        case e.PaidOut(amount=amount):
            return replace(session, returned=session.returned + amount)
        case e.PayoutFailed(paid=paid):
            return replace(session, returned=session.returned + paid)
        case e.SheetPrinted(sheet=sheet):
            return replace(session, printed=sheet)
        case _:
            return session
