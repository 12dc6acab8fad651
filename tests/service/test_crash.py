"""What a killed process or a wrong configuration leaves behind: nothing kept unseen, nothing that
hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture
from service.executor_bench import Bench
from stand_ins import stand_in

from firmware.flow import commands, events
from firmware.flow.states import State
from firmware.link.client import CityRefusal, LineFault, LineReason
from firmware.link.messages import Outcome, Refusal, RefusalCode, Result
from firmware.link.refusals import DENIALS
from firmware.service import deaths
from firmware.service.cases import journal_path
from firmware.service.cash_desk import CashDesk
from firmware.service.entry import NewEntry
from firmware.service.handlers.outbox import deliver
from firmware.service.health_desk import HealthDesk
from firmware.service.journal import Journal, JournalBroken, new_id
from firmware.service.listeners import Listeners
from firmware.service.paper_desk import PaperDesk
from firmware.service.recovery import settle
from firmware.service.supervisor import Child, Supervisor
from hal.panel.contract import PanelTouch
from testbed.customer import Watcher
from testbed.demo import FOLDER
from testbed.rehearsal import Rehearsal, prepare
from testbed.scenario import wires
from testbed.scenario_file import Step, load
from testbed.system import System

pytestmark = pytest.mark.wires

NOTHING: Any = SimpleNamespace()
JOURNEY = load(Path(__file__).parents[1] / "scenarios" / "juminhyo-self.toml")[0]


# -- kill -9, on the simulated wires


def entries(rehearsal: Rehearsal) -> list[tuple[str, dict[str, Any]]]:
    journal = Journal(journal_path(rehearsal.state))
    try:
        return [(entry.kind, dict(entry.facts)) for entry in journal.entries()]
    finally:
        journal.close()


def serving(system: System) -> int:
    lines = (system.rehearsal.run / "kiosk.log").read_text().splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return int([line["child"] for line in told if line["log"] == "child.active"][-1])


async def to_the_till(run: wires.WireRun) -> None:
    for step in JOURNEY.steps:
        if step.coin:
            return
        await wires.STEPS[step.verb](run, step)


@pytest.mark.parametrize(
    ("screen", "slow", "result", "owed", "codes"),
    [
        (
            "printing",
            {"lines_s": 300.0},
            "unknown",
            400,
            ["power.sheet-unknown", "power.money-owed"],
        ),
    ],
)
def test_killed_in_the_middle(
    tmp_path: Path, screen: str, slow: dict[str, Any], result: str, owed: int, codes: list[str]
) -> None:
    """The books balance, a person looks, and the next resident gets their own paper and nothing
    else.
    """

    async def play() -> None:
        async with System(prepare(FOLDER, tmp_path), **slow) as system:
            async with Watcher(
                system.rehearsal.panel, system.rehearsal.panel_key
            ).watching() as watcher:
                run = wires.WireRun(JOURNEY, system, watcher)
                await to_the_till(run)
                await run.coin(Step(coin=500))
                await wires.STEPS["see"](run, Step(see=screen))
                await asyncio.sleep(0.5)  # into the sheet, into the payout
                os.kill(serving(system), signal.SIGKILL)
                run._seen = None
                await wires.STEPS["see"](run, Step(see="fault", facts={"problem": "case-open"}))
                told = entries(system.rehearsal)
                assert [facts["code"] for kind, facts in told if kind == "case"] == codes
                assert [facts["result"] for kind, facts in told if kind == "outcome"] == [result]
                ended = [facts for kind, facts in told if kind == "ended"]
                assert [(facts["owed"], facts["held"]) for facts in ended] == [(owed, 500 - owed)]
                [fee] = [facts for kind, facts in told if kind == "held"]
                assert run._seen is not None
                assert run._seen.facts["number"] == fee["case"][:12], (
                    "whoever stands there reads what to ask for"
                )
                slip = await system.bench.until(
                    lambda b: any(s.printer == "receipts" for s in b.waiting), 10
                )
                assert slip is (screen == "printing"), (
                    "a slip for what is owed; for what may have been paid, a person"
                )
                system.bench.sheets.engine.paced = False
                await run.tidy_up()
            await wires.run(JOURNEY, system)

    asyncio.run(play())


# -- a configuration that no process can serve with


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"kiosk": {"languages": ["en"]}}, "languages"),
        ({"kiosk": {"languages": []}}, "languages"),
        ({"panel": {"listen": "0.0.0.0:0"}}, "loopback"),
        ({"sheets": {"address": "nonsense"}}, "sheets"),
        ({"receipts": {"address": "127.0.0.1:99999"}}, "receipts"),
    ],
)
def test_what_every_process_would_die_of_is_told_at_the_start(
    tmp_path: Path, over: dict[str, Any], said: str
) -> None:
    made = prepare(FOLDER, tmp_path, kiosk=over)
    done = subprocess.run(
        [sys.executable, "-m", "firmware.tools", "run", "--config", str(made.kiosk_toml)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_damaged_journal_is_one_line(tmp_path: Path) -> None:
    made = prepare(FOLDER, tmp_path)
    journal = Journal(journal_path(made.state))
    for _ in range(3):
        journal.open_case("", "x", pauses=False)
    journal._db.execute("UPDATE entry SET facts='{}' WHERE seq=2")
    journal.close()
    done = subprocess.run(
        [sys.executable, "-m", "firmware.tools", "run", "--config", str(made.kiosk_toml)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr == "kiosk: entry 2: the chain is broken\n"


# -- the supervisor


@pytest.fixture
def overseer(tmp_path: Path) -> Supervisor:
    config: Any = SimpleNamespace(kiosk=SimpleNamespace(state=tmp_path, runtime=tmp_path))
    return Supervisor(config, Listeners(NOTHING, None))


def child(pid: int) -> Child:
    go_read, go_write = os.pipe()
    os.close(go_read)  # it is dead, and nobody knows yet
    return Child(pid, go_write, -1)


def test_a_child_that_is_dead_when_its_turn_comes_takes_nobody_with_it(
    overseer: Supervisor,
) -> None:
    overseer._children = {pid: child(pid) for pid in (1, 2)}
    overseer._keep_two()
    assert [c.active for c in overseer._children.values()] == [True, False]


def open_files() -> set[tuple[str, str]]:
    """Descriptors, each with what it stands for."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # of this listing itself
            found.add((entry.name, str(entry.readlink())))
    return found


def test_no_memory_for_the_one_ahead_leaves_the_one_who_serves(
    overseer: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory() -> int:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(os, "fork", no_memory)
    one = child(1)
    one.active = True
    overseer._children = {1: one}
    before = open_files()
    overseer._keep_two()
    assert list(overseer._children) == [1]
    # What earlier tests have left behind may be closed meanwhile.
    assert open_files() <= before


def test_a_kiosk_that_can_show_no_screen_at_all_ends_the_service(tmp_path: Path) -> None:
    program = Path(__file__).with_name("supervised.py")
    done = subprocess.run(
        [sys.executable, program, tmp_path, *["stillborn"] * 50],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CLOSED": "dies", "CLOSED_S": "60"},
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "kiosk: not even an out-of-service screen can be shown"
    assert len(list(tmp_path.glob("turn-*"))) == deaths.MANY


# -- one resident's process


def an_outcome() -> Outcome:
    return Outcome(
        outcome=new_id(),
        session=new_id(),
        order=new_id(),
        result=Result.FAILED,
        sheets=0,
        kept=0,
        returned=0,
        owed=0,
    )


REFUSED = CityRefusal(Refusal(code=RefusalCode.PROTOCOL_ERROR))


def test_an_outcome_that_the_city_refuses_holds_up_none_behind_it(bench: Bench) -> None:
    told = [an_outcome() for _ in range(3)]
    for outcome in told:
        bench.journal.report(outcome)
    bench.line.outcome.side_effect = [None, REFUSED, None]
    asyncio.run(deliver(bench.executor))
    assert [left.outcome for left in bench.journal.undelivered()] == [told[1].outcome]


@pytest.mark.parametrize("code", [code for code in RefusalCode if code in DENIALS])
def test_an_outcome_that_the_citys_books_contradict_is_a_case_and_not_told_again(
    bench: Bench, code: RefusalCode
) -> None:
    told = [an_outcome() for _ in range(3)]
    for outcome in told:
        bench.journal.report(outcome)
    bench.line.outcome.side_effect = [
        CityRefusal(Refusal(code=code)),
        None,
        CityRefusal(Refusal(code=RefusalCode.BUSY)),
    ]
    asyncio.run(deliver(bench.executor))
    [case] = bench.journal.cases()
    assert (case.code, case.session, case.pauses) == (f"outcome.{code}", told[0].session, True)
    bench.line.outcome.side_effect = [None]
    asyncio.run(deliver(bench.executor))  # busy is only later
    assert bench.journal.undelivered() == []
    assert bench.journal.denied(told[0], "outcome.again") == ""
    assert bench.journal.verify() == 3 + 3 + 1, "outcomes, what became of each, and the case"


def test_a_line_that_fails_is_not_asked_for_the_rest(bench: Bench) -> None:
    for _ in range(3):
        bench.journal.report(an_outcome())
    bench.line.outcome.side_effect = [LineFault(LineReason.TIMEOUT)]
    asyncio.run(deliver(bench.executor))
    assert (bench.line.outcome.await_count, len(bench.journal.undelivered())) == (1, 3)


def test_idle_questions_to_a_slow_wire_do_not_pile_up(bench: Bench, mocker: MockerFixture) -> None:
    goes_on, asked = threading.Event(), []

    def slow() -> str:
        asked.append(1)
        goes_on.wait(5)
        return ""

    bench.executor.health.paper = stand_in(
        mocker, PaperDesk, sheets_trouble=slow, receipts_trouble=lambda: ""
    )

    async def run() -> None:
        for _ in range(20):
            bench.executor.carry_out(commands.CheckHealth())
            await asyncio.sleep(0)
        goes_on.set()
        await bench.executor.finish()
        bench.executor.carry_out(commands.CheckHealth())
        await bench.executor.finish()

    asyncio.run(run())
    assert len(asked) == 2


def test_a_case_opened_while_health_is_asked_keeps_the_next_person_out(
    bench: Bench, mocker: MockerFixture
) -> None:
    """The answer is older than the case: nobody may be let in on it."""
    goes_on = threading.Event()

    def slow() -> str:
        goes_on.wait(5)
        return ""

    bench.executor.health.paper = stand_in(
        mocker, PaperDesk, sheets_trouble=slow, receipts_trouble=lambda: ""
    )
    mocker.patch.object(CashDesk, "trouble", return_value="")
    mocker.patch.object(HealthDesk, "_city_trouble", return_value="")

    async def run() -> None:
        bench.executor.carry_out(commands.CheckHealth())
        await asyncio.sleep(0.01)
        bench.executor.carry_out(commands.OpenCase(code="coins.unexpected", pauses=True))
        case_open = events.Health(problem="case-open", number=bench.journal.cases()[-1].id[:12])
        assert bench.resident._queue.get_nowait() == case_open, "at once, not in a quarter minute"
        goes_on.set()
        await bench.executor.finish()
        assert bench.resident._queue.get_nowait() == case_open

    asyncio.run(run())


def test_money_that_falls_in_while_everything_is_being_stopped_is_written_down(
    bench: Bench,
) -> None:
    def wrong(_: events.Event) -> commands.Commands:
        raise RuntimeError("the machine is wrong")

    bench.resident._flow.handle = wrong  # type: ignore[method-assign, assignment]
    bench.executor.vault = bench.resident._vault
    bench.resident.post(events.CardAbsent())
    bench.resident.post(events.CoinInserted(value=100))

    async def run() -> None:
        code = await bench.resident._serve(bench.executor)
        bench.resident.post(events.CoinInserted(value=50))  # before the slot was shut
        await bench.resident._leave(bench.executor, code)

    asyncio.run(run())
    settle(bench.journal)
    assert bench.journal.entries()[-1].facts["owed"] == 150


def test_a_coin_that_could_not_be_written_at_once_is_written_in_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, calls = bench.journal.append, []

    def locked_once(steps: Sequence[NewEntry]) -> None:
        calls.extend(given.kind for given in steps)
        if calls.count("coin") == 1 and calls[-1] == "coin":
            raise JournalBroken("database is locked")
        append(steps)

    monkeypatch.setattr(bench.journal, "append", locked_once)
    bench.executor.vault = bench.resident._vault
    bench.resident.post(events.CoinInserted(value=100))

    async def run() -> None:
        await bench.resident._leave(bench.executor, await bench.resident._serve(bench.executor))

    asyncio.run(run())
    settle(bench.journal)
    assert bench.journal.entries()[-1].facts["owed"] == 100


def test_two_digits_on_one_screen_are_one(bench: Bench) -> None:
    """What is in the buffer is what is shown: a digit more would spend one of three tries."""
    resident, flow = bench.resident, bench.resident._flow
    flow.moment = replace(flow.moment, state=State.PIN)
    screen = flow.screen.number
    for digit in "12":
        resident._touched(PanelTouch(screen, "digit", digit))
    while not resident._queue.empty():
        flow.handle(resident._queue.get_nowait())
    assert flow.session.digits == len(resident._vault.pin) == 1
    resident._touched(PanelTouch(flow.screen.number, "digit", "3"))
    assert len(resident._vault.pin) == 2


def test_the_journal_finds_what_is_open_without_reading_it_all(bench: Bench) -> None:
    for sql in (
        "SELECT kind FROM entry WHERE kind IN ('purge-needed','purged') ORDER BY seq DESC LIMIT 1",
        "SELECT session FROM entry WHERE kind='begun'",
    ):
        plan = " ".join(
            str(row[3]) for row in bench.journal._db.execute(f"EXPLAIN QUERY PLAN {sql}")
        )
        assert "SEARCH" in plan, plan
