"""Many sessions, and a daemon that is killed at any moment of them: nothing is left over.

PCSC_SESSIONS=1000 is the full size; a few are enough to see a leak of one per session.
"""

from __future__ import annotations

import os
import random
import threading
import time

import pytest
from card_bench import Watched, until, whole_session
from cryptography import x509
from pcsc_bench import descriptors, driver_threads, present
from pcsc_daemon import NAME, Daemon

from hal.card.contract import CardPresence
from hal.card.pcsc import PcscReader
from hal.faults import DeviceFault
from hal.sim.card.pki import CardCa
from hal.sim.card.wire import CardProgram

pytestmark = pytest.mark.pcsc

SESSIONS = int(os.environ.get("PCSC_SESSIONS", "60"))
KILLS = max(4, SESSIONS // 20)
A_SESSION_S = 0.5  # with its power cycles; some kills come before and after it


def counts(daemon: Daemon) -> dict[str, int]:
    return {
        "threads": threading.active_count(),
        "descriptors": descriptors(),
        "pcscd's threads": daemon.threads(),
        "pcscd's descriptors": daemon.descriptors(),
    }


def settled(daemon: Daemon) -> dict[str, int]:
    """pcscd ends a context's thread a little after the context."""
    latest = [counts(daemon)]

    def repeats() -> bool:
        time.sleep(0.1)
        latest.append(counts(daemon))
        return latest[-1] == latest[-2]

    until(repeats)
    return latest[-1]


def session(reader: Watched, trusted: tuple[x509.Certificate, ...]) -> None:
    """Raises DeviceFault."""
    channel = reader.reader.connect(present(reader))
    try:
        whole_session(channel, trusted)
    finally:
        channel.disconnect()


@pytest.mark.timeout(120 + SESSIONS)
def test_nothing_is_left_of_many_sessions(
    daemon: Daemon, reader: Watched, program: CardProgram, ca: CardCa
) -> None:
    program.insert()
    session(reader, (ca.certificate,))
    before = settled(daemon)
    for number in range(SESSIONS):
        if number % 50 == 49:
            program.remove()
            reader.wait(CardPresence.ABSENT)
            program.insert()
        session(reader, (ca.certificate,))
        if number % 20 == 0:  # and a whole reader comes and goes, as with each resident
            Watched(PcscReader(NAME)).reader.close()
    until(lambda: counts(daemon) == before)
    print(f"{SESSIONS} sessions; before and after: {before}")


@pytest.mark.timeout(120 + SESSIONS)
def test_the_daemon_is_killed_at_any_moment(
    daemon: Daemon, reader: Watched, program: CardProgram, ca: CardCa
) -> None:
    """A session is whole or a fault; the reader says unknown, and not absent; the next session is
    whole.
    """
    chance = random.Random(5)
    program.insert()
    present(reader)
    threads, open_files = driver_threads(), descriptors()
    faults = 0
    for _ in range(KILLS):
        told = len(reader.told)
        killer = threading.Timer(chance.uniform(0, A_SESSION_S), daemon.stop)
        killer.start()
        try:
            while killer.is_alive():
                session(reader, (ca.certificate,))
        except DeviceFault:
            faults += 1
        killer.join()
        reader.wait(CardPresence.UNKNOWN)
        daemon.start()
        session(reader, (ca.certificate,))
        # It may be unknown for one reason, and then for another.
        *before, last = (status.presence for status in reader.told[told:])
        assert (set(before), last) == ({CardPresence.UNKNOWN}, CardPresence.PRESENT)
    assert faults  # or nothing was tried
    until(lambda: driver_threads() == threads)
    until(lambda: descriptors() <= open_files)
    print(f"{KILLS} kills, {faults} of them in a session")
