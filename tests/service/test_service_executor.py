"""Carrying out: permit, then journal, then effect. A forbidden command stops everything, safely."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.machine import UnhandledEvent
from firmware.service.cash_work import CashDesk
from firmware.service.devices import LANES, Devices
from firmware.service.executor import Executor, Forbidden
from firmware.service.journal import Journal, JournalBroken
from firmware.service.paper_work import PaperDesk
from firmware.service.replay import settle
from firmware.service.resident import Listeners, Resident
from firmware.service.vault import Vault

PRINT = c.PrintSheet(epoch=1, document="d", sheet=1)
ACCEPT = c.AcceptCoins(due=100)


class Device:
    """Any device: does what it is asked and remembers it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *_: self.asked.append(name)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.journal = Journal(folder / "journal.sqlite")
        self.sheets, self.receipts, self.cash = Device(), Device(), Device()
        nothing: Any = SimpleNamespace()
        config: Any = SimpleNamespace(kiosk=SimpleNamespace(pace=1.0, state=folder, languages=("ja",)))
        lanes = {name: ThreadPoolExecutor(1) for name in LANES}
        devices = Devices(nothing, self.sheets, self.receipts, self.cash, nothing, lanes)
        self.resident = Resident(config, Listeners(nothing, None), lambda _: None)
        self.executor = Executor(
            config=config,
            post=self.resident.post,
            failed=self.resident.fail,
            devices=devices,
            journal=self.journal,
            vault=Vault("5" * 32),
            panel=nothing,
            announcer=nothing,
            texts={},
            card=nothing,
            city=nothing,
            paper=PaperDesk(self.sheets, self.receipts),
            cash=CashDesk(self.cash, lambda _: None),
            renewal=nothing,
        )

    def serve(self, wants: Any) -> int:
        """One event comes; the machine wants this of the world."""

        def handle(event: e.Event) -> c.Commands:
            if isinstance(wants, Exception):
                raise wants
            return (wants,)

        self.resident._flow.handle = handle  # type: ignore[method-assign]
        self.resident.post(e.CardAbsent())

        async def run() -> int:
            code = await self.resident._serve(self.executor)
            await self.executor.finish()
            return code

        return asyncio.run(run())


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for lane in bench.executor.devices.lanes.values():
        lane.shutdown()
    bench.journal.close()


@pytest.mark.parametrize(
    "command", [PRINT, ACCEPT, c.PayOut(amount=100), c.ReleaseOrder(epoch=1, document="d", paid=1)]
)
def test_what_is_forbidden_has_no_effect(bench: Bench, command: c.Command) -> None:
    with pytest.raises(Forbidden, match=type(command).__name__):
        bench.executor.carry_out(command)
    assert bench.journal.entries() == []
    assert bench.sheets.asked == bench.cash.asked == []


@pytest.mark.parametrize(
    ("wants", "case"),
    [
        (PRINT, "permit.refused"),
        (ACCEPT, "permit.refused"),
        (UnhandledEvent("pay/paying: x"), "table.no-answer"),
        (ZeroDivisionError(), "service.error"),
    ],
    ids=["print", "accept", "unhandled", "unforeseen"],
)
def test_a_wrong_machine_is_stopped_safely(bench: Bench, wants: Any, case: str) -> None:
    bench.executor.write("begun")
    assert bench.serve(wants) == 1
    assert bench.cash.asked == ["stop"]
    assert bench.sheets.asked == ["purge"]
    assert [(found.code, found.pauses) for found in bench.journal.cases()] == [(case, True)]
    assert [entry.kind for entry in bench.journal.entries()] == ["begun", "purge-needed", "case", "purged"]
    assert settle(bench.journal) == [], "and what is left open is settled as after a power cut"
    assert bench.journal.unfinished() == []


def test_a_step_that_cannot_be_written_has_no_effect(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise JournalBroken("disk full")

    bench.executor.permits.facts.inserted = 100
    monkeypatch.setattr(bench.journal, "write", broken)
    monkeypatch.setattr(bench.journal, "open_case", broken)
    assert bench.serve(c.PayOut(amount=100)) == 1
    assert bench.cash.asked == ["stop"], "the slot is shut; nothing is paid, nothing printed"
    assert bench.sheets.asked == []


def test_news_of_money_is_written_before_anybody_hears_of_it(bench: Bench) -> None:
    heard: list[str] = []

    def handle(event: e.Event) -> c.Commands:
        heard.extend(entry.kind for entry in bench.journal.entries())
        return (c.EndSession(),)

    bench.resident._flow.handle = handle  # type: ignore[method-assign]
    bench.resident.post(e.CoinInserted(value=100))
    assert asyncio.run(bench.resident._serve(bench.executor)) == 0
    assert heard == ["begun", "coin"], "and belongs to a session that is ended or settled"


def test_what_comes_late_is_not_part_of_the_journal(bench: Bench) -> None:
    bench.resident._write_down(bench.executor, e.SheetPrinted(epoch=bench.resident._flow.session.epoch - 1, sheet=1))
    assert bench.journal.entries() == []


def test_an_error_in_a_lane_stops_safely(bench: Bench) -> None:
    """Nobody would answer the journey any more; what broke is told by its type alone."""

    async def run() -> int:
        bench.executor._lanes.run("document", lambda: 1 / 0)
        code = await bench.resident._serve(bench.executor)
        await bench.executor.finish()
        return code

    assert asyncio.run(run()) == 1
    assert [(case.code, case.pauses) for case in bench.journal.cases()] == [("service.error", True)]
