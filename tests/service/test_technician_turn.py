"""The supervisor gives the technician a turn: behind a settled session, before anybody else's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from service.test_service_supervisor import Running, eventually
from service.test_service_supervisor import run as run

from firmware.service.status import Availability
from firmware.service.status import read as read_status


def opened(running: Running, number: int = 0) -> int:
    """The technician's process; waits for it."""
    path = running.state / f"technician-{number}"
    eventually(lambda: path.exists() and path.read_text())
    return int(path.read_text())


def test_nobody_has_a_turn_while_the_technician_has_one(run: Callable[..., Running]) -> None:
    running = run("key", "wait")
    technician = opened(running)
    assert running.ends() == [{"kept": 0, "returned": 100, "owed": 0, "held": 0}]
    eventually(lambda: technician in running.children())
    status = read_status(running.state)
    assert status and status.report.availability is Availability.OUT_OF_SERVICE
    assert not (running.state / "turn-1").exists()
    (running.state / "leave").touch()
    running.turn(1)
    assert running.stop() == 0
    assert running.cases() == []


def test_a_session_that_broke_down_opens_nothing(run: Callable[..., Running]) -> None:
    """Whatever was said before: the word of the key comes last, from a process that has ended in
    order.
    """
    running = run("crash", "key")
    opened(running)
    assert len(running.ends()) == 2, "the first one was settled before"
    running.stop()


def test_told_to_stop_the_technician_finishes(run: Callable[..., Running]) -> None:
    running = run("key")
    opened(running)
    assert running.stop() == 0
    assert (running.state / "left").exists()


@pytest.mark.parametrize("how", ["dies", "hangs"])
def test_a_technician_s_process_that_breaks_down_does_not_close_the_kiosk(
    run: Callable[..., Running], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("TECHNICIAN", how)
    running = run("key", "wait")
    running.turn(1)
    eventually(lambda: running.cases() == ["technician.died"])
    assert not list(running.state.glob("closed-*"))
    assert running.stop() == 0


def test_the_service_starts_anew_at_the_technician_s_word(
    run: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TECHNICIAN", "renews")
    running = run("key", "wait")
    running.turn(1)
    assert running.process.poll() is None, "the same process, as systemd sees it"
    assert running.stop() == 0
