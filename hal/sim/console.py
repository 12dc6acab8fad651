"""What a person or a program types to a running far end: on its standard input, or one command a
line on the Unix socket that `--control` names.

Every far end knows `help`, `faults`, `fault`, `heal`, `mend` and `show`; what a hand does at it are
acts of its own. Each command is answered: a line that begins with `error:` says what was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from hal.sim import fault
from hal.sim.fault import Fault, UnknownFault, suggest

T = TypeVar("T")
ERROR: Final = "error:"
OTHERS: Final = 0o077  # may not tell it anything
TOLD_S: Final = 10.0  # a far end answers at once; a card that is made anew takes a second
HINT: Final = 'commands on standard input: type "help"'
END: Final = "."  # a line of its own behind each answer on the socket


class Refused(Exception):
    """One line: why this cannot be done now."""


@dataclass(frozen=True)
class Act:
    """Something a hand does at the far end. `do` gets the word behind it, or "", and returns what
    came of it; it raises Refused, ValueError. `takes` is that word, for a person.
    """

    says: str
    do: Callable[[str], str]
    takes: str = ""


@dataclass(frozen=True)
class Console(Generic[T]):
    """The commands of one far end."""

    far_end: T
    faults: Mapping[str, Fault[T]]
    acts: Mapping[str, Act]

    async def obey(self, line: str) -> str:
        """The answer to one line, of one line or several."""
        name, _, rest = line.strip().partition(" ")
        word = rest.strip()
        try:
            if name in self.acts:
                return self.acts[name].do(word) or "ok"
            if name in COMMANDS:
                return await COMMANDS[name].do(self, word) or "ok"
        except (Refused, UnknownFault, ValueError, OSError) as error:
            return f"{ERROR} {error}"
        return f"{ERROR} no command {name!r}{suggest(name, (*COMMANDS, *self.acts))}"

    async def _help(self, _: str) -> str:
        own = {f"{name} {act.takes}".strip(): act.says for name, act in self.acts.items()}
        rows = own | {command.line: command.says for command in COMMANDS.values()}
        return "\n".join(f"{line:24} {says}" for line, says in rows.items())

    async def _list(self, _: str) -> str:
        return "\n".join(
            f"{name:32} {'NOW  ' if one.holds(self.far_end) else ''}{describe(one)}"
            for name, one in self.faults.items()
        )

    async def _fault(self, word: str) -> str:
        await fault.make(self.far_end, self.faults, word)
        return ""

    async def _heal(self, word: str) -> str:
        await fault.heal(self.far_end, self.faults, word)
        return ""

    async def _mend(self, _: str) -> str:
        await fault.mend(self.far_end, self.faults)
        return ""


@dataclass(frozen=True)
class Command:
    line: str
    says: str
    do: Callable[[Console[Any], str], Awaitable[str]]


COMMANDS: Final[Mapping[str, Command]] = {
    "fault": Command("fault NAME[:ARGUMENT]", "make a fault", Console._fault),
    "heal": Command("heal NAME", "put it right", Console._heal),
    "mend": Command("mend", "put everything right", Console._mend),
    "faults": Command("faults", "every fault that is known here, and what it does", Console._list),
    "help": Command("help", "this list", Console._help),
}


def describe(one: Fault[T]) -> str:
    """What it does, and what its argument may be."""
    if one.argument is None:
        return one.says
    return f"{one.says} ({one.argument.takes}; usually {one.argument.default})"


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--control PATH`, which every far end has."""
    parser.add_argument(
        "--control",
        type=Path,
        metavar="PATH",
        help="a Unix socket that takes the commands of standard input too",
    )


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, for argparse."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError("HOST:PORT expected")
    return host.strip("[]"), int(port)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def serve(console: Console[T], control: Path | None = None) -> None:
    """Obey until Ctrl-C or SIGTERM. Standard input that ends, or was never there, ends nothing.
    Raises OSError when the socket cannot be opened.
    """
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    # in the background of a terminal a program that reads would be stopped
    signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    lines: asyncio.Queue[str] = asyncio.Queue()
    # a thread of its own: a read of standard input cannot be cancelled, and must not hold up the
    # end
    threading.Thread(target=_read, args=(loop, lines), daemon=True).start()
    async with _listening(console, control):
        obeying = asyncio.create_task(_obey_lines(console, lines))
        await ended.wait()
        obeying.cancel()


def _read(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str]) -> None:
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # nothing to read, or the end
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)


async def _obey_lines(console: Console[T], lines: asyncio.Queue[str]) -> None:
    while True:
        line = await lines.get()
        if line.strip():
            say(await console.obey(line))


@contextlib.asynccontextmanager
async def _listening(console: Console[T], control: Path | None) -> AsyncIterator[None]:
    if control is None:
        yield
        return

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ValueError):  # gone, or a line without an end
            while line := (await reader.readline()).decode("utf-8", "replace"):
                writer.write(f"{await console.obey(line)}\n{END}\n".encode())
                await writer.drain()
        writer.close()

    _remove(control)  # of a program that was killed
    before = os.umask(OTHERS)
    try:
        server = await asyncio.start_unix_server(talk, control)
    finally:
        os.umask(before)
    try:
        yield
    finally:
        server.close()
        _remove(control)


def _remove(control: Path) -> None:
    """Only a socket."""
    if control.is_socket():
        control.unlink()


def tell(control: Path, line: str) -> str:
    """What the far end at this socket answers to the command. Raises OSError."""
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(TOLD_S)
        wire.connect(str(control))
        wire.sendall(f"{line}\n".encode())
        with wire.makefile("r", encoding="utf-8") as lines:
            answer = takewhile(lambda line: line != END, (line.rstrip("\n") for line in lines))
            return "\n".join(answer)


def main(argv: list[str] | None = None) -> int:
    """0: done; 1: the far end refused, and says why; 2: nobody listens there."""
    parser = argparse.ArgumentParser(
        prog="kiosk sim tell", description="Give one command to a far end that has --control."
    )
    parser.add_argument("control", type=Path, metavar="SOCKET")
    parser.add_argument("words", nargs="+", metavar="WORD", help="such as: fault coin-jam")
    given = parser.parse_args(argv)
    try:
        answer = tell(given.control, " ".join(given.words))
    except OSError as error:
        sys.stderr.write(f"kiosk sim tell: {given.control}: {error.strerror or error}\n")
        return 2
    refused = answer.startswith(ERROR)
    (sys.stderr if refused else sys.stdout).write(f"{answer}\n")
    return 1 if refused else 0
