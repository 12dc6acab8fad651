from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from card_bench import PIN, Watched, until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hal.card import jpki
from hal.card.check import check_signature
from hal.card.contract import CardChannel, CardPresence, CardStatus, Stay
from hal.card.vpcd import SocketReader
from hal.faults import DeviceFault, Reason
from hal.sim.card.wire import CardProgram

SELECT = bytes.fromhex("00A4040C0AD392F000260100000001")
DIGEST = hashlib.sha256(b"transcript").digest()


def reason(call: object, *arguments: object) -> Reason:
    with pytest.raises(DeviceFault) as fault:
        call(*arguments)  # type: ignore[operator]
    return fault.value.reason


def test_a_whole_session(watched: Watched, program: CardProgram, folder: Path) -> None:
    program.insert()
    status = watched.wait(CardPresence.PRESENT)
    assert status.stay == Stay("socket", 1)
    channel = watched.reader.connect(status.stay)
    facts = jpki.begin(channel)
    jpki.verify(channel, bytearray(PIN.encode()), facts)
    der = jpki.read_certificate(channel, facts)
    signature = jpki.sign(channel, DIGEST, facts)
    assert der == (folder / "certificate.der").read_bytes()
    check_signature(der, DIGEST, signature)
    assert channel.exchanged == program.apdus == 10
    channel.disconnect()
    channel.disconnect()
    until(lambda: not program.applet.verified)  # the power was cut
    assert reason(channel.transmit, SELECT) is Reason.NOT_CONNECTED
    program.remove()
    watched.wait(CardPresence.ABSENT)
    assert [status for status in watched.told if status.presence is not CardPresence.UNKNOWN] == [
        CardStatus(CardPresence.PRESENT, Stay("socket", 1)),
        CardStatus(CardPresence.ABSENT),
    ]


def test_each_connection_is_another_stay_and_removal_is_seen_at_once(
    watched: Watched, program: CardProgram
) -> None:
    seconds = []
    for count in (1, 2, 3):
        program.insert()
        assert watched.wait(CardPresence.PRESENT).stay == Stay("socket", count)
        began = time.monotonic()
        program.remove()
        watched.wait(CardPresence.ABSENT)
        seconds.append(time.monotonic() - began)
    assert (
        min(seconds) < 0.1
    )  # the best of three: the machine may be busy, the driver may not be slow
    assert reason(watched.reader.connect, Stay("socket", 3)) is Reason.REMOVED


def test_an_apdu_does_not_cost_a_delayed_acknowledgement(
    watched: Watched, program: CardProgram
) -> None:
    program.insert()
    channel = watched.reader.connect(watched.wait(CardPresence.PRESENT).stay or Stay("", 0))
    seconds = []
    for _ in range(5):
        began = time.monotonic()
        for _ in range(10):
            channel.transmit(SELECT)
        seconds.append(time.monotonic() - began)
    assert min(seconds) < 0.2  # it would be 0.4 and more


def test_only_the_present_stay_can_be_connected_and_only_once(
    watched: Watched, program: CardProgram
) -> None:
    program.insert()
    watched.wait(CardPresence.PRESENT)
    assert reason(watched.reader.connect, Stay("socket", 2)) is Reason.REMOVED
    channel = watched.reader.connect(Stay("socket", 1))
    assert reason(watched.reader.connect, Stay("socket", 1)) is Reason.IN_USE
    assert reason(channel.transmit, b"\x00") is Reason.GARBLED  # one byte would be a control byte
    channel.disconnect()
    watched.reader.connect(Stay("socket", 1)).disconnect()


def test_a_second_card_is_turned_away(
    watched: Watched, program: CardProgram, listener: socket.socket
) -> None:
    program.insert()
    watched.wait(CardPresence.PRESENT)
    with socket.create_connection(listener.getsockname(), 2.0) as second:
        assert second.recv(1) == b""
    assert watched.reader.status().stay == Stay("socket", 1)


@pytest.mark.parametrize(("fault", "executed"), [("yank_before", False), ("yank_after", True)])
def test_a_card_pulled_in_a_verify_is_removed_and_the_try_may_be_spent(
    watched: Watched, program: CardProgram, fault: str, executed: bool
) -> None:
    setattr(program.faults, fault, 3)
    program.insert()
    stay = watched.wait(CardPresence.PRESENT).stay
    assert stay is not None
    channel = watched.reader.connect(stay)
    facts = jpki.begin(channel)
    assert reason(jpki.verify, channel, bytearray(b"9999"), facts) is Reason.REMOVED
    assert program.applet.tries == (2 if executed else 3)
    watched.wait(CardPresence.ABSENT)
    assert not program.inserted
    program.insert()
    stay = watched.wait(CardPresence.PRESENT).stay
    assert stay == Stay("socket", 2)
    assert jpki.begin(watched.reader.connect(stay)).tries == program.applet.tries


def test_a_lost_answer_is_silence_and_the_card_counts_as_mute_until_it_answers(
    watched: Watched, program: CardProgram
) -> None:
    program.faults.lose_answer = 1
    program.insert()
    stay = watched.wait(CardPresence.PRESENT).stay
    assert stay is not None
    channel = watched.reader.connect(stay)
    began = time.monotonic()
    assert reason(channel.transmit, SELECT) is Reason.SILENT
    assert time.monotonic() - began > 0.4
    assert (
        reason(channel.transmit, SELECT) is Reason.SILENT
    )  # and no later answer is taken for this one
    assert watched.wait(CardPresence.MUTE).stay == stay
    channel.disconnect()
    again = watched.reader.connect(stay)
    assert watched.wait(CardPresence.PRESENT).stay == stay
    assert again.transmit(SELECT) == b"\x90\x00"
    assert reason(channel.transmit, SELECT) is Reason.NOT_CONNECTED, "the old one is over"


def test_a_late_answer_is_never_taken_for_another(watched: Watched, program: CardProgram) -> None:
    program.faults.apdu_ms = 800  # longer than the deadline
    program.insert()
    stay = watched.wait(CardPresence.PRESENT).stay
    assert stay is not None
    channel = watched.reader.connect(stay)
    assert reason(channel.transmit, SELECT) is Reason.SILENT
    channel.disconnect()
    program.faults.apdu_ms = 0
    # behind the late answer come two of the reset
    channel = _connected_at_last(watched, stay)
    assert channel.transmit(bytes.fromhex("0084000008")) == b"\x6d\x00"


def _connected_at_last(watched: Watched, stay: Stay) -> CardChannel:
    for _ in range(20):
        with contextlib.suppress(DeviceFault):
            return watched.reader.connect(stay)
    raise AssertionError("never connected")


def test_a_mute_card(watched: Watched, program: CardProgram) -> None:
    program.faults.mute = True
    program.insert()
    stay = watched.wait(CardPresence.PRESENT).stay
    assert stay is not None
    assert reason(watched.reader.connect, stay) is Reason.MUTE
    watched.wait(CardPresence.MUTE)


def test_a_slow_card_is_waited_for(watched: Watched, program: CardProgram) -> None:
    program.faults.apdu_ms = 150
    program.insert()
    stay = watched.wait(CardPresence.PRESENT).stay
    assert stay is not None
    channel = watched.reader.connect(stay)
    began = time.monotonic()
    assert channel.transmit(SELECT) == b"\x90\x00"
    assert time.monotonic() - began >= 0.15


def test_a_card_lying_there_before_the_reader_starts_is_found(
    listener: socket.socket, program: CardProgram
) -> None:
    program.insert()
    until(lambda: program.connected)
    watched = Watched(SocketReader(listener))
    try:
        watched.wait(CardPresence.PRESENT)
        assert CardPresence.ABSENT not in [status.presence for status in watched.told]
    finally:
        watched.reader.close()
    assert watched.reader.status() == CardStatus(CardPresence.UNKNOWN)
    again = Watched(SocketReader(listener))  # the next process on the same listening socket
    try:
        again.wait(CardPresence.PRESENT)
        assert CardPresence.ABSENT not in [status.presence for status in again.told]
    finally:
        again.reader.close()


def test_an_observer_that_fails_does_not_blind_the_reader(
    listener: socket.socket, program: CardProgram
) -> None:
    reader = SocketReader(listener)
    reader.start(lambda status: 1 / 0)  # type: ignore[arg-type, return-value]
    program.insert()
    until(lambda: reader.status().presence is CardPresence.PRESENT)
    reader.close()


@pytest.fixture
def cable() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def test_while_the_cable_is_out_the_reader_is_unknown_and_drops_its_card(
    listener: socket.socket, cable: socket.socket, program: CardProgram
) -> None:
    address = cable.getsockname()[:2]
    watched = Watched(SocketReader(listener, cable=address))
    plug, _ = cable.accept()
    program.insert()
    stay = watched.wait(CardPresence.PRESENT).stay
    assert stay is not None
    channel = watched.reader.connect(stay)
    cable.close()
    plug.close()
    watched.wait(CardPresence.UNKNOWN)
    assert reason(channel.transmit, SELECT) is Reason.NOT_CONNECTED
    assert reason(watched.reader.connect, stay) is Reason.NOT_CONNECTED
    assert program.inserted  # the card itself still lies there
    assert watched.reader.status() == CardStatus(CardPresence.UNKNOWN)
    with socket.create_server(address) as again:
        plug, _ = again.accept()
        assert watched.wait(CardPresence.PRESENT).stay != stay
        plug.close()
    watched.reader.close()
    presences = [status.presence for status in watched.told]
    assert CardPresence.ABSENT not in presences[presences.index(CardPresence.PRESENT) :]


def test_a_reader_without_its_cable_was_never_there(
    listener: socket.socket, cable: socket.socket
) -> None:
    address = cable.getsockname()[:2]
    cable.close()
    watched = Watched(SocketReader(listener, cable=address))
    until(lambda: bool(watched.told))
    assert watched.told == [CardStatus(CardPresence.UNKNOWN)]
    watched.reader.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"\x00\x00", Reason.SILENT),
        (b"\x00\x01\x90", Reason.GARBLED),
        (b"\x01\x03" + bytes(259), Reason.GARBLED),
        (b"\xff\xff" + bytes(100), Reason.GARBLED),
        (b"\x00\x02\x90", Reason.SILENT),
        (b"\x00", Reason.SILENT),
        (b"\x00\x02\x90\x00" * 2, Reason.GARBLED),  # the second answer was never asked for
    ],
)
def test_frames_that_are_none(
    watched: Watched, listener: socket.socket, answer: bytes, expected: Reason
) -> None:
    with far_end(listener, answer):
        stay = watched.wait(CardPresence.PRESENT).stay
        assert stay is not None
        channel = watched.reader.connect(stay)

        def twice() -> None:
            channel.transmit(SELECT)
            time.sleep(0.01)
            channel.transmit(SELECT)

        assert reason(twice) is expected
        watched.wait(CardPresence.MUTE)


@contextlib.contextmanager
def far_end(listener: socket.socket, answer: bytes, after: float = 0.0) -> Iterator[None]:
    """A far end with a proper ATR that answers the first APDU with these bytes."""
    with socket.create_connection(listener.getsockname()) as sock:

        def serve() -> None:
            with contextlib.suppress(OSError):
                sock.recv(6, socket.MSG_WAITALL)  # power on, get ATR
                sock.sendall(b"\x00\x02\x3b\x00")
                sock.recv(300)
                sock.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        sock.shutdown(socket.SHUT_RDWR)
        thread.join()


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(noise=st.binary(max_size=600), half_closed=st.booleans())
def test_noise_from_the_far_end_gives_typed_faults_in_bounded_time(
    watched: Watched, listener: socket.socket, noise: bytes, half_closed: bool
) -> None:
    watched.wait(CardPresence.ABSENT)
    watched.reader._deadline_s = 0.02
    began = time.monotonic()
    with socket.create_connection(listener.getsockname(), 2.0) as sock:
        sock.sendall(noise)
        if half_closed:
            sock.shutdown(socket.SHUT_WR)
        else:
            until(lambda: watched.reader.status().presence is not CardPresence.ABSENT)
        with contextlib.suppress(DeviceFault, jpki.CardRefused):
            channel = watched.reader.connect(watched.reader.status().stay or Stay("socket", 0))
            facts = jpki.begin(channel)
            jpki.read_certificate(channel, facts)
    watched.wait(CardPresence.ABSENT)
    assert time.monotonic() - began < 5.0
