"""A coin unit at the far end of a pty, in an event loop of its own thread, and the driver at the
near end.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from hal.cash.cctalk import CctalkCoinUnit, Hopper
from hal.cash.contract import CashEvent, CoinAccepted, CoinFault
from hal.sim.coins.acceptor import Acceptor
from hal.sim.coins.bus import CoinBus
from hal.sim.coins.hopper import HopperDevice

T = TypeVar("T")
EVERY = frozenset({10, 50, 100, 500})


def until(done: Callable[[], bool], limit_s: float = 5.0) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


class ShutAcceptor(Acceptor):
    """One that wakes up shut: after a reset every coin comes back."""

    def power_cycle(self) -> None:
        super().power_cycle()
        self._open = False
        self._mask = 0


class Rig:
    """`at(f)` runs f in the bus's loop, where the simulator is not in the middle of anything."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.told: list[CashEvent] = []
        self.units: list[CctalkCoinUnit] = []
        self.buses: list[CoinBus] = []

    def at(self, work: Callable[[], T]) -> T:
        async def run() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(5)

    def bus(
        self, hoppers: Sequence[tuple[int, int]] = ((100, 20), (10, 20)), **options: Any
    ) -> CoinBus:
        """`hoppers`: (yen, coins) at address 3 and up."""
        devices = [HopperDevice(3 + i, value, coins) for i, (value, coins) in enumerate(hoppers)]
        bus = CoinBus(options.pop("acceptor", None) or Acceptor(), devices, **options)
        asyncio.run_coroutine_threadsafe(bus.start(), self.loop).result(5)
        self.buses.append(bus)
        return bus

    def unit(self, bus: CoinBus, start: bool = True, **options: Any) -> CctalkCoinUnit:
        options = {"poll_s": 0.005, "reply_s": 0.3, "stall_s": 1.0, "lag_s": 0.05} | options
        hoppers = [Hopper(device.address, device.value) for device in bus.hoppers]
        unit = CctalkCoinUnit(bus.port, hoppers=hoppers, **options)
        self.units.append(unit)
        if start:
            unit.start(self.told.append)
        return unit

    @property
    def notified(self) -> list[int]:
        return [event.value for event in self.told if isinstance(event, CoinAccepted)]

    @property
    def faults(self) -> list[str]:
        return [event.reason.value for event in self.told if isinstance(event, CoinFault)]

    def close(self) -> None:
        for unit in self.units:
            unit.close()
        for bus in self.buses:
            asyncio.run_coroutine_threadsafe(bus.close(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
