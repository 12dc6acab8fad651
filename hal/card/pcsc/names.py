"""Which of PC/SC's readers is ours.

pcscd puts two numbers behind each name: the device's, in the order of plugging in, and the slot's
within the device. The first one moves when something is plugged in again, so it identifies nothing.
A name that fits two readers is refused rather than guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from hal.faults import DeviceFault, Reason

NUMBERED: Final = re.compile(r"(?P<model>.*) [0-9A-F]{2} (?P<slot>[0-9A-F]{2})", re.DOTALL)


def choose(wanted: str, serial: str, names: Sequence[str], serial_of: Callable[[str], str]) -> str:
    """The one reader that `wanted` names: all of its name, or an unambiguous beginning. Where a
    `serial` number is given, the reader must have it, in its name or by its own word.

    Raises DeviceFault NOT_CONNECTED, CONFIGURATION.
    """
    fitting = [name for name in names if _fits(wanted, name)]
    if serial:
        fitting = _with_serial(wanted, serial, fitting, serial_of)
    if not fitting:
        raise DeviceFault(wanted, Reason.NOT_CONNECTED, "no such reader")
    if len(fitting) > 1:
        raise DeviceFault(wanted, Reason.CONFIGURATION, f"ambiguous: {', '.join(fitting)}")
    return fitting[0]


def _with_serial(
    wanted: str, serial: str, names: Sequence[str], serial_of: Callable[[str], str]
) -> list[str]:
    """Those that have it. One that cannot be asked matters only when no other has it."""
    found, silent = [], None
    for name in names:
        try:
            if f"({serial})" in name or serial_of(name) == serial:
                found.append(name)
        except DeviceFault as fault:
            silent = fault
    if silent and not found:
        raise DeviceFault(wanted, silent.reason, silent.detail)
    return found


def _fits(wanted: str, name: str) -> bool:
    ours, theirs = NUMBERED.fullmatch(wanted), NUMBERED.fullmatch(name)
    if ours is None or theirs is None:
        return name.startswith(wanted)
    return ours.groupdict() == theirs.groupdict()
