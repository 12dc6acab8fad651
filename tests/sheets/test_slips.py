"""Receipt and claim slip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from firmware.service.config import Fonts
from firmware.sheets import slip as slips
from firmware.sheets.slip_contents import Claim, Issued, Receipt

Content = TypeVar("Content", Receipt, Claim, Issued)
MINCHO = Fonts().mincho

ISSUED = Issued("明石市", "Akashi City", "令和8年11月24日 10:32", "akashi-01")
RECEIPT = Receipt(
    issued=ISSUED,
    certificate="住民票の写し",
    certificate_en="Certificate of residence",
    copies=2,
    fee=200,
    inserted=1000,
    change=800,
    number="7F3K-92QX",
)
CLAIM = Claim(
    issued=ISSUED,
    amount=300,
    case="C-7F3K-92QX",
    office="市民課 庶務係",
    office_en="Residents' Affairs Division",
    phone="078-918-5020",
    hours="平日 8:55〜17:40",
    hours_en="Weekdays 8:55–17:40",
)


def black(slip: slips.Slip) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.unpackbits(np.frombuffer(slip.rows, np.uint8).reshape(slip.height, -1), axis=1)


@pytest.mark.parametrize("content", [RECEIPT, CLAIM])
def test_a_slip_is_written_in_the_font_that_is_configured(content: Receipt | Claim) -> None:
    lines = content.lines()
    assert slips.draw(lines, MINCHO).rows != slips.draw(lines).rows
    with pytest.raises(OSError):
        slips.draw(lines, Path("/nowhere/font.ttf"))


@pytest.mark.parametrize("width", [384, 512, 546, 576])
@pytest.mark.parametrize("content", [RECEIPT, CLAIM])
def test_a_slip_fits_a_narrower_printer(content: Receipt | Claim, width: int) -> None:
    """Its driver refuses what is wider than the head, and nobody would get a receipt."""
    slip = slips.draw(content.lines(), width=width)
    assert slip.width == width
    assert len(slip.rows) == (width + 7) // 8 * slip.height
    page = black(slip)[:, :width]
    assert not page[:, :12].any() and not page[:, -12:].any()
    assert slips.draw(content.lines(), width=640).width == slips.WIDTH


@pytest.mark.parametrize("content", [RECEIPT, CLAIM])
def test_a_slip_fits_the_paper_and_keeps_its_margins(content: Receipt | Claim) -> None:
    slip = slips.draw(content.lines())
    assert slip.width == 576
    assert len(slip.rows) == slip.width // 8 * slip.height
    page = black(slip)
    assert not page[:, :12].any()
    assert not page[:, -12:].any()
    assert 0.02 < page.mean() < 0.2
    assert repr(slip) == f"Slip(576x{slip.height})"


@pytest.mark.parametrize("content", [RECEIPT, CLAIM])
def test_every_value_of_a_slip_stands_on_it(content: Receipt | Claim) -> None:
    """`charged` is left out: 0 is not printed."""
    for changed in _each_field_changed(content):
        assert slips.draw(changed.lines()).rows != slips.draw(content.lines()).rows, changed
    for issued in _each_field_changed(content.issued):
        changed = replace(content, issued=issued)
        assert slips.draw(changed.lines()).rows != slips.draw(content.lines()).rows, changed


def _each_field_changed(content: Content) -> Iterator[Content]:
    for field in fields(content):
        value = getattr(content, field.name)
        if value and isinstance(value, int | str):
            yield replace(content, **{field.name: 3 if isinstance(value, int) else "別"})


def test_a_receipt_of_a_charge_says_so_and_speaks_of_no_coins() -> None:
    in_coins = slips.draw(RECEIPT.lines())
    charged = slips.draw(replace(RECEIPT, inserted=0, change=0, charged=300).lines())
    with_coins = slips.draw(replace(RECEIPT, inserted=50, change=50, charged=300).lines())
    assert charged.height < in_coins.height < with_coins.height


def test_long_texts_wrap_and_lose_nothing() -> None:
    long = slips.draw([slips.SlipLine("証明書", "Certificate", "住民票記載事項証明書" * 8)])
    short = slips.draw([slips.SlipLine("証明書", "Certificate", "住民票記載事項証明書" * 4)])
    assert long.height > short.height
    assert not black(long)[:, :12].any()


@pytest.mark.parametrize("text", ["住民票の写し" * 20, "Certificate of residence " * 12])
def test_wrapping_keeps_every_word(text: str) -> None:
    font, between = slips._font(slips.GOTHIC, 24, False), " " if text.isascii() else ""
    lines = [part for part, _ in slips._wrap(text.strip(), font, 544, between)]
    assert between.join(lines) == text.strip()
    assert max(font.getlength(line) for line in lines) <= 544
