"""The production flow and permits, one step at a time from any moment; what was done once is
remembered.

Moments are counted from the present, so that there are finitely many: the epoch is NOW, the
screen is number SCREEN, a running timer has generation LIMIT, REMIND or WARNING, the card lies
HERE. A warning is always still to come; language and modes are the first ones, and nobody listens
in private. Outside the idle rooms, what is known of terms, health, line and shutdown is set to
OPEN, fit, up and not asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from firmware.flow import events
from firmware.flow.commands import (
    Announce,
    CheckHealth,
    Command,
    Commands,
    FetchTerms,
    Note,
    ShowScreen,
    StartTimer,
    StopTimer,
)
from firmware.flow.machine import Flow, Moment
from firmware.flow.permits import Facts, Permits
from firmware.flow.screens import CARD
from firmware.flow.session import Session, Token
from firmware.flow.states import Phase, State
from firmware.flow.table import SPECS
from testbed.world.samples import OFFERS, OPEN
from testbed.world.state import (
    DEAD,
    HERE,
    IDLE,
    LATE,
    LIMIT,
    NOW,
    REMIND,
    SCREEN,
    WARNING,
)

# A card that is not the one the flow knows of.
ELSEWHERE = "elsewhere"
# A deadline on the screen that is not the one of the running limit.
OTHER_DEADLINE = -1
# Panel and time: the permits have no say, and they touch no device that holds money, paper or a
# card.
PANEL = (ShowScreen, Announce, StartTimer, StopTimer, Note, FetchTerms, CheckHealth)


class Reaction(NamedTuple):
    """What one event led to. Ids are of `Kiosk.moments` and `Kiosk.facts`."""

    moment: int
    facts: int
    commands: Commands = ()  # those that went out, without the panel's
    epoch: int = NOW  # the flow's, before it was made NOW again
    permits_epoch: int = NOW
    refused: str = ""  # by the permits; what came after it was not carried out
    error: str = ""


@dataclass(frozen=True)
class _Handled:
    moment: int
    commands: Commands
    epoch: int
    stay: str
    error: str = ""


class Kiosk:
    """`moments` and `facts` are all that were met, by id."""

    def __init__(
        self, flow: Callable[[], Flow] = Flow, permits: Callable[[], Permits] = Permits
    ) -> None:
        self._flow = flow()
        self._permits = permits()
        self.moments: list[Moment] = []
        self.facts: list[Facts] = []
        self.dispatched = 0  # events the production flow has handled
        self._moment_ids: dict[tuple[object, ...], int] = {}
        self._facts_ids: dict[tuple[object, ...], int] = {}
        self._handled: dict[tuple[int, events.Event], _Handled] = {}
        self._steps: dict[tuple[int, int, events.Event], Reaction] = {}

    def start(self) -> Reaction:
        """A new process."""
        commands = _without_panel(self._flow.start())
        return Reaction(self._moment(), self._fact(self._permits.facts, NOW, NOW, ""), commands)

    def step(self, moment: int, facts: int, event: events.Event) -> Reaction:
        """Permits first, then the machine, then every command behind the permits, as in the
        service.
        """
        key = (moment, facts, event)
        if key not in self._steps:
            self._steps[key] = self._step(moment, facts, event)
        return self._steps[key]

    def handle(self, moment: int, event: events.Event) -> tuple[int, Commands, str]:
        """The flow alone: the moment after, every command but the panel's, and the error if there
        was one.
        """
        done = self._handle(moment, event)
        return done.moment, done.commands, done.error

    def unmoved(self, moment: int, event: events.Event) -> bool:
        """Whether the event changes nothing but the log."""
        before = self.moments[moment]
        self._flow.moment = before
        try:
            commands = self._flow.handle(event)
        except Exception:  # as in _dispatch
            return False
        return self._flow.moment == before and all(
            isinstance(command, Note) for command in commands
        )

    def passes_over(self, state: State, event: events.Event) -> bool:
        """Whether the table has neither a row nor a latch for it there."""
        name = events.trigger(event)
        return (
            name not in self._flow.answered[state] and name not in self._flow.specs[state].latches
        )

    def refuse(self, facts: int, command: Command) -> str:
        self._permits.facts = self.facts[facts]
        return self._permits.refuse(command)

    def teaches(self, facts: int, event: events.Event) -> bool:
        """Whether the permits learn anything from it."""
        before = self.facts[facts]
        self._permits.facts = copy(before)
        self._permits.observe(event)
        return self._permits.facts != before

    # -- one step

    def _step(self, moment: int, facts: int, event: events.Event) -> Reaction:
        self._permits.facts = copy(self.facts[facts])
        self._permits.observe(event)
        done = self._handle(moment, event)
        went: list[Command] = []
        refused = ""
        for command in done.commands:
            refused = self._permits.refuse(command)
            if refused:
                refused = f"{type(command).__name__}: {refused}"
                break
            self._permits.issued(command)
            went.append(command)
        after = self._permits.facts
        facts = self._fact(after, done.epoch, after.epoch, done.stay)
        return Reaction(
            done.moment, facts, tuple(went), done.epoch, after.epoch, refused, done.error
        )

    def _handle(self, moment: int, event: events.Event) -> _Handled:
        key = (moment, event)
        if key not in self._handled:
            self._handled[key] = self._dispatch(moment, event)
        return self._handled[key]

    def _dispatch(self, moment: int, event: events.Event) -> _Handled:
        self._flow.moment = self.moments[moment]
        self.dispatched += 1
        try:
            commands = self._flow.handle(event)
        except Exception as error:  # whatever a wrong table raises: the search tells it
            return _Handled(moment, (), NOW, "", f"{type(error).__name__}: {error}")
        session = self._flow.session
        device = _without_panel(commands)
        return _Handled(self._moment(), device, session.epoch, session.stay)

    # -- counted from the present

    def _moment(self) -> int:
        moment = relative(self._flow.moment)
        screen = moment.screen
        key = (
            moment.state,
            moment.session,
            (screen.name, screen.actions, screen.limit_s, screen.deadline),
            moment.latched,
            moment.limit,
            moment.remind,
        )
        if key not in self._moment_ids:
            self._moment_ids[key] = len(self.moments)
            self.moments.append(moment)
        return self._moment_ids[key]

    def _fact(self, facts: Facts, epoch: int, permits_epoch: int, stay: str) -> int:
        facts = copy(facts)
        document = facts.document
        if document is not None:
            document = replace(document, epoch=relative_epoch(document.epoch, epoch, permits_epoch))
        if facts.complete and document is not None:
            document = replace(document, sheets=1)
            facts.printed = 1
        facts.epoch = relative_epoch(facts.epoch, epoch, permits_epoch)
        facts.document = document
        facts.stay = _relative_stay(facts.stay, stay)
        key = tuple(vars(facts).values())
        if key not in self._facts_ids:
            self._facts_ids[key] = len(self.facts)
            self.facts.append(facts)
        return self._facts_ids[key]


def _without_panel(commands: Commands) -> Commands:
    return tuple(command for command in commands if not isinstance(command, PANEL))


def relative_epoch(epoch: int, flow: int, permits: int) -> int:
    """An epoch, counted from the flow's and the permits' own."""
    if epoch == flow:
        return NOW
    if epoch == permits:
        return LATE
    return DEAD


def relative(moment: Moment) -> Moment:
    """The moment, counted from the present."""
    spec = SPECS[moment.state]
    return Moment(
        state=moment.state,
        session=reduced(moment.state, moment.session),
        screen=replace(
            moment.screen,
            number=SCREEN,
            deadline=_relative_deadline(moment),
            language="ja",
            about=CARD,
            modes=frozenset(),
            private=False,
            limit_s=spec.limit_s if spec.patient else None,
            warning="",
        ),
        latched=tuple(_latched(event, moment.session.epoch) for event in moment.latched),
        generation=WARNING,
        limit=LIMIT if moment.limit else 0,
        remind=REMIND if moment.remind else 0,
        warning=WARNING if moment.limit and spec.patient else 0,
        limit_s=spec.limit_s or 0,
    )


def _relative_deadline(moment: Moment) -> int:
    deadline = moment.screen.deadline
    if not deadline:
        return 0
    if deadline == moment.limit:
        return LIMIT
    return OTHER_DEADLINE


def _relative_stay(stay: str, of_the_flow: str) -> str:
    if not stay:
        return ""
    return HERE if stay == of_the_flow else ELSEWHERE


def reduced(state: State, session: Session) -> Session:
    """Without what no rule looks at any more; whether it is there at all is kept, for the
    properties.
    """
    change: dict[str, Any] = {
        "epoch": NOW,
        "stay": HERE if session.stay else "",
        "language": "ja",
        "modes": frozenset(),
        "private": False,
        "tries": None,
        "typed": False,
        "notice": "",
        "lying": Token.UNKNOWN,
        "token": Token.UNKNOWN,
        "refusal": "refused" if session.refusal else "",
        "expires_in_days": None,
        "opens_at": "",
    }
    if state.phase not in IDLE:
        change |= NEWS
    resumed = State(session.resume) if state is State.HOLD else state
    phase = resumed.phase
    if phase is not Phase.CHOOSE and session.offers:
        change |= CHOICE
    before_money = phase in BEFORE_MONEY or resumed in BEFORE_COINS
    if not before_money or state in (State.TAKECARD, State.CARDLEFT):
        change["distrusted"] = False
    if phase is not Phase.PAY:
        change["exact_only"] = False
    if phase in OUTLET_BLIND:
        change["outlet_sensor"] = False
    if state is not State.HOLD:
        change["resume"] = ""
    if session.complete and session.document:
        change["document"] = replace(session.document, sheets=1)
        change["sheet"] = 1
        change["printed"] = 1
    return replace(session, **change)


# From the first card on, nothing but the words on the screen depends on the news; after ordering,
# on the choice.
NEWS = {"terms": OPEN, "problem": "", "line": True, "stopping": False, "service_key": False}
CHOICE = {"offers": OFFERS, "kind": "asked", "answers": (("members", ("a",)),), "step": 0}
BEFORE_MONEY = IDLE | {Phase.CARD, Phase.TAKE, Phase.CHOOSE, Phase.ORDER}
BEFORE_COINS = (State.PAYWAY, State.CHARGING)
OUTLET_BLIND = (Phase.UNWIND, Phase.END, Phase.TAKE)


def _latched(event: events.Event, epoch: int) -> events.Event:
    if isinstance(event, events.Answer):
        return replace(event, epoch=NOW if event.epoch == epoch else DEAD)
    return event
