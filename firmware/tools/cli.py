"""The `kiosk` command. What a command needs is imported when it runs.

A board has the commands of this table. Where the city's program, the simulated devices or the
testbed are installed too, their own tables (`PROVIDERS`) add their commands.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TypeAlias

FAILED = 2
INTERRUPTED = 130
# The words of a command: the module whose `main(argv)` it is (or module:function), and what it
# does.
Commands: TypeAlias = Mapping[tuple[str, ...], tuple[str, str]]
COMMANDS: Commands = {
    ("run",): ("firmware.tools.run", "the kiosk itself"),
    ("status",): ("firmware.tools.status", "how a running kiosk is, without asking its devices"),
    ("metrics",): ("firmware.tools.metrics", "the same for a Prometheus, once or served"),
    ("provision",): (
        "firmware.tools.provision",
        "make a kiosk of a blank board: key, journal, papers",
    ),
    ("cases",): ("firmware.tools.cases", "what an operator has to look into"),
    ("diagnose",): ("firmware.tools.diagnose", "check each configured device"),
    ("exchanges",): ("firmware.tools.exchanges", "the newest exchanges with each device"),
    ("incident",): ("firmware.tools.incident", "what an engineer needs, in one file"),
    ("replay",): ("firmware.tools.replay", "explain an incident, step by step"),
    ("card-check",): ("firmware.tools.card_check", "a card on a PC/SC reader, step by step"),
    ("cash",): ("firmware.tools.cash", "the operator's money: count, refill, empty, close the day"),
    ("journal",): (
        "firmware.tools.journal",
        "make the journal once, check it, look at it, take a copy",
    ),
    ("calibrate",): (
        "firmware.tools.calibrate",
        "a sheet that shows which copy guard suits the printer",
    ),
    ("test-print",): (
        "firmware.tools.service_print",
        "a technician's slip in the printer's own text",
    ),
    ("verify-sheet",): ("firmware.tools.verify_sheet", "check the code on a sheet, without a line"),
    ("voice",): ("firmware.tools.voice", "record everything the kiosk can say, once"),
    ("browser",): (
        "firmware.tools.browser",
        "the panel's browser on a board, one for each resident",
    ),
    ("update",): (
        "firmware.tools.update.command",
        "whether a build may be installed, started and kept",
    ),
    ("version",): ("firmware.tools.version", "which build this is"),
}
PROVIDERS = ("city.commands", "hal.sim.commands", "testbed.commands")
GROUPS = {"sim": "far ends of the wires, one by one"}


class CommandError(Exception):
    """One line for the person at the terminal."""


def commands() -> Commands:
    """Those of everything that is installed here."""
    found = dict(COMMANDS)
    for provider in PROVIDERS:
        if _is_installed(provider):
            found.update(import_module(provider).COMMANDS)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all went well, otherwise 1 or 2 and one line on stderr. Never a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    known = commands()
    try:
        for command in sorted(known, key=len, reverse=True):
            if tuple(words[: len(command)]) == command:
                return _program(known[command][0])(words[len(command) :])
        help_for(known).parse_args(words)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED
    except Exception as error:
        if not isinstance(error, OSError) and not _is_foreseen(error):
            raise
        sys.stderr.write(f"kiosk: {error}\n")
    return FAILED


def help_for(known: Commands) -> argparse.ArgumentParser:
    """A parser that knows every command by name and none of their options."""
    parser = argparse.ArgumentParser(prog="kiosk", description="A municipal certificate kiosk.")
    actions = parser.add_subparsers(metavar="COMMAND", required=True)
    groups: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    for (first, *rest), (_, text) in known.items():
        if not rest:
            actions.add_parser(first, help=text)
        elif first in GROUPS:
            if first not in groups:
                group = actions.add_parser(first, help=GROUPS[first])
                groups[first] = group.add_subparsers(metavar="DEVICE", required=True)
            groups[first].add_parser(rest[0], help=text)
    return parser


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even its package
        return False


def _program(name: str) -> Callable[[Sequence[str]], int]:
    module, _, function = name.partition(":")
    program: Callable[[Sequence[str]], int] = getattr(import_module(module), function or "main")
    return program


def _is_foreseen(error: Exception) -> bool:
    """Whether it is one of our own errors, whose text is one line for people."""
    return type(error).__module__.partition(".")[0] in ("firmware", "hal", "city", "testbed")
