"""The journal takes nothing more while money is in: it goes back if it can, and every yen is in
what is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from service.executor_bench import Bench

from firmware.flow import events
from firmware.service.books import Books
from firmware.service.cases import journal_path
from firmware.service.entry import JournalFull, NewEntry
from firmware.service.give_back import give_back
from firmware.service.journal import Journal
from firmware.service.pipe import WordReader, kept, kept_entry
from hal.cash.contract import PayoutFault
from hal.faults import DeviceFault, Reason


@dataclass
class Case:
    """`pay`, `stop`: what goes wrong there. `before`: what is written already. `ended`, `codes`:
    the outcome.
    """

    ended: dict[str, int]
    codes: list[str]
    pay: Exception | None = None
    stop: Exception | None = None
    before: tuple[tuple[str, dict[str, Any]], ...] = ()
    paid: tuple[int, ...] = (200,)


ORDER = {"order": "0" * 32, "document": "d" * 64}
RELEASED = (
    ("begun", {}),
    ("checked", {**ORDER, "sheets": 1, "copies": 1, "fee": 100}),
    ("release-asked", ORDER),
    ("sheet-begun", {"sheet": 1}),
)
CASES = {
    "all of it": Case({"kept": 0, "returned": 200, "owed": 0, "held": 0}, []),
    "the hopper is empty": Case(
        {"kept": 0, "returned": 50, "owed": 150, "held": 0},
        ["claim"],
        pay=PayoutFault("cash", Reason.HOPPER_EMPTY, 50),
    ),
    "the slot cannot be shut": Case(
        {"kept": 0, "returned": 0, "owed": 200, "held": 0},
        ["power.money-owed"],
        stop=DeviceFault("cash", Reason.SILENT),
        paid=(),
    ),
    "a sheet is under way": Case(
        {"kept": 0, "returned": 100, "owed": 0, "held": 100},
        ["power.sheet-unknown"],
        before=RELEASED,
        paid=(100,),
    ),
    "the sheet is out": Case(
        {"kept": 100, "returned": 100, "owed": 0, "held": 0},
        [],
        before=(*RELEASED, ("sheet-done", {"sheet": 1})),
        paid=(100,),
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_money_goes_back_and_all_of_it_is_kept(
    what: str, bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[what]
    executor, resident = bench.executor, bench.resident
    executor.vault = resident._vault
    said: list[NewEntry] = []
    executor.record.keep = said.append
    paid: list[int] = []

    def pay(amount: int, *_: object) -> None:
        paid.append(amount)
        if case.pay:
            raise case.pay

    def stop() -> int:
        if case.stop:
            raise case.stop
        return 0

    bench.cash.pay.side_effect, bench.cash.stop.side_effect = pay, stop
    for kind, facts in case.before:
        executor.write(kind, **facts)
    resident._begun = bool(case.before)

    def full(*_: object) -> None:
        raise JournalFull("database or disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(bench.journal, "append", full)
        resident.post(events.CoinInserted(value=100))
        resident.post(events.CoinInserted(value=100))

        async def run() -> None:
            assert await resident._serve(executor) == 1
            await give_back(executor, lambda: resident._drain(executor))

        asyncio.run(run())
    assert tuple(paid) == case.paid
    assert [given.kind for given in said].count("coin") == 2

    books = Books(tmp_path)
    for given in said:
        books.keep(given)
    bench.journal.close()
    (tmp_path / "journal.sqlite").rename(journal_path(tmp_path))
    books.settle()
    with contextlib.closing(Journal(journal_path(tmp_path))) as journal:
        [ended] = [entry.facts for entry in journal.entries() if entry.kind == "ended"]
        assert ended == case.ended
        assert sum(ended.values()) == 200
        assert [found.code for found in journal.cases()] == case.codes
        assert journal.unfinished() == []
    books.settle()
    assert books.kept == []


def test_words_on_the_pipe_arrive_whole_however_they_are_cut(bench: Bench) -> None:
    executor = bench.executor
    executor.happened("begun")
    executor.happened("coin", value=100, counter=0)
    sent = "".join(
        f"{word}\n" for word in ("R", ".", *map(kept, executor.record.entries), "E")
    ).encode()
    for size in (1, 2, 7, 64, len(sent)):
        reader = WordReader()
        words = [
            word for at in range(0, len(sent), size) for word in reader.read(sent[at : at + size])
        ]
        assert [word[0] for word in words] == ["R", ".", "W", "W", "E"]
        assert [kept_entry(word) for word in words[2:4]] == executor.record.entries
    assert kept_entry("Wgarbage") is None
