"""The small slips: receipt and claim slip, drawn as bitmaps. Printers' own fonts have no Japanese one can rely on.

80 mm paper at 203 dpi: 576 dots. No name stands on either: a slip left behind tells nothing about anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from firmware.sheets.raster import pack

WIDTH = 576  # dots
_MARGIN = 16
_Font = ImageFont.FreeTypeFont
GOTHIC = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


@dataclass(frozen=True)
class Slip:
    """Dots of one slip: row by row, 8 a byte, the leftmost in the highest bit, 1 = black."""

    width: int
    height: int
    rows: bytes

    def __repr__(self) -> str:
        return f"Slip({self.width}x{self.height})"


@dataclass(frozen=True)
class Line:
    """A line in Japanese with its English beneath, and a value at the right; without texts, a rule."""

    ja: str = ""
    en: str = ""
    value: str = ""
    size: int = 26  # dots of the Japanese; English is smaller
    bold: bool = False
    centre: bool = False


RULE = Line()


def receipt(
    *, city: str, city_en: str, certificate: str, certificate_en: str, copies: int, fee: int, inserted: int,
    change: int, at: str, kiosk: str, number: str, font: Path = GOTHIC,
) -> Slip:  # fmt: skip
    """領収書. Money in yen; `at` is the day and time as printed; `number` is random, not counted."""
    return draw(
        (
            Line("領　収　書", "Receipt", size=44, bold=True, centre=True),
            Line(city, city_en, size=30, centre=True),
            RULE,
            Line("証明書", certificate_en, certificate),
            Line("部数", "Copies", f"{copies}部"),
            Line("手数料", "Fee", _yen(fee), size=36, bold=True),
            RULE,
            Line("お預かり", "Inserted", _yen(inserted)),
            Line("おつり", "Change", _yen(change)),
            RULE,
            Line("日時", "Date", at, size=22),
            Line("端末番号", "Kiosk", kiosk, size=22),
            Line("領収番号", "Receipt no.", number, size=22),
            RULE,
            Line(
                "おつりと証明書をお取りください。",
                "Please take your change and your certificate.",
                size=24,
                centre=True,
            ),
        )
    )


def claim_slip(
    *, city: str, city_en: str, amount: int, case: str, office: str, office_en: str, phone: str, hours: str,
    hours_en: str, at: str, kiosk: str, font: Path = GOTHIC,
) -> Slip:  # fmt: skip
    """返金のご案内: money this kiosk owes and could not pay out. `case` is random and opens the operator's case."""
    return draw(
        (
            Line("返金のご案内", "Claim slip", size=44, bold=True, centre=True),
            Line(city, city_en, size=30, centre=True),
            RULE,
            Line("お返しできなかったお金があります。", size=24),
            Line("申し訳ございません。", "This machine could not return all of your money. We apologise.", size=24),
            Line("金額", "Amount", _yen(amount), size=44, bold=True),
            Line("受付番号", "Case no.", case, size=28, bold=True),
            RULE,
            Line(
                "この紙をお持ちのうえ、下記にお電話ください。受付番号をお伝えいただければ返金いたします。",
                "Keep this slip and call the office below with the case number. You will be refunded.",
                size=24,
            ),
            Line(office, office_en, size=28, bold=True),
            Line("電話", "Phone", phone, size=36, bold=True),
            Line(hours, hours_en, size=22),
            RULE,
            Line("日時", "Date", at, size=22),
            Line("端末番号", "Kiosk", kiosk, size=22),
        ),
        font,
    )


def draw(lines: Iterable[Line], gothic: Path = GOTHIC) -> Slip:
    """Any slip: the lines from top to bottom, wrapped to the paper. `gothic`: a font with Japanese."""
    image = Image.new("L", (WIDTH, 4000), 255)
    canvas, y = ImageDraw.Draw(image), _MARGIN
    for line in lines:
        y = _rule(canvas, y) if line == RULE else _line(canvas, line, y, gothic)
    black = np.asarray(image)[: y + _MARGIN] < 128
    return Slip(WIDTH, len(black), pack(black))


def _yen(amount: int) -> str:
    return f"{amount:,}円"


def _rule(canvas: ImageDraw.ImageDraw, y: int) -> int:
    canvas.line((_MARGIN, y + 8, WIDTH - _MARGIN, y + 8), fill=0, width=2)
    return y + 18


def _line(canvas: ImageDraw.ImageDraw, line: Line, y: int, gothic: Path) -> int:
    """The value stands right, on the first line; a value too wide for that has the next line to itself."""
    value, small = _font(gothic, line.size, line.bold), _font(gothic, max(18, line.size * 2 // 3), False)
    room = WIDTH - 2 * _MARGIN
    width = value.getlength(line.value)
    beside = value.getlength(line.ja) + width + _MARGIN <= room or not line.value
    if line.value and beside:
        canvas.text((WIDTH - _MARGIN - width, y), line.value, fill=0, font=value)
    for parts in (_wrap(line.ja, value, room), _wrap(line.en, small, room, " ")):
        for part, font in parts:
            x = (WIDTH - font.getlength(part)) / 2 if line.centre else _MARGIN
            canvas.text((x, y), part, fill=0, font=font)
            y += round(font.size * 1.3)
    for part, font in [] if beside else _wrap(line.value, value, room):
        canvas.text((WIDTH - _MARGIN - font.getlength(part), y), part, fill=0, font=font)
        y += round(font.size * 1.3)
    return y + 6


def _wrap(text: str, font: _Font, room: int, between: str = "") -> list[tuple[str, _Font]]:
    """Lines no wider than `room`; English breaks between words, Japanese anywhere."""
    out = [""]
    for piece in text.split(between) if between else text:
        joined = out[-1] + between + piece if out[-1] else piece
        if font.getlength(joined) > room and out[-1]:
            out.append(piece)
        else:
            out[-1] = joined
    return [(part, font) for part in out if part]


@lru_cache(maxsize=16)
def _font(gothic: Path, size: int, bold: bool) -> _Font:
    """The bold face lies beside the regular one; without it the regular one serves."""
    beside = gothic.with_name(gothic.name.replace("Regular", "Bold"))
    return ImageFont.truetype(beside if bold and beside.exists() else gothic, size)
