"""The PC/SC driver against a private pcscd with its virtual reader, in a mount and process namespace of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from card_bench import PIN, Watched, until
from pcsc_daemon import NAME, Daemon, missing

from hal.card import jpki
from hal.card.check import check_signature
from hal.card.contract import Presence, Stay
from hal.card.pcsc import PcscReader
from hal.faults import DeviceFault, Reason
from hal.sim.card.applet import Applet
from hal.sim.card.wire import CardFaults, CardProgram

DIGEST = hashlib.sha256(b"transcript").digest()


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
def reader(daemon: Daemon) -> Iterator[Watched]:
    watched = Watched(PcscReader(NAME, deadline_s=3.0))
    yield watched
    watched.reader.close()


@pytest.fixture
def program(daemon: Daemon, applet: Applet) -> Iterator[CardProgram]:
    program = CardProgram(applet, ("127.0.0.1", daemon.port), CardFaults())
    yield program
    program.remove()


def present(reader: Watched) -> Stay:
    stay = reader.wait(Presence.PRESENT).stay
    assert stay is not None
    return stay


def test_without_pyscard_the_configuration_is_at_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "smartcard", None)
    with pytest.raises(DeviceFault) as fault:
        PcscReader(NAME).start(print)
    assert fault.value.reason is Reason.CONFIGURATION


@pytest.mark.pcsc
def test_a_whole_session(reader: Watched, program: CardProgram, folder: Path) -> None:
    reader.wait(Presence.ABSENT)
    program.insert()
    stay = present(reader)
    channel = reader.reader.connect(stay)
    facts = jpki.begin(channel)
    jpki.verify(channel, bytearray(PIN.encode()), facts)
    der = jpki.read_certificate(channel, facts)
    check_signature(der, DIGEST, jpki.sign(channel, DIGEST, facts))
    assert der == (folder / "certificate.der").read_bytes()
    assert channel.exchanged == program.apdus == 10
    channel.disconnect()
    until(lambda: not program.applet.verified)
    program.remove()
    reader.wait(Presence.ABSENT)
    program.insert()
    assert present(reader) != stay
    assert Presence.IN_USE not in [status.presence for status in reader.told]  # our own hold is none


@pytest.mark.pcsc
def test_a_pull_is_removed_and_a_killed_daemon_is_unknown(
    daemon: Daemon, reader: Watched, program: CardProgram
) -> None:
    program.faults.yank_after = 3
    program.insert()
    channel = reader.reader.connect(present(reader))
    facts = jpki.begin(channel)
    with pytest.raises(DeviceFault) as fault:
        jpki.verify(channel, bytearray(b"9999"), facts)
    assert fault.value.reason is Reason.REMOVED
    assert program.applet.tries == 2
    channel.disconnect()
    reader.wait(Presence.ABSENT)

    program.insert()
    before = present(reader)
    told = len(reader.told)
    daemon.stop()
    reader.wait(Presence.UNKNOWN)
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(before)
    assert fault.value.reason is Reason.NOT_CONNECTED
    daemon.start()
    assert present(reader) != before
    assert reader.told[told].presence is Presence.UNKNOWN
    reader.reader.connect(present(reader)).disconnect()


@pytest.mark.pcsc
@pytest.mark.skipif(shutil.which("pkcs15-tool") is None, reason="opensc is not installed")
def test_an_independent_client_knows_the_card(daemon: Daemon, reader: Watched, program: CardProgram) -> None:
    program.insert()
    present(reader)
    reader.reader.close()

    def tool(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "jpki" in tool("opensc-tool", "-r", "0", "-n").lower()
    dump = tool("pkcs15-tool", "-r", "0", "--dump")
    assert "User Authentication Certificate" in dump
    assert "User Authentication PIN" in dump
    assert "BEGIN CERTIFICATE" in tool("pkcs15-tool", "-r", "0", "--read-certificate", "1")
    assert program.applet.tries == 3
