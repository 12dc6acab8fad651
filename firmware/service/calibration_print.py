"""Prints the calibration sheet on the certificate printer: nothing on it belongs to anybody."""

from __future__ import annotations

from firmware.service.config import Config, SheetsPrinter, guard_style
from firmware.service.devices import printer
from firmware.sheets import calibration
from firmware.sheets.guard import guard
from firmware.sheets.raster import PageArray, pack
from hal.printer.contract import Bitmap


def print_calibration(config: Config) -> None:
    """Returns when the sheet is out. The caller knows that no kiosk is running. Raises
    DeviceFault.
    """
    device = printer("sheets", config.sheets)
    try:
        device.print_page(*calibration_page(config, duplex=device.capabilities.duplex))
    finally:
        device.close()


def calibration_page(config: Config, *, duplex: bool) -> tuple[Bitmap, Bitmap | None]:
    """The sheet's front, and its back where the printer prints on both sides."""
    page = calibration.sheet(config.sheets.dpi, config.sheets.width)
    return _bitmap(page), _back(config.sheets, page) if duplex else None


def _back(section: SheetsPrinter, page: PageArray) -> Bitmap:
    """The guard as it stands on the back of a certificate: does it show through?"""
    height, width = page.shape
    return _bitmap(guard(width, height, section.dpi, guard_style(section)).pattern)


def _bitmap(page: PageArray) -> Bitmap:
    height, width = page.shape
    return Bitmap(width, height, pack(page))
