"""An ESC/POS page printer as a pure machine: bytes in, bytes and sheets out.

As hard as the device: it keeps what it was sent while it is stopped and prints it after the refill,
it answers real-time commands wherever their bytes occur (inside a raster too, as Epson warns), it
is silent on a fence while it is stopped, and an unknown command, an empty band or one wider than
the head puts it out of order until it is switched off and on. Paper is counted in sheets; that it
is out is noticed when paper is wanted, so the last sheet is confirmed; a printer with
`stops_behind_last` notices it behind the last sheet, and does not. One with `auto_status` reports
every change by itself until it is told not to, and begins anew with each ESC @.

Text is an unknown command too, unless the printer is made with `text`: the kiosk's pages are dots,
and a byte of one that is taken for a letter must not go unseen.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from hal.printer.contract import Bitmap
from hal.sim.printer.characters import DRAWN, FEED, LINE_END, MODES, Characters, UnknownMode

CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
CLEAR_RESPONSE = b"\x37\x25\x00"
REALTIME_COMMAND = b"\x10"
FEED_LINES = b"\x1bd"  # ESC d, then how many
REALTIME = re.compile(
    rb"\x10\x04([\x01-\x04\x14])|\x10\x05([\x00-\x02])|" + re.escape(CLEAR), re.DOTALL
)
GO_ON, GO_ON_EMPTY = b"\x01", b"\x02"  # n of DLE ENQ n, obeyed after an error only

BUFFER_LIMIT = 8 << 20  # bytes; a page of A4 at 600 dpi is 4.4 MB
PAGE_LIMIT = 16384  # lines: 1.4 m of paper at 300 dpi
PAGES_KEPT = 64
VIOLATIONS_KEPT = 100


class Engine:
    """The printer behind the wire. `feed` what arrives, `run` after something in the world has
    changed.
    """

    def __init__(
        self,
        width_dots: int,
        *,
        outlet_sensor: bool = False,
        sheets: int = 200,
        near_end: int = 5,
        text: bool = False,
    ) -> None:
        self._characters = Characters(width_dots) if text else None
        self.width, self.outlet_sensor, self.near_end = width_dots, outlet_sensor, near_end
        self.mute = False  # answers nothing, prints all the same
        self.cover_open = False
        self.paced = False  # prints only the lines that `run` grants
        self.auto_status = False
        self.stops_behind_last = False  # the tray is empty behind the last sheet, and it says so
        self.fail_after_lines: int | None = None  # the paper ends after this many more lines
        self.pages: list[Bitmap] = []  # what came out, the last PAGES_KEPT
        self.page_count = 0
        self.cuts = 0  # that were obeyed, with or without a sheet
        self.waiting = 0  # sheets at the outlet, each new one on top
        self.violations: list[str] = []
        self._paper_left, self._starved, self._jam, self._broken = sheets, False, False, False
        self._buffer, self._sheet, self._out = bytearray(), bytearray(), bytearray()
        self._reports = False  # by itself
        self._reported = b""  # what it reported last
        self._tail = b""  # perhaps the beginning of a real-time command
        self._stride, self._rows_left = 0, 0  # of the band being received

    # --- the wire

    def feed(self, data: bytes) -> bytes:
        """Bytes from the host; the answers so far."""
        scanned, known, start = self._tail + data, len(self._tail), 0
        for match in REALTIME.finditer(scanned):
            end = match.end() - known
            self._store(data[start:end])
            start = end
            self._realtime(match[1], match[2])
        self._store(data[start:])
        self._tail = _unfinished(scanned)
        return self.run(0 if self.paced else None)

    def run(self, lines: int | None = None) -> bytes:
        """Go on with what is in the buffer: at most `lines` lines (None: all). The answers that
        this gives.
        """
        if not self.paced:
            lines = None
        self._execute(lines)
        self._report()
        out = bytes(self._out)
        self._out.clear()
        return out

    @property
    def held(self) -> int:
        """Bytes received and not yet executed."""
        return len(self._buffer)

    @property
    def drawn(self) -> int:
        """Lines on the sheet that is still in the printer."""
        return len(self._sheet) // self._head

    @property
    def _head(self) -> int:
        """Bytes of one line of dots."""
        return (self.width + 7) // 8

    @property
    def busy(self) -> bool:
        return bool(self._buffer) and not self.stopped

    # --- the world

    @property
    def paper_left(self) -> int:
        return self._paper_left

    def load_paper(self, sheets: int) -> None:
        """Put in this many sheets (0: take all out). A torn sheet comes out of the way by hand, to
        nobody.
        """
        if self._starved:
            self._sheet.clear()
        self._paper_left, self._starved = max(0, sheets), False

    @property
    def jam(self) -> bool:
        return self._jam

    @jam.setter
    def jam(self, stuck: bool) -> None:
        if self._jam and not stuck:
            self._sheet.clear()  # pulled out by hand
        self._jam = stuck

    def take(self) -> list[Bitmap]:
        """The person takes what waits at the outlet."""
        taken = self.pages[len(self.pages) - min(self.waiting, len(self.pages)) :]
        self.waiting = 0
        return taken

    def power_cycle(self) -> None:
        self._clear()
        self._tail, self._broken, self._reports = b"", False, self.auto_status

    @property
    def stopped(self) -> bool:
        return self.cover_open or self._jam or self._starved or self._broken

    # --- real-time commands

    def _realtime(self, question: bytes | None, recovery: bytes | None) -> None:
        self._execute(0 if self.paced else None)
        if recovery is not None:
            self._recover(recovery)
        elif question is None:
            self._clear()
            self._answer(CLEAR_RESPONSE)
        elif question[0] != 20:
            self._answer(bytes([self._status(question[0])]))
        elif self.outlet_sensor:
            self._answer(self._full_status())

    def _recover(self, how: bytes) -> None:
        """Go on after an error whose cause is gone; `GO_ON_EMPTY`: with nothing of what it held."""
        if how == GO_ON_EMPTY and self.stopped:
            self._clear()

    def _report(self) -> None:
        """Automatic status, when it is on and differs from what was reported last."""
        frame = self._auto_frame()
        if self._reports and frame != self._reported:
            self._reported = frame
            self._answer(frame)

    def _auto_frame(self) -> bytes:
        out = self._paper_left == 0
        near = self._paper_left <= self.near_end
        return bytes(
            [
                0x10 | 0x08 * (self.stopped or out) | 0x20 * self.cover_open,
                0x04 * self._jam | 0x20 * self._broken,
                0x03 * near | 0x0C * out,
                0x0F,
            ]
        )

    def _clear(self) -> None:
        self._buffer.clear()
        self._rows_left = 0
        if self._characters is not None:
            self._characters.reset()

    def _status(self, n: int) -> int:
        out = self._paper_left == 0
        bits = {
            1: (0x08, self.stopped or out),
            2: (
                0x04 * self.cover_open | 0x20 * self._starved | 0x40 * (self._jam or self._broken),
                True,
            ),
            3: (0x04 * self._jam | 0x20 * self._broken, True),
            4: (0x0C * (self._paper_left <= self.near_end) | 0x60 * out, True),
        }
        value, holds = bits[n]
        return 0x12 | value * holds

    def _full_status(self) -> bytes:
        near, at_outlet = self._paper_left <= self.near_end, self.waiting > 0
        paper = 0x01 * (self._paper_left == 0) | 0x04 * near | 0x20 * at_outlet
        return bytes(
            [0x10, 0x0F, paper, 0x02 * self.cover_open, 0x40 * self._jam, 0x04 * self._broken]
        )

    # --- buffered commands

    def _store(self, data: bytes) -> None:
        if self._broken:
            return
        if len(self._buffer) + len(data) > BUFFER_LIMIT:
            self._violation("receive buffer overrun")
            return
        self._buffer += data

    def _execute(self, lines: int | None) -> None:
        while self._buffer and not self.stopped:
            if self._rows_left:
                drawn = self._draw(lines)
                if not drawn:
                    return
                lines = None if lines is None else lines - drawn
            elif not self._command():
                return

    def _draw(self, lines: int | None) -> int:
        """As many lines of the band as are here and allowed; 0 when it cannot go on now."""
        if self._paper_left == 0 or self.fail_after_lines == 0:
            self._paper_left, self._starved, self.fail_after_lines = 0, True, None
            return 0
        limits = (len(self._buffer) // self._stride, lines, self.fail_after_lines)
        count = min(self._rows_left, *(limit for limit in limits if limit is not None))
        head = self._head
        if len(self._sheet) + count * head > PAGE_LIMIT * head:
            self._violation("endless page")
            return 0
        band = bytes(self._buffer[: count * self._stride])
        del self._buffer[: count * self._stride]
        if self._stride < head:
            gap = bytes(head - self._stride)
            band = b"".join(
                band[i : i + self._stride] + gap for i in range(0, len(band), self._stride)
            )
        self._sheet += band
        self._rows_left -= count
        if self.fail_after_lines is not None:
            self.fail_after_lines -= count
        return count

    def _command(self) -> bool:
        """Execute the command at the head of the buffer; False when it is not complete, or none."""
        if self._characters is not None and (found := self._text(self._characters)) is not None:
            return found
        head = bytes(self._buffer[: len(CLEAR)])
        for prefix, length, action in COMMANDS:
            if head.startswith(prefix) and len(head) >= length:
                del self._buffer[:length]
                action(self, head[:length])
                return True
            if head.startswith(prefix) or prefix.startswith(head):
                return False
        self._violation(f"unknown command {head[:2].hex()}")
        return False

    def _text(self, characters: Characters) -> bool | None:
        """As `_command`, for characters and what sets their modes; None when it is neither."""
        head = bytes(self._buffer[:3])
        if head[0] in DRAWN:
            del self._buffer[:1]
            self._roll(characters.add(head[0]))
            return True
        if head[:1] == LINE_END:
            del self._buffer[:1]
            self._roll(characters.end())
            return True
        if head[:2] == FEED_LINES:
            if len(head) == 3:
                del self._buffer[:3]
                self._roll(characters.end() + bytes(self._head * FEED) * (head[2] - 1))
            return len(head) == 3
        for prefix, length in MODES:
            if head[:2] == prefix:
                return len(head) == length and self._set(characters, head)
        realtime = head[:1] == REALTIME_COMMAND  # obeyed already, and no part of the line
        if characters.waiting and len(head) > 1 and not realtime:  # another command ends the line
            self._roll(characters.end())
            return True
        return None

    def _set(self, characters: Characters, command: bytes) -> bool:
        del self._buffer[: len(command)]
        try:
            characters.set(command)
        except UnknownMode:
            self._violation(f"unknown mode {command.hex()}")
            return False
        return True

    def _roll(self, rows: bytes) -> None:
        """Dots of our own are drawn like a band that was received."""
        if rows:
            self._buffer[:0] = rows
            self._stride, self._rows_left = self._head, len(rows) // self._head

    def _initialize(self, command: bytes) -> None:
        if self._characters is not None:
            self._characters.reset()
        self._reports, self._reported = self.auto_status, b""
        self._report()

    def _set_reports(self, command: bytes) -> None:
        self._reports, self._reported = command[2] != 0, b""
        self._report()

    def _skip(self, command: bytes) -> None:
        """A real-time command was obeyed when it came in."""

    def _raster(self, command: bytes) -> None:
        stride = int.from_bytes(command[4:6], "little")
        rows = int.from_bytes(command[6:8], "little")
        if not 0 < stride <= self._head or not 0 < rows <= 4095:
            self._violation(f"band of {stride} bytes by {rows} lines")
            return
        self._stride, self._rows_left = stride, rows

    def _cut(self, command: bytes) -> None:
        self.cuts += 1
        if not self._sheet:
            return
        self.pages = [*self.pages, Bitmap(self.width, self.drawn, bytes(self._sheet))][-PAGES_KEPT:]
        self._sheet.clear()
        self.page_count += 1
        self.waiting += 1
        self._paper_left = max(0, self._paper_left - 1)
        self._starved = self.stops_behind_last and self._paper_left == 0

    def _fence(self, command: bytes) -> None:
        self._answer(
            bytes([0x03 * (self._paper_left <= self.near_end) | 0x0C * (self._paper_left == 0)])
        )

    def _answer(self, answer: bytes) -> None:
        if not self.mute:
            self._out += answer

    def _violation(self, what: str) -> None:
        self._broken = True
        self._clear()
        if len(self.violations) < VIOLATIONS_KEPT:
            self.violations.append(what)


Action = Callable[[Engine, bytes], None]
# What the buffer may hold: prefix, length with parameters, action.
COMMANDS: tuple[tuple[bytes, int, Action], ...] = (
    (b"\x1b@", 2, Engine._initialize),
    (CLEAR, len(CLEAR), Engine._skip),
    (b"\x1dv0\x00", 8, Engine._raster),
    (b"\x1dr\x01", 3, Engine._fence),
    (b"\x1dr1", 3, Engine._fence),
    *((b"\x1dV" + m, 3, Engine._cut) for m in (b"\x00", b"\x01", b"0", b"1")),
    *((b"\x1dV" + m, 4, Engine._cut) for m in (b"A", b"B")),
    (b"\x1da", 3, Engine._set_reports),
    *((b"\x10\x05" + bytes([n]), 3, Engine._skip) for n in (0, 1, 2)),
    *((b"\x10\x04" + bytes([n]), 3, Engine._skip) for n in (1, 2, 3, 4, 20)),
)


def _unfinished(data: bytes) -> bytes:
    """The longest end of `data` with which a real-time command may begin."""
    for length in range(min(len(data), len(CLEAR) - 1), 0, -1):
        end = data[-length:]
        if CLEAR.startswith(end) or end in (b"\x10\x04", b"\x10\x05"):
            return end
    return b""
