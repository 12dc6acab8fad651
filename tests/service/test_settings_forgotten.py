"""What somebody set at a screen that waits for anybody does not stay for the next person."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture

from firmware.flow import events
from firmware.flow.session import Session
from firmware.flow.states import State
from firmware.service import settings
from firmware.service.announcer import Announcer
from firmware.service.closed import Closed
from firmware.service.listeners import Listeners
from firmware.service.resident import Resident
from hal.panel.contract import PanelTouch

CONFIG: Any = SimpleNamespace(
    kiosk=SimpleNamespace(state=Path("/nowhere"), phone="", languages=("ja", "en", "ne")),
    panel=SimpleNamespace(sides={}),
    voice=SimpleNamespace(volume=80),
)
NOBODY: Any = SimpleNamespace()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(settings, "FORGOTTEN_S", 0.01)
    yield


def kiosk(mocker: MockerFixture, state: State) -> Resident:
    made = Resident(CONFIG, Listeners(NOBODY, None), lambda _: None)
    made._announcer = Announcer(mocker.MagicMock(), mocker.MagicMock(), mocker.MagicMock(), 80)
    made._flow._now(state=state)
    return made


def becomes(made: Resident, *touches: tuple[str, str], then: State | None = None) -> list[str]:
    """The events that the journey is told, after these touches and the time."""

    async def run() -> list[str]:
        for action, value in touches:
            made._touched(PanelTouch(made._flow.screen.number, action, value))
        made._flow._now(state=then or made._flow.state)
        await asyncio.sleep(0.1)
        queue = made._queue
        return [type(queue.get_nowait()).__name__ for _ in range(queue.qsize())]

    return asyncio.run(run())


@pytest.mark.parametrize("state", [State.MENU, State.CLOSED, State.FAULT])
@pytest.mark.parametrize("setting", [("language", "ne"), ("mode", "contrast"), ("volume", "down")])
def test_a_setting_is_forgotten_when_nobody_goes_on(
    mocker: MockerFixture, state: State, setting: tuple[str, str]
) -> None:
    told = becomes(kiosk(mocker, state), setting)
    assert told[-1:] == [events.Shutdown.__name__]
    assert told.count(events.Shutdown.__name__) == 1


def test_without_a_setting_the_menu_waits(mocker: MockerFixture) -> None:
    assert becomes(kiosk(mocker, State.MENU), ("repeat", ""), ("hear", "start")) == []


@pytest.mark.parametrize("state", [s for s in State if s.value.split("/")[0] not in ("out",)])
def test_a_journey_keeps_what_was_set(mocker: MockerFixture, state: State) -> None:
    if state is not State.MENU:
        told = becomes(kiosk(mocker, State.MENU), ("language", "ne"), then=state)
        assert events.Shutdown.__name__ not in told
        assert events.Shutdown.__name__ not in becomes(kiosk(mocker, state), ("mode", "slow"))


def test_out_of_service_is_shown_as_before(mocker: MockerFixture) -> None:
    mocker.patch("firmware.service.closed.render", return_value="<main></main>")
    made = Closed(CONFIG, Listeners(NOBODY, None), lambda _: None, "storage", "5" * 32, ())
    speaker = mocker.MagicMock()
    made._panel = mocker.MagicMock()
    made._announcer = Announcer(speaker, mocker.MagicMock(), mocker.MagicMock(), 20)

    async def run() -> None:
        made._show()
        for action, value in (("language", "en"), ("mode", "large"), ("volume", "down")):
            made._touched(PanelTouch(made._screen.number, action, value))
        assert (made._screen.language, bool(made._screen.modes)) == ("en", True)
        await asyncio.sleep(0.1)

    asyncio.run(run())
    assert (made._screen.language, made._screen.modes) == (Session().language, frozenset())
    assert made._announcer.volume == CONFIG.voice.volume
