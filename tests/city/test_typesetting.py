"""The typeset certificate: the right glyphs, the right sheets, nothing that the font does not have."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pypdfium2 as pdfium
import pytest
from fontTools import subset
from fontTools.ttLib import TTFont
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from city import typesetting
from city.document import CannotPrint, Document, Person, Row, Unprintable
from city.typesetting import FONT, FontUnusable, load_font, typeset
from firmware.link.messages import CODE_AREA_MM
from firmware.sheets.glyphs import load_glyphs

ROWS = (
    Row("生年月日", "昭和63年12月31日"),
    Row("性別", "女"),
    Row("続柄", "妻の子"),
    Row("住民となった年月日", "平成25年4月1日"),
    Row("住所を定めた年月日", "平成25年4月1日"),
    Row("届出の年月日", "平成25年4月3日"),
    Row("前住所", "兵庫県神戸市中央区加納町六丁目5番1号"),
    Row("本籍", "兵庫県明石市中崎一丁目5番地の17"),
    Row("筆頭者の氏名", "明石　太郎"),
    Row("個人番号", "123456789018"),
)


def seal() -> bytes:
    out = io.BytesIO()
    image = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(image).ellipse((4, 4, 195, 195), outline=0, width=10)
    image.save(out, "PNG")
    return out.getvalue()


def document(kind: str = "juminhyo", names: tuple[str, ...] = ("明石　太郎",), **changes: object) -> Document:
    base = Document(
        kind=kind,
        form=kind,
        city="明石市",
        title="住民票の写し",
        subtitle="（世帯全員）",
        holder=names[0],
        head=(Row("住所", "兵庫県明石市中崎一丁目5番1号"), Row("世帯主", "明石　太郎")),
        people=tuple(Person(name, "アカシ　タロウ", ROWS) for name in names),
        amounts=tuple(Row(f"所得{n}", "1,234,000円") for n in "一二三四五六七") if kind == "kazei" else (),
        statement="この写しは、世帯全員の住民票の原本と相違ないことを証明します。",
        notes=("この証明書は電子公印を使用しています。",),
        unique_number="A7K29QXM4T8R",
        issued_on=date(2026, 11, 24),
        issued_era="令和8年11月24日",
        issuer="明石市長　明石　次郎",
        verification="右の二次元コードで、この証明書が明石市の発行したものであることを確認できます。",
        seal=seal() if kind == "inkan" else b"",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def texts(pdf: bytes) -> list[str]:
    opened = pdfium.PdfDocument(pdf)
    return ["".join(page.get_textpage().get_text_range().split()) for page in opened]


def grey(pdf: bytes, page: int = 0, scale: float = 4.0) -> npt.NDArray[np.uint8]:
    return np.asarray(pdfium.PdfDocument(pdf)[page].render(scale=scale).to_pil().convert("L"))


# -- sheets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("people", "sheets"), [(1, 1), (4, 1), (5, 2), (8, 2), (10, 3)])
def test_four_people_on_a_sheet_with_every_field(people: int, sheets: int) -> None:
    names = tuple(f"明石　{n}郎" for n in "一二三四五六七八九十"[:people])
    result = typeset(document(names=names))
    assert result.pages == sheets
    for number, text in enumerate(texts(result.pdf), 1):
        for mark in (
            "住民票の写し",
            "固有番号A7K29QXM4T8R",
            f"（{number}/{sheets}）",
            "令和8年11月24日",
            "相違ない",
        ):
            assert text.count(mark) == 1
        assert text.count("住所兵庫県明石市中崎") == 1
        here = [name for name in names if f"氏名{name.replace('　', '')}フリガナ" in text]
        assert here == list(names[4 * (number - 1) : 4 * number])
        assert ("請求者" in text) == (names[0] not in here)


def test_few_fields_make_no_fifth_box() -> None:
    people = tuple(Person(f"明石　{n}郎", "", ()) for n in "一二三四五")
    assert typeset(document(people=people)).pages == 2


@pytest.mark.parametrize("kind", ["juminhyo", "inkan", "kazei"])
def test_the_place_of_the_code_stays_blank(kind: str) -> None:
    long = ("一二三四五六七八九十" * 6,)
    page = grey(typeset(document(kind, notes=long, verification="右の二次元コード" * 12)).pdf)
    left, top, width, height = (round(mm * 4 * 72 / 25.4) for mm in CODE_AREA_MM)
    assert (page[top : top + height, left : left + width] == 255).all()
    assert (page[top - 200 : top + height, :left] < 128).any()


def test_seal_is_printed_at_its_true_size() -> None:
    opened = pdfium.PdfDocument(typeset(document("inkan", seal_mm=15.0)).pdf)
    (image,) = opened[0].get_objects(filter=[pdfium.raw.FPDF_PAGEOBJ_IMAGE])
    left, bottom, right, top = image.get_bounds()
    assert (right - left, top - bottom) == pytest.approx((15 * 72 / 25.4,) * 2, abs=0.1)


def test_long_names_and_addresses_wrap_inside_their_boxes() -> None:
    name = "JOSE MARIA ALEXANDER MAXIMILIAN CHRISTOPHER DE LA CRUZ Y VILLANUEVA SANTOS"
    address = "兵庫県明石市中崎一丁目5番1号　明石海峡グランドタワーレジデンスウエスト棟" * 2
    base = document(names=(name,))
    result = typeset(replace(base, head=(Row("住所", address),)))
    (text,) = texts(result.pdf)
    assert f"氏名{name.replace(' ', '')}フリガナ" in text
    assert address.replace("　", "") in text
    page = grey(result.pdf)
    margin = round(14.5 * 4 * 72 / 25.4)
    assert (page[:, :margin] == 255).all()
    assert (page[:, -margin:] == 255).all()


def test_a_deputys_long_office_and_its_seal_keep_clear_of_the_code() -> None:
    office = "汐見市長職務代理者　汐見市副市長　勅使河原　與左衛門"
    result = typeset(document(issuer=office))
    assert office.replace("　", "") in texts(result.pdf)[0]
    left, top, _, height = (round(mm * 4 * 72 / 25.4) for mm in CODE_AREA_MM)
    assert (grey(result.pdf)[top - 40 : top + height, left:] == 255).all()


def test_rows_stand_in_their_order_and_addresses_alone() -> None:
    text = texts(typeset(document()).pdf)[0]
    places = [text.index(row.label + row.value.replace("　", "")) for row in ROWS]
    assert places == sorted(places)
    lines = [[row["label"] for row in line] for line in typesetting._lines(ROWS, 15)]
    assert lines == [
        ["生年月日", "性別"],
        ["続柄", "住民となった年月日"],
        ["住所を定めた年月日", "届出の年月日"],
        ["前住所"],
        ["本籍"],
        ["筆頭者の氏名", "個人番号"],
    ]


def test_equal_content_is_the_same_in_many_threads() -> None:
    content = document(names=("葛\U000e0102城　太郎",))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: typeset(content), range(8)))
    assert {result.pages for result in results} == {1}
    pages = [grey(result.pdf, scale=1) for result in results]
    assert all((page == pages[0]).all() for page in pages)


def test_strings_are_never_read_as_markup() -> None:
    name = "#panic() $x$ [a] *b* _c_ <d> @e \\ // /* `"
    assert name.replace(" ", "") in texts(typeset(document(names=(name,))).pdf)[0]


def test_quotes_and_digits_stay_as_they_are() -> None:
    text = texts(typeset(document(names=('O\'BRIEN ＡＢ　"C" １２',))).pdf)[0]
    assert 'O\'BRIENＡＢ"C"１２' in text


# -- what cannot be printed -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("葛\U000e0100城", Unprintable.UNKNOWN_VARIATION),  # would silently be drawn as plain 葛
        ("葛\ufe00城", Unprintable.UNKNOWN_VARIATION),
        ("\U000e0102城", Unprintable.UNKNOWN_VARIATION),
        ("葛\U000e0102\U000e0102城", Unprintable.UNKNOWN_VARIATION),
        ("葛\n\U000e0100城", Unprintable.UNKNOWN_VARIATION),
        ("\ue000田", Unprintable.PRIVATE_USE),
        ("\uf860田", Unprintable.PRIVATE_USE),  # the font has a glyph for it: still nobody's name
        ("\U000f0000田", Unprintable.PRIVATE_USE),
        ("田\U0001f600", Unprintable.MISSING_GLYPH),
        ("ก", Unprintable.MISSING_GLYPH),
        ("田\u202e中", Unprintable.MISSING_GLYPH),  # turns the direction of what follows
        ("田\u200b中", Unprintable.MISSING_GLYPH),
        ("葛\U000e0102\u0300城", Unprintable.MISSING_GLYPH),  # the mark would undo the selector
        ("e\u0301", Unprintable.MISSING_GLYPH),
        ("田\x00中", Unprintable.MISSING_GLYPH),
        ("田\ud800中", Unprintable.MISSING_GLYPH),
        ("あ" * 3000, Unprintable.TOO_LONG),
    ],
)
@pytest.mark.parametrize("place", ["name", "kana", "alias", "row", "head"])
def test_refused_before_money(name: str, reason: Unprintable, place: str) -> None:
    base = document()
    person, row = base.people[0], (Row("住所", name),)
    changed = {
        "name": {"people": (replace(person, name=name),)},
        "kana": {"people": (replace(person, kana=name),)},
        "alias": {"people": (replace(person, alias=name),)},
        "row": {"people": (replace(person, rows=row),)},
        "head": {"head": row},
    }[place]
    with pytest.raises(CannotPrint) as caught:
        typeset(replace(base, **changed))  # type: ignore[arg-type]
    assert caught.value.reason is reason
    assert name not in str(caught.value)


@pytest.mark.parametrize("field", ["statement", "notes", "verification", "holder"])
def test_what_would_run_into_the_code_is_refused(field: str) -> None:
    long = "長い文章" * 200
    with pytest.raises(CannotPrint) as caught:
        typeset(document(**{field: (long,) if field == "notes" else long}))
    assert caught.value.reason is Unprintable.TOO_LONG


def test_more_sheets_than_a_manifest_holds() -> None:
    with pytest.raises(CannotPrint) as caught:
        typeset(document(names=tuple(f"{n}郎" for n in range(90))))
    assert caught.value.reason is Unprintable.TOO_LONG


@pytest.mark.parametrize("content", [None, b"not a font"])
def test_an_unusable_font_names_the_package(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ipamjm.ttf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FontUnusable, match="fonts-ipamj-mincho"):
        typeset(document(), path)


FONT_TEXT = st.lists(st.sampled_from(sorted(load_font().glyphs)), min_size=1, max_size=12).map("".join)


@settings(max_examples=100, deadline=None)
@given(st.one_of(FONT_TEXT, st.text(min_size=1, max_size=12)))
def test_any_name_is_printed_whole_or_refused(name: str) -> None:
    try:
        pdf = typeset(document(people=(Person(name, "", ()),))).pdf
    except CannotPrint:
        return
    canonical = load_glyphs().canonical
    assert f"{canonical('氏名')}{canonical(name)}{canonical('フリガナ')}" in canonical(*texts(pdf))


# -- glyphs -----------------------------------------------------------------------------------------------------

EM = 500  # pixels
FAMILIES = ("葛", "辻", "邊", "邉", "齋")


@pytest.fixture(scope="module")
def variants() -> dict[str, str]:
    """Every spelling of the families above -> the font's name of its glyph, from cmap formats 12 and 14."""
    with TTFont(FONT, lazy=True) as font:
        plain = font.getBestCmap()
        found = {base: plain[ord(base)] for base in FAMILIES}
        for table in font["cmap"].tables:
            for selector, pairs in table.uvsDict.items() if table.format == 14 else ():
                for base, glyph in pairs:
                    if chr(base) in FAMILIES:
                        found[chr(base) + chr(selector)] = glyph or plain[base]
    return found


@pytest.fixture(scope="module")
def by_name(variants: dict[str, str]) -> dict[str, npt.NDArray[np.bool_]]:
    """Glyph name -> its picture, drawn by FreeType from a font of these alone, under letters of our own."""
    names = sorted(set(variants.values()))
    with TTFont(FONT, lazy=True) as font:
        options = subset.Options(layout_features=[], glyph_names=True)
        subsetter = subset.Subsetter(options)
        subsetter.populate(glyphs=names, unicodes=[0x20])
        subsetter.subset(font)
        for table in font["cmap"].tables:
            table.cmap = {ord("A") + place: name for place, name in enumerate(names)}
        font["cmap"].tables = [table for table in font["cmap"].tables if table.format in (4, 12)]
        out = io.BytesIO()
        font.save(out)
    drawn = ImageFont.truetype(io.BytesIO(out.getvalue()), EM, layout_engine=ImageFont.Layout.BASIC)
    pictures = {}
    for place, name in enumerate(names):
        image = Image.new("L", (2 * EM, 2 * EM), 255)
        ImageDraw.Draw(image).text((EM // 4, EM // 4), chr(ord("A") + place), fill=0, font=drawn)
        pictures[name] = cropped(np.asarray(image))
    return pictures


def cropped(page: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    black = page < 128
    rows, columns = np.flatnonzero(black.any(axis=1)), np.flatnonzero(black.any(axis=0))
    ink = black[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(Image.fromarray(ink).resize((EM, EM)), dtype=np.bool_)


def printed(spelling: str) -> npt.NDArray[np.bool_]:
    """The glyph as it stands on the certificate: the name set alone in its cell, found by pdfium's character box."""
    opened = pdfium.PdfDocument(typeset(document(people=(Person(spelling, "", ()),))).pdf)
    page, text = opened[0], opened[0].get_textpage()
    at = text.get_text_range().index("フ") - 3 - len(spelling.encode("utf-16-le")) // 2  # the name ends before CR LF
    boxes = [text.get_charbox(i) for i in range(text.count_chars())]
    left, bottom, right, top = max(
        (box for i, box in enumerate(boxes) if abs(i - at) < 6), key=lambda box: box[3] - box[1]
    )
    scale = EM / 13
    picture = page.render(
        scale=scale, crop=(left - 0.5, bottom - 0.5, 595.28 - right - 0.5, 841.89 - top - 0.5), grayscale=True
    )
    return cropped(np.asarray(picture.to_pil()))


def alike(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_every_variant_is_drawn_as_its_own_glyph(
    variants: dict[str, str], by_name: dict[str, npt.NDArray[np.bool_]]
) -> None:
    for spelling, name in variants.items():
        picture = printed(spelling)
        scores = {other: alike(picture, by_name[other]) for other in by_name}
        assert max(scores, key=lambda other: scores[other]) == name, ascii(spelling)
        assert scores[name] > 0.85, ascii(spelling)


def test_variants_of_one_character_really_differ(variants: dict[str, str]) -> None:
    assert variants["葛"] == variants["葛\U000e0103"] != variants["葛\U000e0102"]
    assert ("葛\U000e0100" in variants) is False
    assert sum(len(text) == 2 for text in load_font().glyphs) == 11474


def test_one_glyph_has_one_spelling_in_a_document() -> None:
    """侮 (U+FA30) and 侮+U+E0103 are one drawing: the first spelling stands for both, and readers find both."""
    names = ("\ufa30山", "侮\U000e0103川", "侮田")
    (text,) = texts(typeset(document(names=names)).pdf)
    assert "氏名\ufa30山フリガナ" in text
    assert "氏名\ufa30川フリガナ" in text
    assert "氏名侮田フリガナ" in text
