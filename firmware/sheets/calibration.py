"""The calibration sheet: which copy guard suits this printer, is its scale right, which codes can
be read.

One A4 sheet of numbered fields, each with 複写 hidden in another pair of screens, then a ruler,
fine lines and test codes of the size of the real ones. Nothing on it belongs to anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import segno
from PIL import Image, ImageDraw, ImageFont

from firmware.sheets.guard import GOTHIC, two_screens
from firmware.sheets.guard_style import Halftone, default_style
from firmware.sheets.raster import A4_MM, PageArray, dots, left_margin

Pair = tuple[tuple[int, int], tuple[int, int]]

# (ground, letters), each (dot, pitch). A printer whose single dots grow prints the ground darker
# than drawn and wants darker letters; one that loses them wants lighter ones. So equal tints, then
# both.
COARSE: Final[tuple[Pair, ...]] = (
    ((1, 3), (2, 6)),
    ((1, 3), (2, 5)),
    ((1, 3), (2, 7)),
    ((1, 3), (3, 9)),
    ((1, 3), (3, 8)),
    ((1, 3), (3, 10)),
    ((1, 4), (2, 8)),
    ((1, 4), (2, 7)),
    ((1, 4), (3, 11)),
    ((2, 6), (3, 9)),
    ((2, 6), (4, 12)),
    ((2, 6), (4, 11)),
)
FINE: Final[tuple[Pair, ...]] = (
    ((1, 3), (3, 9)),
    ((1, 3), (3, 8)),
    ((1, 3), (3, 10)),
    ((1, 3), (2, 6)),
    ((1, 3), (4, 12)),
    ((1, 3), (4, 11)),
    ((1, 4), (3, 12)),
    ((1, 4), (3, 10)),
    ((1, 4), (4, 16)),
    ((2, 6), (4, 12)),
    ((2, 6), (4, 11)),
    ((2, 6), (5, 15)),
)
FINEST: Final[tuple[Pair, ...]] = (
    ((2, 6), (6, 18)),
    ((2, 6), (6, 16)),
    ((2, 6), (6, 20)),
    ((2, 6), (4, 12)),
    ((2, 6), (8, 24)),
    ((2, 6), (8, 22)),
    ((2, 8), (6, 24)),
    ((2, 8), (6, 20)),
    ((2, 8), (8, 32)),
    ((3, 9), (6, 18)),
    ((3, 9), (8, 24)),
    ((1, 3), (6, 18)),
)
PAIRS: Final = {203: COARSE, 300: FINE, 600: FINEST}
MODULES: Final = {203: (3, 4, 5, 6), 300: (4, 5, 6, 7, 8), 600: (8, 10, 12, 14, 16)}

LEFT_MM: Final = 12.0
FIELDS_MM: Final = (12.0, 62.0)  # left and top of the first field
FIELD_MM: Final = (58.0, 26.0)
LETTERS: Final = "複写"
LETTER_MM: Final = 20.0
STEP_MM: Final = (64.0, 32.0)
ACROSS: Final = 3
RULER_MM: Final = 192.0
LINES_MM: Final = 206.0
CODES_MM: Final = 220.0
EXAMPLE_MM: Final = 275.0
CODE_TEXT: Final = 268  # characters, as many as in the code of a certificate
QUIET: Final = 4  # modules

MARK: Final = "試験 TEST"  # whoever finds the sheet sees that it is no certificate
MARK_MM: Final = 170.0
TITLE: Final = ("複写けん制 調整シート", "Copy guard calibration sheet")
STEPS: Final = (
    (
        "1. この用紙を普通のコピー機で、等倍・標準濃度で複写してください。",
        "Copy this sheet on an ordinary copier, at 100 % and normal density.",
    ),
    (
        "2. この原本では文字が見えずむらのない灰色で、"
        "複写では「複写」が最もはっきり出る番号を選びます。",
        "Choose the number whose field is evenly grey here and shows 複写 best on the copy.",
    ),
    (
        "3. その番号の値を、設定ファイルの [sheets.guard] に ground と letters として書きます。",
        "Write the values of that number into [sheets.guard] of the configuration.",
    ),
    (
        "4. 下の目盛りを定規と比べ、細い線が切れず、つながらずに出ていること、"
        "スマートフォンで読める最小のコードを確かめます。",
        "Compare the scale with a ruler, see that the fine lines neither break nor merge, "
        "find the smallest code a phone reads.",
    ),
)
EXAMPLE: Final = (
    "halo は文字の周りの余白（ドット）です。標準は設定しない場合の値です。",
    "halo is the white round the print, in dots. 標準 marks what is used without a configuration.",
)


@dataclass(frozen=True)
class SheetField:
    """One numbered field of the sheet."""

    number: int
    ground: Halftone
    letters: Halftone
    default: bool  # what this resolution uses without a configuration

    @property
    def text(self) -> str:
        """As on the sheet and on the terminal."""
        values = f"ground = {list(self.ground)}  letters = {list(self.letters)}"
        return values + ("  標準" if self.default else "")


def fields(dpi: int) -> tuple[SheetField, ...]:
    """All fields of the sheet for this resolution, in the order of their numbers."""
    pairs = PAIRS.get(dpi, COARSE)
    usual = default_style(dpi)
    return tuple(
        SheetField(
            number,
            Halftone(*ground),
            Halftone(*letters),
            (ground, letters) == (usual.ground, usual.letters),
        )
        for number, (ground, letters) in enumerate(pairs, 1)
    )


def table(dpi: int) -> str:
    """The fields as lines of text, with the tints of both screens in percent."""
    rows = ["番号 No.  地 ground     文字 letters"]
    for field in fields(dpi):
        ground = f"{list(field.ground)} {100 * field.ground.tint:.1f} %"
        letters = f"{list(field.letters)} {100 * field.letters.tint:.1f} %"
        usual = "  標準 default" if field.default else ""
        rows.append(f"{field.number:>7}  {ground:<14} {letters}{usual}")
    return "\n".join(rows)


def example(field: SheetField) -> str:
    """What to write into the configuration for a field."""
    values = f"ground = {list(field.ground)}\nletters = {list(field.letters)}"
    return f"[sheets.guard]\n{values}\nhalo = {2 * field.ground.dot}"


def module_sizes(dpi: int) -> tuple[int, ...]:
    """Dots a module of the test codes."""
    return MODULES.get(dpi, MODULES[203])


def code_text(module: int, dpi: int) -> str:
    """What a test code says: its module size, then as much as a real code carries."""
    text = f"TEST {module} DOTS {dpi} DPI "
    return text + "0123456789ABCDEF"[: CODE_TEXT - len(text)].ljust(CODE_TEXT - len(text), "X")


def sheet(dpi: int, width_dots: int) -> PageArray:
    """The whole sheet, on a head of `width_dots`."""
    page = _Page(dpi)
    page.text(LEFT_MM, 10, TITLE[0], 6.0, bold=True)
    page.text(MARK_MM, 10, MARK, 6.0, bold=True)
    page.text(92, 11.6, f"{TITLE[1]} · {dpi} dpi", 4.0)
    for number, (ja, en) in enumerate(STEPS):
        page.text(LEFT_MM, 20 + 8.6 * number, ja, 3.3)
        page.text(LEFT_MM + 4.5, 24.2 + 8.6 * number, en, 2.8)
    for field in fields(dpi):
        _draw_field(page, field)
    _draw_ruler(page)
    _draw_lines(page)
    _draw_codes(page)
    page.text(LEFT_MM, EXAMPLE_MM, example(fields(dpi)[0]).replace("\n", "    "), 3.3)
    for number, text in enumerate(EXAMPLE):
        page.text(LEFT_MM, EXAMPLE_MM + 5 + 4.2 * number, text, 2.8)
    return page.fitted(width_dots)


class _Page:
    """An A4 sheet to draw on. Places in millimetres from its left and upper edge."""

    def __init__(self, dpi: int) -> None:
        self.dpi = dpi
        self._image = Image.new("1", (dots(A4_MM[0], dpi), dots(A4_MM[1], dpi)))
        self._draw = ImageDraw.Draw(self._image)

    def text(self, left: float, top: float, text: str, size_mm: float, bold: bool = False) -> None:
        place = (dots(left, self.dpi), dots(top, self.dpi))
        self._draw.text(place, text, fill=1, font=_font(dots(size_mm, self.dpi), bold))

    def paste(self, left: float, top: float, picture: PageArray) -> None:
        place = (dots(left, self.dpi), dots(top, self.dpi))
        self._image.paste(Image.fromarray(picture), place)

    def fitted(self, width_dots: int) -> PageArray:
        """Centred on a head of this width, as documents are."""
        drawn = np.asarray(self._image, dtype=np.bool_)
        left = left_margin(self.dpi, width_dots)
        kept = drawn[:, max(0, -left) : max(0, -left) + width_dots]
        out = np.zeros((len(drawn), width_dots), dtype=np.bool_)
        out[:, max(0, left) : max(0, left) + kept.shape[1]] = kept
        return out


@lru_cache(maxsize=8)
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(GOTHIC if bold else GOTHIC.replace("Bold", "Regular"), size)


def _draw_field(page: _Page, field: SheetField) -> None:
    row, column = divmod(field.number - 1, ACROSS)
    left = FIELDS_MM[0] + STEP_MM[0] * column
    top = FIELDS_MM[1] + STEP_MM[1] * row
    page.text(left, top - 5.6, str(field.number), 4.6, bold=True)
    page.text(left + 7, top - 4.4, field.text, 2.9)
    page.paste(left, top, field_pattern(field, page.dpi))


def field_pattern(field: SheetField, dpi: int) -> PageArray:
    """The screens of one field, 複写 once in its middle."""
    return two_screens(field_mask(dpi), field.ground, field.letters)


@lru_cache(maxsize=1)
def field_mask(dpi: int) -> PageArray:
    """Where the letters of a field are."""
    width, height = (dots(side, dpi) for side in FIELD_MM)
    image = Image.new("1", (width, height))
    font = _font(dots(LETTER_MM, dpi), bold=True)
    ImageDraw.Draw(image).text((width // 2, height // 2), LETTERS, fill=1, font=font, anchor="mm")
    return np.asarray(image, dtype=np.bool_)


def _draw_ruler(page: _Page) -> None:
    """180 mm, a stroke each millimetre, numbers each ten."""
    height, thick = dots(8.0, page.dpi), max(1, page.dpi // 200)
    strokes = np.zeros((height, dots(180.0, page.dpi) + thick), dtype=np.bool_)
    strokes[-thick:] = True
    for mm in range(181):
        long = 5.0 if mm % 10 == 0 else 3.5 if mm % 5 == 0 else 2.0
        at = dots(mm, page.dpi)
        strokes[height - dots(long, page.dpi) :, at : at + thick] = True
    page.paste(LEFT_MM, RULER_MM - 3.0, strokes)
    for mm in range(0, 180, 10):
        page.text(LEFT_MM + mm + 0.6, RULER_MM - 3.2, str(mm), 2.8)
    page.text(LEFT_MM + 181, RULER_MM - 3.2, "mm", 2.8)


def _draw_lines(page: _Page) -> None:
    """Lines and gaps of one to four dots, down and across: broken when dots are lost, one grey when
    they grow.
    """
    side = dots(8.0, page.dpi)
    for number, thick in enumerate((1, 2, 3, 4)):
        left = LEFT_MM + 46 * number
        stripes = np.broadcast_to(np.arange(side) // thick % 2 == 0, (side, side))
        page.text(left, LINES_MM, f"{thick} dot", 2.8)
        page.text(left, LINES_MM + 3.6, f"{25.4 * thick / page.dpi:.2f} mm", 2.8)
        page.paste(left + 13, LINES_MM, stripes)
        page.paste(left + 23, LINES_MM, stripes.T)


def _draw_codes(page: _Page) -> None:
    left = LEFT_MM
    for module in module_sizes(page.dpi):
        picture = _code(module, page.dpi)
        side_mm = len(picture) * 25.4 / page.dpi
        page.paste(left, CODES_MM, picture)
        page.text(
            left + 1, CODES_MM + side_mm, f"{module} dot {25.4 * module / page.dpi:.2f} mm", 2.8
        )
        left += side_mm + 1.5


def _code(module: int, dpi: int) -> PageArray:
    symbol = segno.make_qr(code_text(module, dpi), error="m", boost_error=False)
    cells = np.array([[cell & 1 for cell in row] for row in symbol.matrix], dtype=np.bool_)
    return np.pad(cells, QUIET).repeat(module, axis=0).repeat(module, axis=1)
