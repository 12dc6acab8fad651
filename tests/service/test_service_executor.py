"""Carrying out: permit, then journal, then effect. A forbidden command stops everything, safely."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from service.executor_bench import Bench
from stand_ins import asked

from firmware.flow import commands, events
from firmware.flow.machine import UnhandledEvent
from firmware.service.entry import JournalBroken, JournalFull
from firmware.service.executor import Forbidden
from firmware.service.recovery import settle

PRINT = commands.PrintSheet(epoch=1, document="d", sheet=1)
ACCEPT = commands.AcceptCoins(due=100)


@pytest.mark.parametrize(
    "command",
    [
        PRINT,
        ACCEPT,
        commands.PayOut(amount=100),
        commands.ReleaseOrder(epoch=1, document="d", paid=1),
    ],
)
def test_what_is_forbidden_has_no_effect(bench: Bench, command: commands.Command) -> None:
    with pytest.raises(Forbidden, match=type(command).__name__):
        bench.executor.carry_out(command)
    assert bench.journal.entries() == []
    assert asked(bench.sheets) == asked(bench.cash) == []


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
    assert asked(bench.cash) == ["stop"]
    assert asked(bench.sheets) == ["purge"]
    assert [(found.code, found.pauses) for found in bench.journal.cases()] == [(case, True)]
    assert [entry.kind for entry in bench.journal.entries()] == [
        "begun",
        "purge-needed",
        "case",
        "purged",
    ]
    assert settle(bench.journal) == [], "and what is left open is settled as after a power cut"
    assert bench.journal.unfinished() == []


def test_a_step_that_cannot_be_written_has_no_effect(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise JournalBroken("disk full")

    bench.executor.permits.facts.inserted = 100
    monkeypatch.setattr(bench.journal, "append", broken)
    assert bench.serve(commands.PayOut(amount=100)) == 1
    assert asked(bench.cash) == ["stop"], "the slot is shut; nothing is paid, nothing printed"
    assert asked(bench.sheets) == []


def test_news_of_money_is_written_before_anybody_hears_of_it(bench: Bench) -> None:
    heard: list[str] = []

    def handle(event: events.Event) -> commands.Commands:
        heard.extend(entry.kind for entry in bench.journal.entries())
        return (commands.EndSession(),)

    bench.resident._flow.handle = handle  # type: ignore[method-assign]
    bench.resident.post(events.CoinInserted(value=100))
    assert asyncio.run(bench.resident._serve(bench.executor)) == 0
    assert heard == ["begun", "coin"], "and belongs to a session that is ended or settled"


def test_what_comes_late_is_not_part_of_the_journal(bench: Bench) -> None:
    bench.resident._write_down(
        bench.executor, events.SheetPrinted(epoch=bench.resident._flow.session.epoch - 1, sheet=1)
    )
    assert bench.journal.entries() == []


def test_an_error_in_a_devices_thread_stops_safely(bench: Bench) -> None:
    """Nobody would answer the journey any more; what broke is told by its type alone."""

    bench.executor.write("begun")

    async def run() -> int:
        bench.executor.threads.run("document", lambda: 1 / 0)
        code = await bench.resident._serve(bench.executor)
        await bench.executor.finish()
        return code

    assert asyncio.run(run()) == 1
    assert [(case.code, case.pauses) for case in bench.journal.cases()] == [("service.error", True)]


def test_a_coin_where_not_even_the_beginning_could_be_written_is_settled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that could not be begun on the disk is one all the same for a coin that comes in
    after that.
    """

    def full(*_: object) -> None:
        raise JournalFull("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(bench.journal, "append", full)
        with pytest.raises(JournalFull):
            bench.resident._begin(bench.executor)
        bench.resident._write_down(bench.executor, events.CoinInserted(value=100))
    bench.executor.record.retry()
    assert [entry.kind for entry in bench.journal.entries()] == ["begun", "coin"]
    assert settle(bench.journal) == ["power.money-owed"]


def test_while_nobody_is_served_one_cause_is_one_case(bench: Bench) -> None:
    for _ in range(3):
        bench.executor.dispatch(commands.OpenCase(code="city.kiosk-unknown", pauses=True))
    assert len(bench.journal.cases()) == 1
    bench.executor.write("begun")
    bench.executor.dispatch(commands.OpenCase(code="city.kiosk-unknown", pauses=True))
    assert len(bench.journal.cases()) == 2, "this one is of somebody's session"


def test_an_error_while_idle_pauses_nothing(bench: Bench) -> None:
    """Nothing is at stake; how often processes may die of it is the supervisor's to count."""

    async def run() -> int:
        bench.executor.threads.run("document", lambda: 1 / 0)
        return await bench.resident._serve(bench.executor)

    assert asyncio.run(run()) == 1
    assert [(case.code, case.pauses) for case in bench.journal.cases()] == [
        ("service.error", False)
    ]
