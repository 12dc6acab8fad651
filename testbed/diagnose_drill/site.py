"""The system that the faults are put into: far ends, the real gateway, files, and a configuration.

Lives in one event loop. Everything that a fault needs is put back by the fault itself.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tomllib
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from city import pki
from firmware.service import toml
from firmware.service.config import Config, load
from firmware.texts import recordings
from firmware.texts.texts import Texts
from firmware.texts.voice import phrases
from hal.sim.bench import Bench
from hal.speaker import wav
from testbed import rehearsal
from testbed.process import Process

USER: Final = "nobody"  # whose rights the service has here, when the drill is run by root
SPOKEN: Final = ("ja", "en")
PEOPLE: Final = ("taro",)
READABLE: Final = 0o755


class Site:
    """`folder` is made, used and left to the caller."""

    def __init__(self, folder: Path) -> None:
        _record(folder / "voice")
        self.made = rehearsal.prepare(
            folder,
            start=datetime.now(UTC),
            cashless=True,
            people=PEOPLE,
            kiosk={
                "kiosk": {"languages": SPOKEN},
                "line": {"deadline_s": 3.0, "clock_s": 3600},
                "trust": {"allow_test_cards": False},
                "voice": {"languages": SPOKEN},
            },
        )
        self.folder = folder
        self.keys = pki.make(folder / "pki", (rehearsal.KIOSK,))
        self.base: dict[str, Any] = tomllib.loads(self.made.kiosk_toml.read_text("utf-8"))
        self.bench = Bench(self.made.wiring, self.made.cards, rehearsal.HOPPERS)
        self.city = Process(
            "city",
            ("city", "--config", str(self.made.city_toml)),
            "city ready",
            self.made.run / "city.log",
        )
        self._stack = AsyncExitStack()
        self._numbers = iter(range(1, 1 << 30))
        self.give(folder)

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.bench)
        await self.city.start()
        self._stack.push_async_callback(self.city.stop)
        for line in (self.bench.coins.port, self.bench.terminal.port, self.bench.key.port):
            self.give(Path(line))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def config(self) -> Config:
        return load(self.made.kiosk_toml)

    @property
    def by_root(self) -> bool:
        return os.geteuid() == 0

    @property
    def whose(self) -> tuple[str, ...]:
        """Whose rights the diagnosis is to have."""
        return ("--user", USER) if self.by_root else ()

    def give(self, path: Path) -> Path:
        """To the service's user, with everything in it."""
        if self.by_root:
            for each in (path, *path.rglob("*")) if path.is_dir() else (path,):
                shutil.chown(each, USER)
        if path.is_dir():
            path.chmod(READABLE)
        return path

    def scratch(self, name: str) -> Path:
        """A path that nobody else has."""
        return self.folder / f"drill-{next(self._numbers)}-{name}"

    def write(self, name: str, content: bytes) -> Path:
        path = self.scratch(name)
        path.write_bytes(content)
        return self.give(path)

    def copy(self, path: Path) -> Path:
        """A copy with the same name in a folder of its own, to be spoilt."""
        home = self.scratch("copy")
        if path.is_dir():
            shutil.copytree(path, home)
            return self.give(home)
        home.mkdir()
        shutil.copy(path, home / path.name)
        self.give(home)
        return home / path.name

    def configured(self, over: Mapping[str, Any]) -> Path:
        """A configuration that says otherwise what `over` says."""
        return self.write("kiosk.toml", toml.dumps(toml.merge(self.base, over)).encode())

    async def settle(self) -> None:
        """Give the far ends' loop a turn."""
        await asyncio.sleep(0)


def _record(folder: Path) -> None:
    """Every phrase as a tenth of a second of silence: the words do not matter here."""
    sound = wav.encode(wav.Recording(8000, np.zeros(800, np.int16), "x"))
    for language in SPOKEN:
        for phrase in phrases(Texts.load(language)):
            path = recordings.path_of(folder, phrase)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sound)
