"""A private pcscd for each file, a started reader and the sound card beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from card_bench import Watched
from pcsc_daemon import NAME, Daemon, missing

from hal.card.contract import CardPresence
from hal.card.pcsc import PcscReader
from hal.sim.card.applet import Applet
from hal.sim.card.wire import CardFaults, CardProgram


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    if reason := missing():
        pytest.skip(f"not here: {reason}")
    daemon = Daemon(tmp_path_factory.mktemp("pcsc"))
    os.environ["PCSCLITE_CSOCK_NAME"] = str(daemon.socket)
    daemon.start()
    yield daemon
    daemon.stop()
    del os.environ["PCSCLITE_CSOCK_NAME"]


@pytest.fixture
def troubled(daemon: Daemon) -> Iterator[Daemon]:
    """The daemon, where its readers' driver can be put into trouble."""
    if not shutil.which("gcc"):
        pytest.skip("not here: gcc")
    yield daemon
    for name in ("unplugged", "mute", "deaf"):
        daemon.trouble(name, False)


@pytest.fixture
def reader(daemon: Daemon) -> Iterator[Watched]:
    watched = Watched(PcscReader(NAME, deadline_s=3.0))
    watched.wait(CardPresence.ABSENT)  # the card of the test before
    watched.told.clear()
    yield watched
    watched.reader.close()


@pytest.fixture
def program(daemon: Daemon, applet: Applet) -> Iterator[CardProgram]:
    program = CardProgram(applet, ("127.0.0.1", daemon.port), CardFaults())
    yield program
    program.remove()
