from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hal.card.contract import CardReader, CardStatus, Presence
from hal.card.vpcd import SocketReader
from hal.sim.card.applet import Applet
from hal.sim.card.pki import CardCa, load_card, make_card, make_card_ca
from hal.sim.card.wire import CardProgram

NOW = datetime(2025, 6, 2, 3, 0, tzinfo=UTC)
PIN = "1234"


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.002)


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CardCa:
    return make_card_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def folder(ca: CardCa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound card: PIN 1234, three tries, valid around NOW."""
    folder = tmp_path_factory.mktemp("card")
    make_card(folder, ca, "T0001234567890A", PIN, NOW - timedelta(days=400), NOW + timedelta(days=1400))
    return folder


@pytest.fixture
def applet(folder: Path) -> Applet:
    return load_card(folder)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


class Watched:
    """A started reader and what it told."""

    def __init__(self, reader: CardReader) -> None:
        self.reader = reader
        self.told: list[CardStatus] = []
        reader.start(self.told.append)

    def wait(self, presence: Presence, seconds: float = 5.0) -> CardStatus:
        until(lambda: self.reader.status().presence is presence, seconds)
        return self.reader.status()


@pytest.fixture
def watched(listener: socket.socket) -> Iterator[Watched]:
    watched = Watched(SocketReader(listener, deadline_s=0.5))
    yield watched
    watched.reader.close()


@pytest.fixture
def program(applet: Applet, listener: socket.socket) -> Iterator[CardProgram]:
    """The sound card beside the reader, not yet inserted."""
    program = CardProgram(applet, listener.getsockname()[:2])
    yield program
    program.remove()
