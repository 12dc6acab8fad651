"""What the card tests share beside fixtures."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from hal.card.contract import CardReader, CardStatus, Presence

NOW = datetime(2025, 6, 2, 3, 0, tzinfo=UTC)
PIN = "1234"


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.002)


class Watched:
    """A started reader and what it told."""

    def __init__(self, reader: CardReader) -> None:
        self.reader = reader
        self.told: list[CardStatus] = []
        reader.start(self.told.append)

    def wait(self, presence: Presence, seconds: float = 5.0) -> CardStatus:
        until(lambda: self.reader.status().presence is presence, seconds)
        return self.reader.status()
