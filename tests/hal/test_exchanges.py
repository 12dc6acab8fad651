"""Every wire tells its exchanges: kinds, lengths, results and times, and nothing of what was
said.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from hal import exchanges
from hal.card.contract import CardChannel, CardReader, Stay
from hal.card.recorded import RecordedReader
from hal.exchanges import EXACT, Exchange, exchange, rounded, send_exchanges_to
from hal.faults import DeviceFault, Reason
from hal.printer.wire import Wire
from hal.speaker.network import NetworkSpeaker

VERIFY = bytes([0x00, 0x20, 0x00, 0x98, 4])


@pytest.fixture
def told() -> Iterator[list[Exchange]]:
    found: list[Exchange] = []
    send_exchanges_to(found.append)
    yield found
    send_exchanges_to()


class Card:
    """Answers everything alike."""

    exchanged = 0

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def connect(self, _: Stay) -> CardChannel:
        return self

    def transmit(self, _: bytes | bytearray) -> bytes:
        if not self.answer:
            raise DeviceFault("card", Reason.REMOVED)
        return self.answer

    def disconnect(self) -> None: ...

    def start(self, notify: object) -> None: ...

    def status(self) -> object: ...

    def close(self) -> None: ...


def channel(answer: bytes) -> CardChannel:
    reader: CardReader = Card(answer)  # type: ignore[assignment]
    return RecordedReader(reader).connect(Stay("reader", 1))


def test_neither_a_pin_nor_how_many_tries_are_left_is_told(told: list[Exchange]) -> None:
    for pin, answer in ((b"4071", b"\x63\xc2"), (b"9999", b"\x63\xc1")):
        channel(answer).transmit(VERIFY + pin)
    first, second = told[:2], told[2:]
    assert [each.__dict__ | {"ms": 0} for each in first] == [
        each.__dict__ | {"ms": 0} for each in second
    ]
    assert [(each.kind, each.sent, each.got, each.result) for each in first] == [
        ("power up", 0, 0, "ok"),
        ("INS 20", 9, 2, "63Cx"),
    ]


def test_a_fault_is_told_and_passes(told: list[Exchange]) -> None:
    with pytest.raises(DeviceFault):
        channel(b"").transmit(VERIFY)
    assert told[-1].result == "removed"
    for error, result in ((TimeoutError(), "silent"), (ConnectionResetError(), "not-connected")):
        with pytest.raises(OSError), exchange("cash", "write", 3):
            raise error
        assert told[-1].result == result


def test_a_long_length_is_rounded() -> None:
    assert [rounded(n) for n in (0, 9, EXACT)] == [0, 9, EXACT]
    assert {rounded(n) for n in range(32769, 65537)} == {65536}
    for length in range(EXACT + 1, 5000, 7):
        assert rounded(length).bit_count() == 1 and rounded(length) >= length


def test_a_printers_stream_is_told_by_its_lengths_alone(told: list[Exchange]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        wire = Wire(ours.fileno(), ours.close, lambda: None)
        wire.device = "sheets"
        wire.write(b"\x1b@" + "明石花子".encode() * 100, 1e9, 5.0)
        theirs.sendall(b"\x12\x00")
        assert wire.read(5.0) == b"\x12\x00"
        assert wire.read(0) == b""
        assert wire.read(0.01) == b""
    assert [(t.device, t.kind, t.sent, t.got, t.result) for t in told] == [
        ("sheets", "write", 2048, 0, "ok"),
        ("sheets", "read", 0, 2, "ok"),
        ("sheets", "read", 0, 0, "nothing"),
    ]


def test_a_speaker_that_is_gone(told: list[Exchange]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(DeviceFault):
        NetworkSpeaker(f"127.0.0.1:{port}").check()
    assert [(each.device, each.result) for each in told] == [("speaker", "not-connected")]


def test_kinds_are_words_of_the_program(told: list[Exchange]) -> None:
    """A kind that is made of a command's data would tell what was said."""
    channel(b"\x90\x00").transmit(b"\x00\xa4\x04\x0c" + b"secret")
    assert all(re.fullmatch(r"[a-z ]+|INS [0-9A-F]{2}", each.kind) for each in told)
    assert exchanges.EXACT < 100, "a document is never that short"
