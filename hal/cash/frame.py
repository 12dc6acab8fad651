"""ccTalk frames: [destination][length][source][header][data...][checksum].

With the simple checksum the sum of all bytes is 0 mod 256. With the CRC the source's place holds
the low byte and the last place the high byte of a CRC-16 CCITT (start 0) over the other bytes; such
a frame does not say who speaks.

Source: Crane, ccTalk Generic Specification 4.7, parts 1 and 3 (public domain).
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass
from enum import StrEnum

BROADCAST, HOST = 0, 1
ACK, BUSY, NAK = 0, 6, 5  # headers of answers without data of their own
OVERHEAD = 5  # bytes of a frame besides its data
LONGEST = OVERHEAD + 255


class Checksum(StrEnum):
    """How a device protects its frames; it is silent to frames of the other kind."""

    SUM = "sum"
    CRC = "crc"

    @property
    def other(self) -> Checksum:
        return Checksum.CRC if self is Checksum.SUM else Checksum.SUM


class FrameError(ValueError):
    """Bytes that are not a frame, or not the frame that may come now."""


@dataclass(frozen=True)
class Frame:
    """Each number is one byte; `header` is the command, or ACK/BUSY/NAK in an answer."""

    destination: int
    source: int
    header: int
    data: bytes = b""


def encode(frame: Frame, checksum: Checksum = Checksum.SUM) -> bytes:
    """Raises FrameError when a field does not fit its byte."""
    fields = (frame.destination, frame.source, frame.header)
    if len(frame.data) > 255 or not all(0 <= n <= 255 for n in fields):
        raise FrameError("field out of range")
    if checksum is Checksum.CRC:
        crc = _crc(bytes([frame.destination, len(frame.data), frame.header]) + frame.data)
        head = bytes([frame.destination, len(frame.data), crc & 0xFF, frame.header])
        return head + frame.data + bytes([crc >> 8])
    body = bytes([frame.destination, len(frame.data), frame.source, frame.header]) + frame.data
    return body + bytes([-sum(body) % 256])


def decode(raw: bytes, checksum: Checksum = Checksum.SUM) -> Frame:
    """Exactly one whole frame; with the CRC its `source` is given as HOST. Raises FrameError."""
    if len(raw) < OVERHEAD or len(raw) != OVERHEAD + raw[1]:
        raise FrameError(f"wrong length: {len(raw)} bytes")
    if checksum is Checksum.CRC:
        if _crc(raw[:2] + raw[3:-1]) != raw[2] | raw[-1] << 8:
            raise FrameError("wrong checksum")
        return Frame(raw[0], HOST, raw[3], raw[4:-1])
    if sum(raw) % 256:
        raise FrameError("wrong checksum")
    return Frame(raw[0], raw[2], raw[3], raw[4:-1])


def frame_length(start: bytes | bytearray) -> int | None:
    """Length in bytes of the frame that begins so; None while its length byte is not there."""
    return OVERHEAD + start[1] if len(start) >= 2 else None


class AnswerReader:
    """Takes what the wire gives after one request, in pieces, until the answer is whole.

    Host and devices share one wire, so the host first hears itself. Adapters that hide the echo
    exist: an answer begins with the host's address, a request never does, and that tells the two
    apart.
    """

    def __init__(self, request: Frame, checksum: Checksum = Checksum.SUM) -> None:
        self._request = request
        self._checksum = checksum
        self._echo = encode(request, checksum)
        self._received = bytearray()

    @property
    def wanted(self) -> int:
        """How many bytes the next `feed` may take at most: nothing beyond the answer is
        ever read.
        """
        start = self._answer_start()
        if start is None:
            return len(self._echo) - len(self._received) if self._received else 1
        answer = self._received[start:]
        return (frame_length(answer) or 2) - len(answer)

    def feed(self, piece: bytes) -> Frame | None:
        """The answer once it is whole, else None. Raises FrameError on anything else than echo and
        answer.
        """
        self._received += piece
        start = self._answer_start()
        if start is None:
            if not self._echo.startswith(self._received):
                raise FrameError("the echo is not what was sent")
            return None
        answer = bytes(self._received[start:])
        length = frame_length(answer)
        if length is None or len(answer) < length:
            return None
        frame = decode(answer, self._checksum)
        named = self._checksum is Checksum.CRC or frame.source == self._request.destination
        if frame.destination != self._request.source or not named:
            raise FrameError("an answer from somebody else")
        return frame

    def _answer_start(self) -> int | None:
        if self._received[:1] == bytes([HOST]):
            return 0
        whole_echo = len(self._received) >= len(self._echo) and self._received.startswith(
            self._echo
        )
        return len(self._echo) if whole_echo else None


def _crc(raw: bytes) -> int:
    return crc_hqx(raw, 0)
