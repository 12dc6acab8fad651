"""A program that is started, waited for and ended; here the far end of a speaker."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from testbed.process import Process, ProcessDead

SPEAKER = ("sim", "speaker", "--listen", "127.0.0.1:0")


def test_ready_watched_and_ended(tmp_path: Path) -> None:
    async def run() -> None:
        part = Process("speaker", SPEAKER, "speaker at", tmp_path / "log")
        await part.start()
        died = asyncio.create_task(part.died())
        assert not (await asyncio.wait({died}, timeout=0.1))[0]
        await part.stop()
        assert "the speaker ended with 0: speaker at 127.0.0.1" in await died
        assert part.pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(part.pid, 0)
        await part.stop()

    asyncio.run(run())
    assert (tmp_path / "log").read_text().startswith("speaker at")


def test_started_again_after_its_end(tmp_path: Path) -> None:
    async def run() -> None:
        part = Process("speaker", SPEAKER, "speaker at", tmp_path / "log")
        await part.start()
        os.kill(part.pid or 0, 9)
        assert "ended with -9" in await part.died()
        await part.start()
        os.kill(part.pid or 0, 0)
        await part.stop()

    asyncio.run(run())
    assert (tmp_path / "log").read_text().count("speaker at") == 2, "its log goes on"


def test_a_part_dies_with_the_rehearsal_that_started_it(tmp_path: Path) -> None:
    script = f"""
import asyncio, pathlib
from testbed.process import Process
async def run():
    part = Process("speaker", {SPEAKER!r}, "speaker at", pathlib.Path({str(tmp_path / "log")!r}))
    await part.start()
    print(part.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(run())
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as rehearsal:
        assert rehearsal.stdout is not None
        pid = int(rehearsal.stdout.readline())
        os.kill(pid, 0)
        rehearsal.kill()
    end = time.monotonic() + 10
    while (
        Path(f"/proc/{pid}").exists() and "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    ):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_part_that_cannot_start_leaves_its_last_words(tmp_path: Path) -> None:
    async def run() -> None:
        part = Process("kiosk", ("run", "--config", "/nowhere"), "kiosk ready", tmp_path / "log")
        with pytest.raises(
            ProcessDead, match=r"the kiosk ended with 2: /nowhere: No such file .*more in log"
        ):
            await part.start()
        await part.stop()

    asyncio.run(run())


def test_a_part_that_is_never_ready_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("testbed.process.READY_S", 1.0)

    async def run() -> None:
        part = Process("speaker", SPEAKER, "never said", tmp_path / "log")
        with pytest.raises(ProcessDead, match="not ready within 1 s"):
            await part.start()
        await part.stop()

    asyncio.run(run())
