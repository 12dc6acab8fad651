"""What the flight record holds of an event, a command and a state: the words of one step.

A field is told only where a table here names it. None of them is of a person: no card, no digit of
a PIN nor its time, no number of PIN tries, no name, no certificate's kind, no choice, no
transaction of a payment terminal. Sheets and yen are told, as the log and the journal tell them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import Final

from firmware.flow import commands, events
from firmware.flow.machine import Flow, Moment
from firmware.service.flight_record import FlightRecord, What

EVENT_FACTS: Final[Mapping[type[events.Event], tuple[str, ...]]] = {
    events.CardFailed: ("cause",),
    events.Touch: ("screen",),
    events.HeadphonesChanged: ("plugged",),
    events.TimerFired: ("name", "generation"),
    events.CityRefused: ("code",),
    events.DocumentChecked: ("sheets", "fee", "copies"),
    events.DocumentRejected: ("reason",),
    events.CoinInserted: ("value",),
    events.CoinsFailed: ("reason",),
    events.PaidOut: ("amount",),
    events.PayoutFailed: ("amount", "paid", "reason"),
    events.Charged: ("amount",),
    events.ChargeDeclined: ("amount", "reason"),
    events.ChargeUnknown: ("amount",),
    events.Reversed: ("amount",),
    events.ReverseFailed: ("amount", "certain"),
    events.PrintersReady: ("outlet_sensor", "exact_only", "cashless"),
    events.PrintersNotReady: ("reason",),
    events.SheetPrinted: ("sheet",),
    events.SheetFailed: ("sheet", "reason", "certain"),
    events.ReceiptDone: ("printed",),
    events.Health: ("problem", "exact_only"),
}
COMMAND_FACTS: Final = (
    "epoch",
    "name",
    "generation",
    "seconds",
    "due",
    "amount",
    "sheet",
    "paid",
    "owed",
    "code",
    "pauses",
    "held",
    "what",
    "event",
)
# Of these facts only the values that are of a device: the others tell of a card or a person.
ONLY: Final[Mapping[type[events.Event], tuple[str, ...]]] = {
    events.CardFailed: ("removed", "mute"),
    events.CityRefused: ("line-down",),
}
NOT_TOLD: Final = "-"
_CODE: Final = re.compile(r"[a-z0-9./-]{0,32}")


class RecordedFlow:
    """The journey's machine, with each of its steps in the record: before it is asked, and what
    it said.
    """

    def __init__(self, flow: Flow, record: FlightRecord) -> None:
        self._flow, self._record = flow, record
        self._stays: list[str] = []

    def start(self) -> commands.Commands:
        """As `Flow.start`."""
        self._record.add(What.START, "")
        wanted = self._flow.start()
        self._tell(wanted)
        return wanted

    def handle(self, event: events.Event) -> commands.Commands:
        """As `Flow.handle`. Raises UnhandledEvent."""
        if isinstance(event, events.PinDigit):
            return self._flow.handle(event)  # the times between digits are a person's
        self._record.add(What.EVENT, event_words(event, self._stay(event)))
        try:
            wanted = self._flow.handle(event)
        except Exception as error:
            self._record.add(What.STOPPED, f"{type(error).__name__} state={self._flow.state.value}")
            raise
        self._tell(wanted)
        return wanted

    def _tell(self, wanted: commands.Commands) -> None:
        self._record.add(What.REACHED, moment_words(self._flow.moment))
        for command in wanted:
            self._record.add(What.COMMAND, command_words(command))

    def _stay(self, event: events.Event) -> int:
        """The stays of a card are counted: their names are the reader's."""
        if not isinstance(event, events.CardPresent):
            return 0
        if event.stay not in self._stays:
            self._stays.append(event.stay)
        return self._stays.index(event.stay) + 1


def event_words(event: events.Event, stay: int = 0) -> str:
    """Its name in the table, and what the tables above tell of it. `stay` is a card's, counted."""
    kind = type(event)
    facts = {name: getattr(event, name) for name in EVENT_FACTS.get(kind, ())}
    if kind in ONLY:
        facts = {name: value if value in ONLY[kind] else NOT_TOLD for name, value in facts.items()}
    if isinstance(event, events.Answer):
        facts = {"epoch": event.epoch, **facts}
    if isinstance(event, events.TermsReceived):
        facts = {"open": not event.terms.refusal, "phones": event.terms.phones}
    if stay:
        facts = {"stay": stay}
    return told(events.trigger(event), facts)


def command_words(command: commands.Command) -> str:
    """Its name in the program, and the facts of the table."""
    if isinstance(command, commands.ShowScreen):
        return told("ShowScreen", {"screen": command.screen.number, "shown": command.screen.name})
    facts = {name: getattr(command, name) for name in COMMAND_FACTS if hasattr(command, name)}
    return told(type(command).__name__, facts)


def moment_words(moment: Moment) -> str:
    """The state, and the numbers by which late events are known."""
    return told(
        moment.state.value,
        {
            "epoch": moment.session.epoch,
            "screen": moment.screen.number,
            "generation": moment.generation,
            "limit": moment.limit,
            "remind": moment.remind,
            "warning": moment.warning,
        },
    )


def told(name: str, facts: Mapping[str, object]) -> str:
    """The words of one step. `parsed` reads them."""
    return " ".join((name, *(f"{key}={_value(value)}" for key, value in facts.items())))


def _value(value: object) -> str:
    """A number, yes or no, or a code; whatever else there might be is not told."""
    if value is None:
        return NOT_TOLD
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value)
    text = str(value.value if isinstance(value, Enum) else value)
    return text if _CODE.fullmatch(text) else NOT_TOLD


def parsed(words: str) -> tuple[str, dict[str, str]]:
    """The name and the facts of a step's words. Raises ValueError."""
    name, *rest = words.split()
    return name, dict(fact.split("=", 1) for fact in rest)
