"""What every ccTalk device does. Pure: a frame in, an answer or silence out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from hal.cash.frame import ACK, NAK, Frame

Command = tuple[frozenset[int], Callable[[bytes], bytes]]  # lengths of data it takes, what it does


# A host may ask these of a device that does not know them, and takes the silence for "no".
MAY_BE_UNKNOWN = frozenset({242, 230, 227, 217, 171, 131})


class RefusedError(Exception):
    """The command is known and refused: NAK."""


class Device:
    """A real device is silent to a command it does not know; here it is also written into
    `violations`.
    """

    identity: ClassVar[Mapping[int, bytes]] = {}

    def __init__(self, address: int) -> None:
        self.address = address
        self.violations: list[str] = []
        self.received: list[int] = []  # headers, in order
        self.refused: dict[int, int] = {}  # header: how many more times
        self.lies: dict[int, list[bytes]] = {}  # header: what it says instead, in order
        self.commands: dict[int, Command] = {
            header: (frozenset({0}), lambda _data, text=text: text)  # type: ignore[misc]
            for header, text in self.identity.items()
        }
        self.commands |= {
            254: (frozenset({0}), lambda _data: b""),
            1: (frozenset({0}), self._reset),
        }

    def answer(self, frame: Frame) -> Frame | None:
        self.received.append(frame.header)
        lengths, run = self.commands.get(frame.header, (frozenset(), bytes))
        if not lengths and frame.header in MAY_BE_UNKNOWN:
            return None
        if len(frame.data) not in lengths:
            self.violations.append(
                f"{self.address}: header {frame.header} with {len(frame.data)} bytes"
            )
            return None
        if self.refused.get(frame.header, 0):
            self.refused[frame.header] -= 1
            return Frame(frame.source, self.address, NAK)
        try:
            data = run(frame.data)
            lies = self.lies.get(frame.header)
            return Frame(frame.source, self.address, ACK, lies.pop(0) if lies else data)
        except RefusedError as refusal:
            self.violations.append(f"{self.address}: header {frame.header}: {refusal}")
            return Frame(frame.source, self.address, NAK)

    def refuse(self, header: int, times: int = 1) -> None:
        """It answers "failed" (NAK) and does nothing."""
        self.refused[header] = times

    def lie(self, header: int, *answers: bytes) -> None:
        """It does what it is told, and its next answers carry this data, whole and with a good
        checksum.
        """
        self.lies[header] = list(answers)

    def power_cycle(self) -> None:
        """Forget what power keeps."""

    def _reset(self, _data: bytes) -> bytes:
        self.power_cycle()
        return b""
