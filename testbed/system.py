"""The whole rehearsal at work: the far ends of all wires in this process, each program in
its own.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack

from city.config import load_verification
from hal.sim.bench import Bench
from hal.sim.dock import Dock
from testbed.process import Process, ProcessDead
from testbed.rehearsal import HOPPERS, Rehearsal, claim
from testbed.rehearsal_error import RehearsalError

KIOSK = ("firmware.tools", "run")


class System:
    """An async context manager: inside it everything is ready. `dock_port` None: no dock; 0: any
    free port.

    `lines_s`: lines a second of the printers, `coin_s`: seconds a coin takes, `apdu_ms`:
    milliseconds an APDU takes; 0 is at once. `kiosk`: the program that runs it, and its arguments
    but for the configuration.
    """

    def __init__(
        self,
        rehearsal: Rehearsal,
        dock_port: int | None = None,
        lines_s: float = 0.0,
        coin_s: float = 0.002,
        apdu_ms: float = 0.0,
        kiosk: tuple[str, ...] = KIOSK,
    ) -> None:
        self.rehearsal = rehearsal
        self.bench = Bench(rehearsal.wiring, rehearsal.cards, HOPPERS, lines_s, coin_s, apdu_ms)
        self.dock = Dock(
            self.bench,
            rehearsal.panel,
            rehearsal.panel_key,
            rehearsal.labels,
            reconcile_command(rehearsal),
        )
        run = rehearsal.run
        self.city = Process(
            "city", ("city", "--config", str(rehearsal.city_toml)), "city ready", run / "city.log"
        )
        asked = ("city", "verification", "--config", str(rehearsal.city_toml))
        self.page = Process("verification", asked, "verification ready", run / "verification.log")
        program, *words = kiosk
        arguments = (*words, "--config", str(rehearsal.kiosk_toml))
        self.kiosk = Process("kiosk", arguments, "kiosk ready", run / "kiosk.log", program)
        self._dock_port = dock_port
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> System:
        """Raises RehearsalError, ProcessDead."""
        async with AsyncExitStack() as stack:
            stack.enter_context(claim(self.rehearsal.run))
            await self._start_far_ends(stack)
            for process in self._processes:
                stack.push_async_callback(process.stop)
            await _all_ready(*self._processes)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def page_address(self) -> str:
        """Where the code of a printed sheet leads."""
        return f"http://{load_verification(self.rehearsal.city_toml).listen}/v"

    @property
    def _processes(self) -> tuple[Process, ...]:
        """Nobody checks a sheet where there is no dock."""
        page = () if self._dock_port is None else (self.page,)
        return (self.kiosk, self.city, *page)

    async def failed(self) -> str:
        """Wait until a process dies; the line that tells of it."""
        ends = [asyncio.create_task(process.died()) for process in self._processes]
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for end in ends:
                end.cancel()

    async def _start_far_ends(self, stack: AsyncExitStack) -> None:
        try:
            await stack.enter_async_context(self.bench)
        except OSError as error:
            raise RehearsalError(f"a port of the bench is in use: {error.strerror}") from None
        if self._dock_port is None:
            return
        try:
            await self.dock.start(self._dock_port)
        except OSError:
            raise RehearsalError(
                f"port {self._dock_port} is in use: end what uses it, or choose another with --port"
            ) from None
        stack.push_async_callback(self.dock.stop)


def reconcile_command(rehearsal: Rehearsal) -> tuple[str, ...]:
    """Close every open case: the rehearsal's operator has looked into them."""
    note = "looked into at the rehearsal"
    return (
        *(sys.executable, "-m", "firmware.tools", "cases", "close"),
        *("--config", str(rehearsal.kiosk_toml), "--all", "--note", note, "--fee", "returned"),
    )


async def _all_ready(*parts: Process) -> None:
    """Start them side by side; the first that fails ends the wait. Raises ProcessDead."""
    starts = [asyncio.create_task(process.start()) for process in parts]
    try:
        await asyncio.gather(*starts)
    except ProcessDead:
        for start in starts:
            start.cancel()
        await asyncio.gather(*starts, return_exceptions=True)
        raise
