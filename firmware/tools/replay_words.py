"""Plain English for the events and commands of a flight record, and who answers which command."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Final

from firmware.service.flight_steps import NOT_TOLD

EVENTS: Final[Mapping[str, str]] = {
    "card-present": "a card lies on the reader",
    "card-absent": "no card is on the reader",
    "card-unknown": "the reader cannot say whether a card is there",
    "card-read": "the card has answered",
    "card-failed": "the card cannot be used",
    "card-authenticated": "the card has taken the PIN",
    "pin-wrong": "the PIN was wrong",
    "headphones": "headphones were plugged in or out",
    "terms": "the city told what holds now",
    "line-lost": "the city could not be reached",
    "session-opened": "the city told what it offers",
    "city-refused": "the city refused, or the line failed",
    "document-checked": "the document is here and right",
    "document-rejected": "the document is not what it must be",
    "released": "the city released the document",
    "coin-inserted": "a coin fell in",
    "coin-returned": "a coin was not accepted",
    "coins-failed": "the coin unit cannot be trusted",
    "coins-stopped": "the coin slot is shut",
    "paid-out": "coins were paid out",
    "payout-failed": "not all coins came out",
    "charged": "the payment terminal took the money",
    "charge-declined": "the payment terminal took nothing",
    "charge-unknown": "nobody can tell whether the payment terminal took the money",
    "reversed": "the payment terminal gave the money back",
    "reverse-failed": "the payment terminal did not give the money back",
    "printers-ready": "the printers are ready",
    "printers-not-ready": "a printer is not ready",
    "sheet-printed": "a sheet came out",
    "sheet-failed": "a sheet has failed",
    "paper-taken": "the sheets were taken",
    "receipt-done": "the receipt has ended",
    "health": "the kiosk was looked over",
    "service-key": "the technician's key was turned, or turned back",
    "shutdown": "the process was asked to end",
    "time-up": "the time of this state ran out",
    "remind": "the words of the screen are due again",
    "warn": "a warning of the time is due",
}
# Commands that something answers, the events that do, and who is waited for.
ANSWERS: Final[Mapping[str, tuple[str, frozenset[str]]]] = {
    name: (who, frozenset(answers.split()))
    for name, who, answers in (
        ("CheckHealth", "the look over the devices", "health"),
        ("ReadCard", "the card", "card-read card-failed"),
        ("Authenticate", "the card", "card-authenticated pin-wrong card-read card-failed"),
        ("FetchTerms", "the city", "terms line-lost"),
        ("OpenSession", "the city", "session-opened city-refused"),
        ("PlaceOrder", "the city", "document-checked document-rejected city-refused"),
        ("ReleaseOrder", "the city", "released city-refused"),
        ("StopCoins", "the coin unit", "coins-stopped coins-failed"),
        ("PayOut", "the coin unit", "paid-out payout-failed"),
        ("Charge", "the payment terminal", "charged charge-declined charge-unknown"),
        ("Reverse", "the payment terminal", "reversed reverse-failed"),
        ("CheckPrinters", "the printers", "printers-ready printers-not-ready"),
        ("PrintSheet", "the printer", "sheet-printed sheet-failed"),
        ("PrintReceipt", "the receipt printer", "receipt-done"),
    )
}
BY_A_PERSON: Final = frozenset({"Charge"})  # answered when somebody has held a card to it
# Events that tell of something broken: the fact that says what, and its values that are nobody's
# fault; None: any value tells of it.
TROUBLE: Final[Mapping[str, tuple[str, frozenset[str] | None]]] = {
    "card-failed": ("cause", frozenset({"removed", NOT_TOLD})),
    "city-refused": ("code", frozenset({NOT_TOLD})),
    "document-rejected": ("reason", None),
    "line-lost": ("", None),
    "coins-failed": ("reason", None),
    "payout-failed": ("reason", None),
    "charge-unknown": ("", None),
    "reverse-failed": ("", None),
    "printers-not-ready": ("reason", None),
    "sheet-failed": ("reason", None),
    "receipt-done": ("printed", frozenset({"yes"})),
    # An open case is the consequence of what is told elsewhere.
    "health": ("problem", frozenset({"", NOT_TOLD, "case-open"})),
}
# What the flow notes of an event that it does not act on; "-": it came from an older time.
NOTED: Final[Mapping[str, str]] = {
    "ignored": "nothing: the state ignores it",
    "latched": "nothing yet: the state remembers it",
    NOT_TOLD: "nothing: it belongs to an earlier screen, session or timer",
}
DEATH: Final = "the process ended here without ending its session"
UNSEEN_DEATH: Final = (
    f"{DEATH}: the supervisor did not see it, so the whole service ended (a power cut, or a kill)"
)
UNTOLD: Final = frozenset({"StartTimer", "StopTimer", "ShowScreen", "Announce"})


def event_text(name: str, facts: Mapping[str, str]) -> str:
    """The event in plain English, with what was recorded of it."""
    touched = name.removeprefix("touch.")
    text = EVENTS.get(name, f'"{touched}" was touched' if touched != name else name)
    hidden = ("epoch", "screen", "generation", "stay", "name")
    told = [
        f"{key.replace('_', ' ')} {value or 'none'}"
        for key, value in facts.items()
        if key not in hidden and value != NOT_TOLD
    ]
    return f"{text} ({', '.join(told)})" if told else text


def trouble(name: str, facts: Mapping[str, str]) -> str:
    """What this event says is broken; "" when it says nothing of the kind."""
    if name not in TROUBLE:
        return ""
    fact, well = TROUBLE[name]
    value = facts.get(fact, NOT_TOLD)
    if well is not None and value in well:
        return ""
    return EVENTS[name] + (f": {fact} {value}" if value != NOT_TOLD else "")


def death_text(facts: Mapping[str, str]) -> str:
    """How a process ended that did not end in order. Raises KeyError, ValueError."""
    code = int(facts["code"])
    if code >= 0:
        return f"{DEATH}: it gave up with exit code {code}"
    by = "the supervisor" if facts["supervisor"] == "yes" else "something else"
    return f"{DEATH}: {by} killed it with {_signal(-code)}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def books_text(facts: Mapping[str, str]) -> str:
    """What became of the money of a session that nobody ended. Raises KeyError."""
    sums = ", ".join(f"{facts[name]} yen {name}" for name in ("kept", "returned", "owed", "held"))
    return f"the supervisor closed the session's books: {sums}"


def command_text(name: str, facts: Mapping[str, str]) -> str:
    """The command with its facts; "" for what is of no interest in a timeline."""
    if name in UNTOLD:
        return ""
    if name == "Note":
        return NOTED.get(facts.get("what", ""), NOTED[NOT_TOLD])
    told = [f"{key} {value}" for key, value in facts.items() if key != "epoch"]
    return f"{name} ({', '.join(told)})" if told else name
