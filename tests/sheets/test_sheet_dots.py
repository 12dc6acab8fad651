"""The dots that go to the printer: strokes, copy guard, code."""

from __future__ import annotations

import numpy as np
import pytest
import typst
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from sheet_cases import TARO, TRUST, juminhyo

from city.typesetting import FONT
from firmware.link.sheet_code import MAX_PAYLOAD, address, payload_of
from firmware.link.signing import verify_code
from firmware.sheets import code
from firmware.sheets.admit import Admitted
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.guard import GuardStyle, guard
from firmware.sheets.prepare import Target, prepare
from firmware.sheets.raster import PageArray, dots, pack, rasterise

DPI, WIDTH, HEIGHT = 203, 1664, 2374


def strokes_of(glyph: PageArray) -> int:
    """Black runs down the middle of a glyph: 一 1, 二 2, 三 3."""
    column = glyph[:, glyph.shape[1] // 2 - 1 : glyph.shape[1] // 2 + 2].all(axis=1)
    return int(np.count_nonzero(np.diff(column.astype(np.int8), prepend=0) == 1))


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_no_stroke_is_lost_from_small_type(dpi: int) -> None:
    """一二三 in four sizes on 24 baselines each, so that the strokes fall between the dots in every
    way, and on the borders of the bands that are drawn one by one.
    """
    sizes, pitch = (8, 9, 10, 11), 20.37
    source = '#set page("a4", margin: 0pt)\n#set text(font: "IPAmjMincho")\n' + "".join(
        f"#place(dx: {60 + 90 * column}pt, dy: {20 + pitch * row}pt, text({size}pt)[一二三])\n"
        for column, size in enumerate(sizes)
        for row in range(24)
    )
    page = rasterise(
        typst.compile(source.encode(), font_paths=[FONT.parent]),
        1,
        dpi,
        dots(210, dpi),
        dots(297, dpi),
    )
    for column, size in enumerate(sizes):
        em = size * dpi / 72
        for row in range(24):
            top, deep = int((20 + pitch * row - 3) * dpi / 72), int(em + 3.5 * dpi / 72)
            found = [
                strokes_of(page[top : top + deep, int(left) : int(left + em)])
                for left in ((60 + 90 * column) * dpi / 72 + em * place for place in range(3))
            ]
            assert found == [1, 2, 3], f"{size} pt, baseline {row}"


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_bands_make_the_same_dots_as_the_whole_page(dpi: int) -> None:
    """White round the print, screens and code go on across their borders."""
    target = Target(dpi, dots(210, dpi))
    page = rasterise(juminhyo(10).pdf, 1, dpi, target.width, target.height)
    whole = guard(target.width, target.height, dpi).apply(page)
    code.draw(whole, ADDRESS, dpi)
    assert prepare(juminhyo(10).pdf, [ADDRESS], target)[0].rows == pack(whole)


def test_a_page_whose_dots_are_a_command_is_moved_by_a_dot() -> None:
    pdf, target = juminhyo().pdf, Target(DPI, WIDTH)
    [usual] = prepare(pdf, [ADDRESS], target)
    strokes = (
        usual.rows[n : n + 6]
        for n in range(len(usual.rows))
        if sum(byte.bit_count() for byte in usual.rows[n : n + 6]) > 20
    )
    command = next(found for found in strokes if usual.rows.count(found) == 1)
    [moved] = prepare(pdf, [ADDRESS], Target(DPI, WIDTH, never=(command,)))
    assert command not in moved.rows
    page = np.unpackbits(np.frombuffer(moved.rows, np.uint8).reshape(HEIGHT, -1), axis=1)
    assert code.read_back(page[:, :WIDTH].astype(np.bool_), DPI) == ADDRESS


def test_packed_rows_begin_on_a_byte_leftmost_bit_first() -> None:
    page = np.zeros((2, 10), dtype=np.bool_)
    page[0, 0] = page[1, 9] = True
    assert pack(page) == bytes((0x80, 0, 0, 0x40))


@pytest.mark.parametrize("width", [1640, 1664, 1678, 1728])
def test_the_sheet_stays_centred_on_narrower_and_wider_heads(width: int) -> None:
    whole = rasterise(juminhyo().pdf, 1, DPI, dots(210, DPI), HEIGHT)
    page = rasterise(juminhyo().pdf, 1, DPI, width, HEIGHT)
    assert page.sum() == whole.sum()
    columns = np.flatnonzero(page.any(axis=0))
    assert abs(columns[0] - (width - 1 - columns[-1])) <= 3


# -- copy guard ------------------------------------------------------------------------------------


def copied(page: PageArray) -> PageArray:
    """A copier: its optics blur by about a dot, its threshold drops what is lighter than
    a third.
    """
    grey = Image.fromarray(np.where(page, np.uint8(0), np.uint8(255))).filter(
        ImageFilter.GaussianBlur(1.0)
    )
    return np.asarray(grey) < 255 * 2 // 3


def test_the_letters_come_out_on_a_copy_only() -> None:
    """The ground vanishes, the letters stay; on the original the two screens are one tint."""
    blank = np.zeros((600, 600), dtype=np.bool_)
    style = GuardStyle()
    ground = guard(600, 600, DPI, GuardStyle(letters=style.ground)).apply(blank)
    letters = guard(600, 600, DPI, GuardStyle(ground=style.letters)).apply(blank)
    assert ground.mean() == pytest.approx(letters.mean(), rel=0.01)
    assert ground.mean() == pytest.approx(1 / 18, rel=0.01)
    assert copied(ground).mean() < 0.0005
    assert copied(letters).mean() > 0.03
    both = copied(guard(600, 600, DPI, style).apply(blank))
    assert (
        0.002 < both.mean() < copied(letters).mean() / 2
    )  # some of the page is letters, most is not


def test_the_guard_keeps_clear_of_the_print() -> None:
    page = rasterise(juminhyo().pdf, 1, DPI, WIDTH, HEIGHT)
    guarded = guard(WIDTH, HEIGHT, DPI).apply(page)
    assert (guarded & page).sum() == page.sum()
    added = guarded & ~page
    for down in range(-2, 3):
        for across in range(-2, 3):
            assert not (np.roll(page, (down, across), (0, 1)) & added).any()
    assert added.mean() > 0.03


# -- code ------------------------------------------------------------------------------------------

ADDRESS = address("https://verify.akashi.example/v", bytes(range(147)))


@pytest.mark.parametrize(
    ("dpi", "width", "module"), [(203, 1664, 5), (300, 2480, 8), (600, 4960, 16)]
)
def test_code_is_read_back_at_every_resolution(dpi: int, width: int, module: int) -> None:
    page = np.ones((dots(297, dpi), width), dtype=np.bool_)
    code.draw(page, ADDRESS, dpi)
    assert code.read_back(page, dpi) == ADDRESS
    place = page[code.area(dpi, width)]
    rows = np.flatnonzero(place.any(axis=1))
    assert rows[-1] - rows[0] + 1 == 57 * module
    assert min(rows[0], len(place) - 1 - rows[-1]) >= 2 * module


@given(st.binary(min_size=140, max_size=MAX_PAYLOAD))
@settings(max_examples=25)
def test_every_payload_that_a_city_may_make_fits_at_203_dpi(payload: bytes) -> None:
    page = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    said = address("https://" + "a" * 40, payload)  # the longest page of a city
    code.draw(page, said, DPI)
    assert code.read_back(page, DPI) == said


@pytest.mark.parametrize("dpi", [90, 100])
def test_code_that_would_be_too_small_is_refused(dpi: int) -> None:
    page = np.zeros((dots(297, dpi), dots(210, dpi)), dtype=np.bool_)
    with pytest.raises(SheetFault):
        code.draw(page, ADDRESS, dpi)


def test_more_than_any_code_holds_is_refused() -> None:
    page = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    with pytest.raises(SheetFault):
        code.draw(page, address("https://a.example/v", bytes(3000)), DPI)


def test_a_spoilt_code_is_noticed() -> None:
    page = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    code.draw(page, ADDRESS, DPI)
    rows, columns = code.area(DPI, WIDTH)
    page[rows.start + 60 : rows.start + 230, columns] = True
    with pytest.raises(SheetFault) as caught:
        code.read_back(page, DPI)
    assert caught.value.reason is SheetReason.CODE


def test_sheets_for_the_printer() -> None:
    case = juminhyo(10)
    found = case.run()
    assert isinstance(found, Admitted)
    sheets = found.sheets
    assert [(sheet.page, sheet.pages, sheet.width, sheet.height) for sheet in sheets] == [
        (number, 3, WIDTH, HEIGHT) for number in (1, 2, 3)
    ]
    for sheet in sheets:
        page = np.unpackbits(np.frombuffer(sheet.rows, np.uint8).reshape(HEIGHT, -1), axis=1)[
            :, :WIDTH
        ]
        said = code.read_back(page.astype(np.bool_), DPI)
        seen = verify_code(TRUST.issuing_keys, payload_of(said))
        assert (seen.page, seen.pages, seen.unique_number) == (sheet.page, 3, "A7K29QXM4T8R")
        assert (seen.holder, seen.people, seen.whole) == (TARO, 10, True)
        assert sheet.back == b""


def test_the_back_has_the_guard_alone() -> None:
    sheets = prepare(juminhyo().pdf, [ADDRESS], Target(DPI, WIDTH, duplex=True))
    blank = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    assert sheets[0].back == pack(guard(WIDTH, HEIGHT, DPI).apply(blank))
