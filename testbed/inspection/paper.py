"""Dots of sheets: as a kiosk makes them, and as they came out of a printer."""

from __future__ import annotations

import io

import numpy as np
import pikepdf

from firmware.sheets.prepare import Target, prepare
from testbed.inspection.paper_judge import Dots


def dots_of(rows: bytes, width: int, height: int) -> Dots:
    return np.unpackbits(np.frombuffer(rows, np.uint8)).reshape(height, -1)[:, :width].astype(bool)


def blank_sheet(target: Target) -> Dots:
    """A sheet on which nothing stands, as the kiosk prints it: the copy guard alone."""
    out = io.BytesIO()
    with pikepdf.new() as blank:
        blank.add_blank_page(page_size=(595.28, 841.89))
        blank.save(out)
    sheet = prepare(out.getvalue(), ["https://blank.example/#" + "A" * 240], target)[0]
    return dots_of(sheet.rows, sheet.width, sheet.height)
