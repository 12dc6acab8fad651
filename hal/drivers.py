"""Drivers by name: those that are installed beside the kiosk, or any class that is named by module.

A driver is a class that is made with `(name, options)`. `name` is the configuration's table;
`Options`, a dataclass in the class, says which options there are, their types and defaults
(docs/hal.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

import msgspec

from hal.card.contract import CardReader
from hal.cash.contract import CoinUnit
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Printer
from hal.service_key.contract import ServiceKey
from hal.speaker.contract import Speaker


class Kind(StrEnum):
    """The value is the entry point's group."""

    CARD = "madoguchi.card"
    PRINTER = "madoguchi.printer"
    CASH = "madoguchi.cash"
    SPEAKER = "madoguchi.speaker"
    SERVICE_KEY = "madoguchi.service_key"


# What a driver of each kind must be able to do.
CONTRACTS: Final[Mapping[Kind, type]] = {
    Kind.CARD: CardReader,
    Kind.PRINTER: Printer,
    Kind.CASH: CoinUnit,
    Kind.SPEAKER: Speaker,
    Kind.SERVICE_KEY: ServiceKey,
}


class DriverError(Exception):
    """One line: which driver, and what is wrong with it or its options."""


def installed(kind: Kind) -> tuple[str, ...]:
    """The names under which packages offer drivers of this kind."""
    return tuple(sorted({point.name for point in entry_points(group=kind.value)}))


def find(kind: Kind, name: str, own: Sequence[str] = ()) -> type[Any]:
    """The class of this name. `own`: names that are told beside the installed ones. Raises
    DriverError.
    """
    found = _named(kind, name, own)
    if not isinstance(found, type):
        raise DriverError(f"driver: {name!r} is no class")
    missing = [each for each in required(kind) if not hasattr(found, each)]
    if missing:
        raise DriverError(f"driver: {name!r} has no {', '.join(missing)} (docs/hal.md)")
    return found


def required(kind: Kind) -> list[str]:
    """The public methods of the contract."""
    methods = vars(CONTRACTS[kind]).items()
    return sorted(name for name, what in methods if callable(what) and not name.startswith("_"))


def _named(kind: Kind, name: str, own: Sequence[str]) -> object:
    module, colon, attribute = name.partition(":")
    try:
        if colon:
            return getattr(import_module(module), attribute)
        for point in entry_points(group=kind.value, name=name):
            return point.load()
    except Exception as error:  # whatever somebody else's module does while it is imported
        raise DriverError(f"driver: {name!r}: {type(error).__name__}: {error}") from None
    listed = ", ".join((*own, *installed(kind)))
    raise DriverError(f"driver: {name!r} is none of {listed}, and no package.module:Class")


def options(kind: Kind, name: str, given: object, own: Sequence[str] = ()) -> Any:
    """The driver's own options, checked. Raises DriverError with the key that is wrong."""
    declared = getattr(find(kind, name, own), "Options", None)
    if declared is None:
        if given:
            raise DriverError(f"options: {name!r} takes none")
        return None
    known = [field.name for field in dataclasses.fields(declared)]
    if not isinstance(given, Mapping):
        raise DriverError("options: a table")
    if strange := sorted(set(given) - set(known)):
        raise DriverError(f"options: no {', '.join(strange)}; {name!r} has {', '.join(known)}")
    try:
        return msgspec.convert(given, declared)
    except msgspec.ValidationError as error:
        raise DriverError(f"options: {error}") from None


def make(kind: Kind, table: str, name: str, given: Mapping[str, Any]) -> Any:
    """The driver for the configuration's table, with its options. Raises DeviceFault
    CONFIGURATION.
    """
    try:
        driver, chosen = find(kind, name), options(kind, name, given)
    except DriverError as error:
        raise DeviceFault(table, Reason.CONFIGURATION, str(error)) from None
    return driver(table, chosen)
