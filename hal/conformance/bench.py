"""The bench: which drivers are tried, what they can do, and how a fault is put in and taken out.

A fault is put in by a command (a relay, a power switch, a program), or by a person who is asked.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from hal import drivers
from hal.drivers import Kind

TABLES: Final = {
    "printer": Kind.PRINTER,
    "speaker": Kind.SPEAKER,
    "cash": Kind.CASH,
    "card": Kind.CARD,
}


class BenchError(Exception):
    """One line: what is wrong in the bench file, or with a hand."""


class Hand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How something is done and undone: commands, or what a person is asked to do."""

    on: str = ""
    off: str = ""
    ask: str = ""
    undo: str = ""


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One device. `driver` as in the kiosk's configuration; `features` are what the model has;
    `deadline_s` is the longest that any call may take; `width`: a printer's dots.
    """

    driver: str
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    features: tuple[str, ...] = ()
    faults: dict[str, Hand] = msgspec.field(default_factory=dict)
    deadline_s: float = 75.0
    width: int = 576


def read(path: Path) -> Mapping[str, Table]:
    """Raises BenchError."""
    try:
        found = tomllib.loads(path.read_text("utf-8"))
        strange = sorted(set(found) - set(TABLES))
        if strange:
            raise BenchError(f"{path}: no [{strange[0]}]; there are {', '.join(TABLES)}")
        return {name: msgspec.convert(table, Table) for name, table in found.items()}
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise BenchError(f"{path}: {error}") from None


def make(name: str, table: Table) -> Any:
    """The driver of one table. Raises BenchError."""
    try:
        kind = TABLES[name]
        found = drivers.find(kind, table.driver)
        return found(name, drivers.options(kind, table.driver, table.options))
    except drivers.DriverError as error:
        raise BenchError(f"[{name}] {error}") from None


class Hands:
    """Puts faults in and out by what the bench file says."""

    def __init__(self, bench: Mapping[str, Table]) -> None:
        self._bench = bench

    def can(self, device: str, fault: str) -> bool:
        hand = self._bench[device].faults.get(fault)
        return hand is not None and bool(hand.on or (hand.ask and sys.stdin.isatty()))

    def switch(self, device: str, fault: str, on: bool) -> None:
        """Raises BenchError."""
        hand = self._bench[device].faults[fault]
        command, words = (hand.on, hand.ask) if on else (hand.off, hand.undo)
        if command:
            done = subprocess.run(command, shell=True, check=False)  # noqa: S602 - the file's own
            if done.returncode:
                raise BenchError(f"{command}: ended with {done.returncode}")
        elif words:
            sys.stderr.write(f"\n{words} [Enter] ")
            sys.stderr.flush()
            sys.stdin.readline()
