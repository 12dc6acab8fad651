"""The supervisor: one process a resident, one ready ahead; none is left, whatever a child does."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from service.disk import Disk, small_disk

from firmware.service.cases import create_journal, journal_path, list_cases
from firmware.service.deaths import LONGEST_PAUSE_S, MANY, WINDOW_S, Deaths
from firmware.service.journal import Journal

PROGRAM = Path(__file__).with_name("supervised.py")
DEADLINE_S = 120.0


def eventually(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)


class Running:
    def __init__(self, state: Path, plan: tuple[str, ...]) -> None:
        self.state = state
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, state, *plan], stdout=subprocess.PIPE, text=True
        )

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


OWED = {"kept": 0, "returned": 0, "owed": 100, "held": 0}
DONE = {"kept": 0, "returned": 100, "owed": 0, "held": 0}


def test_the_one_ahead_takes_over(run: Callable[..., Running]) -> None:
    running = run("serve", "serve")
    pids = [running.turn(number) for number in range(3)]
    assert len(set(pids)) == 3
    eventually(lambda: len(running.children()) == 2)
    assert "Z" not in running.children().values()
    assert running.stop() == 0
    assert running.ends() == [DONE] * 3
    assert running.cases() == []


def test_a_child_that_crashes_is_buried_and_its_session_settled(
    run: Callable[..., Running],
) -> None:
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


@pytest.mark.parametrize(
    ("does", "case"), [("silent", "child.silent"), ("linger", "child.did-not-die")]
)
def test_a_child_that_hangs_is_killed_and_a_case_opened(
    run: Callable[..., Running], does: str, case: str
) -> None:
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


# -- closed: deaths, and a disk that takes nothing


def closed(running: Running) -> list[str]:
    """Why the kiosk was closed, each time."""
    return [path.read_text() for path in sorted(running.state.glob("closed-*")) if path.read_text()]


def deaths_of(running: Running) -> int:
    return len(list(running.state.glob("turn-*")))


def died_as_often_as_closed(running: Running) -> bool:
    """First many times, then once for each time it was closed; the next may be dying by now."""
    before = len(closed(running))
    deaths = deaths_of(running)
    return MANY - 1 + before <= deaths <= MANY + len(closed(running))


@pytest.mark.parametrize("does", ["stillborn", "crash"])
def test_deaths_without_end_close_the_kiosk_with_one_case(
    run: Callable[..., Running], does: str
) -> None:
    """Whenever in their life they come: at the first breath, or in the middle of somebody's
    session.
    """
    running = run(*[does] * 1000)
    eventually(lambda: closed(running))
    assert died_as_often_as_closed(running)
    [case] = [case for case in list_cases(running.state) if case.code == "child.dying"]
    assert closed(running)[0] == f"program {case.id}"
    assert not case.pauses, "it comes back without a visit"
    eventually(
        lambda: len(closed(running)) >= 3
    )  # tried again, later and later: one process each time
    assert died_as_often_as_closed(running)
    assert running.cases().count("child.dying") == 1
    assert running.stop() == 0


def test_it_comes_back_when_the_cause_has_gone(run: Callable[..., Running]) -> None:
    running = run(*["stillborn"] * MANY, "serve")
    eventually(lambda: closed(running))
    running.turn(MANY + 1)
    assert len(closed(running)) == 1
    assert running.ends() == [DONE]
    assert running.stop() == 0


def test_a_death_now_and_then_closes_nothing(
    run: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WINDOW_S", "0")
    running = run(*["stillborn"] * (MANY + 3))
    running.turn(MANY + 3)
    assert closed(running) == []
    assert running.stop() == 0


def test_the_pauses_grow_and_end() -> None:
    deaths = Deaths()
    assert deaths.may_fork(0.0)
    pauses = []
    for now in range(12):
        deaths.add(float(now))
        pauses.append(deaths.pause_s(now))
        assert not deaths.may_fork(now + pauses[-1] - 0.01)
        assert deaths.may_fork(now + pauses[-1] + 0.01)
    assert pauses == sorted(pauses)
    assert pauses[0] < 1
    assert pauses[-1] == LONGEST_PAUSE_S
    assert deaths.closed_s(12.0) > deaths.closed_s(12.0 + WINDOW_S) == 0.0
    assert deaths.recent(12.0 + WINDOW_S) == 0


def test_garbage_in_the_journal_of_a_running_kiosk_closes_it_until_it_is_gone(
    run: Callable[..., Running],
) -> None:
    """It was put there while the kiosk ran: the next death is the last, and no storm."""
    running = run("wait", "crash", "serve")
    serving = running.turn(0)
    with contextlib.closing(sqlite3.connect(journal_path(running.state))) as file:
        file.execute("CREATE TABLE outbox (id TEXT, body BLOB)")
        file.execute("INSERT INTO outbox VALUES ('x', x'00ff')")
        file.commit()
    os.kill(serving, signal.SIGTERM)
    eventually(lambda: closed(running))
    assert closed(running)[0].startswith("storage ")
    assert deaths_of(running) == 2
    time.sleep(1.0)
    assert deaths_of(running) == 2, "nobody is served"
    with contextlib.closing(sqlite3.connect(journal_path(running.state))) as file:
        file.execute("DROP TABLE outbox")
    running.turn(3)
    assert running.stop() == 0


def test_a_damaged_journal_does_not_make_the_screen_that_says_so_flap(
    run: Callable[..., Running],
) -> None:
    running = run("wait")
    running.turn(0)
    with contextlib.closing(sqlite3.connect(journal_path(running.state))) as file:
        file.execute("UPDATE entry SET facts='{}' WHERE seq=2")
        file.commit()
    os.kill(next(pid for pid, what in running.children().items() if what), signal.SIGKILL)
    eventually(lambda: closed(running))
    time.sleep(0.8)  # four times as long as between two looks
    assert len(closed(running)) == 1
    running.stop()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", "8m") as disk:
        monkeypatch.setenv("DISK", str(disk.folder))
        yield disk


def books(disk: Disk) -> list[tuple[str, object]]:
    with contextlib.closing(Journal(journal_path(disk.folder))) as journal:
        assert journal.verify()
        return [(entry.kind, dict(entry.facts)) for entry in journal.entries()]


def test_a_coin_that_the_disk_does_not_take_is_kept_until_it_does(
    run: Callable[..., Running], disk: Disk
) -> None:
    running = run("coin-on-a-full-disk", "serve")
    eventually(lambda: closed(running))
    problem, number = closed(running)[0].split()
    assert problem == "storage"
    time.sleep(1.0)
    assert deaths_of(running) == 1, "nobody is served while nothing can be written down"
    (disk.folder / "full").unlink()
    running.turn(2)
    told = books(disk)
    assert ("coin", {"value": 100, "counter": 0}) in told
    assert ("ended", OWED) in told
    codes = {facts["code"]: facts for kind, facts in told if kind == "case"}  # type: ignore[index]
    assert codes.keys() == {"journal.broken", "power.money-owed"}
    assert codes["journal.broken"]["case"] == number
    assert running.stop() == 0


def test_a_kiosk_that_starts_on_a_full_disk_says_so_and_serves_when_there_is_room(
    run: Callable[..., Running], disk: Disk
) -> None:
    create_journal(disk.folder)
    with contextlib.closing(Journal(journal_path(disk.folder))) as journal:
        journal.write("5" * 32, "begun")  # the life before ended in the middle
    disk.fill()
    running = run("serve")
    eventually(lambda: closed(running))
    assert deaths_of(running) == 0
    disk.free()
    running.turn(1)
    assert ("ended", {"kept": 0, "returned": 0, "owed": 0, "held": 0}) in books(disk)
    assert running.stop() == 0


def test_the_coin_unit_is_asked_when_nobody_holds_it(
    run: Callable[..., Running], disk: Disk
) -> None:
    """At a start on a read-only disk the journal cannot even be opened, and the closed kiosk
    watches the coin slot.
    """
    create_journal(disk.folder)
    with contextlib.closing(Journal(journal_path(disk.folder))) as journal:
        journal.write("5" * 32, "begun")
        journal.write("5" * 32, "coin-counter", counter=0, open=True)
    disk.read_only(True)
    running = run("serve")
    eventually(lambda: closed(running))
    disk.read_only(False)
    running.turn(1)
    assert (running.state / "asked").exists()
    assert not (running.state / "asked-in-vain").exists()
    assert running.stop() == 0


def test_killed_while_it_keeps_something_it_still_tries_once(
    run: Callable[..., Running], disk: Disk
) -> None:
    running = run("coin-on-a-full-disk")
    eventually(lambda: closed(running))
    (disk.folder / "full").unlink()
    assert running.stop() == 0
    assert ("coin", {"value": 100, "counter": 0}) in books(disk)


def test_a_kiosk_that_is_not_as_it_was_signed_serves_nobody_and_starts_anew_when_it_is(
    tmp_path: Path,
) -> None:
    (tmp_path / "differs").write_text("fonts")
    running = Running(tmp_path, ("wait",))
    try:
        shown = tmp_path / "closed-0"
        eventually(lambda: shown.exists() and shown.read_text())
        assert shown.read_text().split() == ["config", "fonts"]
        assert running.cases() == ["attestation.fonts"]
        assert not (tmp_path / "turn-0").exists()
        (tmp_path / "differs").unlink()
        assert running.turn(0) in running.children()
    finally:
        assert running.stop() == 0
