"""Every reason not to print, each by tampering with a document that is otherwise right."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import msgspec
import pypdfium2 as pdfium
import pypdfium2.raw as raw
import pytest
import typst
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sheet_cases import HANAKO, TARO, YOSHIDA, Case, case, document
from updated_font import typeset_with, updated_font

from city.typesetting import FONT, typeset
from firmware.link.signing import sign_code
from firmware.sheets import pdf as reader
from firmware.sheets.check import check_document, check_manifest
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.glyphs import FontUnusable, load_glyphs
from firmware.sheets.prepare import prepare

FIVE = (TARO, HANAKO, YOSHIDA, "二郎", "三郎")


def check(subject: Case) -> None:
    """All that happens before money, in its order."""
    check_manifest(subject.manifest, subject.expected)
    check_document(subject.pdf, subject.manifest, subject.expected)
    prepare(subject.pdf, subject.manifest, 203, 1664, subject.verify)


def manifest(subject: Case, **changes: object) -> Case:
    return replace(subject, manifest=msgspec.structs.replace(subject.manifest, **changes))


def instead(pdf: bytes, pages: int = 1, **changes: object) -> Case:
    """The manifest promises the plain document of one person; this PDF came."""
    return case(document(**changes), pdf, pages)  # type: ignore[arg-type]


def edited(pdf: bytes, edit: Callable[[pdfium.PdfDocument], None]) -> bytes:
    opened, out = pdfium.PdfDocument(pdf), io.BytesIO()
    edit(opened)
    opened.save(out)
    opened.close()
    return out.getvalue()


MARKS = f"住民票の写し 固有番号 A7K29QXM4T8R （1/1） 令和8年11月24日 氏名 {TARO} フリガナ "


def plain_pdf(text: str) -> bytes:
    """A sheet set without any of the city's care."""
    source = '#set text(font: "IPAmjMincho", fallback: false)\n#set page("a4")\n#sys.inputs.text'
    return typst.compile(source.encode(), font_paths=[FONT.parent], sys_inputs={"text": text}, pdf_tags=False)


def raw_pdf(catalog: bytes = b"", page: bytes = b"", trailer: bytes = b"") -> bytes:
    return (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R" + catalog + b">>endobj\n"
        b"2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595.28 841.89]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>"
        + page
        + b">>endobj\n4 0 obj<</Length 28>>stream\nBT /F 12 Tf 9 9 Td (A) Tj ET\nendstream endobj\n"
        b"5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj\ntrailer<</Root 1 0 R" + trailer + b">>\n"
    )


def swapped_page() -> Case:
    """Sheet 2 of 3 is another household's, as it came out in Tokushima."""
    names = (TARO, HANAKO, *(f"葛\U000e0102城　{n}郎" for n in "一二三四五六七"))
    own, other = document(names=names), document(names=tuple(f"山田　{name[-2:]}" for name in names))
    theirs = pdfium.PdfDocument(typeset(other).pdf)

    def swap(opened: pdfium.PdfDocument) -> None:
        del opened[1]
        opened.import_pages(theirs, [1], 1)

    return case(own, edited(typeset(own).pdf, swap), 3)


def shuffled_pages() -> Case:
    own = document(names=FIVE)

    def shuffle(opened: pdfium.PdfDocument) -> None:
        opened.import_pages(pdfium.PdfDocument(typeset(own).pdf), [1], 0)
        del opened[2]

    return case(own, edited(typeset(own).pdf, shuffle), 2)


def letter_paper(opened: pdfium.PdfDocument) -> None:
    opened[0].set_mediabox(0, 0, 612, 792)


def attach(opened: pdfium.PdfDocument) -> None:
    opened.new_attachment("a.txt").set_data(b"x")


def hide_text(opened: pdfium.PdfDocument) -> None:
    page = opened[0]
    text = next(iter(page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT])))
    raw.FPDFTextObj_SetTextRenderMode(text, raw.FPDF_TEXTRENDERMODE_INVISIBLE)
    page.gen_content()


def ink_in_the_code_area(opened: pdfium.PdfDocument) -> None:
    page = opened[0]
    box = raw.FPDFPageObj_CreateNewRect(500, 80, 10, 10)
    raw.FPDFPath_SetDrawMode(box, raw.FPDF_FILLMODE_ALTERNATE, 0)
    raw.FPDFPage_InsertObject(page, box)
    page.gen_content()


def swapped_codes() -> Case:
    both = case(document(names=FIVE))
    return manifest(both, codes=both.manifest.codes[::-1])


def foreign_code() -> Case:
    subject = case(document())
    other = Ed25519PrivateKey.generate()
    head = subject.verify(subject.manifest.codes[0])
    return manifest(subject, codes=(sign_code(other, head),))


def sheet(**changes: object) -> bytes:
    return typeset(document(**changes)).pdf  # type: ignore[arg-type]


def blank_seal() -> bytes:
    out = io.BytesIO()
    Image.new("L", (60, 60), 255).save(out, "PNG")
    return out.getvalue()


@lru_cache
def changed_font() -> Path:
    """As the font in force, but for one character's drawing."""
    return updated_font(Path(tempfile.mkdtemp()), "郎", "太")


R = SheetReason
TAMPERED: list[tuple[R, int, Callable[[], Case]]] = [
    (R.PROTOCOL, 0, lambda: manifest(case(document()), protocol=2)),
    (R.KIOSK, 0, lambda: manifest(case(document()), kiosk="akashi-02")),
    (R.SESSION, 0, lambda: manifest(case(document()), session="9" * 32)),
    (R.ORDER, 0, lambda: manifest(case(document()), order="9" * 32)),
    (R.CARD, 0, lambda: manifest(case(document()), card_sha256="9" * 64)),
    (R.REQUEST, 0, lambda: manifest(case(document()), request_sha256="9" * 64)),
    (R.KIND, 0, lambda: manifest(case(document()), kind="kazei")),
    (R.HOLDER, 0, lambda: manifest(case(document()), holder=HANAKO)),
    # 葛城 with another 葛: the same character to a careless comparison, another family to its owners
    (R.HOLDER, 0, lambda: manifest(case(document()), holder="葛\U000e0104城　太郎")),
    (R.MEMBERS, 0, lambda: manifest(case(document()), members=(TARO, HANAKO))),
    (R.COPIES, 0, lambda: manifest(case(document()), copies=2)),
    (R.FEE, 0, lambda: manifest(case(document()), fee=200)),
    (R.DOCUMENT_HASH, 0, lambda: replace(case(document()), pdf=sheet(names=(HANAKO,), holder=HANAKO))),
    (R.UNREADABLE, 0, lambda: instead(b"%PDF-1.7 and nothing else")),
    (
        R.ENCRYPTED,
        0,
        lambda: instead(
            raw_pdf(
                trailer=b"/ID[<00><00>]/Encrypt<</Filter/Standard/V 1/R 2/P -1/O<" + b"00" * 32 + b">/U<"
                b"11" * 32 + b">>>"
            )
        ),
    ),
    (R.ACTIVE_CONTENT, 0, lambda: instead(raw_pdf(catalog=b"/OpenAction<</S/JavaScript/JS(app.alert(1))>>"))),
    (R.ACTIVE_CONTENT, 0, lambda: instead(edited(sheet(), attach))),
    (R.ACTIVE_CONTENT, 1, lambda: instead(raw_pdf(page=b"/Annots[<</Type/Annot/Subtype/Text/Rect[0 0 9 9]>>]"))),
    (R.PAGE_COUNT, 0, lambda: instead(sheet(names=FIVE))),
    (R.PAPER_SIZE, 1, lambda: instead(edited(sheet(), letter_paper))),
    (R.FONT_NOT_EMBEDDED, 1, lambda: instead(raw_pdf())),
    (R.HIDDEN_TEXT, 1, lambda: instead(edited(sheet(), hide_text))),
    # two spellings of one glyph: typst says the second by an ActualText
    (R.HIDDEN_TEXT, 1, lambda: instead(plain_pdf(MARKS + "侮\U000e0103\ufa30"))),
    (R.OTHER_GLYPHS, 0, lambda: instead(typeset_with(changed_font(), document()).pdf)),
    (R.MISSING_GLYPH, 1, lambda: instead(plain_pdf(MARKS + "\U0001f600"))),
    (R.MISSING_GLYPH, 1, lambda: instead(plain_pdf(MARKS + "\u0e01"))),
    (R.PRIVATE_USE, 1, lambda: instead(plain_pdf(MARKS + "\uf860"))),
    (R.TITLE, 1, lambda: instead(sheet(title="住民票記載事項証明書"))),
    (R.TITLE, 0, lambda: manifest(case(document()), title="所得・課税証明書")),
    (R.UNIQUE_NUMBER, 1, lambda: instead(sheet(unique_number="A7K29QXM4T8Q"))),
    (R.UNIQUE_NUMBER, 1, lambda: instead(sheet(notes=("A7K29QXM4T8R",)))),
    (R.PAGE_NUMBER, 1, lambda: instead(plain_pdf(MARKS + "（1/1）"))),
    (R.PAGE_NUMBER, 1, lambda: instead(plain_pdf(MARKS.replace("（1/1）", "")))),
    (R.PAGE_NUMBER, 1, shuffled_pages),
    (R.DATE, 1, lambda: instead(sheet(issued_era="令和8年11月23日"))),
    (R.DATE, 0, lambda: case(document(issued_era="令和8年11月23日"))),
    (R.DATE, 0, lambda: case(document(issued_era="平成38年11月24日"))),
    (R.DATE, 0, lambda: case(document(issued_era="令和8年11月31日"))),
    (R.STRANGER_PRINTED, 1, lambda: instead(sheet(names=(HANAKO,), holder=HANAKO))),
    (R.STRANGER_PRINTED, 1, lambda: instead(sheet(names=("葛\U000e0104城　太郎",), holder="葛\U000e0104城　太郎"))),
    (R.STRANGER_PRINTED, 1, lambda: instead(sheet(names=(TARO, HANAKO)))),
    (R.STRANGER_PRINTED, 2, swapped_page),
    (R.HOLDER_NOT_PRINTED, 1, lambda: instead(sheet(names=(HANAKO,), holder=YOSHIDA), names=(HANAKO,))),
    (R.MEMBER_NOT_PRINTED, 0, lambda: instead(sheet(), names=(TARO, HANAKO))),
    (R.SEAL, 1, lambda: instead(sheet(kind="inkan", seal=blank_seal()), kind="inkan")),
    (R.SEAL, 1, lambda: instead(sheet(kind="inkan", seal_mm=4.0), kind="inkan")),
    (R.SEAL, 1, lambda: instead(sheet(title="印鑑登録証明書"), kind="inkan")),
    (R.SEAL, 0, lambda: case(document(title="印鑑登録証明書"))),
    (R.SEAL, 0, lambda: manifest(case(document("inkan")), seal_page=2)),
    (R.SEAL, 0, lambda: manifest(case(document()), seal_page=1)),
    (R.CODE_AREA, 1, lambda: instead(edited(sheet(), ink_in_the_code_area))),
    (R.CODE, 1, swapped_codes),
    (R.CODE, 1, foreign_code),
    (R.CODE, 0, lambda: manifest(case(document()), codes=())),
]


@pytest.mark.parametrize(("reason", "page", "make"), TAMPERED, ids=lambda value: getattr(value, "value", ""))
def test_tampering_is_caught_with_its_own_reason(reason: R, page: int, make: Callable[[], Case]) -> None:
    subject = make()
    with pytest.raises(SheetFault) as caught:
        check(subject)
    assert (caught.value.reason, caught.value.page) == (reason, page)


def test_every_reason_has_been_tried() -> None:
    assert {reason for reason, _, _ in TAMPERED} | {R.OFF_PAPER} == set(SheetReason)


@pytest.mark.parametrize("name", ["household", "single", "inkan"])
def test_a_right_document_passes(name: str, request: pytest.FixtureRequest) -> None:
    check(request.getfixturevalue(name))


def test_tax_certificate_passes() -> None:
    check(case(document("kazei")))


def test_holder_who_is_not_among_the_people_is_the_applicant() -> None:
    check(case(document(names=(HANAKO, YOSHIDA))))


def test_two_spellings_of_one_glyph_are_one_name() -> None:
    """葛+U+E0103 is what 葛 alone looks like in this font; a PDF cannot hold the difference."""
    check(case(document(names=("葛\U000e0103城　太郎", "葛城　花子"), holder="葛城　花子")))


def test_canonical_keeps_what_changes_the_drawing() -> None:
    canonical = load_glyphs().canonical
    assert canonical("葛\U000e0103 城") == canonical("葛城")
    assert len({canonical("葛" + chr(selector)) for selector in range(0xE0102, 0xE0109)}) == 7


def test_paper_narrower_than_the_print_is_refused(single: Case) -> None:
    with pytest.raises(SheetFault) as caught:
        prepare(single.pdf, single.manifest, 203, 1000, single.verify)
    assert caught.value.reason is SheetReason.OFF_PAPER


def test_missing_font_says_what_to_install(single: Case, tmp_path: Path) -> None:
    with pytest.raises(FontUnusable, match="fonts-ipamj-mincho"):
        check_document(single.pdf, single.manifest, single.expected, tmp_path / "none.ttf")


def test_nothing_about_a_person_in_faults_and_reprs(household: Case) -> None:
    shown = repr(household.expected) + repr(household.manifest)
    shown += repr(prepare(household.pdf, household.manifest, 203, 1664, household.verify))
    with pytest.raises(SheetFault) as caught:
        check(instead(sheet(names=(HANAKO,), holder=HANAKO)))
    shown += repr(caught.value) + str(caught.value)
    assert not set(shown) & set(TARO + HANAKO + YOSHIDA)
    assert len(shown) < 800


PREFIXES = st.sampled_from([b"", b"%PDF-1.7\n", raw_pdf()[:-40], raw_pdf()])


@settings(max_examples=150, deadline=None)
@given(PREFIXES, st.binary(max_size=300))
def test_any_bytes_are_a_document_or_a_sheet_fault(prefix: bytes, noise: bytes) -> None:
    with pytest.raises(SheetFault):
        check(instead(prefix + noise))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_document_is_a_sheet_fault_or_still_right(single: Case, data: st.DataObject) -> None:
    damaged = bytearray(single.pdf)
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=20)):
        damaged[at] ^= data.draw(st.integers(1, 255))
    subject = instead(bytes(damaged))
    with contextlib.suppress(SheetFault):
        check_document(subject.pdf, subject.manifest, subject.expected)


def test_a_font_s_tag_and_compressed_bytes_are_no_active_content() -> None:
    """One document of some thousands has such a tag, and such four bytes somewhere: it is as good as any."""
    plain = sheet()
    tag = plain[plain.index(b"+IPAmjMincho") - 6 :][:6]
    tagged = plain.replace(tag, b"XFAQRS")
    assert tagged != plain
    assert reader.read(tagged, 1) == reader.read(plain, 1)
    compressed = (
        raw_pdf().replace(b"\nendstream", b"%/XFA/JavaScript \nendstream").replace(b"/Length 28", b"/Length 46")
    )
    assert reader.read(compressed, 1)
