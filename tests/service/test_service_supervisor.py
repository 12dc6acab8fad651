"""The supervisor: one process a resident, one ready ahead; none is left, whatever a child does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware.service.cases import journal_path, list_cases
from firmware.service.journal import Journal

PROGRAM = Path(__file__).with_name("supervised.py")
DEADLINE_S = 20.0


def eventually(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


class Running:
    def __init__(self, state: Path, plan: tuple[str, ...]) -> None:
        self.state = state
        self.process = subprocess.Popen([sys.executable, PROGRAM, state, *plan], stdout=subprocess.PIPE, text=True)

    def turn(self, number: int) -> int:
        """The process id of the child whose turn it is; waits for it."""
        path = self.state / f"turn-{number}"
        eventually(lambda: path.exists() and path.read_text())
        return int(path.read_text())

    def children(self) -> dict[int, str]:
        """Process id and state letter; "Z" is a zombie."""
        found = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == self.process.pid:
                found[int(stat.parent.name)] = fields[0]
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    def cases(self) -> list[str]:
        return [case.code for case in list_cases(self.state)]

    def ends(self) -> list[dict[str, int]]:
        journal = Journal(journal_path(self.state))
        try:
            return [dict(entry.facts) for entry in journal.entries() if entry.kind == "ended"]
        finally:
            journal.close()


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(*plan: str) -> Running:
        started.append(Running(tmp_path, plan))
        return started[-1]

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()
        if running.process.stdout:
            running.process.stdout.close()


OWED = {"kept": 0, "returned": 0, "owed": 100}
DONE = {"kept": 0, "returned": 100, "owed": 0}


def test_the_one_ahead_takes_over(run: Callable[..., Running]) -> None:
    running = run("serve", "serve")
    pids = [running.turn(number) for number in range(3)]
    assert len(set(pids)) == 3
    eventually(lambda: len(running.children()) == 2)
    assert "Z" not in running.children().values()
    assert running.stop() == 0
    assert running.ends() == [DONE] * 3
    assert running.cases() == []


def test_a_child_that_crashes_is_buried_and_its_session_settled(run: Callable[..., Running]) -> None:
    running = run("crash")
    dead, following = running.turn(0), running.turn(1)
    assert dead not in running.children()
    assert following in running.children()
    assert running.ends() == [OWED]
    assert running.cases() == ["power.money-owed"]
    assert running.stop() == 0


def test_a_child_that_waits_and_dies_settles_nobody_s_session(run: Callable[..., Running]) -> None:
    running = run("wait")
    serving = running.turn(0)
    eventually(lambda: len(running.children()) == 2)
    (waiting,) = running.children().keys() - {serving}
    os.kill(waiting, signal.SIGKILL)
    eventually(lambda: waiting not in running.children() and len(running.children()) == 2)
    assert serving in running.children()
    assert running.ends() == []
    assert running.stop() == 0
    assert running.ends() == [DONE]
    assert running.cases() == []


@pytest.mark.parametrize(("does", "case"), [("silent", "child.silent"), ("linger", "child.did-not-die")])
def test_a_child_that_hangs_is_killed_and_a_case_opened(run: Callable[..., Running], does: str, case: str) -> None:
    running = run(does)
    hanging, _ = running.turn(0), running.turn(1)
    assert hanging not in running.children()
    assert running.cases().count(case) == 1
    assert running.ends() == [OWED if does == "silent" else DONE]
    assert running.stop() == 0


def test_told_to_stop_the_one_who_serves_finishes(run: Callable[..., Running]) -> None:
    running = run()
    running.turn(0)
    eventually(lambda: len(running.children()) == 2)
    children = running.children()
    assert running.stop() == 0
    assert running.ends() == [DONE]
    assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_told_twice_it_is_at_once_and_the_journal_knows(run: Callable[..., Running]) -> None:
    running = run("linger-at-once", "silent")
    running.turn(1)
    running.process.send_signal(signal.SIGTERM)
    eventually(lambda: len(running.children()) <= 1)
    assert running.stop() == 0
    assert running.ends() == [DONE], "the other session is still open: the next start settles it"


def test_it_tells_when_it_is_ready(run: Callable[..., Running]) -> None:
    running = run()
    assert running.process.stdout
    assert running.process.stdout.readline().startswith("kiosk ready http://127.0.0.1:")


def test_it_has_no_threads_to_fork(run: Callable[..., Running]) -> None:
    running = run("serve")
    running.turn(1)
    assert len(list(Path(f"/proc/{running.process.pid}/task").iterdir())) == 1


def test_after_enough_residents_it_becomes_a_new_process_with_the_same_sockets(
    run: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENEW_AFTER", "1")
    running = run("serve", "serve")
    assert running.process.stdout
    ready = {running.process.stdout.readline() for _ in range(3)}  # one line after each renewal
    assert len(ready) == 1, "the panel's port stays"
    running.turn(2)
    assert running.process.poll() is None
    assert running.stop() == 0
    assert running.ends() == [DONE] * 3
