"""Whose hands do what a scenario wants done at real devices: those of a program, or of a person who
is asked on the terminal.

A program is called once for each act, with the act's name and its words as arguments. It returns
when the act is done; another exit status than 0 says that it cannot be done, and ends the run.
"""

from __future__ import annotations

import asyncio
import getpass
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol

NO: Final = ("n", "no")


class HandsGaveUp(Exception):
    """One line: which act, and why it was not done."""


@dataclass(frozen=True)
class Act:
    """`takes`: the words behind its name. `says`: what is to be done, for the reference. `asks`:
    the same, for a person; `{}` is the words.
    """

    takes: str
    says: str
    asks: str


ACTS: Final[Mapping[str, Act]] = MappingProxyType(
    {
        "card": Act(
            "NAME or `off`",
            "Lay the card or phone NAME on the reader, in the place of what lies there; `off`: take"
            " off what lies there.",
            "Lay this card on the reader (off: take it off): {}",
        ),
        "pin": Act(
            "NAME",
            "Write the PIN of that card on standard output; nothing is to be done.",
            "The PIN of this card (it is not shown): {}",
        ),
        "coin": Act(
            "YEN",
            "Put a coin of so many yen in; 0: something that is no coin.",
            "Put in a coin of this many yen: {}",
        ),
        "present": Act(
            "`phone`",
            "Hold a phone to the payment terminal.",
            "Hold this to the payment terminal: {}",
        ),
        "take": Act(
            "`sheets` or `receipt`", "Take what lies in that outlet.", "Take from its outlet: {}"
        ),
        "fault": Act(
            "NAME[:ARGUMENT]", "Make this fault, of the tables below.", "Make this fault: {}"
        ),
        "heal": Act("NAME", "Put this fault right.", "Put this fault right: {}"),
        "hear": Act(
            "WORDS",
            "Say whether the speaker has said these words on the screen that is shown, or (`again`)"
            " says something again.",
            "Wait until the speaker says this: {}",
        ),
        "city": Act(
            "JSON",
            "Merge this over the data of the city's gateway; `{}`: give it its own data back.",
            "Merge this over the data of the city's gateway: {}",
        ),
        "clock": Act(
            "TIME or `now`",
            "Set the clock of the city's gateway to this time, ISO 8601; `now`: to the true time.",
            "Set the clock of the city's gateway: {}",
        ),
        "mend": Act(
            "nothing",
            "After each scenario: take the card off, put all faults right, fill paper and hoppers,"
            " take what lies in the outlets.",
            "Take the card off, put all faults right, fill up, empty the outlets. {}",
        ),
    }
)


class Hands(Protocol):
    """Does one of `ACTS`, and returns what is said to it. Raises HandsGaveUp."""

    async def do(self, act: str, *words: str) -> str: ...


class ProgramHands:
    """`command`: the program and its first arguments, as a shell would part them."""

    def __init__(self, command: str) -> None:
        self._command = shlex.split(command)

    async def do(self, act: str, *words: str) -> str:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                act,
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise HandsGaveUp(f"{self._command[0]}: {error.strerror}") from None
        said, _ = await process.communicate()
        if process.returncode:
            raise HandsGaveUp(f"{self._command[0]} {act} ended with {process.returncode}")
        answer = said.decode("utf-8", "replace").strip()
        if answer and act != "pin":
            sys.stderr.write(f"{answer}\n")
        return answer


class PersonHands:
    """Asks on the terminal: Enter when it is done, n when it cannot be."""

    async def do(self, act: str, *words: str) -> str:
        asked = ACTS[act].asks.format(" ".join(words)).strip()
        answer = await asyncio.to_thread(_ask_secret if act == "pin" else _ask, asked)
        if answer is None or answer.strip().lower() in NO:
            raise HandsGaveUp("the person at the bench says that it cannot be done")
        return answer.strip()


def _ask(what: str) -> str | None:
    """None: nobody is there to answer."""
    sys.stderr.write(f">> {what} [Enter, or n] ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    return line if line else None


def _ask_secret(what: str) -> str | None:
    try:
        return getpass.getpass(f">> {what} ")
    except EOFError:
        return None
