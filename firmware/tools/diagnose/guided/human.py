"""A person as a driver: asked to do one thing, the person answers that it is done, or that it
failed.

The idea is that of labgrid's manual drivers. A step does not know whether somebody at a terminal
answers, or a script does.
"""

from __future__ import annotations

import getpass
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, TextIO

YES: Final = ("", "y", "ok")
NO: Final = "n"
STOP: Final = "q"
KEYS: Final = "  [Enter] 済・正常 / done   [n] 異常 / failed   [q] 中止 / stop: "


class Answer(StrEnum):
    DONE = "done"
    FAILED = "failed"


class Gone(Exception):
    """Nobody answers any more: the person has stopped, or the terminal has ended."""


@dataclass(frozen=True)
class Request:
    """What a person is asked to do, or to judge. `hint` helps now, and is not recorded."""

    ja: str
    en: str
    hint: str = ""


class Human(Protocol):
    """Whoever stands at the kiosk. `name` goes into the record."""

    @property
    def name(self) -> str: ...

    def ask(self, request: Request) -> Answer:
        """Returns when it is done or has failed. Raises Gone."""
        ...


@dataclass(frozen=True)
class Terminal:
    """Somebody at a terminal. What is neither yes nor no is asked again."""

    source: TextIO
    out: TextIO
    name: str = field(default_factory=getpass.getuser)

    def ask(self, request: Request) -> Answer:
        for line in filter(None, (request.ja, request.en, request.hint)):
            self.out.write(f"  {line}\n")
        while True:
            self.out.write(KEYS)
            self.out.flush()
            typed = self.source.readline()
            if not typed:
                raise Gone("the terminal has ended")
            word = typed.strip().lower()
            if word in YES:
                return Answer.DONE
            if word == NO:
                return Answer.FAILED
            if word == STOP:
                raise Gone(f"stopped by {self.name}")


@dataclass(frozen=True)
class Answered:
    """One request, who answered it, what, and after how many seconds."""

    ja: str
    en: str
    answer: Answer
    by: str
    seconds: float


@dataclass
class Asking:
    """Asks the person, and keeps every answer of one step."""

    human: Human
    answers: list[Answered] = field(default_factory=list)

    def ask(self, request: Request) -> bool:
        """Whether it is done. Raises Gone."""
        began = time.monotonic()
        answer = self.human.ask(request)
        self.note(request, answer, self.human.name, time.monotonic() - began)
        return answer is Answer.DONE

    def note(self, request: Request, answer: Answer, by: str, seconds: float) -> None:
        """An answer that did not come over the terminal: `by` a device, such as the panel."""
        self.answers.append(Answered(request.ja, request.en, answer, by, round(seconds, 1)))
