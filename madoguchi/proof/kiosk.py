"""The production flow and permits, one step at a time from any moment; what was done once is remembered.

Moments are told relative to the present, so that there are finitely many: the epoch is NOW, the screen is number
SCREEN, a running timer has generation LIMIT or REMIND, the card lies HERE. Outside the idle rooms, what is known of
terms, health, line and shutdown is set to OPEN, fit, up and not asked for, and the language to the first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.machine import Flow, Moment
from firmware.flow.permits import Facts, Permits
from firmware.flow.session import Session
from firmware.flow.states import Phase, State
from madoguchi.proof.world import DEAD, HERE, IDLE, LATE, LIMIT, NOW, OFFERS, OPEN, REMIND, SCREEN

# Panel and time: the permits have no say, and they touch no device that holds money, paper or a card.
PANEL = (c.ShowScreen, c.Announce, c.StartTimer, c.StopTimer, c.Note, c.FetchTerms, c.CheckHealth)


class Step(NamedTuple):
    """What one event led to. Ids are of `Kiosk.moments` and `Kiosk.facts`."""

    moment: int
    facts: int
    commands: c.Commands = ()  # those that went out, without the panel's
    epoch: int = NOW  # the flow's, before it was made NOW again
    permits_epoch: int = NOW
    refused: str = ""  # by the permits; what came after it was not carried out
    error: str = ""


@dataclass(frozen=True)
class _Handled:
    moment: int
    commands: c.Commands
    epoch: int
    stay: str
    error: str = ""


class Kiosk:
    """`moments` and `facts` are all that were met, by id."""

    def __init__(self, flow: Callable[[], Flow] = Flow, permits: Callable[[], Permits] = Permits) -> None:
        self._flow = flow()
        self._permits = permits()
        self.moments: list[Moment] = []
        self.facts: list[Facts] = []
        self.dispatched = 0  # events the production flow has handled
        self._moment_ids: dict[tuple[object, ...], int] = {}
        self._facts_ids: dict[tuple[object, ...], int] = {}
        self._handled: dict[tuple[int, e.Event], _Handled] = {}
        self._steps: dict[tuple[int, int, e.Event], Step] = {}

    def start(self) -> Step:
        """A new process."""
        commands = tuple(k for k in self._flow.start() if not isinstance(k, PANEL))
        return Step(self._moment(), self._fact(self._permits.facts, NOW, NOW, ""), commands)

    def step(self, moment: int, facts: int, event: e.Event) -> Step:
        """Permits first, then the machine, then every command behind the permits, as in the service."""
        key = (moment, facts, event)
        known = self._steps.get(key)
        if known is None:
            known = self._steps[key] = self._step(moment, facts, event)
        return known

    def handle(self, moment: int, event: e.Event) -> tuple[int, c.Commands, str]:
        """The flow alone: the moment after, every command but the panel's, and the error if there was one."""
        done = self._handle(moment, event)
        return done.moment, done.commands, done.error

    def unmoved(self, moment: int, event: e.Event) -> bool:
        """Whether the event changes nothing but the log."""
        before = self.moments[moment]
        self._flow.moment = before
        try:
            commands = self._flow.handle(event)
        except Exception:  # as in _dispatch
            return False
        return self._flow.moment == before and all(isinstance(k, c.Note) for k in commands)

    def passes_over(self, state: State, event: e.Event) -> bool:
        """Whether the table has neither a row nor a latch for it there."""
        name = e.trigger(event)
        return name not in self._flow.answered[state] and name not in self._flow.specs[state].latches

    def refuse(self, facts: int, command: c.Command) -> str:
        self._permits.facts = self.facts[facts]
        return self._permits.refuse(command)

    def teaches(self, facts: int, event: e.Event) -> bool:
        """Whether the permits learn anything from it."""
        before = self.facts[facts]
        self._permits.facts = replace(before)
        self._permits.observe(event)
        return self._permits.facts != before

    # -- one step

    def _step(self, moment: int, facts: int, event: e.Event) -> Step:
        self._permits.facts = replace(self.facts[facts])
        self._permits.observe(event)
        done = self._handle(moment, event)
        went, refused = [], ""
        for command in done.commands:
            refused = self._permits.refuse(command)
            if refused:
                refused = f"{type(command).__name__}: {refused}"
                break
            self._permits.issued(command)
            went.append(command)
        after = self._permits.facts
        facts = self._fact(after, done.epoch, after.epoch, done.stay)
        return Step(done.moment, facts, tuple(went), done.epoch, after.epoch, refused, done.error)

    def _handle(self, moment: int, event: e.Event) -> _Handled:
        key = (moment, event)
        known = self._handled.get(key)
        if known is None:
            known = self._handled[key] = self._dispatch(moment, event)
        return known

    def _dispatch(self, moment: int, event: e.Event) -> _Handled:
        self._flow.moment = self.moments[moment]
        self.dispatched += 1
        try:
            commands = self._flow.handle(event)
        except Exception as error:  # whatever a wrong table raises: the search tells it
            return _Handled(moment, (), NOW, "", f"{type(error).__name__}: {error}")
        session = self._flow.session
        device = tuple(k for k in commands if not isinstance(k, PANEL))
        return _Handled(self._moment(), device, session.epoch, session.stay)

    # -- told relative to the present

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
        found = self._moment_ids.get(key)
        if found is None:
            found = self._moment_ids[key] = len(self.moments)
            self.moments.append(moment)
        return found

    def _fact(self, facts: Facts, epoch: int, permits_epoch: int, stay: str) -> int:
        document = facts.document
        if document is not None:
            document = replace(document, epoch=tag(document.epoch, epoch, permits_epoch))
        same = HERE if facts.stay == stay else "elsewhere"
        if facts.complete and document is not None:
            document, facts.printed = replace(document, sheets=1), 1
        facts = replace(facts, epoch=tag(facts.epoch, epoch, permits_epoch), document=document)
        facts.stay = same if facts.stay else ""
        key = tuple(vars(facts).values())
        found = self._facts_ids.get(key)
        if found is None:
            found = self._facts_ids[key] = len(self.facts)
            self.facts.append(facts)
        return found


def tag(epoch: int, now: int, permits: int) -> int:
    """An epoch, told relative to the flow's and the permits' own."""
    return NOW if epoch == now else LATE if epoch == permits else DEAD


def relative(moment: Moment) -> Moment:
    screen = moment.screen
    deadline = LIMIT if screen.deadline and screen.deadline == moment.limit else -bool(screen.deadline)
    return Moment(
        moment.state,
        reduced(moment.state, moment.session),
        replace(screen, number=SCREEN, deadline=deadline, language="ja"),
        tuple(_latched(event, moment.session.epoch) for event in moment.latched),
        REMIND,
        LIMIT if moment.limit else 0,
        REMIND if moment.remind else 0,
    )


def reduced(state: State, session: Session) -> Session:
    """Without what no rule looks at any more; whether it is there at all is kept, for the properties."""
    change: dict[str, Any] = {
        "epoch": NOW,
        "stay": HERE if session.stay else "",
        "language": "ja",
        "tries": None,
        "notice": "",
        "refusal": "told" if session.refusal else "",
        "expires_in_days": None,
    }
    if state.phase not in IDLE:
        change |= NEWS
    where = State(session.resume).phase if state is State.HOLD else state.phase
    if where is not Phase.CHOOSE and session.offers:
        change |= CHOICE
    if where not in BEFORE_MONEY or state in (State.TAKECARD, State.CARDLEFT):
        change["distrusted"] = False
    if where in OUTLET_BLIND:
        change["outlet_sensor"] = False
    if state is not State.HOLD:
        change["resume"] = ""
    if session.complete and session.document:
        change |= {"document": replace(session.document, sheets=1), "sheet": 1, "printed": 1}
    return replace(session, **change)


# From the first card on, nothing but the words on the screen depends on the news; after ordering, on the choice.
NEWS = {"terms": OPEN, "problem": "", "line": True, "stopping": False}
CHOICE = {"offers": OFFERS, "kind": "asked", "answers": (("members", ("a",)),), "step": 0}
BEFORE_MONEY = IDLE | {Phase.CARD, Phase.TAKE, Phase.CHOOSE, Phase.ORDER}
OUTLET_BLIND = (Phase.UNWIND, Phase.END, Phase.TAKE)


def _latched(event: e.Event, epoch: int) -> e.Event:
    if isinstance(event, e.Answer):
        return replace(event, epoch=NOW if event.epoch == epoch else DEAD)
    return event
