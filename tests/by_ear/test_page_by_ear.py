"""A journey in Chromium, with the keys of a ten-key pad and what the speaker's far end heard."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from person import KEY_SOUND, Person
from playwright.async_api import Page, async_playwright

from firmware.texts import recordings
from firmware.texts.texts import Texts
from firmware.texts.voice import phrases
from hal.sim.bench import Bench
from hal.speaker import wav
from testbed import rehearsal
from testbed.system import System

pytestmark = [pytest.mark.wires, pytest.mark.browser]
CHROMIUM = shutil.which("chromium") or "chromium"
SPOKEN = ("ja", "en")
LONG_S = 120.0
STILL_S = 0.4  # what one screen says comes at once


def record(folder: Path, *_: object) -> None:
    """Recordings of nothing, which only say what they are of."""
    for language in SPOKEN:
        for phrase in phrases(Texts.load(language)):
            path = recordings._path(folder, recordings.VOICES[phrase.language], phrase)
            path.parent.mkdir(parents=True, exist_ok=True)
            sound = wav.Recording(8000, np.zeros(80, np.int16), str(phrase))
            path.write_bytes(wav.encode(sound))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> rehearsal.Rehearsal:
    monkeypatch.setattr(rehearsal, "_voice", record)
    return rehearsal.prepare(tmp_path, kiosk={"kiosk": {"languages": SPOKEN}})


class Ears:
    """What was heard since the speaker was last told to be quiet."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._newest = 0

    def now(self) -> tuple[int, list[str]]:
        heard: list[str] = []
        newest = 0
        for each in self._bench.spoken:
            newest = each.id
            heard = [*heard, each.text] if each.text else []
        return newest, heard

    async def listen(self, wanted: Callable[[list[str]], bool] = bool) -> list[str]:
        """The next words, when no more come."""
        async with asyncio.timeout(LONG_S):
            while True:
                newest, heard = self.now()
                await asyncio.sleep(STILL_S)
                still = self.now()[0] == newest
                if still and newest > self._newest and wanted(heard):
                    self._newest = newest
                    return heard


def test_a_certificate_in_english(made: rehearsal.Rehearsal) -> None:
    heard = asyncio.run(_journey(made))
    words = Texts.load("en")
    for key in ("screen.pin.title", "screen.confirm.title", "screen.thanks.title"):
        assert words.get(key) in heard
    assert "100 yen" in heard


async def _journey(made: rehearsal.Rehearsal) -> list[str]:
    async with System(made) as system, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(f"{made.panel}/panel#{made.panel_key.read_text()}")
        await page.wait_for_selector("[data-screen=menu]", timeout=LONG_S * 1000)
        heard = await _walk(made, system.bench, page)
        assert not system.bench.violations
        await browser.close()
    return heard


async def _walk(made: rehearsal.Rehearsal, bench: Bench, page: Page) -> list[str]:
    ears, everything = Ears(bench), []
    press = page.keyboard.press
    person = Person("en", ())
    person.heard = await ears.listen(lambda heard: "English" in heard)
    await press(person.offers()["English"])

    async def enter_pin() -> None:
        for digit in made.pin("taro"):
            await press(digit)
            assert await ears.listen() == [KEY_SOUND]
        await press("Enter")

    async def pay() -> None:
        async with asyncio.timeout(LONG_S):
            while not bench.coins.acceptor.accepting:
                await asyncio.sleep(0.05)
        bench.coin(100)

    hands: dict[str, Callable[[], Awaitable[None]]] = {
        "screen.place.title": _at_once(lambda: bench.insert_card("taro")),
        "screen.pin.title": enter_pin,
        "screen.remove.title": _at_once(bench.remove_card),
        "screen.paying.title": pay,
        "screen.sheets.title": _at_once(bench.take_sheets),
    }
    person = Person("en", (Texts.load("en").get("kind.inkan"),))
    while not person.says("screen.thanks.title"):
        person.heard = await ears.listen(lambda heard: heard != [KEY_SOUND])
        everything += person.heard
        does = next((hands[title] for title in hands if person.says(title)), None)
        if does:
            await does()
        elif key := person.decide():
            await press(key)
    return everything


def _at_once(work: Callable[[], object]) -> Callable[[], Awaitable[None]]:
    async def do() -> None:
        work()

    return do
