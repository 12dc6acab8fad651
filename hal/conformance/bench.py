"""The bench: which drivers are tried, what they can do, and how a fault is put in and taken out.

A fault is put in by a command (a relay, a power switch, a program), or by a person who is asked.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from hal import drivers
from hal.drivers import Kind

TABLES: Final = {
    "printer": Kind.PRINTER,
    "speaker": Kind.SPEAKER,
    "cash": Kind.CASH,
    "card": Kind.CARD,
    "service_key": Kind.SERVICE_KEY,
}


# What the suite asks for: a word that it does not know would be skipped without anybody noticing.
FAULTS: Final[Mapping[str, frozenset[str]]] = {
    "printer": frozenset({"cover-open", "paper-out", "jam", "silent", "gone", "torn"}),
    "speaker": frozenset({"gone"}),
    "cash": frozenset({"silent"}),
    "card": frozenset({"gone", "card-present"}),
    "service_key": frozenset({"turned", "silent", "cut"}),
}
FEATURES: Final[Mapping[str, frozenset[str]]] = {"printer": frozenset({"outlet-sensor"})}
FAR_ENDS: Final = "far_ends"


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
    found = _document(path)
    found.pop(FAR_ENDS, None)
    board, here = found.pop("board", ""), platform.node()
    if board not in ("", here):
        raise BenchError(
            f"{path}: board: the bench of {board!r}, and this machine is {here!r}: "
            "give this machine's own file"
        )
    return {name: _table(path, name, values) for name, values in found.items()}


def uses_far_ends(path: Path) -> bool:
    """Whether the bench is of virtual far ends. Raises BenchError."""
    found = _document(path).get(FAR_ENDS, False)
    if not isinstance(found, bool):
        raise BenchError(f"{path}: {FAR_ENDS}: true or false")
    return found


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BenchError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BenchError(f"{path}: {error}") from None


def _table(path: Path, name: str, values: object) -> Table:
    if name not in TABLES:
        raise BenchError(f"{path}: no [{name}]; there are {', '.join(TABLES)}")
    try:
        table = msgspec.convert(values, Table)
    except msgspec.ValidationError as error:
        raise BenchError(f"{path}: [{name}] {error}") from None
    for key, used, known in (
        ("faults", table.faults, FAULTS[name]),
        ("features", table.features, FEATURES.get(name, frozenset())),
    ):
        strange = sorted(set(used) - known)
        if strange:
            there = ", ".join(sorted(known)) or "none"
            raise BenchError(f"{path}: [{name}] {key}: no {strange[0]!r}; there are {there}")
    return table


def placed(table: Table, addresses: Mapping[str, str]) -> Table:
    """The table with the addresses of virtual far ends: `{sheets}` stands for one."""
    options = {name: _filled(value, addresses) for name, value in table.options.items()}
    return msgspec.structs.replace(table, options=options)


def _filled(value: object, addresses: Mapping[str, str]) -> object:
    for name, address in addresses.items():
        if isinstance(value, str):
            value = value.replace(f"{{{name}}}", address)
    return value


def make(name: str, table: Table) -> Any:
    """The driver of one table. Raises BenchError."""
    try:
        kind = TABLES[name]
        found = drivers.find(kind, table.driver)
        return found(name, drivers.options(kind, table.driver, table.options))
    except drivers.DriverError as error:
        raise BenchError(f"[{name}] {error}") from None


class FaultSwitch(Protocol):
    """Who can put faults in."""

    def can(self, device: str, fault: str) -> bool: ...

    def switch(self, device: str, fault: str, on: bool) -> None: ...


class Hands:
    """Puts faults in and out by what the bench file says; what it does not say, `others` may do."""

    def __init__(self, bench: Mapping[str, Table], others: FaultSwitch | None = None) -> None:
        self._bench = bench
        self._others = others

    def can(self, device: str, fault: str) -> bool:
        others = self._others is not None and self._others.can(device, fault)
        return self._has_hand(device, fault) or others

    def _has_hand(self, device: str, fault: str) -> bool:
        hand = self._bench[device].faults.get(fault)
        return hand is not None and bool(hand.on or (hand.ask and sys.stdin.isatty()))

    def switch(self, device: str, fault: str, on: bool) -> None:
        """Raises BenchError."""
        if self._others is not None and not self._has_hand(device, fault):
            self._others.switch(device, fault, on)
            return
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
