"""The key switch at the far end of its line: a digital input module that speaks Modbus RTU, and the
key in it. As strict as the module: a frame with a wrong sum gets no answer.
"""

from __future__ import annotations

from pathlib import Path

from hal.service_key.modbus import EXCEPTION, READ_INPUTS, crc
from hal.sim.far_line import FarLine

GAP_S = 0.05  # a frame that pauses longer is dropped
QUESTION = 8  # bytes
INPUTS = 8  # of the module
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS = 1, 2


class KeySim:
    """`turned`: how the key stands; `cut` and `shorted`: the wires to its contacts. `first`: the
    input that is closed while it is turned.
    """

    def __init__(self, link: Path | None = None, unit: int = 1, first: int = 0) -> None:
        self.turned = False
        self.cut = False
        self.shorted = False
        self.mute = False
        self.garbles = 0  # so many of the next answers have a bit flipped
        self.violations: list[str] = []  # what no correct kiosk sends
        self.asked = 0
        self._unit, self._first = unit, first
        self._line = FarLine(self._came, self._broken, GAP_S, link)

    @property
    def port(self) -> str:
        return self._line.port

    async def start(self) -> None:
        """Raises OSError."""
        await self._line.start()

    async def close(self) -> None:
        await self._line.close()

    def turn(self, on: bool) -> None:
        """The technician's hand."""
        self.turned = on

    @property
    def inputs(self) -> int:
        """All inputs of the module, the first in the lowest bit."""
        if self.cut:
            return 0
        on, off = 1 << self._first, 1 << (self._first + 1)
        return on | off if self.shorted else on if self.turned else off

    def _came(self, _: bytes) -> None:
        received = self._line.received
        while len(received) >= QUESTION:
            frame = bytes(received[:QUESTION])
            del received[:QUESTION]
            self._serve(frame)

    def _broken(self, half: bytes) -> None:
        self.violations.append(f"half a frame: {half.hex()}")

    def _serve(self, frame: bytes) -> None:
        if frame[-2:] != crc(frame[:-2]):
            self.violations.append(f"a wrong sum: {frame.hex()}")
            return
        if frame[0] != self._unit or self.mute:
            return
        self.asked += 1
        self._send(frame[:1] + self._answer(frame))

    def _answer(self, frame: bytes) -> bytes:
        first, count = int.from_bytes(frame[2:4], "big"), int.from_bytes(frame[4:6], "big")
        if frame[1] != READ_INPUTS:
            self.violations.append(f"function {frame[1]}")
            return bytes((frame[1] | EXCEPTION, ILLEGAL_FUNCTION))
        if not 1 <= count <= INPUTS - first:
            return bytes((READ_INPUTS | EXCEPTION, ILLEGAL_ADDRESS))
        return bytes((READ_INPUTS, 1, self.inputs >> first & (1 << count) - 1))

    def _send(self, body: bytes) -> None:
        raw = bytearray(body + crc(body))
        if self.garbles:
            self.garbles -= 1
            raw[-1] ^= 0b100
        self._line.send(bytes(raw))
