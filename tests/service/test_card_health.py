"""A fault of ours that hits person after person takes the kiosk out of service, until its cause is
gone; a broken card of one person does not.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from stand_ins import stand_in

from firmware.flow import events
from firmware.link.clock import board_time
from firmware.service import card_outcomes
from firmware.service.card_desk import CardDesk
from firmware.service.card_outcomes import WEIGHTS, CardOutcomes
from hal.card import session
from hal.card.contract import CardChannel, CardPresence, CardReader, CardStatus, Stay
from hal.faults import DeviceFault, Reason
from hal.sim.card.options import CardFaults
from testbed.bench_card.field import Field, at_once, quiet
from testbed.bench_card.near import Clock as PassingTime

STAY = Stay("reader", 1)


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(card_outcomes, "time", clock)
    monkeypatch.setattr(session, "LIMIT_S", 0.0)
    return clock


def failing(mocker: MockerFixture, reason: Reason) -> CardDesk:
    def connect(_: Stay) -> None:
        raise DeviceFault("card", reason)

    return CardDesk(
        stand_in(mocker, CardReader, connect=connect), (), allow_test=False, now=board_time
    )


def persons_until_closed(desk: CardDesk, most: int = 10) -> int:
    """Each has a desk of their own, as each has a process."""
    for person in range(1, most + 1):
        desk = replace(desk, _mute=False)
        event = desk.read(person, STAY)
        assert isinstance(event, events.CardFailed)
        if desk.trouble():
            return person
    return 0


@pytest.mark.parametrize("reason", Reason)
def test_person_after_person(mocker: MockerFixture, clock: Clock, reason: Reason) -> None:
    wanted = {3: 2, 1: 6, 0: 0}[WEIGHTS.get(reason, 0)]
    assert persons_until_closed(failing(mocker, reason)) == wanted


def test_one_person_with_a_card_that_does_not_start_closes_nothing(
    mocker: MockerFixture, clock: Clock
) -> None:
    desk = failing(mocker, Reason.MUTE)
    for epoch in range(20):
        event = desk.read(epoch, STAY)
        assert isinstance(event, events.CardFailed)
        assert event.cause == "mute"
    assert desk.trouble() == ""


def test_after_a_pause_the_next_person_decides(mocker: MockerFixture, clock: Clock) -> None:
    desk = failing(mocker, Reason.SILENT)
    persons_until_closed(desk)
    clock.now += 59
    assert desk.trouble() == "card-reader"
    clock.now += 2
    assert desk.trouble() == ""
    desk.read(9, STAY)
    clock.now += 61
    assert desk.trouble() == "card-reader", "in vain once more: twice as long"
    clock.now += 60
    assert desk.trouble() == ""
    desk.outcomes.well()
    desk.read(10, STAY)
    assert desk.trouble() == ""


@pytest.mark.parametrize("powered", [True, False])
def test_a_reader_that_hears_no_card_is_noticed(
    mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch, powered: bool
) -> None:
    """With power and no answer a card is not a My Number card; each card after the other, it is the
    reader. A reader that does not even power it up says nothing about the card.
    """
    monkeypatch.setattr(session, "time", PassingTime())
    silent = DeviceFault("card", Reason.SILENT)
    channel = stand_in(mocker, CardChannel, transmit=silent, exchanged=1)
    desk = CardDesk(
        stand_in(
            mocker,
            CardReader,
            connect=(lambda _: channel) if powered else silent,
            status=lambda: CardStatus(CardPresence.PRESENT, STAY),
        ),
        (),
        allow_test=False,
        now=board_time,
    )
    event = desk.read(1, STAY)
    assert isinstance(event, events.CardFailed)
    assert event.cause == ("not-mynumber" if powered else "card-unreadable")
    assert persons_until_closed(desk) == 5


def test_what_the_reader_itself_says_closes_at_once_and_opens_when_it_is_gone(
    mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    trouble: list[Reason] = []

    def check() -> None:
        if trouble:
            raise DeviceFault("card", trouble[0], "8010006A")

    desk = CardDesk(stand_in(mocker, CardReader, check=check), (), allow_test=False, now=board_time)
    assert desk.trouble() == ""
    trouble.append(Reason.DENIED)
    assert [desk.trouble(), desk.trouble()] == ["card-reader"] * 2
    told = [record for record in caplog.records if record.getMessage() == "device.fault"]
    assert [vars(record)["facts"]["reason"] for record in told] == ["denied"], "told once"
    trouble.clear()
    assert desk.trouble() == ""


def test_the_count_is_one_for_all_processes_of_the_kiosk() -> None:
    outcomes = CardOutcomes()
    for _ in range(2):
        pid = os.fork()
        if pid == 0:
            outcomes.failed(Reason.DENIED)
            os._exit(0)
        os.waitpid(pid, 0)
    assert outcomes.pausing()


@pytest.mark.parametrize("ins", [0xB0, 0x2A], ids=["READ", "SIGN"])
def test_a_reader_that_fails_at_one_step_with_every_card_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ins: int
) -> None:
    """Its field may be too weak for a signature, and good enough for all that comes before."""
    field = Field(tmp_path)
    outcomes = CardOutcomes()
    with at_once():
        for _ in range(6):
            assert not outcomes.pausing()
            program = field.program({}, CardFaults())
            monkeypatch.setattr(program, "execute", deaf_to(ins, program.execute))
            assert field.play(program, quiet, outcomes=outcomes).told == "card-unreadable"
        assert outcomes.pausing()
        sound = field.program({}, CardFaults())
        assert field.play(sound, quiet, outcomes=outcomes).told == "served"
        assert not outcomes.pausing()


def deaf_to(ins: int, execute: Callable[[bytes], bytes | None]) -> Callable[[bytes], bytes | None]:
    """A reader that brings no answer to such a command."""
    return lambda apdu: None if apdu[1] == ins else execute(apdu)
