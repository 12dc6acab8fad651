"""What an entry of the journal is: its kinds and their facts, its place in the chain, and what it
opens and closes.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from firmware.link.messages import Outcome

COINS = frozenset({"place", "coins10", "coins50", "coins100", "coins500"})

# What may be written, and with which facts. Tests prove that nothing else is.
KINDS: Mapping[str, frozenset[str]] = {
    "begun": frozenset(),
    "ordered": frozenset({"certificate"}),
    "authenticated": frozenset({"card"}),
    "checked": frozenset({"order", "document", "sheets", "copies", "fee"}),
    # counter: the acceptor's, with this coin; 0 when nobody knows it
    "coin": frozenset({"value", "counter"}),
    "coin-counter": frozenset({"counter", "open"}),  # before the slot opens, and when it is shut
    "coins-missed": frozenset({"lost", "reset"}),  # the acceptor cannot account for all coins
    "release-asked": frozenset({"order", "document"}),
    "released": frozenset({"order", "document"}),
    "sheet-begun": frozenset({"sheet"}),
    "sheet-done": frozenset({"sheet"}),
    "sheet-failed": frozenset({"sheet", "reason", "certain"}),
    "purge-needed": frozenset(),
    "purged": frozenset(),
    "payout-begun": frozenset({"amount"}),
    # a command that a hopper is about to get
    "dispense": frozenset({"address", "value", "coins", "events"}),
    "payout-done": frozenset({"amount"}),
    "payout-failed": frozenset({"amount", "paid", "reason"}),
    "charge-begun": frozenset({"amount"}),
    "charge-done": frozenset({"amount", "reference"}),  # the terminal's own number of it
    # declined: nothing was taken; unknown: nobody can tell
    "charge-failed": frozenset({"amount", "result"}),
    "reversal-begun": frozenset({"amount", "reference"}),
    "reversal-done": frozenset({"amount"}),
    "reversal-failed": frozenset({"amount", "result"}),  # refused or unknown
    "owed": frozenset({"amount"}),
    # nobody may have it before an operator has looked; less than 0: not any more
    "held": frozenset({"amount", "case"}),
    "slip": frozenset({"amount"}),  # a claim slip for it came out
    "outcome": frozenset(Outcome.__struct_fields__) - {"session", "journal"},
    "delivered": frozenset({"outcome"}),  # the city has it
    "denied": frozenset({"outcome", "code"}),  # the city's books say otherwise
    # An operator's acts with money (firmware/ledger): coins by value in one place, "box" or
    # "hopper-ADDRESS".
    "cash-layout": frozenset({"fed"}),
    "cash-count": COINS,
    "cash-refill": COINS,
    "cash-emptied": COINS,
    "cash-closed": frozenset({"number", "first", "last"}),
    "held-settled": frozenset({"case", "amount", "how"}),  # `firmware.ledger.acts.Fee`
    # a technician took the kiosk out of service, and put it back (stop.py)
    "service-stopped": frozenset(),
    "service-resumed": frozenset(),
    "case": frozenset({"case", "code", "pauses"}),
    "case-closed": frozenset({"case", "note"}),
    "ended": frozenset({"kept", "returned", "owed", "held"}),
}

Fact = str | int | bool
Facts = Mapping[str, Fact]


class JournalBroken(Exception):
    """The chain does not hold, or the file cannot be used. The kiosk must not serve."""


class JournalMissing(JournalBroken):
    """There is no journal here, and there was none: it has not been made yet."""


class JournalFull(JournalBroken):
    """The disk takes nothing more, now: full, read-only or failing. What the journal holds is not
    in doubt.
    """


class NewEntry(msgspec.Struct, frozen=True):
    """An entry before it has its place in the chain. `id` is random: the same one twice is
    written once.
    """

    id: str
    session: str
    kind: str
    facts: dict[str, Fact]
    at: str


@dataclass(frozen=True)
class Entry:
    seq: int
    session: str
    kind: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """An anomaly. While one that pauses is open the kiosk stays out of service (I8)."""

    id: str
    code: str
    session: str
    pauses: bool
    opened_at: str


def new_id() -> str:
    """128 random bits, in hex: nothing is named by the time (I2)."""
    return secrets.token_hex(16)


def new_entry(session: str, kind: str, **facts: Fact) -> NewEntry:
    """Raises ValueError for what may not be written."""
    if kind not in KINDS or facts.keys() != KINDS[kind]:
        raise ValueError(f"journal entry {kind!r} takes {sorted(KINDS.get(kind, ()))}")
    return NewEntry(new_id(), session, kind, facts, datetime.now(UTC).isoformat(timespec="seconds"))


def chained(previous: str, given: NewEntry, body: str) -> str:
    """The hash of an entry: of the one before it, and of all that is written. `body`: its facts as
    they stand.
    """
    return hashlib.sha256(
        "\n".join((previous, given.id, given.session, given.kind, body, given.at)).encode()
    ).hexdigest()


OPENS = ("case", "outcome")
# Kind of an entry that closes one: the kind of the other, and the fact by which it names it.
CLOSES = {
    "case-closed": ("case", "case"),
    "delivered": ("outcome", "outcome"),
    "denied": ("outcome", "outcome"),
}


def outcome_entry(outcome: Outcome) -> NewEntry:
    # A message leaves out what is at its default; an entry has every fact.
    facts = msgspec.to_builtins(msgspec.structs.asdict(outcome))
    del facts["journal"]
    return new_entry(facts.pop("session"), "outcome", **facts)


def outcome_of(entry: Entry | NewEntry) -> Outcome:
    """Raises msgspec.ValidationError for one that is none of this build's."""
    return msgspec.convert({**entry.facts, "session": entry.session}, Outcome)
