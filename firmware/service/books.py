"""The supervisor's side of the journal: it settles what a child left open, and keeps what a child
could not write.

Before it settles, the coin unit is asked what it remembers (coin_recovery.py), once for each
session, and the payment terminal what became of a charge (charge_recovery.py).

What is kept is in this process's memory and in the log, and is written as soon as the disk takes
it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from firmware.link.messages import Outcome
from firmware.service import charge_recovery
from firmware.service.cases import journal_path
from firmware.service.coin_recovery import COUNTED, Question, known, question
from firmware.service.entry import Entry, JournalBroken, NewEntry, new_entry, new_id, outcome_of
from firmware.service.flight_record import What, keep_for_case, note
from firmware.service.flight_steps import told
from firmware.service.journal import Journal
from firmware.service.log import log
from firmware.service.record import to_the_log
from firmware.service.recovery import settle

MOST_KEPT = 2_000  # many times what one journey can write; what comes behind is in the log alone


Recover = Callable[[Question], list[NewEntry]]


def nothing(_: Question) -> list[NewEntry]:
    """There is no coin unit to be asked."""
    return []


class Books:
    """`state` is the kiosk's folder, `recover` asks the coin unit, `ask_terminal` the payment
    terminal.
    """

    def __init__(
        self,
        state: Path,
        recover: Recover = nothing,
        ask_terminal: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = journal_path(state)
        self._recover = recover
        self._ask_terminal = ask_terminal
        # sessions: their answer, or that there was none, is written or kept
        self._asked: set[str] = set()
        self.kept: list[NewEntry] = []

    @contextlib.contextmanager
    def _journal(self) -> Iterator[Journal]:
        with contextlib.closing(Journal(self._path)) as journal:
            yield journal

    def is_sound(self) -> bool:
        """Whether the journal can be read, all of it."""
        try:
            with self._journal() as journal:
                journal.verify()
        except JournalBroken:
            return False
        return True

    def settle(self) -> None:
        """Write what was kept, and close what was left open. Raises JournalBroken: nothing may be
        served.
        """
        with self._journal() as journal:
            journal.verify()
            asked = self._question(journal)
        if asked.sessions - self._asked:
            self._asked |= asked.sessions
            self.kept += self._recover(asked)
        with self._journal() as journal:
            journal.append(self.kept)
            self.kept.clear()
            charges_due = charge_recovery.is_due(journal)
        if charges_due:
            self._ask_terminal()
        with self._journal() as journal:
            earlier = {case.id for case in journal.cases()}
            unfinished = journal.unfinished()
            for code in settle(journal):
                log("service.settled", code=code)
            for session in unfinished:
                self._note_money(journal.entries(session)[-1])
            for case in journal.cases():
                if case.id not in earlier:
                    self._opened(case.id, case.code)

    def _note_money(self, end: Entry) -> None:
        sums = {name: end.facts[name] for name in ("kept", "returned", "owed", "held")}
        note(self._path.parent, What.BOOKS, told("books", sums))

    def _question(self, journal: Journal) -> Question:
        """What is written and what is kept, of sessions that nobody ended."""
        ended = {given.session for given in self.kept if given.kind == "ended"}
        begun = {given.session for given in self.kept if given.kind == "begun"}
        unfinished: dict[str, list[Entry | NewEntry]] = {
            session: [*journal.entries(session), *(n for n in self.kept if n.session == session)]
            for session in dict.fromkeys((*journal.unfinished(), *begun))
            if session not in ended
        }
        kept = (given for given in reversed(self.kept) if given.kind in COUNTED)
        newest = next(kept, None) or journal.newest(*COUNTED)
        return question(unfinished, known(newest) if newest else None)

    def keep(self, given: NewEntry) -> None:
        if len(self.kept) < MOST_KEPT:
            self.kept.append(given)

    def undelivered(self) -> list[Outcome]:
        """Outcomes that the city does not have yet, whether they are written or kept."""
        kept = [outcome_of(given) for given in self.kept if given.kind == "outcome"]
        reported = {
            given.facts["outcome"] for given in self.kept if given.kind in ("delivered", "denied")
        }
        written: list[Outcome] = []
        with contextlib.suppress(JournalBroken), self._journal() as journal:
            written = journal.undelivered()
        return [outcome for outcome in (*written, *kept) if outcome.outcome not in reported]

    def open_case(self, code: str, *, pauses: bool) -> str:
        """One for one cause: the number of the open one, or of a new one, which is kept when it
        cannot be written.
        """
        with contextlib.suppress(JournalBroken), self._journal() as journal:
            found = next((case.id for case in journal.cases() if case.code == code), "")
            return found or self._opened(journal.open_case("", code, pauses=pauses), code)
        known = (
            given for given in self.kept if given.kind == "case" and given.facts["code"] == code
        )
        given = next(known, None) or self._kept_case(code, pauses=pauses)
        return str(given.facts["case"])

    def _kept_case(self, code: str, *, pauses: bool) -> NewEntry:
        given = new_entry("", "case", case=new_id(), code=code, pauses=pauses)
        to_the_log(given)
        self.keep(given)
        self._opened(str(given.facts["case"]), code)
        return given

    def _opened(self, case: str, code: str) -> str:
        keep_for_case(self._path.parent, case, code)
        return case
