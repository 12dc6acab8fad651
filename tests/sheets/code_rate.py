"""How often a sheet's code is read after what happens to paper, as a table.

    .venv/bin/python tests/sheets/code_rate.py [--trials 20]

Each trial has its own payload and its own place on the scanner's grid. The code stands in its 42 mm
field on a guarded sheet; the reader is zxing-cpp, given the field and a centimetre of the sheet
around it.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import segno
import zxingcpp
from scan import BLUR_MM, Grey, copy, scan
from segno import consts

from firmware.sheets.guard import guard
from firmware.sheets.raster import PageArray, dots

ADDRESS = "https://verify.akashi.example/v#"
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
FIELD_MM = 42.0
AROUND_MM = 10.0
QUIET = 4  # modules


@dataclass(frozen=True)
class Symbol:
    """A QR code as it is printed. `characters` of base32 follow the address."""

    version: int
    level: str
    characters: int
    dpi: int
    module: int  # dots

    def modules(self, text: str) -> PageArray:
        parts = ((ADDRESS, consts.MODE_BYTE), (text, consts.MODE_ALPHANUMERIC))
        code = segno.make_qr(parts, error=self.level, boost_error=False, version=self.version)
        return np.array([[cell & 1 for cell in row] for row in code.matrix], dtype=np.bool_)

    @property
    def quiet(self) -> float:
        """Modules of white on each side within the field; negative when the code is larger than the
        field.
        """
        side = 17 + 4 * self.version
        return (dots(FIELD_MM, self.dpi) / self.module - side) / 2


Condition = Callable[[PageArray, int, random.Random], Grey]


def _shift(chance: random.Random) -> tuple[float, float]:
    return chance.uniform(0, 0.2), chance.uniform(0, 0.2)


def _scanned(**how: float) -> Condition:
    return lambda page, dpi, chance: scan(page, dpi, shift=_shift(chance), **how)  # type: ignore[arg-type]


def _copied(times: int, gain: float, rotation: float, resolution: int) -> Condition:
    def after(page: PageArray, dpi: int, chance: random.Random) -> Grey:
        for _ in range(times):
            page = copy(page, dpi, gain=gain, threshold=0.5, resolution=300, shift=_shift(chance))
            dpi = 300
        return scan(
            page, dpi, gain=gain, rotation=rotation, resolution=resolution, shift=_shift(chance)
        )

    return after


CONDITIONS: dict[str, Condition] = {
    "scan at 300 dpi": _scanned(),
    "scan at 150 dpi": _scanned(resolution=150),
    "blur twice as wide": _scanned(blur=2 * BLUR_MM),
    "blur three times as wide": _scanned(blur=3 * BLUR_MM),
    "rotated by 5 degrees, 150 dpi": _scanned(rotation=5, resolution=150),
    "rotated by 15 degrees, 150 dpi": _scanned(rotation=15, resolution=150),
    "ink spreads 0.06 mm": _scanned(gain=0.06),
    "ink spreads 0.12 mm, 150 dpi": _scanned(gain=0.12, resolution=150),
    "a copy, 150 dpi": _copied(1, 0.03, 0, 150),
    "a copy of a copy, 150 dpi": _copied(2, 0.03, 0, 150),
    "a copy of a copy, 10 degrees, 150 dpi": _copied(2, 0.03, 10, 150),
    "a copy of a copy, more ink (0.045 mm)": _copied(2, 0.045, 0, 150),
}
# As long as the address of a certificate (236), and what else each version holds.
SYMBOLS = tuple(
    Symbol(version, level, characters, dpi, module)
    for dpi, module in ((203, 5), (300, 6), (300, 7), (300, 8))
    for version, level, characters in (
        (8, "m", 165),
        (9, "m", 205),
        (9, "l", 236),
        (10, "m", 236),
        (11, "m", 300),
        (12, "m", 350),
    )
)


def sheet_with(symbol: Symbol, text: str) -> PageArray:
    """The code in its white field, on a guarded piece of a sheet."""
    side = dots(FIELD_MM + 2 * AROUND_MM, symbol.dpi)
    field = dots(FIELD_MM, symbol.dpi)
    page = guard(side, side, symbol.dpi).pattern.copy()
    first = (side - field) // 2
    page[first : first + field, first : first + field] = False
    code = symbol.modules(text).repeat(symbol.module, axis=0).repeat(symbol.module, axis=1)
    first = (side - len(code)) // 2
    page[first : first + len(code), first : first + len(code)] = code
    return page


def read(picture: Grey) -> str:
    """The code's text, or "" when it is not read."""
    found = zxingcpp.read_barcodes(
        picture, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    )
    return found[0].text if len(found) == 1 else ""


def times_read(symbol: Symbol, condition: Condition, trials: int) -> int:
    """In how many of the trials the very text was read."""
    good = 0
    for trial in range(trials):
        chance = random.Random(trial)
        text = "".join(chance.choices(BASE32, k=symbol.characters))
        good += read(condition(sheet_with(symbol, text), symbol.dpi, chance)) == ADDRESS + text
    return good


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=20)
    trials = parser.parse_args().trials
    for dpi, module in dict.fromkeys((symbol.dpi, symbol.module) for symbol in SYMBOLS):
        symbols = [
            one for one in SYMBOLS if (one.dpi, one.module) == (dpi, module) and one.quiet >= 0
        ]
        print(
            f"\n{dpi} dpi, {module} dots a module ({25.4 * module / dpi:.2f} mm): read of {trials}"
        )
        print(f"{'':<40}", *(f"{one.version}-{one.level.upper()}".rjust(6) for one in symbols))
        print(
            f"{'modules of white around, in the field':<40}",
            *(f"{one.quiet:6.1f}" for one in symbols),
        )
        for name, condition in CONDITIONS.items():
            print(
                f"{name:<40}",
                *(f"{times_read(one, condition, trials):6}" for one in symbols),
                flush=True,
            )


if __name__ == "__main__":
    main()
