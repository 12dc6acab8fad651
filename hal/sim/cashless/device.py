"""The terminal at the far end of its line. Lives in an asyncio loop; call it from there.

Who acknowledges what, and when, is written here anew and not shared with the driver
(`hal/cashless/wire.py`): this is the judge of what the driver sends. The line itself and the form
of a frame are shared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hal.cashless.frame import (
    ACK,
    ENQ,
    NAK,
    STX,
    MessageKind,
    TerminalFrameError,
    TerminalMessage,
    body,
    decode,
    encode,
    missing,
    parse,
)
from hal.sim.cashless.terminal import TerminalDevice
from hal.sim.far_line import FarLine

BYTE_GAP_S = 0.2  # a frame that pauses longer is damaged
TICK_S = 0.05  # how often what happens by itself is looked at


class TerminalSim:
    """Answers what the host asks. `present` is the resident's hand. `changed` is called after
    everything that moved.

    Faults of the wire, each a number of times: `lose_answers` (done, and the answer is lost),
    `lose_questions` (never arrives), `double_answers`, `naks` (it takes nothing), `lies` (what it
    says instead, whole and with a good checksum), `garbles` (a bit flips). `mute` hears and says
    nothing.
    """

    def __init__(
        self,
        terminal: TerminalDevice | None = None,
        link: Path | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.terminal = terminal or TerminalDevice()
        self.mute = False
        self.naks = 0
        self.double_answers = 0
        self.garbles = 0
        # told of each question, before it is answered
        self.on_question: Callable[[MessageKind], None] = lambda _kind: None
        self.lose_answers: dict[MessageKind, int] = {}
        self.lose_questions: dict[MessageKind, int] = {}
        self.lies: dict[MessageKind, list[Callable[[TerminalMessage], TerminalMessage]]] = {}
        self._violations: list[str] = []
        self._changed = changed
        self._line = FarLine(self._came, self._broken, BYTE_GAP_S, link)
        self._last: tuple[bytes, bytes] = (b"", b"")  # frame, and the answer's frame
        self._seen: tuple[int, bool, int, int] = (0, False, 0, 0)
        self._ticking: asyncio.Task[None] | None = None

    @property
    def violations(self) -> list[str]:
        """What no correct host does."""
        return self._violations + self.terminal.violations

    @property
    def port(self) -> str:
        return self._line.port

    async def start(self) -> None:
        """Open the line; `port` (and `link`) is where the host finds it. Raises OSError."""
        await self._line.start()
        self._ticking = asyncio.get_running_loop().create_task(self._tick())

    async def close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        await self._line.close()

    def present(self) -> bool:
        """Hold a phone or card to the terminal. False when nothing is to be paid."""
        done = self.terminal.present(self._now())
        self._notify_changes()
        return done

    def restart(self) -> None:
        """The terminal loses power for a moment."""
        self._line.received.clear()
        self._last = (b"", b"")
        self.terminal.restart()
        self._notify_changes()

    def noise(self, raw: bytes) -> None:
        """The host receives what nobody sent."""
        self._send(raw)

    # -- what happens by itself

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.terminal.tick(self._now())
            self._notify_changes()

    def _notify_changes(self) -> None:
        terminal = self.terminal
        seen = terminal.due, terminal.waiting, len(terminal.taken), len(terminal.given_back)
        if seen != self._seen:
            self._seen = seen
            self._changed()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    # -- the wire

    def _came(self, _piece: bytes) -> None:
        if self.mute:
            self._line.received.clear()
        while self._line.received and self._take_one():
            pass

    def _broken(self, half: bytes) -> None:
        self._violations.append(f"half a frame: {half.hex()}")

    def _take_one(self) -> bool:
        """One byte of control or one frame; False when more must come first."""
        received = self._line.received
        first = received[0]
        if first != STX:
            del received[0]
            self._control(first)
            return True
        try:
            if missing(received) > 0:
                return False
        except TerminalFrameError:
            received.clear()
            self._send(bytes([NAK]))
            return False
        length = received[1] + 4
        frame = bytes(received[:length])
        del received[:length]
        self._frame(frame)
        return True

    def _control(self, byte: int) -> None:
        if byte == ENQ:
            self._last = (b"", b"")
            self._send(bytes([ACK]))
        elif byte == NAK and self._last[1]:
            self._send(self._last[1])
        elif byte != ACK:
            self._violations.append(f"byte {byte:02x} outside a frame")

    def _frame(self, frame: bytes) -> None:
        if self.naks:
            self.naks -= 1
            self._send(bytes([NAK]))
            return
        try:
            sequence, content = decode(frame)
            asked = parse(content)
        except TerminalFrameError:
            self._send(bytes([NAK]))
            return
        self.on_question(asked.kind)
        if _spend(self.lose_questions, asked.kind):
            return
        if frame != self._last[0]:
            answer = self.terminal.answer(asked, self._now())
            self._notify_changes()
            if answer is None:
                self._send(bytes([NAK]))
                return
            lies = self.lies.get(asked.kind)
            self._last = frame, encode(sequence, body(lies.pop(0)(answer) if lies else answer))
        if not _spend(self.lose_answers, asked.kind):
            self._send(bytes([ACK]) + self._spoilt(self._last[1]))

    def _spoilt(self, answer: bytes) -> bytes:
        if self.garbles:
            self.garbles -= 1
            return answer[:-4] + bytes([answer[-4] ^ 0x10]) + answer[-3:]
        if self.double_answers:
            self.double_answers -= 1
            return answer + answer
        return answer

    def _send(self, raw: bytes) -> None:
        if not self._line.send(raw):
            self._violations.append("nobody reads")


def _spend(times: dict[MessageKind, int], kind: MessageKind) -> bool:
    """Whether this one is to be lost; one less from now on."""
    left = times.get(kind, 0)
    times[kind] = max(left - 1, 0)
    return left > 0


def changed_fields(**fields: str) -> Callable[[TerminalMessage], TerminalMessage]:
    """A lie: the answer with other fields."""
    return lambda answer: replace(answer, fields={**answer.fields, **fields})
