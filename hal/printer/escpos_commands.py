"""What is sent to an ESC/POS printer: the commands, and a page as pieces of a stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from hal.printer.contract import Bitmap

INITIALIZE: Final = b"\x1b@"  # ESC @
# GS a 0. A printer may be set to report its state by itself, and ESC @ brings that setting back.
NO_AUTO_STATUS: Final = b"\x1da\x00"
BEGIN: Final = INITIALIZE + NO_AUTO_STATUS
# GS v 0, m=0: one dot is one dot; then xL xH (bytes a line) yL yH (lines)
RASTER: Final = b"\x1dv0\x00"
CUT: Final = b"\x1dV\x41\x00"  # GS V 65 0: feed to the cutter, full cut
# GS r 1: paper sensor, answered in order, when everything before it is done
FENCE: Final = b"\x1dr\x01"
REALTIME_STATUS: Final = b"\x10\x04"  # DLE EOT n: answered at once, past the buffer
CLEAR_BUFFERS: Final = (
    b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"  # DLE DC4 8 and its seven fixed parameters
)
POWER_OFF: Final = b"\x10\x14\x02\x01\x08"  # DLE DC4 2 1 8
RECOVER: Final = (b"\x10\x05\x01", b"\x10\x05\x02")  # DLE ENQ: go on after an error, or clear
# The printer obeys real-time commands inside a bitmap too. After one of these the rest of the
# bitmap would be taken for commands and text: a person's document in the clear.
NEVER_IN_A_PAGE: Final = (CLEAR_BUFFERS, POWER_OFF, *RECOVER)
# The printer answers these inside a bitmap too.
QUESTION: Final = re.compile(rb"\x10\x04[\x01-\x04\x14]")

BAND_LINES: Final = 128
END_OF_PAGE: Final = FENCE + CUT + FENCE
Piece: TypeAlias = tuple[bytes, bytes | memoryview]  # a command, and the dots that follow it


@dataclass(frozen=True)
class Job:
    """What is drawn before the cut, in pieces. The first fence stands before the piece number
    `fence`. `ink`: bytes up to the end of the last dot, the fence counted.
    """

    pieces: tuple[Piece, ...]
    fence: int
    ink: int


def page_job(page: Bitmap) -> Job:
    """The pieces are views of the page's own rows: nothing of it is copied.

    The first fence stands before the last band with black dots: while it is unanswered, and the
    printer says that it has stopped, the sheet is certainly not whole.
    """
    pieces: list[Piece] = []
    fence = ink = sent = 0
    for head, rows in _bands(page):
        dots = len(bytes(rows).rstrip(b"\0"))
        if dots or not pieces:
            fence, ink = len(pieces), sent + len(FENCE) + len(head) + dots
        pieces.append((head, rows))
        sent += len(head) + len(rows)
    return Job(tuple(pieces), fence, ink)


def text_job(commands: bytes) -> Job:
    """A text of the technician's. Its first fence stands behind it."""
    return Job(((BEGIN, commands), (b"", b"")), 1, len(BEGIN) + len(commands))


def _bands(page: Bitmap) -> Iterator[Piece]:
    """The head and the rows of each band."""
    stride, rows = (page.width + 7) // 8, memoryview(page.rows)
    for top in range(0, page.height, BAND_LINES):
        lines = min(BAND_LINES, page.height - top)
        size = stride.to_bytes(2, "little") + lines.to_bytes(2, "little")
        begin = b"" if top else BEGIN
        yield begin + RASTER + size, rows[top * stride : (top + lines) * stride]
