"""A board with a wrong clock is out of service, with a cause of its own."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.flow import events
from firmware.link.clock import CityClock
from firmware.service.city_desk import CityDesk
from firmware.service.health_desk import HealthDesk
from firmware.texts.texts import Texts
from firmware.texts.voice_screens import problem_key


def health(clock: CityClock, folder: Path) -> HealthDesk:
    """Of a kiosk whose devices are all well."""

    async def call(_: object, work: Any) -> Any:
        return work()

    nothing = {"supplies": dict, "change": {}, "exact_only": False}
    well = SimpleNamespace(sheets_trouble=str, receipts_trouble=str, trouble=str, **nothing)
    city = CityDesk(SimpleNamespace(), SimpleNamespace(clock=clock), SimpleNamespace())  # type: ignore[arg-type]
    journal: Any = SimpleNamespace(
        purge_due=bool, cases=list, undelivered=list, newest=lambda *_: None
    )
    record: Any = SimpleNamespace(journal=journal)
    config: Any = SimpleNamespace(kiosk=SimpleNamespace(state=folder))
    threads: Any = SimpleNamespace(call=call)
    return HealthDesk(config, city, well, well, well, record, threads, "5" * 32)  # type: ignore[arg-type]


def test_out_of_service_while_the_clock_is_wrong_and_back_by_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    at = [datetime.now(UTC)]
    clock = CityClock(60, lambda: at[0])
    clock.set_time(at[0])
    desk = health(clock, tmp_path)

    def look() -> events.Event:
        return asyncio.run(desk.look())

    caplog.set_level(logging.INFO, "madoguchi")
    assert look() == events.Health(problem="", exact_only=False)
    at[0] -= timedelta(seconds=7200)
    assert [look(), look()] == [events.Health(problem="clock")] * 2
    at[0] += timedelta(seconds=7200)
    assert look() == events.Health(problem="", exact_only=False)
    told = [r.facts for r in caplog.records if r.getMessage() == "clock"]
    assert told == [{"wrong": True, "ahead_s": -7200}, {"wrong": False, "ahead_s": 0}]


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_screen_has_words_for_it(language: str) -> None:
    assert problem_key("clock", Texts.load(language)) == "problem.clock"
