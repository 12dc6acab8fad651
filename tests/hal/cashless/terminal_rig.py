"""A terminal at the far end of a pty, in an event loop of its own thread, and the driver at the
near end.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from hal.cashless.contract import ChargeReport
from hal.cashless.terminal import SerialTerminal
from hal.faults import DeviceFault
from hal.sim.cashless.device import TerminalSim
from hal.sim.cashless.terminal import TerminalDevice

T = TypeVar("T")
AMOUNT, REFERENCE = 300, "a1" * 16


class Rig:
    """`at(f)` runs f in the terminal's loop, where it is not in the middle of anything."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.sim = TerminalSim(TerminalDevice(wait_s=30))
        asyncio.run_coroutine_threadsafe(self.sim.start(), self.loop).result(5)
        self.drivers: list[SerialTerminal] = []

    def at(self, work: Callable[[], T]) -> T:
        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(5)

    def driver(self, **options: Any) -> SerialTerminal:
        """As a kiosk's process makes it; the one before has let go of the port."""
        for other in self.drivers:
            other.close()
        options = {"wait_s": 5.0, "decide_s": 1.0, "poll_s": 0.01, "reply_s": 0.1} | options
        made = SerialTerminal(self.sim.port, **options)
        self.drivers.append(made)
        return made

    def charging(
        self, driver: SerialTerminal, then: Callable[[], object] | None = None
    ) -> ChargeReport | DeviceFault:
        """Ask for AMOUNT; when the terminal waits, do `then` (else: present). What came of it."""
        found: list[ChargeReport | DeviceFault] = []

        def ask() -> None:
            try:
                found.append(driver.charge(AMOUNT, REFERENCE))
            except DeviceFault as fault:
                found.append(fault)

        asking = threading.Thread(target=ask)
        asking.start()
        while asking.is_alive() and not self.at(lambda: self.sim.terminal.waiting):
            time.sleep(0.002)
        if asking.is_alive():
            self.at(then or self.sim.present)
        asking.join(20)
        return found[0]

    def close(self) -> None:
        for driver in self.drivers:
            driver.close()
        asyncio.run_coroutine_threadsafe(self.sim.close(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
