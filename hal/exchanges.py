"""What was exchanged with a device, without what it said: a kind, two lengths, a result, a time.

Every wire tells its exchanges here, and whoever runs the process says where they go
(`send_exchanges_to`). A kind is made of the program's own words and the protocol's numbers, never
of data. Short lengths are told as they are. Longer ones are rounded up to a power of two, so that
no document can be known again by its length. A PIN always has four digits, and the command that
carries it always has the same length.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from hal.faults import DeviceFault, Reason

EXACT: Final = 64  # bytes; longer lengths are rounded


@dataclass(frozen=True)
class Exchange:
    """`sent` and `got` are lengths in bytes, rounded. `result`: the device's own short answer, such
    as a status word, or why there was none.
    """

    device: str
    kind: str
    sent: int
    got: int
    result: str
    ms: int


@dataclass
class Answer:
    """Filled in by whoever gets it."""

    got: int = 0
    result: str = "ok"


Sink = Callable[[Exchange], None]
_sinks: list[Sink] = []


def send_exchanges_to(*sinks: Sink) -> None:
    """From here on, in this process."""
    _sinks[:] = sinks


@contextlib.contextmanager
def exchange(device: str, kind: str, sent: int) -> Iterator[Answer]:
    """Times what is inside. What is raised there passes, and its kind is the result."""
    answer, began = Answer(), time.monotonic()
    try:
        yield answer
    except BaseException as error:
        answer.result = _why(error)
        raise
    finally:
        ms = round((time.monotonic() - began) * 1000)
        made = Exchange(device, kind, rounded(sent), rounded(answer.got), answer.result, ms)
        for sink in _sinks:
            sink(made)


def rounded(length: int) -> int:
    """The length itself up to `EXACT`, else the next power of two."""
    return length if length <= EXACT else 1 << (length - 1).bit_length()


def _why(error: BaseException) -> str:
    match error:
        case DeviceFault():
            return error.reason.value
        case TimeoutError():
            return Reason.SILENT.value
        case OSError():
            return Reason.NOT_CONNECTED.value
    return type(error).__name__
