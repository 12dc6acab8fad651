"""The judge's eyes: what stands on the paper that came out, read from its dots.

Nothing of the kiosk is used. Sheets are known by their code, slips by their letters: the same font
that any printer of slips has, drawn once more by hand and compared dot by dot.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

Dots = npt.NDArray[np.bool_]

WHOLE_LINES: Final = 2339  # of A4 at 203 dpi, as docs/printing.md describes it
MARK, BODY, SIGNATURE = b"MG\x02", 12, 64  # of a sheet's code, as docs/forms.md describes it
NUMBER, PAGE = 2, 3  # tags of its fields
CODE_AREA: Final = (
    1215,
    1912,
    1615,
    2308,
)  # dots: 156 to 198 mm from the left, 243 to 285 from above, and a margin

FONTS: Final = "/usr/share/fonts/opentype/noto/NotoSansCJK-{}.ttc"
WIDTH, MARGIN = 576, 16  # dots of a slip
TITLES: Final = {"claim": "返金のご案内", "receipt": "領　収　書"}
TITLE_SIZE = AMOUNT_SIZE = 44
NUMBER_SIZE, NUMBER_DIGITS = 28, 12
WHOLE_SLIP_LINES = 400  # no slip of this kiosk is shorter
QR: Final = zxingcpp.BarcodeFormat.QRCode  # the modules of some codes hold a linear code too
MOST_YEN = 5_000  # in tens: more than a person puts in


@dataclass(frozen=True)
class Sheet:
    """A whole sheet; `number` "" where its code cannot be read."""

    number: str
    page: int
    pages: int


@dataclass(frozen=True)
class Slip:
    """`kind`: receipt, claim, torn for a piece without its title, or "" for one that nobody knows.

    `number`: the case's, of those that are open.
    """

    kind: str
    amount: int = 0
    number: str = ""


def read_sheet(image: Image.Image) -> Sheet | None:
    """None for a piece of a sheet: shorter than the paper, it was torn or cut to be out of
    the way.
    """
    if image.height < WHOLE_LINES:
        return None
    for payload in _codes(image.convert("L")):
        if payload[:3] == MARK:
            fields = _fields(payload[BODY:-SIGNATURE])
            page, pages = fields[PAGE]
            return Sheet(fields[NUMBER].decode(), page, pages)
    return Sheet("", 1, 1)


def _codes(image: Image.Image) -> Iterator[bytes]:
    """Looked for where it stands first, and then with all that is around it."""
    width, height = image.size
    for box in (CODE_AREA, (width // 2, height // 2, width, height), (0, 0, width, height)):
        for found in zxingcpp.read_barcodes(image.crop(box), formats=QR):
            _, _, letters = found.text.partition("#")
            yield base64.b32decode(letters + "=" * (-len(letters) % 8))


def _fields(body: bytes) -> dict[int, bytes]:
    fields, at = {}, 0
    while at < len(body):
        tag, size = body[at], body[at + 1]
        fields[tag] = body[at + 2 : at + 2 + size]
        at += 2 + size
    return fields


def read_slip(image: Image.Image, numbers: Iterable[str]) -> Slip:
    """`numbers`: of the cases that are open. A claim is one when its title and its amount are on
    the paper.
    """
    dots = ~np.asarray(image.convert("1"), dtype=np.bool_)
    kind = next(
        (kind for kind, title in TITLES.items() if stands(dots, title, TITLE_SIZE, centre=True)), ""
    )
    if kind != "claim":
        return Slip(kind or ("torn" if image.height < WHOLE_SLIP_LINES else ""))
    amounts = (yen for yen in range(10, MOST_YEN, 10) if stands(dots, f"{yen:,}円", AMOUNT_SIZE))
    amount = next(amounts, 0)
    shown = {number[:NUMBER_DIGITS]: number for number in numbers}
    number = next((whole for part, whole in shown.items() if stands(dots, part, NUMBER_SIZE)), "")
    return Slip(kind, amount, number)


def stands(dots: Dots, text: str, size: int, *, centre: bool = False) -> bool:
    """Whether these bold words are on a slip: at its right edge, or in the middle."""
    left, words = _drawn(text, size, centre)
    height, width = words.shape
    if dots.shape[1] != WIDTH or len(dots) < height:
        return False
    strip = dots[:, left : left + width]
    first = np.flatnonzero((strip[: len(strip) - height + 1] == words[0]).all(axis=1))
    return any(np.array_equal(strip[at : at + height], words) for at in first)


@lru_cache(maxsize=2_000)
def _drawn(text: str, size: int, centre: bool) -> tuple[int, Dots]:
    """Where it begins on the slip, and its dots to the right edge, with white before it: 40 is not
    the end of 240.
    """
    font = _font(size)
    length = font.getlength(text)
    at = (WIDTH - length) / 2 if centre else WIDTH - MARGIN - length
    image = Image.new("L", (WIDTH, 2 * size), 255)
    ImageDraw.Draw(image).text((at, 0), text, fill=0, font=font)
    black = np.asarray(image) < 128
    rows, left = np.flatnonzero(black.any(axis=1)), max(0, int(at) - size)
    return left, black[rows[0] : rows[-1] + 1, left:]


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONTS.format("Bold"), size)
