"""The typeset certificate: the right glyphs, the right sheets, nothing that the font does
not have.
"""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
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
from city.document import CannotPrint, Layout, Unprintable
from city.typesetting import FONT, FontUnusable, load_font, typeset
from firmware.link.content import Content, Person, Row, Sheet
from firmware.link.form_terms import FormName
from firmware.link.sheet_code import AREA_MM as CODE_AREA_MM
from firmware.sheets.glyphs import load_glyphs

replace = msgspec.structs.replace

ROWS = (
    Row(label="生年月日", value="昭和63年12月31日"),
    Row(label="性別", value="女"),
    Row(label="続柄", value="妻の子"),
    Row(label="住民となった年月日", value="平成25年4月1日"),
    Row(label="住所を定めた年月日", value="平成25年4月1日"),
    Row(label="届出の年月日", value="平成25年4月3日"),
    Row(label="前住所", value="兵庫県神戸市中央区加納町六丁目5番1号"),
    Row(label="本籍", value="兵庫県明石市中崎一丁目5番地の17"),
    Row(label="筆頭者の氏名", value="明石　太郎"),
    Row(label="個人番号", value="123456789018"),
)


def seal() -> bytes:
    out = io.BytesIO()
    image = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(image).ellipse((4, 4, 195, 195), outline=0, width=10)
    image.save(out, "PNG")
    return out.getvalue()


def person(name: str, kana: str = "アカシ　タロウ", rows: tuple[Row, ...] = ROWS) -> Person:
    """`kana`: of the first row; "" for none."""
    return Person(name=name, rows=((Row(label="フリガナ", value=kana),) if kana else ()) + rows)


def sheet(people: tuple[Person, ...], form: FormName = "juminhyo", **changes: object) -> Sheet:
    base = Sheet(
        head=(
            Row(label="住所", value="兵庫県明石市中崎一丁目5番1号"),
            Row(label="世帯主", value="明石　太郎"),
        ),
        people=people,
        amounts=tuple(Row(label=f"所得{n}", value="1,234,000円") for n in "一二三四五六七")
        if form == "kazei"
        else (),
        seal=seal() if form == "inkan" else b"",
        applicant="",
    )
    return replace(base, **({"head": ()} if form != "juminhyo" else {}) | changes)


def content(*sheets: Sheet, **changes: object) -> Content:
    base = Content(
        heading="明石市",
        title="住民票の写し",
        subtitle="（世帯全員）",
        unique_number="A7K29QXM4T8R",
        statement="この写しは、世帯全員の住民票の原本と相違ないことを証明します。",
        issued_on="令和8年11月24日",
        office="明石市長",
        officer="明石　次郎",
        stamp="明石市長之印",
        notes=("この証明書は電子公印を使用しています。",),
        verification="右の二次元コードで、この証明書が明石市の発行したものであることを確認できます。",
        sheets=sheets or (sheet((person("明石　太郎"),)),),
    )
    return replace(base, **changes)


def set_(made: Content, form: FormName = "juminhyo", font: Path = FONT) -> bytes:
    return typeset(made, Layout(form), font).pdf


def named(*names: str, kana: str = "アカシ　タロウ", rows: tuple[Row, ...] = ROWS) -> Content:
    """A sheet with these people."""
    return content(sheet(tuple(person(name, kana, rows) for name in names)))


def texts(pdf: bytes) -> list[str]:
    opened = pdfium.PdfDocument(pdf)
    return ["".join(page.get_textpage().get_text_range().split()) for page in opened]


def grey(pdf: bytes, page: int = 0, scale: float = 4.0) -> npt.NDArray[np.uint8]:
    return np.asarray(pdfium.PdfDocument(pdf)[page].render(scale=scale).to_pil().convert("L"))


# -- sheets ----------------------------------------------------------------------------------------


def test_each_sheet_shows_its_people_and_what_all_sheets_show() -> None:
    names = tuple(f"明石　{n}郎" for n in "一二三四五六七")
    people = [person(name) for name in names]
    first, second = sheet(tuple(people[:4])), sheet(tuple(people[4:]), applicant=names[0])
    found = texts(set_(content(first, second)))
    assert len(found) == 2
    for number, text in enumerate(found, 1):
        for mark in (
            "住民票の写し",
            "固有番号A7K29QXM4T8R",
            f"（{number}/2）",
            "令和8年11月24日",
            "相違ない",
            "住所兵庫県明石市中崎",
        ):
            assert text.count(mark) == 1
        here = [name for name in names if f"氏名{name.replace('　', '')}フリガナ" in text]
        assert here == list(names[4 * (number - 1) : 4 * number])
        assert ("請求者明石一郎" in text) is (number == 2)
        assert ("以下余白" in text) is (number == 2)


def test_a_sheet_that_is_too_full_is_refused_and_nothing_runs_onto_another() -> None:
    crowd = tuple(person(f"明石　{n}郎") for n in "一二三四五六")
    with pytest.raises(CannotPrint) as caught:
        set_(content(sheet(crowd)))
    assert caught.value.reason is Unprintable.TOO_LONG


@pytest.mark.parametrize("form", ["juminhyo", "inkan", "kazei"])
def test_the_place_of_the_code_stays_blank(form: FormName) -> None:
    one = sheet((person("明石　太郎"),), form, applicant="明石　太郎")
    long = content(one, notes=("一二三四五六七八九十" * 6,), verification="右の二次元コード" * 12)
    page = grey(set_(long, form))
    left, top, width, height = (round(mm * 4 * 72 / 25.4) for mm in CODE_AREA_MM)
    assert (page[top : top + height, left : left + width] == 255).all()
    assert (page[top - 200 : top + height, :left] < 128).any()


def test_seal_is_printed_at_its_true_size() -> None:
    made = content(sheet((person("明石　太郎"),), "inkan"))
    opened = pdfium.PdfDocument(typeset(made, Layout("inkan", 15.0)).pdf)
    (image,) = opened[0].get_objects(filter=[pdfium.raw.FPDF_PAGEOBJ_IMAGE])
    left, bottom, right, top = image.get_bounds()
    assert (right - left, top - bottom) == pytest.approx((15 * 72 / 25.4,) * 2, abs=0.1)


def test_long_names_and_addresses_wrap_inside_their_boxes() -> None:
    name = "JOSE MARIA ALEXANDER MAXIMILIAN CHRISTOPHER DE LA CRUZ Y VILLANUEVA SANTOS"
    address = "兵庫県明石市中崎一丁目5番1号　明石海峡グランドタワーレジデンスウエスト棟" * 2
    pdf = set_(content(sheet((person(name),), head=(Row(label="住所", value=address),))))
    (text,) = texts(pdf)
    assert f"氏名{name.replace(' ', '')}フリガナ" in text
    assert address.replace("　", "") in text
    page = grey(pdf)
    margin = round(14.5 * 4 * 72 / 25.4)
    assert (page[:, :margin] == 255).all()
    assert (page[:, -margin:] == 255).all()


def test_a_deputys_long_office_and_its_seal_keep_clear_of_the_code() -> None:
    office, officer = "汐見市長職務代理者　汐見市副市長", "勅使河原　與左衛門"
    pdf = set_(content(office=office, officer=officer, stamp=f"{office.replace('　', '')}之印"))
    assert (office + officer).replace("　", "") in texts(pdf)[0]
    left, top, _, height = (round(mm * 4 * 72 / 25.4) for mm in CODE_AREA_MM)
    assert (grey(pdf)[top - 40 : top + height, left:] == 255).all()


def test_rows_stand_in_their_order_and_addresses_alone() -> None:
    text = texts(set_(content()))[0]
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


def test_spaces_are_layout_and_a_line_of_spaces_is_none() -> None:
    spaced = set_(named(" 明石 \u3000 \u2003太郎\u00a0\n\u3000\n花子"))
    assert "氏名明石太郎花子フリガナ" in texts(spaced)[0]
    assert (grey(spaced) == grey(set_(named("明石\u3000太郎\n花子")))).all()


def test_equal_content_is_the_same_in_many_threads() -> None:
    made = named("葛\U000e0102城　太郎")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: set_(made), range(8)))
    pages = [grey(pdf, scale=1) for pdf in results]
    assert all((page == pages[0]).all() for page in pages)


def test_strings_are_never_read_as_markup() -> None:
    name = "#panic() $x$ [a] *b* _c_ <d> @e \\ // /* `"
    assert name.replace(" ", "") in texts(set_(named(name)))[0]


def test_quotes_and_digits_stay_as_they_are() -> None:
    text = texts(set_(named('O\'BRIEN ＡＢ　"C" １２')))[0]
    assert 'O\'BRIENＡＢ"C"１２' in text


# -- what cannot be printed ------------------------------------------------------------------------


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
        ("明石　〓郎", Unprintable.PENDING),
        ("あ" * 3000, Unprintable.TOO_LONG),
    ],
)
@pytest.mark.parametrize("place", ["name", "row", "head", "amount", "label"])
def test_refused_before_money(name: str, reason: Unprintable, place: str) -> None:
    row = Row(label="住所", value=name)
    one = {
        "name": sheet((person(name),)),
        "row": sheet((person("明石　太郎", rows=(row,)),)),
        "head": sheet((person("明石　太郎"),), head=(row,)),
        "amount": sheet((person("明石　太郎"),), "kazei", amounts=(row,)),
        "label": sheet((person("明石　太郎"),), "kazei", amounts=(Row(label=name, value=""),)),
    }[place]
    with pytest.raises(CannotPrint) as caught:
        set_(content(one), "kazei" if one.amounts else "juminhyo")
    assert caught.value.reason is reason
    assert name not in str(caught.value)


@pytest.mark.parametrize("text", ["", "\u3000", " \n\u2003"])
def test_a_person_without_a_name_that_can_be_read_is_refused(text: str) -> None:
    with pytest.raises(CannotPrint) as caught:
        set_(named(text))
    assert caught.value.reason is Unprintable.MISSING_GLYPH


@pytest.mark.parametrize("field", ["statement", "notes", "verification", "applicant", "office"])
def test_what_would_run_into_the_code_is_refused(field: str) -> None:
    long = "長い文章" * 99
    if field == "applicant":
        made = content(sheet((person("明石　太郎"),), applicant=long))
    else:
        made = content(**{field: (long,) * 2 if field == "notes" else long})
    with pytest.raises(CannotPrint) as caught:
        set_(made)
    assert caught.value.reason is Unprintable.TOO_LONG


@pytest.mark.parametrize("file", [None, b"not a font"])
def test_an_unusable_font_names_the_package(tmp_path: Path, file: bytes | None) -> None:
    path = tmp_path / "ipamjm.ttf"
    if file is not None:
        path.write_bytes(file)
    with pytest.raises(FontUnusable, match="fonts-ipamj-mincho"):
        set_(content(), font=path)


FONT_TEXT = st.lists(st.sampled_from(sorted(load_font().glyphs)), min_size=1, max_size=12).map(
    "".join
)


@settings(max_examples=100)
@given(st.one_of(FONT_TEXT, st.text(min_size=1, max_size=12)))
def test_any_name_is_printed_whole_or_refused(name: str) -> None:
    try:
        pdf = set_(named(name, rows=()))
    except CannotPrint:
        return
    canonical = load_glyphs().canonical
    assert f"{canonical('氏名')}{canonical(name)}{canonical('フリガナ')}" in canonical(*texts(pdf))


# -- glyphs ----------------------------------------------------------------------------------------

EM = 500  # pixels
FAMILIES = ("葛", "辻", "邊", "邉", "齋")


@pytest.fixture(scope="module")
def variants() -> dict[str, str]:
    """Every spelling of the families above -> the font's name of its glyph, from cmap formats 12
    and 14.
    """
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
    """Glyph name -> its picture, drawn by FreeType from a font of these alone, under letters of our
    own.
    """
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
    """The glyph as it stands on the certificate: the name set alone in its cell, found by pdfium's
    character box.
    """
    opened = pdfium.PdfDocument(set_(named(spelling, rows=())))
    page, text = opened[0], opened[0].get_textpage()
    at = (
        text.get_text_range().index("フ") - 3 - len(spelling.encode("utf-16-le")) // 2
    )  # the name ends before CR LF
    boxes = [text.get_charbox(i) for i in range(text.count_chars())]
    left, bottom, right, top = max(
        (box for i, box in enumerate(boxes) if abs(i - at) < 6), key=lambda box: box[3] - box[1]
    )
    scale = EM / 13
    picture = page.render(
        scale=scale,
        crop=(left - 0.5, bottom - 0.5, 595.28 - right - 0.5, 841.89 - top - 0.5),
        grayscale=True,
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
    """侮 (U+FA30) and 侮+U+E0103 are one drawing: the first spelling stands for both, and readers
    find both.
    """
    names = ("\ufa30山", "侮\U000e0103川", "侮田")
    (text,) = texts(set_(named(*names)))
    assert "氏名\ufa30山フリガナ" in text
    assert "氏名\ufa30川フリガナ" in text
    assert "氏名侮田フリガナ" in text
