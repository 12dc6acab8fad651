"""What a resident's process tells the supervisor of itself: its report, and what is to be counted.

Nothing here can hold anything of a person: states, devices, reasons and numbers only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from firmware.flow.session import Session
from firmware.flow.states import Phase, State
from firmware.link.messages import KioskStatus
from firmware.service import log as log_events
from firmware.service import update_state
from firmware.service.pipe import Send
from firmware.service.status import End, Report, Tally, availability

T = TypeVar("T")
REPORT = "S"  # followed by a report
COUNT = "C"  # followed by a count


class Count(msgspec.Struct, frozen=True, array_like=True):
    """One more of this."""

    of: Literal["visit", "stage", "fault"]
    name: str
    value: str | float = 0.0


def _nobody(_: str) -> None:
    """Until somebody listens."""


class Teller:
    """One for each process. What it was told last stands in `report`."""

    def __init__(self, send: Send = _nobody, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._clock = clock
        self._phase: Phase | None = None
        self._since = 0.0
        self.report = Report()
        self.is_known = False  # whether the devices were looked at
        log_events.listen("device.fault", self._fault)

    def remember(self, earlier: Report) -> None:
        """What the process before this one told last. A kiosk that has just started knows nothing
        of its devices.
        """
        self.report, self.is_known = earlier, bool(earlier.devices)

    def state(self, state: State) -> None:
        """The journey is in this state now."""
        now = self._clock()
        if state.phase is not self._phase:
            if self._phase is not None:
                self._count(Count("stage", self._phase.value, round(now - self._since, 3)))
            self._phase, self._since = state.phase, now
        self.tell(availability=availability(state))

    def tell(self, **facts: Any) -> None:
        """What is different now. Nothing is sent when nothing is."""
        report = msgspec.structs.replace(self.report, **facts)
        if report != self.report:
            self.report = report
            self._send(REPORT + msgspec.json.encode(report).decode())

    def looked(self, **facts: Any) -> None:
        """At every device, between two residents."""
        self.is_known = True
        self.tell(**facts)

    def visit(self, session: Session) -> None:
        """It has ended."""
        self._count(Count("visit", _end(session).value))

    def for_the_city(self, cases: int) -> KioskStatus | None:
        """None while nothing is known. `cases`: how many are open now. The report's own number is
        from the last look, and a case may have been opened since, also by the supervisor.
        """
        if not self.is_known:
            return None
        report = self.report
        return KioskStatus(
            availability=report.availability.value,
            problem=report.problem,
            paper=report.paper,
            cases=min(cases, 99),
            exact_only=report.exact_only,
            update=update_state.for_the_city(),
            case_codes=report.case_codes,
        )

    def _fault(self, facts: log_events.Facts) -> None:
        self._count(Count("fault", str(facts["device"]), str(facts["reason"])))

    def _count(self, count: Count) -> None:
        self._send(COUNT + msgspec.json.encode(count).decode())


def _end(session: Session) -> End:
    if session.uncertain or session.undecided:
        return End.UNCLEAR
    if session.complete:
        return End.PRINTED
    return End.REFUSED if session.refusal else End.LEFT


def told_report(word: str) -> Report | None:
    """The report in a word; None for anything else."""
    return _told(word, REPORT, Report)


def count_in(word: str, tally: Tally) -> bool:
    """Count what a word says. False when it says nothing to count."""
    count = _told(word, COUNT, Count)
    if count is None:
        return False
    try:
        if count.of == "visit":
            tally.count_visit(End(count.name))
        elif count.of == "stage":
            tally.count_stage(Phase(count.name), float(count.value))
        else:
            tally.count_fault(count.name, str(count.value))
    except ValueError:
        return False
    return True


def _told(word: str, head: str, kind: type[T]) -> T | None:
    if not word.startswith(head):
        return None
    try:
        return msgspec.json.decode(word[len(head) :], type=kind)
    except msgspec.MsgspecError:
        return None
