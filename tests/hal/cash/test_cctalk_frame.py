from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.cash.frame import HOST, LONGEST, AnswerReader, Checksum, Frame, FrameError, decode, encode

byte = st.integers(0, 255)
frames = st.builds(Frame, byte, byte, byte, st.binary(max_size=255))
requests = st.builds(Frame, st.integers(2, 255), st.just(HOST), byte, st.binary(max_size=20))

# from the manual of a hopper: enable, its acknowledgement, a serial number
PUBLISHED = {
    "030101A4A5B2": Frame(3, 1, 164, b"\xa5"),
    "01000300FC": Frame(1, 3, 0),
    "010303004E460560": Frame(1, 3, 0, b"\x4e\x46\x05"),
    "030801A15BDAAA6F9A5DC50643": Frame(3, 1, 161, bytes.fromhex("5BDAAA6F9A5DC506")),
}


@pytest.mark.parametrize("raw", PUBLISHED)
def test_published_frames(raw: str) -> None:
    assert decode(bytes.fromhex(raw)) == PUBLISHED[raw]
    assert encode(PUBLISHED[raw]).hex().upper() == raw


@given(frames)
def test_round_trip(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


@given(frames, st.data())
def test_one_changed_byte_is_noticed(frame: Frame, data: st.DataObject) -> None:
    raw = bytearray(encode(frame))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError):
        decode(bytes(raw))


@given(st.binary(max_size=300))
def test_decode_raises_nothing_else(raw: bytes) -> None:
    with contextlib.suppress(FrameError):
        assert encode(decode(raw)) == raw


@pytest.mark.parametrize("frame", [Frame(256, 1, 0), Frame(2, -1, 0), Frame(2, 1, 0, bytes(256))])
def test_a_field_that_does_not_fit(frame: Frame) -> None:
    with pytest.raises(FrameError):
        encode(frame)


def read(reader: AnswerReader, wire: bytes) -> tuple[Frame | None, int]:
    """Give the reader what it asks for; the answer and how many bytes were taken."""
    taken = 0
    while taken < len(wire):
        assert reader.wanted > 0
        piece = wire[taken : taken + reader.wanted]
        taken += len(piece)
        if answer := reader.feed(piece):
            return answer, taken
    return None, taken


@given(requests, byte, st.binary(max_size=255), st.booleans(), st.binary(max_size=9))
def test_the_answer_after_the_echo_and_nothing_beyond(
    request: Frame, header: int, data: bytes, echo: bool, tail: bytes
) -> None:
    answer = Frame(HOST, request.destination, header, data)
    wire = (encode(request) if echo else b"") + encode(answer)
    assert read(AnswerReader(request), wire + tail) == (answer, len(wire))


@given(requests, st.binary(max_size=2 * LONGEST + 50))
def test_random_bytes_end_bounded(request: Frame, wire: bytes) -> None:
    try:
        _, taken = read(AnswerReader(request), wire)
    except FrameError:
        return
    assert taken <= 2 * LONGEST


def test_an_answer_from_another_device() -> None:
    reader = AnswerReader(Frame(2, HOST, 254))
    with pytest.raises(FrameError, match="somebody else"):
        read(reader, encode(Frame(2, HOST, 254)) + encode(Frame(HOST, 3, 0)))


def test_more_than_was_wanted() -> None:
    with pytest.raises(FrameError):
        AnswerReader(Frame(2, HOST, 254)).feed(encode(Frame(HOST, 2, 0)) + b"\x00")


# the other checksum

crc_frames = st.builds(Frame, byte, st.just(HOST), byte, st.binary(max_size=255))


def test_the_published_crc_frame() -> None:
    """Reset device at address 40, as the specification prints it."""
    raw = bytes([40, 0, 70, 1, 63])
    assert encode(Frame(40, HOST, 1), Checksum.CRC) == raw
    assert decode(raw, Checksum.CRC) == Frame(40, HOST, 1)


@given(crc_frames)
def test_round_trip_with_crc(frame: Frame) -> None:
    assert decode(encode(frame, Checksum.CRC), Checksum.CRC) == frame


@given(crc_frames, st.data())
def test_one_changed_byte_is_noticed_with_crc(frame: Frame, data: st.DataObject) -> None:
    raw = bytearray(encode(frame, Checksum.CRC))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FrameError):
        decode(bytes(raw), Checksum.CRC)


@given(requests, byte, st.binary(max_size=255), st.booleans())
def test_the_answer_after_the_echo_with_crc(
    request: Frame, header: int, data: bytes, echo: bool
) -> None:
    answer = encode(Frame(HOST, request.destination, header, data), Checksum.CRC)
    wire = (encode(request, Checksum.CRC) if echo else b"") + answer
    found, taken = read(AnswerReader(request, Checksum.CRC), wire)
    assert found == Frame(HOST, HOST, header, data)
    assert taken == len(wire)
