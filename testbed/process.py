"""One program of the rehearsal: started, waited for until it says it is ready, watched, ended."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, SIGTERM

READY_S = 30.0
ASKED_S = 2.0  # after each SIGTERM; the second means: at once
LAST_WORDS = 5
# Left over, a kiosk would go on driving wires that others use by now.
WITH_US = ("setpriv", "--pdeathsig", "KILL")


class ProcessDead(Exception):
    """One line: which part, how it ended, its last words."""


class Process:
    """`kiosk ARGUMENTS` as a process of its own; what it says goes to `log`. `ready` begins the
    line it says then.

    `program`: the module to run, where it is not the `kiosk` command.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        ready: str,
        log: Path,
        program: str = "firmware.tools",
    ) -> None:
        self.name = name
        self.program = program
        self.arguments = arguments
        self._ready = ready
        self._log = log
        self._mode = "wb"  # of the log: a new one first, and then what is said after each start
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self.ready_s = 0.0  # from its start until it said so
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self._is_ready = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Returns when it is ready; one that has ended can be started again. Raises ProcessDead."""
        began = time.monotonic()
        self._is_ready.clear()
        # a session of its own: Ctrl-C in the terminal is ours to pass on, in the right order
        self._process = await asyncio.create_subprocess_exec(
            *WITH_US,
            sys.executable,
            "-m",
            self.program,
            *self.arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._listening = asyncio.create_task(self._listen(self._process))
        ready = asyncio.create_task(self._is_ready.wait())
        await asyncio.wait(
            {ready, self._listening}, timeout=READY_S, return_when=asyncio.FIRST_COMPLETED
        )
        if not ready.done():
            ready.cancel()
            raise ProcessDead(self._obituary(f"was not ready within {READY_S:.0f} s"))
        self.ready_s = time.monotonic() - began

    async def died(self) -> str:
        """Wait for its end; the line that tells of it."""
        if self._listening is not None:
            await asyncio.wait({self._listening})
        return self._obituary("ended")

    async def stop(self) -> None:
        """SIGTERM, twice, and SIGKILL to all of it when that takes too long. Never raises."""
        if self._process is None:
            return
        for _ in range(2):
            with suppress(ProcessLookupError, TimeoutError):
                self._process.send_signal(SIGTERM)
                await asyncio.wait_for(self._process.wait(), ASKED_S)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, SIGKILL)  # its children too, if any is left
        await self._process.wait()
        if self._listening is not None:
            await self._listening

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        mode = self._mode
        self._mode = "ab"
        with self._log.open(mode) as log:
            while line := await _line(process.stdout):
                log.write(line)
                log.flush()
                text = line.decode("utf-8", "replace").strip()
                if text:
                    self._words.append(text)
                if text.startswith(self._ready):
                    self._is_ready.set()
        await process.wait()

    def _obituary(self, how: str) -> str:
        code = self._process.returncode if self._process else None
        ended = how if code is None else f"ended with {code}"
        said = self._words[-1].removeprefix(f"{self.name}: ") if self._words else "it said nothing"
        return f"the {self.name} {ended}: {said} (more in {self._log.name})"


async def _line(stream: asyncio.StreamReader) -> bytes:
    """The next line; one too long for the stream's buffer is passed over."""
    while True:
        try:
            return await stream.readline()
        except ValueError:
            continue
