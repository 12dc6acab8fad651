"""The calibration sheet, and the command that prints it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zxingcpp
from PIL import Image
from scan import copy

from firmware.service import calibration_print
from firmware.service.config import load
from firmware.sheets import calibration
from firmware.sheets.calibration import code_text, field_mask, field_pattern, fields, module_sizes
from firmware.sheets.raster import PageArray, dots
from firmware.tools import calibrate
from firmware.tools.calibrate import CalibrationError
from firmware.tools.diagnose.system import Listener
from hal.faults import DeviceFault
from hal.printer.contract import Bitmap, Capabilities

WIDTHS = {203: 1664, 300: 2480, 600: 4960}


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_every_field_shows_its_letters_better_on_a_copy(dpi: int) -> None:
    mask = field_mask(dpi)
    stand_out = []
    for field in fields(dpi):
        pattern = field_pattern(field, dpi)
        before = pattern[mask].mean() - pattern[~mask].mean()
        copied = copy(pattern, dpi)
        stand_out.append(float(copied[mask].mean() - copied[~mask].mean()))
        assert abs(before) < 0.03, field
    default = next(field for field in fields(dpi) if field.default)
    assert stand_out[default.number - 1] > 0.02
    assert sum(found > 0.01 for found in stand_out) >= 8  # a choice, whatever this printer does


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_one_field_is_the_default_and_the_numbers_count(dpi: int) -> None:
    found = fields(dpi)
    assert [field.number for field in found] == list(range(1, len(found) + 1))
    assert [field.default for field in found].count(True) == 1
    assert len({(field.ground, field.letters) for field in found}) == len(found)


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_the_sheet_has_its_fields_ruler_and_codes(dpi: int) -> None:
    page = calibration.sheet(dpi, WIDTHS[dpi])
    assert page.shape == (dots(297, dpi), WIDTHS[dpi])
    margin = dots(5, dpi)
    for edge in (page[:margin], page[-margin:], page[:, :margin], page[:, -margin:]):
        assert not edge.any()
    for field in fields(dpi):
        assert _contains(page, field_pattern(field, dpi), field.number)
    grey = np.where(page, np.uint8(0), np.uint8(255))
    found = zxingcpp.read_barcodes(grey, formats=zxingcpp.BarcodeFormat.QRCode)
    assert {one.text for one in found} == {code_text(module, dpi) for module in module_sizes(dpi)}


def _contains(page: PageArray, pattern: PageArray, number: int) -> bool:
    row, column = divmod(number - 1, calibration.ACROSS)
    dpi = next(dpi for dpi, width in WIDTHS.items() if width == page.shape[1])
    left = dots(calibration.FIELDS_MM[0] + calibration.STEP_MM[0] * column, dpi)
    left += (page.shape[1] - dots(210, dpi)) // 2
    top = dots(calibration.FIELDS_MM[1] + calibration.STEP_MM[1] * row, dpi)
    height, width = pattern.shape
    return bool((page[top : top + height, left : left + width] == pattern).all())


def test_the_ruler_is_true_to_scale() -> None:
    """A stroke each millimetre: 181 of them, the last 180 mm from the first."""
    page = calibration.sheet(300, WIDTHS[300])
    line = page[dots(calibration.RULER_MM - 3.0 + 8.0 - 1.5, 300)]
    strokes = np.flatnonzero(np.diff(line.astype(np.int8), prepend=0) == 1)
    assert len(strokes) == 181
    assert strokes[-1] - strokes[0] == dots(180, 300)


def test_the_test_codes_are_as_large_as_real_ones() -> None:
    for dpi in WIDTHS:
        for module in module_sizes(dpi):
            assert len(code_text(module, dpi)) == calibration.CODE_TEXT


def test_the_terminal_tells_what_the_sheet_tells() -> None:
    text = calibration.table(203)
    for field in fields(203):
        row = text.splitlines()[field.number]
        assert row.split()[0] == str(field.number)
        assert str(list(field.ground)) in row
        assert str(list(field.letters)) in row
        assert ("標準" in row) == field.default


# -- the command -----------------------------------------------------------------------------------

CONFIG = """
[kiosk]
id = "kiosk-1"
state = "state"
[panel]
listen = "127.0.0.1:1"
[card]
driver = "vpcd"
listen = "127.0.0.1:1"
[sheets]
address = "127.0.0.1:1"
width = 1664
[receipts]
address = "127.0.0.1:1"
width = 576
[cash]
port = "/nonexistent"
hoppers = []
[speaker]
driver = "alsa"
[line]
city = "https://127.0.0.1:1"
city_ca = "ca.pem"
certificate = "kiosk.pem"
key = "kiosk.pem"
[trust]
card_ca = []
issuing_keys = []
terms_keys = []
[voice]
recordings = "voice"
"""


class Printed:
    """A printer that keeps what it is given."""

    def __init__(self, duplex: bool = False) -> None:
        self.capabilities = Capabilities(duplex)
        self.sheets: list[tuple[Bitmap, Bitmap | None]] = []
        self.closed = False

    def print_page(self, front: Bitmap, back: Bitmap | None = None) -> None:
        self.sheets.append((front, back))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "kiosk.toml"
    path.write_text(CONFIG)
    return path


def test_the_picture_is_the_sheet(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = config.parent / "sheet.png"
    assert calibrate.main(["--config", str(config), "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert image.info["dpi"] == pytest.approx((203, 203), abs=0.1)
        drawn = ~np.asarray(image.convert("1"))
    assert (drawn == calibration.sheet(203, 1664)).all()
    said = capsys.readouterr().out
    assert calibration.table(203) in said


def test_the_example_can_be_written_into_the_configuration(config: Path) -> None:
    chosen = fields(203)[8]
    config.write_text(CONFIG + calibration.example(chosen))
    style = load(config).sheets.guard
    assert style is not None
    assert (style.ground, style.letters) == (chosen.ground, chosen.letters)


def test_the_sheet_goes_to_the_printer(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Printed()
    monkeypatch.setattr(calibration_print, "printer", lambda name, section: device)
    assert calibrate.main(["--config", str(config)]) == 0
    [(front, back)] = device.sheets
    assert (front.width, front.height, back, device.closed) == (1664, dots(297, 203), None, True)
    assert front.rows == np.packbits(calibration.sheet(203, 1664), axis=1).tobytes()


def test_where_both_sides_are_printed_the_back_carries_the_guard(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Printed(duplex=True)
    monkeypatch.setattr(calibration_print, "printer", lambda name, section: device)
    both = 'driver = "ipp"\naddress = "ipp://127.0.0.1:1/ipp/print"\nduplex = true'
    config.write_text(CONFIG.replace('address = "127.0.0.1:1"\nwidth = 1664', both))
    assert calibrate.main(["--config", str(config)]) == 0
    [(front, back)] = device.sheets
    assert back is not None
    assert (front.width, front.height) == (back.width, back.height) == (2480, 3508)
    black = np.unpackbits(np.frombuffer(back.rows, np.uint8)).mean()
    assert black == pytest.approx(1 / 18, rel=0.05)


def test_a_running_kiosk_keeps_its_printer(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Printed()
    monkeypatch.setattr(calibration_print, "printer", lambda name, section: device)
    monkeypatch.setattr(calibrate, "who_listens", lambda config: Listener.KIOSK)
    with pytest.raises(CalibrationError, match="stop"):
        calibrate.main(["--config", str(config)])
    assert device.sheets == []


def test_no_printer_is_one_line(config: Path) -> None:
    with pytest.raises(DeviceFault, match="busy"):
        calibrate.main(["--config", str(config)])
