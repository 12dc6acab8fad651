"""The kiosk is closed: why, under which case, and when serving is tried again.

Two things close it: a journal that takes nothing more, and residents' processes that keep dying.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from firmware.service.books import Books
from firmware.service.child import Close, Serve, Served
from firmware.service.config import Config
from firmware.service.entry import JournalBroken
from firmware.service.listeners import Listeners
from firmware.service.log import log
from firmware.service.pipe import Send
from firmware.service.room import storage_trouble

STORAGE, PROGRAM, CONFIG = "storage", "program", "config"  # keys of the texts
RETRY_S = 5.0  # between two looks whether the journal can be written again
MEASURE_S = 60.0  # between two measurements of a kiosk that is not as it was signed
CODES: Final = {STORAGE: "journal.broken", PROGRAM: "child.dying"}


def code_of(problem: str, item: str = "") -> str:
    """Of the case under which the kiosk is closed. `item`: what is not as it was signed."""
    return f"attestation.{item}" if problem == CONFIG else CODES[problem]


@dataclass
class Closure:
    """`problem` is a key of the texts, `number` the case's, `again` in monotonic seconds."""

    problem: str
    number: str
    again: float
    # of a kiosk that is not as it was signed: whether it is so now
    attested: Callable[[], bool] | None = None

    @classmethod
    def for_storage(cls, books: Books) -> Closure:
        return cls._begin(books, STORAGE, code_of(STORAGE), RETRY_S)

    @classmethod
    def for_deaths(cls, books: Books, closed_s: float) -> Closure:
        return cls._begin(books, PROGRAM, code_of(PROGRAM), closed_s)

    @classmethod
    def for_attestation(cls, books: Books, item: str, attested: Callable[[], bool]) -> Closure:
        """The screen shows the item where it shows a case's number: it is what is looked for."""
        made = cls._begin(books, CONFIG, code_of(CONFIG, item), MEASURE_S)
        return replace(made, number=item, attested=attested)

    @classmethod
    def _begin(cls, books: Books, problem: str, code: str, again_s: float) -> Closure:
        number = books.open_case(code, pauses=False)
        log("kiosk.closed", problem=problem, case=number)
        return cls(problem, number, time.monotonic() + again_s)

    def ends_with_a_start(self) -> bool:
        """Whether the kiosk is as it was signed after all: then it starts anew, with what is there
        now.
        """
        if self.attested is None or time.monotonic() < self.again:
            return False
        self.again = time.monotonic() + MEASURE_S
        return self.attested()

    def is_worth_a_try(self, state: Path, books: Books) -> bool:
        """Whether it is time, the journal can be read, and the disk of the folder `state` has room
        again where that was the cause. The child that shows why is not ended in vain.
        """
        if self.attested or time.monotonic() < self.again:
            return False
        if (self.problem == STORAGE and storage_trouble(state)) or not books.is_sound():
            self._postpone()
            return False
        return True

    def reopen(self, books: Books) -> bool:
        """True when the journal takes what was kept; False: the kiosk stays closed."""
        try:
            books.settle()
        except JournalBroken:
            self._postpone()
            return False
        log("kiosk.reopened", problem=self.problem)
        return True

    def _postpone(self) -> None:
        self.again = time.monotonic() + RETRY_S

    def program(self, close: Close, books: Books) -> Serve:
        """What the child runs that shows why nobody is served."""

        def make(config: Config, listeners: Listeners, send: Send) -> Served:
            return close(config, listeners, send, self.problem, self.number, books.undelivered())

        return make
