"""Receipt and claim slip."""

from __future__ import annotations

import numpy as np
import pytest

from firmware.sheets import receipt as slips

RECEIPT = {
    "city": "明石市",
    "city_en": "Akashi City",
    "certificate": "住民票の写し",
    "certificate_en": "Certificate of residence",
    "copies": 2,
    "fee": 200,
    "inserted": 1000,
    "change": 800,
    "at": "令和8年11月24日 10:32",
    "kiosk": "akashi-01",
    "number": "7F3K-92QX",
}
CLAIM = {
    "city": "明石市",
    "city_en": "Akashi City",
    "amount": 300,
    "case": "C-7F3K-92QX",
    "office": "市民課 庶務係",
    "office_en": "Residents' Affairs Division",
    "phone": "078-918-5020",
    "hours": "平日 8:55〜17:40",
    "hours_en": "Weekdays 8:55–17:40",
    "at": "令和8年11月24日 10:32",
    "kiosk": "akashi-01",
}


def black(slip: slips.Slip) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.unpackbits(np.frombuffer(slip.rows, np.uint8).reshape(slip.height, -1), axis=1)


@pytest.mark.parametrize("slip", [slips.receipt(**RECEIPT), slips.claim_slip(**CLAIM)])  # type: ignore[arg-type]
def test_a_slip_fits_the_paper_and_keeps_its_margins(slip: slips.Slip) -> None:
    assert slip.width == 576
    assert len(slip.rows) == slip.width // 8 * slip.height
    page = black(slip)
    assert not page[:, :12].any()
    assert not page[:, -12:].any()
    assert 0.02 < page.mean() < 0.2
    assert repr(slip) == f"Slip(576x{slip.height})"


@pytest.mark.parametrize("field", ["certificate", "certificate_en", "copies", "fee", "inserted", "change", "number"])
def test_everything_told_is_on_the_receipt(field: str) -> None:
    other = 3 if isinstance(RECEIPT[field], int) else "別"
    assert slips.receipt(**RECEIPT).rows != slips.receipt(**RECEIPT | {field: other}).rows  # type: ignore[arg-type]


def test_long_texts_wrap_and_lose_nothing() -> None:
    long = slips.draw([slips.Line("証明書", "Certificate", "住民票記載事項証明書" * 8)])
    short = slips.draw([slips.Line("証明書", "Certificate", "住民票記載事項証明書" * 4)])
    assert long.height > short.height
    assert not black(long)[:, :12].any()


@pytest.mark.parametrize("text", ["住民票の写し" * 20, "Certificate of residence " * 12])
def test_wrapping_keeps_every_word(text: str) -> None:
    font, between = slips._font(slips.GOTHIC, 24, False), " " if text.isascii() else ""
    lines = [part for part, _ in slips._wrap(text.strip(), font, 544, between)]
    assert between.join(lines) == text.strip()
    assert max(font.getlength(line) for line in lines) <= 544
