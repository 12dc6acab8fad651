"""The journey's machine: one event in, the commands it means out.

Sans-I/O. `transitions` is kept to pick the row: a state's own rows before those of its phase, in
the table's order, the first whose guard holds. The state itself is `Moment.state`.
Everything that changes the session happens outside its callbacks, so an event is handled whole or
not at all: an error leaves state and session as they were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from transitions.extensions import HierarchicalMachine
from transitions.extensions.nesting import NestedState

from firmware.flow import commands as flow_commands
from firmware.flow import events, lint
from firmware.flow.guards import Guard
from firmware.flow.screens import Screen, about
from firmware.flow.session import Mode, Presence, Session, Token
from firmware.flow.states import SETTINGS, Phase, Spec, State
from firmware.flow.table import IGNORED, ROWS, SPECS, Row
from firmware.flow.timers import SLOWER, Timer, next_warning, seconds_left

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
    """The bare model given to `transitions`: where we are, what the guards look at, and the row it
    took.
    """

    state: str = State.STARTING.value
    session: Session = field(default_factory=Session)
    event: events.Event | None = None
    row: Row | None = None


def build(choice: object, rows: Sequence[Row] = ROWS) -> Any:
    """The hierarchical machine of the table, on the given model."""
    machine = KioskMachine(
        model=choice,
        states=[
            {"name": phase.value, "children": [s.screen for s in State if s.phase is phase]}
            for phase in Phase
        ],
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
    """All there is of a journey at one moment: a flow that is given it goes on from there in the
    same way.
    """

    state: State
    session: Session
    screen: Screen
    latched: tuple[events.Event, ...] = ()  # kept until a card has gone
    generation: int = 0  # of the timer started last
    limit: int = 0  # generation of the limit that runs; 0: none
    remind: int = 0
    warning: int = 0
    limit_s: float = 0  # the whole of the limit that runs
    warned: str = ""  # which warning of it was given last


class Flow:
    """One journey after another... of one person: `handle` is all there is to call.

    `first_screen` makes screen numbers of one process unlike those of another, so that a page left
    over from an earlier resident cannot touch anything. Another table than the kiosk's is for
    proofs.
    """

    def __init__(
        self, first_screen: int = 0, rows: Sequence[Row] = ROWS, specs: Mapping[State, Spec] = SPECS
    ) -> None:
        self.specs = specs
        triggers: defaultdict[State | Phase, set[str]] = defaultdict(set)
        for row in rows:
            triggers[row.source].add(row.trigger)
        self.answered = {s: frozenset(triggers[s] | triggers[s.phase]) for s in State}
        self.moment = Moment(
            State.STARTING, Session(), Screen(name="", number=first_screen, language="ja")
        )
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

    def start(self) -> flow_commands.Commands:
        """The first commands of a process: ask what holds, show the first screen."""
        return (
            flow_commands.FetchTerms(),
            flow_commands.CheckHealth(),
            *self._enter(),
            *self._show(),
        )

    def handle(self, event: events.Event) -> flow_commands.Commands:
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

    def _stale(self, event: events.Event) -> str:
        """Why this event is of an older time, or ""."""
        now = self.moment
        match event:
            case events.Answer(epoch=epoch) if epoch != now.session.epoch:
                return "older epoch"
            case events.TimerFired(name=name, generation=generation) if generation != getattr(
                now, name
            ):
                return "older timer"
            case events.Touch(screen=number) | events.PinDigit(screen=number) if (
                number != now.screen.number
            ):
                return "older screen"
            case events.Touch(action=action) if action not in now.screen.actions:
                return "not offered"
            case events.CardPresent(stay=stay) if (stay, Presence.PRESENT) == (
                now.session.stay,
                now.session.presence,
            ):
                return "known already"
        return ""

    # -- one step

    def _step(self, event: events.Event, session: Session) -> flow_commands.Commands:
        name = events.trigger(event)
        if stale := self._stale(event):
            return (flow_commands.Note(what=stale, event=name),)
        if name == "remind":
            self._now(remind=0)
        if name == "warn":
            return self._warn()
        if name in self.specs[self.state].latches:
            self._now(session=session, latched=(*self.moment.latched, event))
            return (flow_commands.Note(what="latched", event=name),)
        row = self._row(name, event, session)
        if row is None:
            return self._pass_over(name, session)
        before = self.state
        session, commands = (row.do)(session, event)
        self._now(session=session, state=row.target or before)
        return commands + self._settle(before, event)

    def _row(self, name: str, event: events.Event, session: Session) -> Row | None:
        """Let `transitions` choose; None when no row applies."""
        if name not in self.answered[self.state]:
            return None
        choice = self._choice
        choice.state, choice.session, choice.event, choice.row = (
            self.state.value,
            session,
            event,
            None,
        )
        self._machine.trigger_event(choice, name)
        choice.session, choice.event = Session(), None
        return choice.row

    def _pass_over(self, name: str, session: Session) -> flow_commands.Commands:
        spec = self.specs[self.state]
        if name == "remind" and spec.remind_s:
            return (
                flow_commands.Announce(screen=self.screen),
                *self._start(Timer.REMIND, spec.remind_s),
            )
        if name not in IGNORED:
            raise UnhandledEvent(f"{self.state}: {name}")
        self._now(session=session)
        return (flow_commands.Note(what="ignored", event=name), *self._show())

    def _settle(self, before: State, event: events.Event) -> flow_commands.Commands:
        """Timers and screen after a transition."""
        spec = self.specs[self.state]
        commands: flow_commands.Commands = ()
        if self.state is not before:
            commands += self._enter()
        elif spec.limit_s and (_is_an_act(event) or self._is_slower(event)):
            commands += self._start_limit()
        elif isinstance(event, events.TimerFired) and event.name is Timer.REMIND:
            commands += self._start(Timer.REMIND, spec.remind_s)
        return commands + self._show()

    def _replay(self) -> flow_commands.Commands:
        """What was latched is handled, in order, as soon as the state no longer latches it."""
        commands: flow_commands.Commands = ()
        while (latched := self.moment.latched) and events.trigger(latched[0]) not in self.specs[
            self.state
        ].latches:
            self._now(latched=latched[1:])
            commands += self._step(latched[0], self.session)
        return commands

    # -- timers and screen

    def _enter(self) -> flow_commands.Commands:
        return self._start_limit() + self._start(Timer.REMIND, self.specs[self.state].remind_s)

    def _start_limit(self) -> flow_commands.Commands:
        """The limit anew, with its warnings. Only a limit that waits for a person's answer is
        longer for who wants it slower; one that belongs to a device, a card, paper, or an alarm is
        not.
        """
        spec = self.specs[self.state]
        slow = Mode.SLOW in self.session.modes and spec.patient
        limit_s = (spec.limit_s or 0) * (SLOWER if slow else 1)
        self._now(limit_s=limit_s, warned="")
        return self._start(Timer.LIMIT, limit_s) + self._start_warning()

    def _start_warning(self) -> flow_commands.Commands:
        now = self.moment
        coming = next_warning(now.limit_s, now.warned)
        if not self.specs[self.state].patient or not coming:
            return self._start(Timer.WARNING, None)
        left = seconds_left(now.limit_s, now.warned) - seconds_left(now.limit_s, coming)
        return self._start(Timer.WARNING, left)

    def _warn(self) -> flow_commands.Commands:
        self._now(warning=0, warned=next_warning(self.moment.limit_s, self.moment.warned))
        return self._start_warning() + self._show()

    def _is_slower(self, event: events.Event) -> bool:
        """Who asks for longer limits has the longer one at once, as after "more time"."""
        return (
            isinstance(event, events.Touch)
            and event.value == Mode.SLOW
            and Mode.SLOW in self.session.modes
            and self.specs[self.state].patient
        )

    def _start(self, name: Timer, seconds: float | None) -> flow_commands.Commands:
        running = getattr(self.moment, name)
        generation = self.moment.generation + 1
        self._now(generation=generation, **{name: generation if seconds else 0})
        if seconds:
            device = name is Timer.LIMIT and self.specs[self.state].device
            return (
                flow_commands.StartTimer(
                    name=name, generation=generation, seconds=seconds, device=device
                ),
            )
        return (flow_commands.StopTimer(name=name),) if running else ()

    def _show(self) -> flow_commands.Commands:
        now, spec = self.moment, self.specs[self.state]
        screen = Screen(
            name=now.state.screen,
            number=now.screen.number,
            language=now.session.language,
            actions=spec.offered,
            limit_s=seconds_left(now.limit_s, now.warned) if spec.patient else None,
            deadline=now.limit if spec.patient else 0,
            urgent=spec.urgent,
            facts=spec.view(now.session),
            about=about(now.session),
            modes=now.session.modes,
            private=now.session.private,
            warning=now.warned,
            runs_out=spec.runs_out,
        )
        if screen == now.screen:
            return ()
        self._now(screen=replace(screen, number=screen.number + 1))
        return (flow_commands.ShowScreen(screen=self.screen, speak=_is_said(screen, now.screen)),)


def _is_an_act(event: events.Event) -> bool:
    """Of the person, or of the device waited for: it starts the limit anew. How the screen is shown
    has no part in that.
    """
    if isinstance(event, events.Touch):
        return event.action not in SETTINGS
    return isinstance(event, (events.PinDigit, events.CoinInserted, events.SheetPrinted))


def _is_said(screen: Screen, before: Screen) -> bool:
    """Whether what is shown has something to say that was not said yet."""
    warns = screen.warning not in ("", before.warning)
    plugged = screen.private and not before.private
    return warns or plugged or _spoken(screen) != _spoken(before)


def _spoken(screen: Screen) -> tuple[object, ...]:
    return (screen.name, screen.language, *(screen.facts.get(key) for key in SPOKEN))


def observe(session: Session, event: events.Event) -> Session:
    """What an event says about the world is remembered in every state, whatever the table does with
    it.
    """
    match event:
        case events.CardPresent(stay=stay):
            return replace(session, presence=Presence.PRESENT, stay=stay, lying=Token.UNKNOWN)
        case events.CardAbsent():
            return replace(session, presence=Presence.ABSENT, stay="", lying=Token.UNKNOWN)
        case events.CardUnknown():
            return replace(session, presence=Presence.UNKNOWN, stay="", lying=Token.UNKNOWN)
        case events.TermsReceived(terms=terms):
            return replace(session, terms=terms, line=True)
        case events.LineLost():
            return replace(session, line=False)
        case events.Health(problem=problem, number=number, exact_only=exact_only):
            exact = session.exact_only if exact_only is None else exact_only
            distrusted = session.distrusted and problem != ""
            return replace(
                session, problem=problem, number=number, distrusted=distrusted, exact_only=exact
            )
        case events.HeadphonesChanged(plugged=plugged):
            return replace(session, private=plugged)
        case events.ServiceKeyTurned(on=on):
            return replace(session, service_key=on)
        case events.Shutdown():
            return replace(session, stopping=True)
        case events.CoinInserted(value=value):
            return replace(session, inserted=session.inserted + value)
        case events.PaidOut(amount=amount):
            return replace(session, returned=session.returned + amount)
        case events.PayoutFailed(paid=paid):
            return replace(session, returned=session.returned + paid)
        case events.Charged(amount=amount, transaction=transaction):
            return replace(
                session, charged=session.charged + amount, charging=0, transaction=transaction
            )
        case events.ChargeDeclined():
            return replace(session, charging=0)
        case events.Reversed(amount=amount):
            return replace(session, reversed=session.reversed + amount, reversing=0)
        case events.SheetPrinted(sheet=sheet):
            return replace(session, printed=sheet)
        case _:
            return session
