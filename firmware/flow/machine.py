"""The journey's machine: one event in, the commands it means out.

Sans-I/O. `transitions` holds the hierarchy and picks the transition; everything that changes the session happens
outside its callbacks, so an event is handled whole or not at all: an error leaves state and session as they were.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from transitions.extensions import HierarchicalMachine
from transitions.extensions.nesting import NestedState

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow import lint
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
class _Position:
    """The bare model given to `transitions`: where we are, and, while it decides, what it decided."""

    state: str = State.STARTING.value
    session: Session = field(default_factory=Session)
    event: e.Event | None = None
    row: Row | None = None


def _target(row: Row) -> str | None:
    return None if row.target is None else row.target.value


def build(position: object, rows: Sequence[Row] = ROWS) -> Any:
    """The hierarchical machine of the table, on the given model."""
    machine = KioskMachine(
        model=position,
        states=[{"name": phase.value, "children": [s.screen for s in State if s.phase is phase]} for phase in Phase],
        initial=State.STARTING.value,
        auto_transitions=False,
        send_event=True,
    )
    for row in rows:
        machine.add_transition(
            row.trigger,
            row.source.value,
            _target(row),
            conditions=[_condition(row)] if row.when else None,
            before=[_choice(row)],
        )
    return machine


def _condition(row: Row) -> Any:
    def condition(data: Any) -> bool:
        assert row.when is not None  # noqa: S101 - add_transition above
        return row.when(data.model.session, data.model.event)

    condition.__name__ = row.when.__name__ if row.when else ""
    return condition


def _choice(row: Row) -> Any:
    def choose(data: Any) -> None:
        data.model.row = row

    return choose


@dataclass(frozen=True)
class Moment:
    """All there is of a journey at one moment; a flow that is put back to it goes on in the same way."""

    state: State
    session: Session
    screen: Screen
    latched: tuple[e.Event, ...] = ()
    generation: int = 0
    limit: int = 0
    remind: int = 0


class Flow:
    """One journey after another... of one person: `handle` is all there is to call.

    `first_screen` makes screen numbers of one process unlike those of another, so that a page left over from an
    earlier resident cannot touch anything. Another table than the kiosk's is for proofs.
    """

    def __init__(self, first_screen: int = 0, rows: Sequence[Row] = ROWS, specs: Mapping[State, Spec] = SPECS) -> None:
        self.specs = specs
        self._position = _Position()
        self._machine = build(self._position, rows)
        self.answered = {s: frozenset(r.trigger for r in rows if r.source in (s, s.phase)) for s in State}
        self._session = Session()
        self._generation = 0
        self._limit = 0  # generation of the limit that runs; 0: none
        self._remind = 0
        self._latched: tuple[e.Event, ...] = ()
        self._screen = Screen(name="", number=first_screen, language="ja")

    @property
    def state(self) -> State:
        return State(self._position.state)

    @property
    def session(self) -> Session:
        return self._session

    @property
    def screen(self) -> Screen:
        return self._screen

    @property
    def latched(self) -> tuple[e.Event, ...]:
        """Events kept until a card has gone."""
        return self._latched

    @property
    def moment(self) -> Moment:
        return Moment(
            self.state, self._session, self._screen, self._latched, self._generation, self._limit, self._remind
        )

    def put_back(self, moment: Moment) -> None:
        """Go on from there, whatever was before."""
        self._position.state = moment.state.value
        self._session, self._screen, self._latched = moment.session, moment.screen, moment.latched
        self._generation, self._limit, self._remind = moment.generation, moment.limit, moment.remind

    def start(self) -> c.Commands:
        """The first commands of a process: ask what holds, show the first screen."""
        return (c.FetchTerms(), c.CheckHealth(), *self._enter(self.specs[self.state]), *self._show(None))

    def handle(self, event: e.Event) -> c.Commands:
        """Take one event, run to completion, return what the world shall do.

        Raises UnhandledEvent when the table has no answer; then nothing has changed.
        """
        stale = self._stale(event)
        if stale:
            return (c.Note(what=stale, event=e.trigger(event)),)
        if isinstance(event, e.TimerFired) and event.name == "remind":
            self._remind = 0
        commands = self._step(event, observe(self._session, event))
        return commands + self._replay()

    # -- fences

    def _stale(self, event: e.Event) -> str:
        """Why this event is of an older time, or ""."""
        session = self._session
        if isinstance(event, e.Answer) and event.epoch != session.epoch:
            return "older epoch"
        if isinstance(event, e.TimerFired):
            running = self._limit if event.name == "limit" else self._remind
            return "" if event.generation == running else "older timer"
        if isinstance(event, (e.Touch, e.PinDigit)) and event.screen != self._screen.number:
            return "older screen"
        if isinstance(event, e.Touch) and event.action not in self._screen.actions:
            return "not offered"
        if isinstance(event, e.CardPresent) and event.stay == session.stay and session.presence == Presence.PRESENT:
            return "known already"
        return ""

    # -- one step

    def _step(self, event: e.Event, session: Session) -> c.Commands:
        before = self.state
        name = e.trigger(event)
        if name in self.specs[before].latches:
            self._session = session
            self._latched += (event,)
            return (c.Note(what="latched", event=name),)
        row = self._choose(name, event, session)
        if row is None:
            return self._pass_over(name, event, session)
        try:
            session, commands = (row.do)(session, event)
        except Exception:
            self._position.state = before.value
            raise
        self._session = session
        return commands + self._settle(before, event, moved=row.target is not None)

    def _choose(self, name: str, event: e.Event, session: Session) -> Row | None:
        """Let `transitions` move; return the row it took, or None when no row applies."""
        position = self._position
        position.row, position.event, position.session = None, event, session
        if name in self.answered[self.state]:
            self._machine.trigger_event(position, name)
        position.event = None
        return position.row

    def _pass_over(self, name: str, event: e.Event, session: Session) -> c.Commands:
        state = self.state
        if name == "remind" and self.specs[state].remind_s:
            return (c.Announce(screen=self._screen), *self._start("remind", self.specs[state].remind_s))
        if name not in IGNORED[state.phase]:
            raise UnhandledEvent(f"{state}: {name}")
        self._session = session
        return (c.Note(what="ignored", event=name), *self._show(self._screen.limit_s))

    def _settle(self, before: State, event: e.Event, *, moved: bool) -> c.Commands:
        """Timers and screen after a transition."""
        state = self.state
        spec = self.specs[state]
        if moved and state is not before:
            return self._enter(spec) + self._show(spec.limit_s)
        commands: c.Commands = ()
        if spec.limit_s and isinstance(event, (e.Touch, e.PinDigit, e.CoinInserted, e.SheetPrinted)):
            commands += self._start("limit", spec.limit_s)
        if isinstance(event, e.TimerFired) and event.name == "remind":
            commands += self._start("remind", spec.remind_s)
        return commands + self._show(spec.limit_s)

    def _replay(self) -> c.Commands:
        """What was latched is handled, in order, as soon as the state no longer latches it."""
        commands: c.Commands = ()
        while self._latched and e.trigger(self._latched[0]) not in self.specs[self.state].latches:
            event, self._latched = self._latched[0], self._latched[1:]
            stale = self._stale(event)
            commands += (c.Note(what=stale, event=e.trigger(event)),) if stale else self._step(event, self._session)
        return commands

    # -- timers and screen

    def _enter(self, spec: Spec) -> c.Commands:
        return self._start("limit", spec.limit_s) + self._start("remind", spec.remind_s)

    def _start(self, name: str, seconds: float | None) -> c.Commands:
        self._generation += 1
        generation = self._generation if seconds else 0
        running = self._limit if name == "limit" else self._remind
        if name == "limit":
            self._limit = generation
        else:
            self._remind = generation
        if seconds:
            device = name == "limit" and self.specs[self.state].device
            return (c.StartTimer(name=name, generation=generation, seconds=seconds, device=device),)
        return (c.StopTimer(name=name),) if running else ()

    def _show(self, limit_s: float | None) -> c.Commands:
        state, session = self.state, self._session
        spec = self.specs[state]
        actions = spec.actions + (("more-time",) if spec.patient else ())
        screen = Screen(
            name=state.screen,
            number=self._screen.number,
            language=session.language,
            actions=actions,
            limit_s=limit_s if spec.patient else None,
            deadline=self._limit if spec.patient else 0,
            urgent=spec.urgent,
            facts=spec.view(session),
        )
        if screen == self._screen:
            return ()
        spoken = _spoken(screen) != _spoken(self._screen)
        self._screen = replace(screen, number=self._screen.number + 1)
        return (c.ShowScreen(screen=self._screen, speak=spoken),)


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
