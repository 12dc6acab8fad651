"""What every ccTalk device does. Pure: a frame in, an answer or silence out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from hal.cash.frame import ACK, NAK, Frame

Command = tuple[frozenset[int], Callable[[bytes], bytes]]  # lengths of data it takes, what it does


class RefusedError(Exception):
    """The command is known and refused: NAK."""


class Device:
    """A real device is silent to a command it does not know; here it is also written into `violations`."""

    identity: ClassVar[Mapping[int, bytes]] = {}

    def __init__(self, address: int) -> None:
        self.address = address
        self.violations: list[str] = []
        self.heard: list[int] = []  # headers, in order
        self.commands: dict[int, Command] = {
            header: (frozenset({0}), lambda _data, text=text: text)  # type: ignore[misc]
            for header, text in self.identity.items()
        }
        self.commands |= {254: (frozenset({0}), lambda _data: b""), 1: (frozenset({0}), self._reset)}

    def answer(self, frame: Frame) -> Frame | None:
        self.heard.append(frame.header)
        lengths, run = self.commands.get(frame.header, (frozenset(), bytes))
        if len(frame.data) not in lengths:
            self.violations.append(f"{self.address}: header {frame.header} with {len(frame.data)} bytes")
            return None
        try:
            return Frame(frame.source, self.address, ACK, run(frame.data))
        except RefusedError as refusal:
            self.violations.append(f"{self.address}: header {frame.header}: {refusal}")
            return Frame(frame.source, self.address, NAK)

    def power_cycle(self) -> None:
        """Forget what power keeps."""

    def _reset(self, _data: bytes) -> bytes:
        self.power_cycle()
        return b""
