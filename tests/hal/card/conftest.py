from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from card_bench import NOW, PIN, Watched

from hal.card.vpcd import SocketReader
from hal.sim.card.applet import Applet
from hal.sim.card.pki import CardCa, load_card, make_card, make_card_ca
from hal.sim.card.wire import CardProgram


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CardCa:
    return make_card_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="session")
def folder(ca: CardCa, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound card: PIN 1234, three tries, valid around NOW."""
    folder = tmp_path_factory.mktemp("card")
    make_card(
        folder, ca, "T0001234567890A", PIN, NOW - timedelta(days=400), NOW + timedelta(days=1400)
    )
    return folder


@pytest.fixture
def applet(folder: Path) -> Applet:
    return load_card(folder)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


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
