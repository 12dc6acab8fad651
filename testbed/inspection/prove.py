"""Does the inspection find what is wrong? Every wrong machine and city is inspected for a few
journeys, and a report is altered: each must be found.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from testbed.inspection import wrong
from testbed.inspection.report import ReportError, sign, verify
from testbed.inspection.run import Inspection
from testbed.inspection.state import Order, State

# Kiosks and journeys that show the mistake.
ONE_JOURNEY: Final = (1, 1)
SHAPES: Final = {"previous": (1, 2), "beside": (2, 1), "another_file": (1, 2)}
ALTERED: Final = "an altered report"


def controls() -> tuple[str, ...]:
    return (*wrong.MACHINES, *wrong.CITIES)


def prove(folder: Path, seed: int, tell: Callable[[str], None]) -> Iterator[tuple[str, list[str]]]:
    """Each control, and what the inspection found of it; nothing found is a failure."""
    for mistake in controls():
        tell(mistake)
        yield mistake, find(folder, seed, mistake)
    tell(ALTERED)
    yield ALTERED, _find_alterations()


def find(folder: Path, seed: int, mistake: str) -> list[str]:
    """What an inspection of something that is wrong finds."""
    kiosks, journeys = SHAPES.get(mistake, ONE_JOURNEY)
    state = State(Order(journeys, kiosks, seed, 0.0, False, "wrong on purpose"), "")
    with tempfile.TemporaryDirectory(prefix="madoguchi-wrong-") as run:
        inspection = Inspection(folder, Path(run), state, lambda _: None, mistake, desks=0)
        asyncio.run(inspection.inspect())
    return state.faults


def _find_alterations() -> list[str]:
    """Of a short report, what is refused: each byte of its text altered, and one byte more."""
    whole = sign("journeys: 1\n", Ed25519PrivateKey.generate())
    altered = [
        whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :] for at in range(whole.index(b"\n"))
    ]
    found = []
    with tempfile.TemporaryDirectory(prefix="madoguchi-report-") as folder:
        path = Path(folder) / "report"
        for report in (*altered, whole + b"x"):
            path.write_bytes(report)
            try:
                verify(path)
            except ReportError as error:
                found.append(str(error).partition(": ")[2])
    return found if len(found) == len(altered) + 1 else []
