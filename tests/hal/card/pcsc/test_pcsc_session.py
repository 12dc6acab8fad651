"""Sessions through the PC/SC driver: what a PIN leaves behind, who else holds the card, what is
stuck.
"""

from __future__ import annotations

import threading
import time

import pytest
from card_bench import PIN, Watched, until, whole_session
from cryptography import x509
from pcsc_bench import Client, driver_threads, present, program_running, until_only
from pcsc_daemon import NAME, Daemon

from hal.card import jpki
from hal.card.contract import CardPresence
from hal.card.jpki import CardRefused
from hal.card.pcsc import PcscReader
from hal.card.session import CardSession
from hal.faults import DeviceFault, Reason
from hal.sim.card.pki import CardCa
from hal.sim.card.wire import CardProgram

pytestmark = pytest.mark.pcsc

SELECT = "00A4040C0AD392F000260100000001"
VERIFY = "0020009804" + PIN.encode().hex()
COMMAND = bytes.fromhex(SELECT)


@pytest.fixture
def trusted(ca: CardCa) -> tuple[x509.Certificate, ...]:
    return (ca.certificate,)


def verified_still(reader: Watched, digest: bytes = bytes(32)) -> bool:
    """Whether the card signs without a PIN."""
    channel = reader.reader.connect(present(reader))
    try:
        facts = jpki.begin(channel)
        jpki.sign(channel, digest, facts)
    except CardRefused:
        return False
    finally:
        channel.disconnect()
    return True


def test_a_whole_session(
    reader: Watched, program: CardProgram, trusted: tuple[x509.Certificate, ...]
) -> None:
    program.insert()
    stay = present(reader)
    channel = reader.reader.connect(stay)
    whole_session(channel, trusted)
    assert channel.exchanged == program.apdus <= 11
    channel.disconnect()
    until(lambda: not program.applet.verified)
    for _ in range(3):  # one stay, several sessions
        channel = reader.reader.connect(stay)
        whole_session(channel, trusted)
        channel.disconnect()
    program.remove()
    reader.wait(CardPresence.ABSENT)
    assert CardPresence.IN_USE not in [
        status.presence for status in reader.told
    ]  # our own hold is none


def test_a_pull_in_an_exchange(reader: Watched, program: CardProgram) -> None:
    program.faults.yank_after = 3
    program.insert()
    channel = reader.reader.connect(present(reader))
    facts = jpki.begin(channel)
    with pytest.raises(DeviceFault) as fault:
        jpki.verify(channel, bytearray(b"9999"), facts)
    assert fault.value.reason is Reason.REMOVED
    assert program.applet.tries == 2  # executed, though nobody heard the answer
    with pytest.raises(DeviceFault) as fault:
        channel.transmit(COMMAND)
    assert fault.value.reason is Reason.REMOVED
    channel.disconnect()
    reader.wait(CardPresence.ABSENT)


def test_a_killed_process_leaves_no_verified_pin(reader: Watched, program: CardProgram) -> None:
    program.insert()
    present(reader)
    code = f"""if True:
        from card_bench import Watched; from pcsc_bench import present; from hal.card import jpki
        from hal.card.pcsc import PcscReader
        import time
        watched = Watched(PcscReader({NAME!r}))
        channel = watched.reader.connect(present(watched))
        jpki.verify(channel, bytearray({PIN.encode()!r}), jpki.begin(channel))
        print("verified", flush=True)
        time.sleep(60)
        """
    with program_running(code) as victim:
        assert victim.stdout and victim.stdout.readline() == "verified\n"
        reader.wait(CardPresence.IN_USE)
    stay = present(reader)
    assert program.applet.verified  # pcscd resets the card of a dead client, and that is not enough
    next_process = Watched(PcscReader(NAME, deadline_s=3.0))
    assert present(next_process).count == stay.count
    assert not verified_still(next_process)
    next_process.reader.close()


def test_taken_by_another_client(reader: Watched, program: CardProgram) -> None:
    program.insert()
    stay = present(reader)
    reader.reader.connect(stay).disconnect()  # from here on this process has no crash behind it
    other = Client()
    other.connect()
    assert other.send(SELECT) == other.send(VERIFY) == "9000"
    assert reader.wait(CardPresence.IN_USE).stay == stay
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(stay)
    assert fault.value.reason is Reason.IN_USE
    other.leave()
    assert present(reader) == stay
    assert program.applet.verified
    assert not verified_still(reader)
    other.close()


def test_exclusive(reader: Watched, program: CardProgram) -> None:
    program.insert()
    stay = present(reader)
    channel = reader.reader.connect(stay)
    with pytest.raises(DeviceFault) as fault:
        reader.reader.connect(stay)
    assert fault.value.reason is Reason.IN_USE
    with pytest.raises(AssertionError, match="0x8010000b"):
        Client(share=2).connect()
    channel.disconnect()
    channel.disconnect()
    with pytest.raises(DeviceFault) as fault:
        channel.transmit(COMMAND)
    assert fault.value.reason is Reason.NOT_CONNECTED
    reader.reader.connect(stay).disconnect()


def test_a_lost_answer(daemon: Daemon, reader: Watched, program: CardProgram) -> None:
    """The virtual reader waits for ever: the caller does not, and nothing is left when the card
    goes.
    """
    resting = driver_threads()
    served = daemon.descriptors()
    program.faults.lose_answer = 1
    program.insert()
    stay = present(reader)
    hasty = Watched(PcscReader(NAME, deadline_s=0.4))
    channel = hasty.reader.connect(present(hasty))
    began = time.monotonic()
    with pytest.raises(DeviceFault) as fault:
        channel.transmit(COMMAND)
    assert fault.value.reason is Reason.SILENT
    with pytest.raises(DeviceFault):
        channel.transmit(COMMAND)
    channel.disconnect()
    assert hasty.wait(CardPresence.MUTE).stay
    with pytest.raises(DeviceFault) as fault:
        hasty.reader.connect(hasty.wait(CardPresence.MUTE).stay or stay)
    assert fault.value.reason is Reason.SILENT  # the reader is stuck with the earlier command
    assert time.monotonic() - began < 20
    program.remove()
    hasty.wait(CardPresence.ABSENT)
    until(
        lambda: not any("worker" in name for name in driver_threads())
    )  # the stuck call has given back what it held
    program.insert()
    channel = hasty.reader.connect(present(hasty))
    jpki.begin(channel)
    channel.disconnect()
    hasty.reader.close()
    until_only(resting)
    program.remove()
    until(lambda: daemon.descriptors() <= served)


def test_failing_exchanges_with_the_card_in_place(
    troubled: Daemon, reader: Watched, program: CardProgram
) -> None:
    program.insert()
    channel = reader.reader.connect(present(reader))
    troubled.trouble("deaf")
    with pytest.raises(DeviceFault) as fault:
        channel.transmit(COMMAND)
    assert (
        fault.value.reason is Reason.SILENT
    )  # it lies there: nobody shall be told that it was taken off
    reader.wait(CardPresence.MUTE)
    channel.disconnect()


def test_another_program_that_holds_the_card_for_a_moment(
    reader: Watched, program: CardProgram
) -> None:
    program.insert()
    stay = present(reader)
    other = Client()
    other.connect()
    reader.wait(CardPresence.IN_USE)
    threading.Timer(0.5, other.leave).start()
    at_work = CardSession(reader.reader, stay)
    assert at_work.begin().tries == 3
    assert at_work.repeated
    at_work.end()
    other.close()


def test_a_card_that_starts_late_is_read_in_the_same_stay(
    troubled: Daemon, reader: Watched, program: CardProgram
) -> None:
    troubled.trouble("mute")
    program.insert()
    stay = reader.wait(CardPresence.MUTE).stay
    assert stay is not None
    threading.Timer(0.3, troubled.trouble, ("mute", False)).start()
    at_work = CardSession(reader.reader, stay)
    assert at_work.begin().tries == 3
    assert reader.wait(CardPresence.PRESENT).stay == stay
    at_work.end()


def test_exchanges_that_fail_for_a_moment(
    troubled: Daemon, reader: Watched, program: CardProgram
) -> None:
    """80100016, and the card lies there."""
    program.insert()
    at_work = CardSession(reader.reader, present(reader))
    at_work.begin()
    troubled.trouble("deaf")
    threading.Timer(0.3, troubled.trouble, ("deaf", False)).start()
    assert at_work.read_ahead(len)
    assert at_work.repeated
    at_work.end()


def test_a_bounce_that_pcscd_notices_is_another_stay(reader: Watched, program: CardProgram) -> None:
    program.insert()
    at_work = CardSession(reader.reader, stay := present(reader))
    at_work.begin()
    program.faults.bounce_at, program.faults.bounce_ms = program.apdus + 1, 600
    with pytest.raises(DeviceFault) as fault:
        at_work.read_ahead(len)
    assert fault.value.reason is Reason.REMOVED
    at_work.end()
    again = present(reader)
    assert again != stay
    at_work = CardSession(reader.reader, again)
    at_work.begin()
    assert at_work.read_ahead(len)
    at_work.end()


def test_the_reader_is_asked_and_the_card_is_left_alone(
    reader: Watched, program: CardProgram
) -> None:
    reader.reader.check()
    program.insert()
    stay = present(reader)
    reader.reader.check()
    reader.reader.connect(stay).disconnect()
    other = Client()
    other.connect()
    with pytest.raises(DeviceFault) as fault:
        reader.reader.check()
    assert fault.value.reason is Reason.IN_USE
    other.leave()
    other.close()


def test_a_forked_child_takes_nothing_away(reader: Watched, program: CardProgram) -> None:
    program.insert()
    present(reader)
    code = f"""if True:
        from card_bench import Watched; from pcsc_bench import present; from hal.card import jpki
        from hal.card.pcsc import PcscReader
        import os
        watched = Watched(PcscReader({NAME!r}))
        channel = watched.reader.connect(present(watched))
        if not (child := os.fork()):
            channel.disconnect()
            watched.reader.close()
            os._exit(0)
        os.waitpid(child, 0)
        jpki.begin(channel)
        channel.disconnect()
        watched.reader.close()
        print("alive", flush=True)
        """
    with program_running(code) as parent:
        assert parent.communicate(timeout=15)[0] == "alive\n"
