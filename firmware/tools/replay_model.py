"""A recorded process, followed by the model: each event is given to the kiosk's own `Flow`.

A record has no content: no offers, no choices, no card. The model is given stand-ins for them.
Where the kiosk went elsewhere than the model for that reason, the table must still have a row that
leads there, and the model is put where the kiosk was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from firmware.flow import events
from firmware.flow.machine import Flow, UnhandledEvent
from firmware.flow.offers import Choice, Holder, Offer, Terms
from firmware.flow.session import Document, Session
from firmware.flow.states import State
from firmware.flow.table import LATCHED, ROWS, SPECS
from firmware.flow.timers import Timer
from firmware.service.flight_steps import NOT_TOLD

NOBODY: Final = "stand-in"
OFFER: Final = Offer(NOBODY, (("ja", NOBODY),), 100)
HOLDER: Final = Holder(NOBODY, NOBODY, NOBODY, (Choice(NOBODY, NOBODY),))
DOCUMENT: Final = Document(NOBODY, NOBODY, 1, 100)
STAND_INS: Final[Mapping[str, Any]] = {
    "stay": NOBODY,
    "tries": 3,
    "card": NOBODY,
    "cause": NOBODY,
    "code": NOBODY,
    "reason": NOBODY,
    "offers": (OFFER,),
    "holder": HOLDER,
    "expires_in_days": 900,
    "document": NOBODY,
    "unique_number": NOBODY,
    "transaction": NOBODY,
    "value": NOBODY,
    "problem": NOBODY,
}
KINDS: Final = {name: kind for kind, name in events.TRIGGERS.items()}
TIMERS: Final = {name: timer for timer, name in events.TIMERS.items()}
NUMBERS: Final = ("generation", "limit", "remind", "warning")


class Unreadable(Exception):
    """A step of another build, which has events or states that this one does not know."""


@dataclass(frozen=True)
class Reached:
    """The state after an event, and the numbers by which late events are known."""

    state: State
    epoch: int
    screen: int
    numbers: Mapping[str, Any]


def reached(name: str, facts: Mapping[str, str]) -> Reached:
    """Raises Unreadable."""
    try:
        numbers = {each: int(facts[each]) for each in NUMBERS}
        return Reached(State(name), int(facts["epoch"]), int(facts["screen"]), numbers)
    except (ValueError, KeyError):
        raise Unreadable(f"no state {name!r}") from None


def event_of(name: str, facts: Mapping[str, str]) -> events.Event:
    """The event, with stand-ins for what was not recorded. Raises Unreadable."""
    known: dict[str, Any] = dict(facts)
    try:
        if name in TIMERS:
            generation = int(facts["generation"])
            return events.TimerFired(name=Timer(TIMERS[name]), generation=generation)
        if name.startswith("touch."):
            kind: type[events.Event] = events.Touch
            known["action"] = name.removeprefix("touch.")
        else:
            kind = KINDS[name]
        if kind is events.TermsReceived:
            return events.TermsReceived(terms=_terms(facts))
        given = {each.name: _value(each.name, str(each.type), known) for each in fields(kind)}
        return kind(**{key: value for key, value in given.items() if value is not None})
    except (KeyError, ValueError, TypeError):
        raise Unreadable(f"no event {name!r} with {', '.join(facts) or 'nothing'}") from None


def _terms(facts: Mapping[str, str]) -> Terms:
    refusal = "" if facts["open"] == "yes" else "out-of-hours"
    return Terms((("ja", NOBODY),), refusal=refusal, phones=facts["phones"] == "yes")


def _value(name: str, kind: str, known: Mapping[str, str]) -> Any:
    """None: the event's own default."""
    told = known.get(name, NOT_TOLD)
    if told == NOT_TOLD:
        return STAND_INS.get(name)
    if "bool" in kind:
        return told == "yes"
    return int(told) if kind == "int" else told


class Model:
    """`follow` says "" or in what the kiosk did not do what the table says."""

    def __init__(self) -> None:
        self._flow = Flow()
        self._at: Reached | None = None

    @property
    def at(self) -> Reached | None:
        """Where the kiosk was; None before the first state that is known."""
        return self._at

    def begin(self, its: Reached) -> str:
        """A process has started."""
        self._flow = Flow(its.screen - 1)
        self._flow.start()
        state = self._flow.state
        self._go(its)
        return "" if state is its.state else f"a process begins in {state}, not in {its.state}"

    def follow(self, name: str, event: events.Event, its: Reached, *, noted: bool) -> str:
        """`noted`: the kiosk passed the event over, as one of an older time."""
        before = self._at
        if before is None:  # the record begins in the middle
            self._go(its)
            return ""
        try:
            self._flow.handle(event)
            went = self._flow.state
        except UnhandledEvent:
            self._go(its)
            return f"the table of this build has no answer to it in {before.state}"
        except (TypeError, AttributeError, LookupError, StopIteration, ValueError):
            went = None  # a stand-in does not suffice for this step
        self._go(its)
        if went is its.state or its.state in _ways(name, before.state, stays=noted):
            return ""
        return f"the table has no way from {before.state} to {its.state} on it"

    def refuses(self, event: events.Event) -> bool:
        """Whether the table has no answer here either. Nothing has changed."""
        moment = self._flow.moment
        try:
            self._flow.handle(event)
        except UnhandledEvent:
            return True
        except (TypeError, AttributeError, LookupError, StopIteration, ValueError):
            return False
        finally:
            self._flow.moment = moment
        return False

    def _go(self, its: Reached) -> None:
        """The model is where the kiosk was."""
        self._at = its
        now = self._flow.moment
        if now.state is not its.state:
            offered = SPECS[its.state].offered
            screen = replace(now.screen, name=its.state.screen, actions=offered)
            session = _filled(now.session)
            now = replace(now, state=its.state, session=session, screen=screen, latched=())
        self._flow.moment = replace(
            now,
            session=replace(now.session, epoch=its.epoch),
            screen=replace(now.screen, number=its.screen),
            **its.numbers,
        )


def _filled(session: Session) -> Session:
    return replace(
        session,
        offers=session.offers or (OFFER,),
        holder=session.holder or HOLDER,
        kind=session.kind or NOBODY,
        document=session.document or DOCUMENT,
        terms=session.terms or Terms((("ja", NOBODY),)),
        tries=3 if session.tries is None else session.tries,
    )


def _ways(name: str, state: State, *, stays: bool) -> set[State]:
    """Where the table's rows can lead. What was latched before may lead on."""
    found = _targets(name, state) | ({state} if stays else set())
    while SPECS[state].latches:
        more = found | {
            target for each in found for latched in LATCHED for target in _targets(latched, each)
        }
        if more == found:
            break
        found = more
    return found


def _targets(name: str, state: State) -> set[State]:
    rows = (row for row in ROWS if row.trigger == name and row.source in (state, state.phase))
    return {row.target or state for row in rows}
