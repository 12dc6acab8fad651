"""What one resident's process writes down, and what becomes of an entry that the disk does not
take.

Something that is yet to be done is written first, and not done when it cannot be written. Something
that has happened (a coin is in, a sheet is out) cannot be undone: it is handed to `keep` and
written behind this, as soon as the disk takes it, before anything newer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from firmware.service.entry import Fact, JournalBroken, NewEntry, new_entry, new_id
from firmware.service.journal import Journal
from firmware.service.log import log

Keep = Callable[[NewEntry], None]


def to_the_log(given: NewEntry) -> None:
    """The log is on another disk, or in memory, or in another house."""
    log("journal.unwritten", session=given.session, kind=given.kind, facts=_text(given.facts))


def _text(facts: dict[str, Fact]) -> str:
    return msgspec.json.encode(facts, order="deterministic").decode()


@dataclass
class Record:
    """`entries`: all that this process has written or kept; `unwritten`: what is only kept."""

    journal: Journal
    keep: Keep
    entries: list[NewEntry] = field(default_factory=list)
    unwritten: list[NewEntry] = field(default_factory=list)

    def write(self, session: str, kind: str, **facts: Fact) -> None:
        """Raises JournalBroken: it is not written, and must not be done."""
        given = new_entry(session, kind, **facts)
        self.journal.append([*self.unwritten, given])
        self.unwritten.clear()
        self.entries.append(given)

    def happened(self, session: str, kind: str, **facts: Fact) -> None:
        self.add(new_entry(session, kind, **facts))

    def add(self, given: NewEntry) -> None:
        """It is so: written, or else kept."""
        self.entries.append(given)
        try:
            self.journal.append([*self.unwritten, given])
            self.unwritten.clear()
        except JournalBroken:
            self.unwritten.append(given)
            self.keep(given)

    def retry(self) -> None:
        """What is only kept is written, if it can be by now."""
        with contextlib.suppress(JournalBroken):
            self.journal.append(self.unwritten)
            self.unwritten.clear()

    def open_case(self, session: str, code: str, *, pauses: bool) -> str:
        """Its number, whether it is written or kept."""
        case = new_id()
        self.happened(session, "case", case=case, code=code, pauses=pauses)
        return case

    def begun(self) -> bool:
        """Whether somebody is, or was, being served by this process."""
        return any(given.kind == "begun" for given in self.entries)

    def known_case(self, code: str) -> bool:
        """Whether a case of this code is open already."""
        try:
            return any(case.code == code for case in self.journal.cases())
        except JournalBroken:
            return False

    def last(self, kind: str, fact: str) -> str:
        """Of the newest entry of this kind; "" when there is none."""
        return next((str(n.facts[fact]) for n in reversed(self.entries) if n.kind == kind), "")
