"""Out of service: the screen can be seen and read as every other one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture

from firmware.flow.screens import SETTINGS
from firmware.flow.session import Mode
from firmware.link import messages
from firmware.service.closed import Closed
from hal.panel.contract import PanelTouch

CONTACT = messages.Contact(
    office={"ja": "市民課", "en": "Citizens' desk"},
    phone="078-918-5020",
    hours={"ja": "平日", "en": "Weekdays"},
)


@pytest.fixture
def closed(mocker: MockerFixture) -> Closed:
    mocker.patch("firmware.service.closed.render", return_value="<main></main>")
    config: Any = SimpleNamespace(
        kiosk=SimpleNamespace(phone="", languages=("ja", "en")), panel=SimpleNamespace(sides={})
    )
    listeners: Any = SimpleNamespace()
    made = Closed(config, listeners, lambda _: None, "storage", "5" * 32, ())
    made._panel, made._announcer = mocker.MagicMock(), mocker.MagicMock()
    made._show()
    return made


def touch(closed: Closed, action: str, value: str) -> None:
    async def act() -> None:
        closed._touched(PanelTouch(closed._screen.number, action, value))

    asyncio.run(act())


def test_modes_and_language_can_be_changed(closed: Closed) -> None:
    assert closed._screen.actions == SETTINGS
    touch(closed, "mode", "large")
    touch(closed, "language", "en")
    touch(closed, "language", "xx")
    touch(closed, "mode", "unheard-of")
    assert (closed._screen.modes, closed._screen.language) == ({Mode.LARGE}, "en")
    assert closed._screen.facts["problem"] == "storage"


def test_the_office_is_told_in_the_language_that_is_shown(closed: Closed) -> None:
    terms: Any = SimpleNamespace(contacts={"resident": CONTACT})
    closed._show_office(terms)
    assert closed._screen.facts["office"] == "市民課"
    touch(closed, "language", "en")
    assert closed._screen.facts["office"] == "Citizens' desk"
    assert closed._screen.facts["hours"] == "Weekdays"


def test_the_city_hears_of_the_case_and_of_the_build_that_is_closed(
    closed: Closed, mocker: MockerFixture
) -> None:
    """Or a rollout of a build whose processes die would not stop."""
    report = messages.UpdateReport(board="x86-64", version="21", on_trial=True)
    mocker.patch("firmware.service.update_state.for_the_city", return_value=report)
    told = closed._status()
    assert (told.availability, told.cases, told.update) == ("out-of-service", 1, report)
    assert [(each.code, each.number) for each in told.case_codes] == [("journal.broken", 1)]
    closed._problem, closed._number = "config", "fonts"
    assert closed._status().case_codes[0].code == "attestation.fonts"
