"""Characters as the far end draws them: ASCII in cells of 12 by 24 dots, with the modes that
ESC/POS has for them.
"""

from __future__ import annotations

from functools import cache
from typing import Final

from PIL import Image, ImageDraw, ImageFont

CELL: Final = (12, 24)  # dots of one character, font A
FEED: Final = 30  # dots of an empty line
DRAWN: Final = range(0x20, 0x7F)
LINE_END: Final = b"\n"
# Prefix of a command that sets a mode, and its length with the parameter.
MODES: Final[tuple[tuple[bytes, int], ...]] = (
    (b"\x1b!", 3),  # print mode: all of the following in one byte
    (b"\x1bE", 3),  # bold
    (b"\x1ba", 3),  # left, centre, right
    (b"\x1b-", 3),  # underline
    (b"\x1bM", 3),  # font A; there is no other
    (b"\x1bt", 3),  # code page 0; there is no other
    (b"\x1b{", 3),  # upside down: never
    (b"\x1db", 3),  # smoothing: nothing to smooth
    (b"\x1dB", 3),  # white on black: never
)
FIXED: Final = (b"\x1bM", b"\x1bt", b"\x1b{", b"\x1dB")  # only 0 is known
BOLD, TALL, WIDE, UNDERLINED = 0x08, 0x10, 0x20, 0x80  # in the byte of ESC !


class UnknownMode(Exception):
    """A mode that this printer does not have. Inside the far end only."""


class Characters:
    """The line that is being filled, on a head of `width` dots, and the modes it is filled in."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._line: list[Image.Image] = []
        self.reset()

    def reset(self) -> None:
        self._mode, self._side = 0, 0
        self._line = []

    @property
    def waiting(self) -> bool:
        return bool(self._line)

    def set(self, command: bytes) -> None:
        """Raises UnknownMode."""
        prefix, value = command[:2], command[2]
        if prefix in FIXED and value not in (0, 0x30):
            raise UnknownMode(command.hex())
        if prefix == b"\x1b!":
            self._mode = value
        elif prefix == b"\x1bE":
            self._mode = self._mode & ~BOLD | BOLD * (value & 1)
        elif prefix == b"\x1b-":
            self._mode = self._mode & ~UNDERLINED | UNDERLINED * (value & 1)
        elif prefix == b"\x1ba":
            self._side = value % 0x30

    def add(self, code: int) -> bytes:
        """One character more; the dots of a line that it no longer fits into, or b""."""
        drawn = cell(chr(code), self._mode)
        full = sum(one.width for one in self._line) + drawn.width > self._width
        rows = self.end() if full else b""
        self._line.append(drawn)
        return rows

    def end(self) -> bytes:
        """The dots of the line, row by row; those of an empty one where nothing waits."""
        line, self._line = self._line, []
        height = max((one.height for one in line), default=FEED)
        paper = Image.new("1", (self._width, height))
        x = (self._width - sum(one.width for one in line)) * self._side // 2
        for one in line:
            paper.paste(one, (x, height - one.height))
            x += one.width
        return paper.tobytes()


@cache
def cell(character: str, mode: int = 0) -> Image.Image:
    """White on black, for 1 is a dot."""
    width, height = CELL
    small = Image.new("1", (width // 2, height // 2))
    pen = ImageDraw.Draw(small)
    pen.text((0, 0), character, fill=1, font=ImageFont.load_default_imagefont())
    size = (width * (2 if mode & WIDE else 1), height * (2 if mode & TALL else 1))
    drawn = small.resize(size, Image.Resampling.NEAREST)
    if mode & BOLD:
        drawn.paste(1, (1, 0), drawn.crop((0, 0, drawn.width - 1, drawn.height)))
    if mode & UNDERLINED:
        drawn.paste(1, (0, drawn.height - 2, *drawn.size))
    return drawn
