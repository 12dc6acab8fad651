"""How the technician's key stands, as one process after the other sees it.

The screens open when the key is turned, not while it is: once they were opened, the key must be
turned back before it opens them again. So a key that is left in the switch does not keep the kiosk
from its residents, and screens that broke down do not come back by themselves. That they were
opened is a file in the folder of what is there only while the kiosk runs: it outlives a process,
and every start of the board begins without it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware.service.log import log
from hal.faults import DeviceFault
from hal.service_key.contract import ServiceKey

LOOK_S: Final = 0.3  # between two looks; a contact that bounces is settled by then
FILE: Final = "service-key-used"


@dataclass(frozen=True)
class KeyUse:
    """`runtime` is `kiosk.runtime`. Nothing here raises but OSError."""

    runtime: Path

    @property
    def file(self) -> Path:
        return self.runtime / FILE

    def is_spent(self) -> bool:
        """Whether the screens were opened since the key was turned."""
        return self.file.exists()

    def spend(self) -> None:
        self.file.touch()

    def forget(self) -> None:
        self.file.unlink(missing_ok=True)


@dataclass
class KeyWatch:
    """`told` is called in the event loop, with True when the key is turned and False when it is
    not, or when nobody can tell. `thread` is the driver's own.
    """

    key: ServiceKey
    thread: Executor
    told: Callable[[bool], None]
    use: KeyUse
    was_turned: bool = False  # as whoever watched before has seen it

    def __post_init__(self) -> None:
        self._seen: bool | None = self.was_turned
        self._last = self.was_turned

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Turned counts when two looks in a row see it so; all else counts at once."""
        before, self._seen = self._seen, await self._ask()
        if self._seen is False and self.use.is_spent():
            self.use.forget()
        on = self._seen is True and before is True
        if on != self._last:
            self._last = on
            self.told(on)

    async def _ask(self) -> bool | None:
        loop = asyncio.get_running_loop()
        try:
            now: bool | None = await loop.run_in_executor(self.thread, self.key.turned)
        except DeviceFault as fault:
            if self._seen is not None:  # told once, as long as it lasts
                log(
                    "device.fault",
                    device=fault.device,
                    reason=fault.reason.value,
                    detail=fault.detail,
                )
            return None
        if now != self._seen:
            log("service-key", turned=bool(now))
        return now
