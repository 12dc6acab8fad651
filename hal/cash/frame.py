"""ccTalk frames: [destination][length][source][header][data...][checksum], sum of all bytes = 0 mod 256.

Source: Crane, ccTalk Generic Specification 4.7, part 1 (public domain).
"""

from __future__ import annotations

from dataclasses import dataclass

HOST = 1
ACK, BUSY, NAK = 0, 6, 5  # headers of answers without data of their own
OVERHEAD = 5  # bytes of a frame besides its data
LONGEST = OVERHEAD + 255


class FrameError(ValueError):
    """Bytes that are not a frame, or not the frame that may come now."""


@dataclass(frozen=True)
class Frame:
    """Each number is one byte; `header` is the command, or ACK/BUSY/NAK in an answer."""

    destination: int
    source: int
    header: int
    data: bytes = b""


def encode(frame: Frame) -> bytes:
    """Raises FrameError when a field does not fit its byte."""
    if len(frame.data) > 255 or not all(0 <= n <= 255 for n in (frame.destination, frame.source, frame.header)):
        raise FrameError("field out of range")
    body = bytes([frame.destination, len(frame.data), frame.source, frame.header]) + frame.data
    return body + bytes([-sum(body) % 256])


def decode(raw: bytes) -> Frame:
    """Exactly one whole frame. Raises FrameError."""
    if len(raw) < OVERHEAD or len(raw) != OVERHEAD + raw[1]:
        raise FrameError(f"wrong length: {len(raw)} bytes")
    if sum(raw) % 256:
        raise FrameError("wrong checksum")
    return Frame(raw[0], raw[2], raw[3], raw[4:-1])


def frame_length(start: bytes | bytearray) -> int | None:
    """Length in bytes of the frame that begins so; None while its length byte is not there."""
    return OVERHEAD + start[1] if len(start) >= 2 else None


class AnswerReader:
    """Takes what the wire gives after one request, in pieces, until the answer is whole.

    Host and devices share one wire, so the host first hears itself. Adapters that hide the echo exist: an answer
    begins with the host's address, a request never does, and that tells the two apart.
    """

    def __init__(self, request: Frame) -> None:
        self._device = request.source, request.destination
        self._echo = encode(request)
        self._heard = bytearray()

    @property
    def wanted(self) -> int:
        """How many bytes the next `feed` may take at most: nothing beyond the answer is ever read."""
        start = self._answer_start()
        if start is None:
            return len(self._echo) - len(self._heard) if self._heard else 1
        answer = self._heard[start:]
        return (frame_length(answer) or 2) - len(answer)

    def feed(self, piece: bytes) -> Frame | None:
        """The answer once it is whole, else None. Raises FrameError on anything else than echo and answer."""
        self._heard += piece
        start = self._answer_start()
        if start is None:
            if not self._echo.startswith(self._heard):
                raise FrameError("the echo is not what was sent")
            return None
        answer = bytes(self._heard[start:])
        length = frame_length(answer)
        if length is None or len(answer) < length:
            return None
        frame = decode(answer)
        if (frame.destination, frame.source) != self._device:
            raise FrameError("an answer from somebody else")
        return frame

    def _answer_start(self) -> int | None:
        if self._heard[:1] == bytes([HOST]):
            return 0
        whole_echo = len(self._heard) >= len(self._echo) and self._heard.startswith(self._echo)
        return len(self._echo) if whole_echo else None
