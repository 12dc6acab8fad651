"""Several whole kiosks on one city, each on wires of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from city import pki
from firmware.service import toml
from testbed.field_day.troubles import Dice, Troubles
from testbed.inspection import wrong
from testbed.inspection.truths import Desk
from testbed.process import Process
from testbed.rehearsal import Rehearsal, make_kiosk_keys, prepare
from testbed.system import KIOSK, System

PACE: Final = 0.2
DESK: Final = "inspector"
DEADLINE_S: Final = 3.0  # of a call to the city
STALL_S: Final = 4.0  # longer: the call ends in a time-out
# Where devices and line are disturbed; otherwise a kiosk waits as long as it does in service.
IMPATIENT: Final[dict[str, Any]] = {
    "line": {"deadline_s": DEADLINE_S},
    "sheets": {"page_deadline_s": 5.0},
    "receipts": {"page_deadline_s": 5.0},
}


class Neighbour(System):
    """A kiosk beside another one, whose city it uses."""

    @property
    def _processes(self) -> tuple[Process, ...]:
        return (self.kiosk,)


@dataclass(frozen=True)
class Kiosk:
    system: System
    dice: Dice
    troubles: Troubles


def made(folder: Path, run: Path, count: int, percent: float) -> list[Rehearsal]:
    """Configurations of so many kiosks; the first has the city. `percent`: of their exchanges will
    go wrong. Raises RehearsalError.
    """
    limits = IMPATIENT if percent else {}
    keys = make_kiosk_keys(folder, (*(named(n) for n in range(count)), DESK))
    first = prepare(folder, run / "kiosk-1", pace=PACE, cashless=True, kiosk=limits)
    ports = {"city": first.wiring.city[1]}
    rehearsals = [first]
    for n in range(1, count):
        certificate, key = keys.kiosk(named(n))
        other = {"kiosk": {"id": named(n)}, "line": {"certificate": certificate, "key": key}}
        settings = toml.merge(limits, other)
        place = run / named(n)
        made = prepare(folder, place, ports=ports, pace=PACE, cashless=True, kiosk=settings)
        (place / "city.log").touch()  # its city is the first one's
        rehearsals.append(made)
    return rehearsals


def named(n: int) -> str:
    return f"kiosk-{n + 1}"


@asynccontextmanager
async def running(
    rehearsals: list[Rehearsal], percent: float, seed: int, mistake: str = ""
) -> AsyncIterator[list[Kiosk]]:
    """All of them, ready. `mistake`: of `wrong.MACHINES` or `wrong.CITIES`; "" for none. Raises
    RehearsalError, ProcessDead.
    """
    program = wrong.program(mistake) if mistake in wrong.MACHINES else KIOSK
    async with AsyncExitStack() as stack:
        kiosks = []
        for n, rehearsal in enumerate(rehearsals):
            kind = Neighbour if n else System
            system = kind(rehearsal, kiosk=program)
            if mistake in wrong.CITIES:
                wrong.spoil_city(system, mistake)
            dice = Dice(seed * 1000 + n, percent)
            kiosks.append(Kiosk(system, dice, Troubles(system.bench, dice, STALL_S)))
            await stack.enter_async_context(system)
        yield kiosks
        for kiosk in kiosks:
            kiosk.dice.calm = True


def desk(rehearsal: Rehearsal) -> Desk:
    """Straight to the city: nothing is disturbed on this line."""
    host, port = rehearsal.wiring.city
    url = f"https://{host}:{port}"
    return Desk(DESK, url, pki.Files(rehearsal.folder / "pki"), rehearsal.cards)
