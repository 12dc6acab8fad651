"""The outbox: outcomes of released orders, each written down and then sent to the city."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import ClassVar

import msgspec

from firmware.flow import commands
from firmware.link.messages import Outcome, Result
from firmware.service.entry import JournalFull, new_id, outcome_entry
from firmware.service.handlers.base import Handler, Table
from firmware.service.handlers.cases import announce_case
from firmware.service.workplace import Workplace


def deliver_later(place: Workplace) -> None:
    """Unless a delivery is under way already."""
    place.threads.once("outbox", partial(deliver, place))


async def deliver(place: Workplace) -> None:
    """Send every outcome that the city does not have yet."""
    head = place.journal.head()
    outcomes = [
        msgspec.structs.replace(outcome, journal=head) for outcome in place.journal.undelivered()
    ]
    await place.city.deliver(outcomes, partial(_delivered, place), partial(_denied, place))


def _delivered(place: Workplace, outcome: str) -> None:
    with contextlib.suppress(JournalFull):  # it is sent again, and counted once
        place.journal.delivered(outcome)


def _denied(place: Workplace, outcome: Outcome, code: str) -> None:
    case = f"outcome.{code}"
    with contextlib.suppress(JournalFull):
        if number := place.journal.denied(outcome, case):
            announce_case(place, number, commands.OpenCase(code=case, pauses=True))


class OutboxHandler(Handler):
    def report(self, command: commands.ReportOutcome) -> None:
        outcome = Outcome(
            outcome=new_id(),
            session=self.place.vault.session,
            order=self.place.record.last("checked", "order"),
            result=Result(command.result),
            sheets=command.sheets,
            kept=command.kept,
            returned=command.returned,
            owed=command.owed,
            held=command.held,
        )
        self.place.record.add(outcome_entry(outcome))
        deliver_later(self.place)

    table: ClassVar[Table] = {commands.ReportOutcome: report}
