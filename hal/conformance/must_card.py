"""What a driver of a card reader must do (`hal.card.contract.CardReader`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hal.card.contract import CardPresence, CardReader, CardStatus
from hal.conformance.plugin import Broken
from hal.faults import DeviceFault, Reason

pytestmark = pytest.mark.device("card")
Call = Callable[[Callable[[], Any]], Any]
SELECT = bytes.fromhex("00A4040C0A D392F000260100000001")  # the applet of a My Number card
LIMIT_S = 60.0


class Watched:
    """What the reader has told, to be waited for."""

    def __init__(self) -> None:
        self.told: list[CardStatus] = []
        self._news = threading.Condition()

    def take(self, status: CardStatus) -> None:
        with self._news:
            self.told.append(status)
            self._news.notify_all()

    def until(self, presence: CardPresence) -> CardStatus:
        """The newest status, when it is of this presence."""
        with self._news:
            assert self._news.wait_for(
                lambda: bool(self.told) and self.told[-1].presence is presence, LIMIT_S
            ), f"{presence} was never told, but {[each.presence for each in self.told]}"
            return self.told[-1]


@contextmanager
def started(driver: CardReader) -> Iterator[Watched]:
    watched = Watched()
    driver.start(watched.take)
    yield watched


def test_before_it_is_started_nothing_is_known(driver: CardReader) -> None:
    assert driver.status() == CardStatus(CardPresence.UNKNOWN)


def test_an_empty_reader_is_absent_and_not_unknown(driver: CardReader) -> None:
    with started(driver) as watched:
        assert watched.until(CardPresence.ABSENT).stay is None
        driver.check()


def test_a_card_is_told_and_answers(driver: CardReader, broken: Broken, in_time: Call) -> None:
    with started(driver) as watched:
        watched.until(CardPresence.ABSENT)
        with broken("card-present"):
            stay = watched.until(CardPresence.PRESENT).stay
            assert stay is not None
            channel = in_time(lambda: driver.connect(stay))
            answer = in_time(lambda: channel.transmit(SELECT))
            assert 2 <= len(answer) <= 258
            assert channel.exchanged == 1
            in_time(channel.disconnect)
            channel.disconnect()
        watched.until(CardPresence.ABSENT)


def test_each_stay_is_another_one(driver: CardReader, broken: Broken) -> None:
    stays = []
    with started(driver) as watched:
        for _ in range(2):
            watched.until(CardPresence.ABSENT)
            with broken("card-present"):
                stays.append(watched.until(CardPresence.PRESENT).stay)
            watched.until(CardPresence.ABSENT)
        assert stays[0] != stays[1]
        assert stays[0] is not None
        with pytest.raises(DeviceFault) as caught:
            driver.connect(stays[0])
        assert caught.value.reason is Reason.REMOVED


def test_a_card_that_left_says_removed(driver: CardReader, broken: Broken, in_time: Call) -> None:
    with started(driver) as watched:
        watched.until(CardPresence.ABSENT)
        with broken("card-present"):
            stay = watched.until(CardPresence.PRESENT).stay
            assert stay is not None
            channel = driver.connect(stay)
        watched.until(CardPresence.ABSENT)
        with pytest.raises(DeviceFault) as caught:
            in_time(lambda: channel.transmit(SELECT))
        assert caught.value.reason is Reason.REMOVED
        channel.disconnect()


def test_a_reader_that_is_gone_is_unknown_and_never_absent(
    driver: CardReader, broken: Broken
) -> None:
    with started(driver) as watched:
        watched.until(CardPresence.ABSENT)
        with broken("gone"):
            watched.until(CardPresence.UNKNOWN)
            with pytest.raises(DeviceFault):
                driver.check()
        watched.until(CardPresence.ABSENT)


def test_closing_twice_is_nothing(driver: CardReader) -> None:
    with started(driver):
        driver.close()
        driver.close()
