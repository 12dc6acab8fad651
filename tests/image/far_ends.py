"""The far ends of a board in QEMU: the bench and the city run here, outside of the machine."""

from __future__ import annotations

import asyncio
import contextlib
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from city import pki
from firmware.service import toml
from hal.panel.web import SHOWN
from hal.sim.bench import Bench
from testbed import customer
from testbed.customer import COINS, Errand, Journey, Watcher
from testbed.erasure.people import Needle, prepare_people
from testbed.process import Process
from testbed.rehearsal import HOPPERS, KIOSK, Rehearsal, prepare
from testbed.screen import Seen
from testbed.system import System

OUTSIDE = "10.0.2.2"  # this machine, as QEMU's network shows it to the board
PANEL_OUTSIDE = 8081  # on the board: the panel's page for us
REPORT_S = 0.5  # as often as the panel's page does
SLOW_S = 600.0  # an emulated board on a busy machine


@dataclass(frozen=True)
class FarEnds:
    """What a journey needs of a system whose kiosk runs somewhere else."""

    rehearsal: Rehearsal
    bench: Bench
    needles: tuple[Needle, ...]

    async def serve(
        self,
        resident: str,
        certificate: str,
        out: Path,
        look: Callable[[Seen], None] = lambda _: None,
    ) -> Journey:
        """One whole journey; `look` sees each screen. Raises JourneyFailed, and what it raises."""
        customer.STAGE_S = SLOW_S
        customer.PAY_S = SLOW_S
        system = cast(System, SimpleNamespace(rehearsal=self.rehearsal, bench=self.bench))
        async with LookingWatcher(self.rehearsal.panel, look).watching() as watcher:
            journey = Journey(system, Errand(resident, certificate, out), watcher)
            await journey.run()
        return journey

    async def put_money_in(self, resident: str, certificate: str, out: Path) -> None:
        """A journey until the screen says that a coin of the price is inside, and no further."""
        customer.COINS = (100,)
        paying = 0

        def look(seen: Seen) -> None:
            nonlocal paying
            paying += seen.name == "paying"
            if paying == 2:
                raise MoneyInside

        with contextlib.suppress(MoneyInside):
            await self.serve(resident, certificate, out, look)
        customer.COINS = COINS


class MoneyInside(Exception):
    """The first coin was booked."""


class LookingWatcher(Watcher):
    """One beside whom somebody else looks at each screen.

    The panel has one page at a time: while this one is connected, the browser's is not, and this
    one reports what is shown, as a page does. Otherwise the browser would be started anew.
    """

    def __init__(self, address: str, look: Callable[[Seen], None]) -> None:
        super().__init__(address)
        self._look = look
        self._shown: Seen | None = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Watcher]:
        async with super().watching():
            reporting = asyncio.create_task(self._report())
            try:
                yield self
            finally:
                reporting.cancel()

    async def next(self, timeout_s: float) -> Seen:
        self._shown = await super().next(timeout_s)
        await asyncio.to_thread(self._look, self._shown)
        return self._shown

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            if self._shown is not None:
                with contextlib.suppress(OSError):  # the wire has just ended
                    await self.touch(self._shown, SHOWN)


def rehearse(folder: Path, run: Path) -> Rehearsal:
    """Keys, cards and configurations; the gateway's certificate names us as the board sees us."""
    pki.make(folder / "pki", (KIOSK,), ("127.0.0.1", "localhost", OUTSIDE))
    return prepare(folder, run)


@asynccontextmanager
async def far_ends(rehearsal: Rehearsal) -> AsyncIterator[FarEnds]:
    """Raises ProcessDead, OSError."""
    words = ("city", "--config", str(rehearsal.city_toml))
    city = Process("city", words, "city ready", rehearsal.run / "city.log")
    rehearsal, needles = prepare_people(rehearsal)  # whose words nothing else can hold
    async with Bench(rehearsal.wiring, rehearsal.cards, HOPPERS) as bench:
        try:
            await city.start()
            yield FarEnds(rehearsal, bench, needles)
        finally:
            await city.stop()


def write_site(rehearsal: Rehearsal, folder: Path) -> None:
    """What a technician brings to the board: its configuration, keys, and the line's addresses."""
    keys = folder / "keys"
    keys.mkdir(parents=True)

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(each) for each in value]
        if isinstance(value, dict):
            return {name: moved(each) for name, each in value.items()}
        if isinstance(value, str) and Path(value).is_file():
            name = "-".join(Path(value).parts[-2:])
            (keys / name).write_bytes(Path(value).read_bytes())
            return f"/etc/madoguchi/keys/{name}"
        return value.replace("127.0.0.1", OUTSIDE) if isinstance(value, str) else value

    kiosk = moved(tomllib.loads(rehearsal.kiosk_toml.read_text()))
    reader = rehearsal.wiring.reader[1]
    kiosk["kiosk"]["state"] = "/var/lib/madoguchi"
    kiosk["kiosk"]["runtime"] = "/run/madoguchi"
    kiosk["kiosk"]["pace"] = 5.0  # people wait for an emulated board
    kiosk["panel"]["listen"] = "127.0.0.1:8080"
    kiosk["panel"]["patience"] = 30.0  # its browser draws without a graphics processor
    kiosk["line"]["clock_s"] = 0  # the board's time is slower than ours (machine.py)
    kiosk["card"]["listen"] = f"0.0.0.0:{reader}"
    kiosk["cash"]["port"] = "/dev/ttyUSB0"
    kiosk["voice"]["recordings"] = "/usr/share/madoguchi/voice"
    (folder / "kiosk.toml").write_text(toml.dumps(kiosk))
    (folder / "line.conf").write_text(
        f"[Service]\nIPAddressAllow={OUTSIDE}/32\nSocketBindAllow=ipv4:tcp:{reader}\n"
    )
    (folder / "line.nft").write_text(
        f"add rule inet board site tcp dport {{ {reader}, {PANEL_OUTSIDE} }} accept\n"
    )
