"""The figures come from real sessions: each client signs, and the virtual card counts."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pcsc_daemon import NAME, Daemon, missing

from testbed.bench_card import main
from testbed.bench_card.screens import measure_screens
from testbed.bench_card.sessions import Clients, Pace
from testbed.demo import FOLDER, pcsc_wires
from testbed.rehearsal import prepare
from testbed.rehearsal_error import RehearsalError

pytestmark = pytest.mark.pcsc


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


def test_three_clients_with_one_card(daemon: Daemon, tmp_path: Path) -> None:
    made = prepare(FOLDER, tmp_path / "run")
    with Clients(made.cards["taro"], made.pin("taro"), NAME, daemon.port, tmp_path) as clients:
        quick, slow = clients.measure(Pace(0, 0), 1), clients.measure(Pace(2, 5), 1)
    assert quick["kiosk"].apdus == 10
    assert slow["kiosk"].ms >= 10 * 2 + 5
    if shutil.which("gcc"):
        assert quick["c"].apdus == 10
        assert quick["c"].ms <= quick["c-process"].ms
    if shutil.which("pkcs11-tool"):
        assert quick["pkcs11-tool"].apdus > 5 * 10
    assert len(clients.missing) == 2 - bool(shutil.which("gcc")) - bool(shutil.which("pkcs11-tool"))


@pytest.mark.wires
def test_what_a_person_waits_for(daemon: Daemon, tmp_path: Path) -> None:
    made = prepare(FOLDER, tmp_path, **pcsc_wires(NAME, daemon.port))
    found = asyncio.run(measure_screens(made, "taro", Pace(5, 20), 1))
    median, longest = found.figures()["entered"]
    assert 2 * 5 + 20 <= median == longest
    assert len(found.set_down) == len(found.taken) == 1


def test_no_reader_is_told_in_one_line(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--reader", "Nowhere 00 00"]) == 1
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1) and NAME in said.err


def test_a_virtual_reader_that_is_not_there(daemon: Daemon) -> None:
    told: list[str] = []
    wires = pcsc_wires(NAME, 9, told.append)
    assert wires["kiosk"]["card"]["reader"] == NAME
    assert "--vpcd-port" in told[0]
    with pytest.raises(RehearsalError, match="--vpcd-port"):
        pcsc_wires(NAME, 9)
