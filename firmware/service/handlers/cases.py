"""Cases: what an operator has to look into."""

from __future__ import annotations

from typing import ClassVar

from firmware.flow import commands, events
from firmware.service.flight_record import keep_for_case
from firmware.service.handlers.base import Handler, Table
from firmware.service.health_desk import case_open
from firmware.service.log import log
from firmware.service.workplace import Workplace


def open_case(place: Workplace, command: commands.OpenCase) -> None:
    """While nobody is being served, one cause is one case, however often it is met."""
    session, code, pauses = place.vault.session, command.code, command.pauses
    if place.record.begun() or not place.record.known_case(code):
        case = place.record.open_case(session, code, pauses=pauses)
        if command.held:
            place.happened("held", amount=command.held, case=case)
        announce_case(place, case, command)
    elif pauses:
        # The next look at the journal finds its number.
        place.post(events.Health(problem="case-open"))


def announce_case(place: Workplace, case: str, command: commands.OpenCase) -> None:
    """A case is written down: the journey learns of one that pauses the kiosk."""
    keep_for_case(place.config.kiosk.state, case, command.code)
    log("case.opened", case=case, code=command.code, pauses=command.pauses)
    if command.pauses:
        place.post(case_open(case))  # now: the next person may be about to touch "start"


class CaseHandler(Handler):
    def open(self, command: commands.OpenCase) -> None:
        open_case(self.place, command)

    def call_staff(self, command: commands.CallStaff) -> None:
        log("staff.called", reason=command.reason)

    table: ClassVar[Table] = {commands.OpenCase: open, commands.CallStaff: call_staff}
