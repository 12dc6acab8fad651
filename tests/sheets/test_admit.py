"""The one door: what is right comes in; every reason to refuse, each by a document that has that
one flaw.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import msgspec
import pikepdf
import pytest
from pdf_edits import appended, edited, prepended, with_operators
from sheet_cases import (
    FORM_TERMS,
    FORMS,
    HANAKO,
    ISSUED,
    ISSUING,
    OTHER_KEY,
    RIGHT,
    SESSION,
    TARO,
    TRUST,
    Case,
    fields,
    inkan,
    juminhyo,
    kazei,
    paper,
    person_record,
    seal_png,
    tax_record,
)

from firmware.link import signing
from firmware.link.base import frame
from firmware.link.commitments import Opening, field_hash
from firmware.link.content import Content, Person, Row
from firmware.link.messages import OrderAnswer
from firmware.sheets.admit import Admitted, RefusedDocument, SignedTerms
from firmware.sheets.binding import Ordered
from firmware.sheets.fault import EXPLAINED, SheetReason
from firmware.sheets.prepare import Target

R = SheetReason
READING = "カツラギ　タロウ"  # of everybody in these records


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_document_is_admitted(name: str) -> None:
    found = RIGHT[name]().run()
    assert isinstance(found, Admitted), found
    assert found.fee == 100
    assert found.unique_number == "A7K29QXM4T8R"
    assert len(found.sheets) == RIGHT[name]().content.pages


def test_people_are_printed_who_are_read_as_the_voice_has_said() -> None:
    readings = {"m1": READING, "m2": READING}
    found = session(juminhyo(2), readings=readings).run()
    assert isinstance(found, Admitted), found


# -- helpers


def manifest(case: Case, **changes: Any) -> Case:
    return replace(case, edit_manifest=lambda m: msgspec.structs.replace(m, **changes))


def session(case: Case, **changes: Any) -> Case:
    return replace(case, edit_session=lambda s: msgspec.structs.replace(s, **changes))


def terms(case: Case, **changes: Any) -> Case:
    return replace(case, terms=msgspec.structs.replace(FORM_TERMS, **changes))


def first_person(case: Case) -> Person:
    return case.content.sheets[0].people[0]


def with_person(case: Case, **changes: Any) -> Case:
    """The first person's box is another, in the content and on the paper."""
    person = msgspec.structs.replace(first_person(case), **changes)
    return case.change_sheet(people=(person, *case.content.sheets[0].people[1:]))


def shown(case: Case, **changes: Any) -> Case:
    """The paper shows another content than the signed one."""
    return replace(case, pdf=paper(msgspec.structs.replace(case.content, **changes), case.kind))


def shown_sheet(case: Case, **changes: Any) -> Case:
    sheet = msgspec.structs.replace(case.content.sheets[0], **changes)
    return shown(case, sheets=(sheet, *case.content.sheets[1:]))


def pdf(case: Case, change: Callable[[bytes], bytes]) -> Case:
    return replace(case, pdf=change(case.pdf))


def on_top(case: Case, stream: str) -> Case:
    return pdf(case, lambda data: appended(data, stream))


def replaced_record(case: Case, record: str, values: dict[str, str]) -> Case:
    """The city committed to the record that the case has, and opens another."""
    return replace(
        case, records={**case.records, record: values}, committed={record: case.records[record]}
    )


def opened(case: Case, record: str, labels: frozenset[str]) -> Case:
    return replace(case, open={**case.open, record: labels})


def catalog(key: str, value: Any) -> Callable[[bytes], bytes]:
    return lambda data: edited(data, lambda file: file.Root.__setitem__(key, value(file)))


def page_of(data: bytes, change: Callable[[pikepdf.Pdf, pikepdf.Page], None]) -> bytes:
    return edited(data, lambda file: change(file, file.pages[0]))


def add_annotation(file: pikepdf.Pdf, page: pikepdf.Page) -> None:
    page.Annots = file.make_indirect(
        pikepdf.Array(
            [
                pikepdf.Dictionary(
                    Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Text, Rect=[9, 9, 99, 99]
                )
            ]
        )
    )


def add_layer(file: pikepdf.Pdf, _: pikepdf.Page) -> None:
    group = file.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.OCG, Name="a"))
    file.Root.OCProperties = pikepdf.Dictionary(OCGs=[group], D=pikepdf.Dictionary(OFF=[group]))


def add_form_object(file: pikepdf.Pdf, page: pikepdf.Page) -> None:
    form = file.make_stream(b"0 0 9 9 re f")
    form.Type, form.Subtype, form.BBox = pikepdf.Name.XObject, pikepdf.Name.Form, [0, 0, 600, 900]
    page.Resources.XObject = pikepdf.Dictionary(Fm=form)
    page.contents_add(b"/Fm Do")


def add_picture(file: pikepdf.Pdf, page: pikepdf.Page) -> None:
    image = file.make_stream(bytes(100))
    image.Type, image.Subtype = pikepdf.Name.XObject, pikepdf.Name.Image
    image.Width = image.Height = 10
    image.ColorSpace, image.BitsPerComponent = pikepdf.Name.DeviceGray, 8
    page.Resources.XObject = pikepdf.Dictionary(Im=image)
    page.contents_add(b"q 40 0 0 40 60 300 cm /Im Do Q")


def without_embedding(file: pikepdf.Pdf) -> None:
    for item in file.objects:
        if isinstance(item, pikepdf.Dictionary) and "/FontFile2" in item:
            del item["/FontFile2"]


def huge_stream(data: bytes) -> bytes:
    """A few kilobytes that unpack to 80 MiB."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as file:
        file.pages[0].contents_add(b" " * (80 * 1024 * 1024))
        file.save(out)
    return out.getvalue()


def encrypted(data: bytes) -> bytes:
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(data)) as file:
        file.save(out, encryption=pikepdf.Encryption(owner="a", user="", R=6))
    return out.getvalue()


def first_text(change: Callable[[list[Any]], list[Any]], operator: str) -> Callable[[bytes], bytes]:
    """The operands of the first such operator are changed."""

    def change_all(given: list[Any]) -> list[Any]:
        at = next(n for n, (_, name) in enumerate(given) if str(name) == operator)
        return [*given[:at], (change(given[at][0]), given[at][1]), *given[at + 1 :]]

    return lambda data: with_operators(data, change_all)


def other_letters(data: bytes) -> bytes:
    """The font in the file draws two letters as each other; the text says what it said."""

    def swap(file: pikepdf.Pdf) -> None:
        for item in file.objects:
            if isinstance(item, pikepdf.Dictionary) and item.get("/Subtype") == "/CIDFontType2":
                mapping = bytearray(b"".join(n.to_bytes(2, "big") for n in range(600)))
                mapping[20:22], mapping[22:24] = mapping[22:24], mapping[20:22]
                item["/CIDToGIDMap"] = file.make_stream(bytes(mapping))

    return edited(data, swap)


def seal_record(png: bytes) -> dict[str, str]:
    return {"印影": hashlib.sha256(png).hexdigest()}


def with_seal(case: Case, png: bytes) -> Case:
    return case.change_sheet(seal=png)


def bad_codes(case: Case) -> Case:
    return manifest(case, codes=tuple(bytes(147) for _ in case.content.sheets))


def line_through_a_row(case: Case) -> Case:
    return on_top(case, "0.5 w 42.5 650 m 552.7 650 l S")


def signed_rubbish(answer: OrderAnswer) -> OrderAnswer:
    body = b'{"protocol": 2}'
    return msgspec.structs.replace(
        answer, manifest=body, manifest_signature=signing.sign_manifest(ISSUING, body)
    )


def two_truths(label: str) -> Case:
    """The record has 前住所 twice, with two values; the city opens the one it likes."""
    twice = [*fields("m1", juminhyo().records["m1"]), *fields("m1", {label: "神戸市"})]
    case = juminhyo()
    shown = tuple(f if f.label in case.open["m1"] else field_hash(f) for f in twice[:-1])
    opening = Opening(labels=tuple(f.label for f in twice), fields=(*shown, field_hash(twice[-1])))
    hashes = [bytes.fromhex(f if isinstance(f, str) else field_hash(f)) for f in opening.fields]
    pairs = [
        part
        for named, hashed in zip(opening.labels, hashes, strict=True)
        for part in (named.encode(), hashed)
    ]
    head = (b"madoguchi record v2", bytes.fromhex(SESSION), b"m1", (7).to_bytes(8, "big"))
    told = hashlib.sha256(frame(*head, *pairs)).hexdigest()
    return manifest(session(case, records={"m1": told}), openings={"m1": opening})


def test_the_forger_of_two_truths_can_commit() -> None:
    """With another label in its place the same forgery is a right document."""
    assert isinstance(two_truths("別の欄").run(), Admitted)


def label_of_another() -> Case:
    """An opened value stands under another label than its own."""
    case = juminhyo()
    opening = case.manifest().openings["m1"]
    labels = list(opening.labels)
    at, to = labels.index("性別"), labels.index("個人番号")
    labels[at], labels[to] = labels[to], labels[at]
    return manifest(case, openings={"m1": msgspec.structs.replace(opening, labels=tuple(labels))})


def no_tax_address() -> Case:
    """A form without sections takes all of the record; the address of the year must be in it all
    the same.
    """
    form = msgspec.structs.replace(FORMS[2], amounts=())
    case = terms(kazei(), forms=(FORMS[0], FORMS[1], form))
    record = {label: value for label, value in case.records["y2026"].items() if "住所" not in label}
    return opened(
        replace(case, records={**case.records, "y2026": record}), "y2026", frozenset(record)
    )


def one_amount_closed() -> Case:
    """A form without sections prints all of the record: nothing of it stays closed."""
    form = msgspec.structs.replace(FORMS[2], amounts=())
    case = terms(kazei(), forms=(FORMS[0], FORMS[1], form))
    return opened(case, "y2026", frozenset(case.records["y2026"]) - {"年税額"})


def no_amounts_on_record() -> Case:
    record = {
        label: value if "住所" in label else "" for label, value in kazei().records["y2026"].items()
    }
    case = replace(kazei(), records={**kazei().records, "y2026": record})
    return case.change_sheet(amounts=())


def next_day(ordered: Ordered) -> Ordered:
    return replace(ordered, days=(ISSUED + timedelta(1), ISSUED + timedelta(1)))


def other_value(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return (*rows[:-1], Row(label=rows[-1].label, value="神戸市"))


def without_seal(content: Content) -> Content:
    return msgspec.structs.replace(
        content, sheets=(msgspec.structs.replace(content.sheets[0], seal=b""),)
    )


def with_a_seal(content: Content) -> Content:
    return msgspec.structs.replace(
        content, sheets=(msgspec.structs.replace(content.sheets[0], seal=seal_png()),)
    )


def registered(png: bytes) -> Case:
    """The city registered, committed to and signed what is no imprint."""
    case = replace(inkan(), records={**inkan().records, "seal": seal_record(png)})
    sheet = msgspec.structs.replace(case.content.sheets[0], seal=png)
    return replace(case, content=msgspec.structs.replace(case.content, sheets=(sheet,)))


def blank_seal() -> bytes:
    return seal_png(255)


def a_thousand_pages() -> Case:
    def multiply(file: pikepdf.Pdf) -> None:
        for _ in range(999):
            file.pages.append(file.pages[0])

    return pdf(juminhyo(), lambda data: edited(data, multiply))


def private_use() -> Case:
    """The file says that one of its letters is a private-use character."""

    def rename(file: pikepdf.Pdf) -> None:
        for item in file.objects:
            if isinstance(item, pikepdf.Dictionary) and "/ToUnicode" in item:
                table = item["/ToUnicode"].read_bytes()
                assert b"<660E>" in table.upper()
                item["/ToUnicode"] = file.make_stream(
                    table.upper().replace(b"<660E>", b"<E000>").lower()
                )

    return pdf(juminhyo(), lambda data: edited(data, rename))


def two_letters_on_one_place() -> Case:
    """The second letter of a run is moved back onto the first: the file says both."""

    def move(given: list[Any]) -> list[Any]:
        arrays = ((n, list(o[0])) for n, (o, name) in enumerate(given) if str(name) == "TJ")
        letters = (
            (n, b"".join(bytes(x) for x in its if isinstance(x, pikepdf.String)))
            for n, its in arrays
        )
        at, run = next((n, text) for n, text in letters if len(text) >= 4)
        array = pikepdf.Array([pikepdf.String(run[:2]), 1000, pikepdf.String(run[2:])])
        return [*given[:at], ([array], pikepdf.Operator("TJ")), *given[at + 1 :]]

    return pdf(juminhyo(), lambda data: with_operators(data, move))


def title_over_the_number() -> Case:
    """The title as large and as high as the form allows, the unique number as low: both stand where
    they may, and the title's strokes run through the number.
    """

    def move(given: list[Any]) -> list[Any]:
        made = list(given)
        for at in text_places(given, lambda x, y: x > 400 and y > 790):  # 固有番号 and its value
            (*_, x, _), name = given[at]
            made[at] = ([1, 0, 0, -1, float(x) - 128, 794.7], name)
        for at in text_places(given, lambda _, y: 760 < y < 780):
            (*_, x, _), name = given[at]
            made[at] = ([1.14, 0, 0, -1.14, x, 777.6], name)
        return made

    return pdf(juminhyo(), lambda data: with_operators(data, move))


def text_places(given: list[Any], where: Callable[[float, float], bool]) -> Iterator[int]:
    """Of the matrices by which a text is put there, in points from the lower left."""
    for at, (operands, name) in enumerate(given):
        if str(name) == "cm" and where(float(operands[4]), float(operands[5])):
            yield at


def shown_otherwise_on_the_screen(mark: str, drawn: str) -> Case:
    """An address with a mark that the screen hides, or draws into the letter before. The font has
    one drawing for it and for another letter, which the paper shows.
    """

    def head(mark: str) -> tuple[Row, ...]:
        address = f"兵庫県明石市中崎一丁目5番1{mark}1号"
        return (Row(label="住所", value=address), *case.content.sheets[0].head[1:])

    case = juminhyo()
    record = {**case.records["m1"], "住所": head(mark)[0].value}
    said = case.change_sheet(head=head(drawn))
    sheet = msgspec.structs.replace(said.content.sheets[0], head=head(mark))
    content = msgspec.structs.replace(said.content, sheets=(sheet,))
    return replace(said, records={"m1": record}, content=content)


def named(name: str) -> Person:
    return msgspec.structs.replace(first_person(juminhyo()), name=name)


def first_image_moved(data: bytes) -> bytes:
    def move(given: list[Any]) -> list[Any]:
        at = next(n for n, (_, name) in enumerate(given) if str(name) == "Do")
        matrix = next(n for n in range(at, -1, -1) if str(given[n][1]) == "cm")
        operands = [*given[matrix][0][:4], float(given[matrix][0][4]) + 60, given[matrix][0][5]]
        return [*given[:matrix], (operands, given[matrix][1]), *given[matrix + 1 :]]

    return with_operators(data, move)


def a_name_too_long_for_any_code() -> Case:
    name = "葛城" * 30
    case = juminhyo()
    records = {"m1": {**case.records["m1"], "氏名": name, "世帯主": name}}
    return with_person(replace(case, records=records), name=name)


def last_letter_over_the_edge() -> Case:
    """The sentence at the foot is larger and further right: its last letter reaches into the code's
    place.
    """
    sentence = "右下のコードを読み取ると明石市が発行した証明書であることを確認できます国"
    its_forms = tuple(msgspec.structs.replace(each, notes=()) for each in FORMS)
    case = terms(juminhyo(), verification=sentence, forms=its_forms).change(
        verification=sentence, notes=()
    )
    grown, letter = 1.3, 7.5
    begin, left = 15 * 72 / 25.4, 153.9 * 72 / 25.4 - grown * letter * (len(sentence) - 1)

    def move(given: list[Any]) -> list[Any]:
        matrices = [n for n, (_, name) in enumerate(given) if str(name) == "cm"]
        baseline = float(given[matrices[-1]][0][5])
        out = list(given)
        for n in matrices:
            x, y = (float(value) for value in given[n][0][4:])
            if abs(y - baseline) < 0.1:
                out[n] = ([grown, 0, 0, -grown, left + grown * (x - begin), y], given[n][1])
        return out

    return pdf(case, lambda data: with_operators(data, move))


NARROW = Target(dpi=203, width=1200)

# reason -> documents that are refused for it, each by one flaw
FLAWS: dict[SheetReason, list[Callable[[], Case]]] = {
    R.SIGNATURE: [
        lambda: replace(juminhyo(), signer=OTHER_KEY),
        lambda: replace(
            juminhyo(), edit_answer=lambda a: msgspec.structs.replace(a, manifest=a.manifest + b" ")
        ),
    ],
    R.MANIFEST_MALFORMED: [lambda: replace(juminhyo(), edit_answer=signed_rubbish)],
    R.TERMS: [
        lambda: replace(
            juminhyo(),
            edit_terms=lambda t: SignedTerms(t.body, signing.sign_form_terms(OTHER_KEY, t.body)),
        ),
        lambda: replace(
            juminhyo(),
            edit_terms=lambda t: SignedTerms(t.body.replace(b"2016", b"2015"), t.signature),
        ),
        lambda: replace(juminhyo(), trust=replace(TRUST, terms_edition=2)),
        lambda: terms(juminhyo(), forms=FORMS[1:]),
        lambda: terms(juminhyo(), forms=(*FORMS, FORMS[0])),
        lambda: terms(
            juminhyo(), forms=(msgspec.structs.replace(FORMS[0], until=date(2026, 11, 23)),)
        ),
    ],
    R.PROTOCOL: [lambda: manifest(juminhyo(), protocol=1)],
    R.KIOSK: [lambda: manifest(juminhyo(), kiosk="akashi-02")],
    R.SESSION: [
        lambda: manifest(juminhyo(), session="9" * 32),
        lambda: session(juminhyo(), session="9" * 32),
    ],
    R.ORDER: [lambda: manifest(juminhyo(), order="9" * 32)],
    R.CARD: [lambda: manifest(juminhyo(), card_sha256="9" * 64)],
    R.REQUEST: [lambda: manifest(juminhyo(), request_sha256="9" * 64)],
    R.KIND: [lambda: manifest(juminhyo(), kind="kazei")],
    R.COPIES: [
        lambda: manifest(juminhyo(), copies=2),
        lambda: replace(juminhyo(), copies=4),
    ],
    R.FEE: [
        lambda: manifest(juminhyo(), fee=200),
        lambda: session(juminhyo(), offers=(msgspec.structs.replace(juminhyo().offer(), fee=250),)),
    ],
    R.RECORD_VERSION: [lambda: manifest(juminhyo(), record_version=8)],
    R.COMMITMENT: [
        lambda: replaced_record(juminhyo(), "m1", person_record(TARO, 生年月日="平成2年5月15日")),
        lambda: replaced_record(juminhyo(2), "m2", juminhyo(2).records["m1"]),
        lambda: replaced_record(kazei(), "y2026", tax_record(2025)),
        lambda: replaced_record(inkan(), "seal", seal_record(seal_png(64))),
        lambda: session(juminhyo(), records={}),
        lambda: two_truths("前住所"),
        label_of_another,
    ],
    R.NOT_OPENED: [
        lambda: opened(juminhyo(), "m1", juminhyo().open["m1"] - {"前住所"}),
        lambda: manifest(juminhyo(), openings={}),
        lambda: opened(kazei(), "y2026", frozenset({"年税額"})),
        no_tax_address,
        one_amount_closed,
    ],
    R.OPENED_UNASKED: [
        lambda: opened(juminhyo(), "m1", juminhyo().open["m1"] | {"個人番号"}),
        lambda: opened(juminhyo(3, chosen=("m1",)), "m2", frozenset({"氏名"})),
        lambda: opened(kazei(), "y2025", frozenset(kazei().records["y2025"])),
    ],
    R.HEADING: [lambda: juminhyo().change(heading="神戸市")],
    R.TITLE: [
        lambda: juminhyo().change(title="住民票記載事項証明書"),
        lambda: terms(
            juminhyo(), forms=(msgspec.structs.replace(FORMS[0], title={"ja": "住民票"}),)
        ),
    ],
    R.SUBTITLE: [
        lambda: juminhyo(3, chosen=("m1",)).change(subtitle="（世帯全員）"),
        lambda: kazei().change(subtitle="令和7年度（令和6年分所得）"),
        lambda: replace(kazei(), choices={"year": ("m1",)}),
    ],
    R.STATEMENT: [
        lambda: juminhyo(3, chosen=("m1",)).change(statement=FORMS[0].statements["household"]),
        lambda: juminhyo().change(statement="この証明書は無効です。"),
        lambda: terms(juminhyo(), forms=(msgspec.structs.replace(FORMS[0], statements={}),)),
    ],
    R.DATE: [
        lambda: juminhyo().change(issued_on="令和8年11月23日"),
        lambda: juminhyo().change(issued_on="平成38年11月24日"),
        lambda: juminhyo().change(issued_on="2026年11月24日"),
        lambda: replace(juminhyo(), edit_ordered=next_day),
    ],
    R.ISSUER: [
        lambda: juminhyo().change(office="神戸市長"),
        lambda: juminhyo().change(officer="明石　三郎"),
        lambda: juminhyo().change(stamp="神戸市長之印"),
    ],
    R.NOTES: [lambda: juminhyo().change(notes=()), lambda: juminhyo().change(notes=("見本",))],
    R.VERIFICATION: [lambda: juminhyo().change(verification="")],
    R.MEMBERS: [
        lambda: with_person(juminhyo(), name=HANAKO),
        lambda: session(juminhyo(), holder="m9"),
        lambda: session(juminhyo(2), members={"m1": TARO, "m2": TARO}),
        lambda: session(juminhyo(2), readings={"m1": READING, "m2": "ツジ　ハナコ"}),
        lambda: juminhyo(3).change_sheet(people=juminhyo(3).content.sheets[0].people[:2]),
        lambda: replace(
            juminhyo(3, chosen=("m2",)), choices={"scope": ("some",), "members": ("m2", "m8")}
        ),
    ],
    R.HOLDER: [
        lambda: session(juminhyo(), holder_birth="平成2年5月15日"),
        lambda: session(juminhyo(), holder_address="神戸市"),
    ],
    R.APPLICANT: [
        lambda: juminhyo(3, chosen=("m2",)).change_sheet(applicant=""),
        lambda: juminhyo().change_sheet(applicant=HANAKO),
    ],
    R.ROW_MISSING: [
        lambda: with_person(juminhyo(), rows=first_person(juminhyo()).rows[:-1]),
        lambda: juminhyo().change_sheet(head=()),
        lambda: replace(juminhyo(), choices={"fields": ("blood-type",)}),
    ],
    R.ROW_UNASKED: [
        lambda: with_person(
            juminhyo(), rows=(*first_person(juminhyo()).rows, Row(label="個人番号", value="1" * 12))
        ),
        lambda: juminhyo().change_sheet(
            head=(*juminhyo().content.sheets[0].head, Row(label="世帯主", value=TARO))
        ),
    ],
    R.ROW_ORDER: [
        lambda: with_person(juminhyo(), rows=first_person(juminhyo()).rows[::-1]),
        lambda: with_person(
            juminhyo(), rows=first_person(juminhyo()).rows[:1] + first_person(juminhyo()).rows
        ),
    ],
    R.VALUE: [lambda: with_person(juminhyo(), rows=other_value(first_person(juminhyo()).rows))],
    R.AMOUNTS: [
        lambda: kazei().change_sheet(amounts=()),
        lambda: kazei().change_sheet(amounts=kazei(2025).content.sheets[0].amounts),
        lambda: kazei().change_sheet(amounts=other_value(kazei().content.sheets[0].amounts)),
        no_amounts_on_record,
    ],
    R.SEAL: [
        lambda: with_seal(inkan(), seal_png(64)),
        lambda: manifest(inkan(), content=without_seal(inkan().content)),
        lambda: manifest(juminhyo(), content=with_a_seal(juminhyo().content)),
        lambda: registered(b"no picture"),
        lambda: registered(blank_seal()),
    ],
    R.PAGE_COUNT: [
        lambda: manifest(juminhyo(), codes=()),
        lambda: pdf(juminhyo(), lambda _: juminhyo(10).pdf),
        lambda: pdf(juminhyo(10), lambda _: juminhyo().pdf),
        a_thousand_pages,
    ],
    R.SEALING: [
        lambda: replace(juminhyo(), sealed_for="9" * 32),
        lambda: replace(
            juminhyo(),
            edit_answer=lambda a: msgspec.structs.replace(a, sealed=a.sealed[:-1] + b"x"),
        ),
    ],
    R.DOCUMENT_HASH: [lambda: manifest(juminhyo(), document_sha256="9" * 64)],
    R.TOO_LARGE: [
        lambda: pdf(juminhyo(), huge_stream),
        lambda: pdf(juminhyo(), lambda data: data + bytes(5 * 1024 * 1024)),
        lambda: on_top(juminhyo(), "0.5 w 50 500 m 60 500 l S " * 5000),
    ],
    R.UNREADABLE: [
        lambda: pdf(juminhyo(), lambda _: b"%PDF-1.7\n"),
        lambda: pdf(juminhyo(), lambda _: b""),
    ],
    R.ENCRYPTED: [lambda: pdf(juminhyo(), encrypted)],
    R.ACTIVE_CONTENT: [
        lambda: pdf(
            juminhyo(),
            catalog("/OpenAction", lambda _: pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS="1")),
        ),
        lambda: pdf(juminhyo(), lambda data: page_of(data, add_annotation)),
        lambda: pdf(juminhyo(), lambda data: page_of(data, add_layer)),
        lambda: pdf(juminhyo(), catalog("/AcroForm", lambda _: pikepdf.Dictionary(Fields=[]))),
    ],
    R.PAPER_SIZE: [
        lambda: pdf(
            juminhyo(),
            lambda data: page_of(data, lambda _, p: setattr(p, "MediaBox", [0, 0, 612, 792])),
        ),
        lambda: pdf(juminhyo(), lambda data: page_of(data, lambda _, p: setattr(p, "Rotate", 90))),
    ],
    R.FOREIGN_OBJECT: [
        lambda: pdf(juminhyo(), lambda data: page_of(data, add_form_object)),
        lambda: on_top(juminhyo(), "1 1 1 rg 60 600 200 20 re f"),
        lambda: on_top(juminhyo(), "60 600 m 80 620 90 640 100 600 c S"),
    ],
    R.FONT_NOT_EMBEDDED: [lambda: pdf(juminhyo(), lambda data: edited(data, without_embedding))],
    R.HIDDEN_TEXT: [
        lambda: pdf(juminhyo(), first_text(lambda _: [3], "Tr")),
        lambda: pdf(juminhyo(), first_text(lambda o: [o[0], 0], "Tf")),
        two_letters_on_one_place,
        title_over_the_number,
    ],
    R.MISSING_GLYPH: [
        lambda: pdf(juminhyo(), first_text(lambda _: [pikepdf.String(b"\x00\x00")], "Tj")),
        lambda: shown_otherwise_on_the_screen("\u00ad", "\u2212"),  # a soft hyphen
        lambda: shown_otherwise_on_the_screen("\u0336", "\u2014"),  # a stroke through a letter
    ],
    R.PRIVATE_USE: [private_use],
    R.SLANTED_TEXT: [
        lambda: pdf(juminhyo(), first_text(lambda o: [o[0], 0.3, *o[2:]], "Tm")),
        lambda: pdf(juminhyo(), first_text(lambda o: [0.8, *o[1:]], "Tm")),
    ],
    R.STRAY_TEXT: [
        lambda: pdf(juminhyo(), first_text(lambda o: [*o[:5], -40], "Tm")),
        lambda: pdf(juminhyo(), first_text(lambda o: [*o[:4], 5000, 0], "Tm")),
    ],
    R.TEXT_SIZE: [lambda: pdf(juminhyo(), first_text(lambda o: [o[0], 5], "Tf"))],
    R.PAGE_TEXT: [
        lambda: shown(juminhyo(), heading="神戸市"),
        lambda: shown(juminhyo(), notes=()),
        lambda: shown_sheet(juminhyo(), people=(named(HANAKO),)),
        lambda: shown_sheet(juminhyo(), head=(Row(label="住所", value="神戸市"),)),
        lambda: shown(juminhyo(), stamp="神戸市長之印"),
    ],
    R.RULES: [
        lambda: on_top(juminhyo(), "[0.001] 0 d 0.5 w 42.5 737 m 552.7 737 l S"),
        lambda: on_top(
            juminhyo(), "0.5 w 42.5 234 m 300 234 l S " + "0.5 w 42.5 660 m 552 660 l S "
        ),
        lambda: line_through_a_row(juminhyo()),
        lambda: on_top(juminhyo(), "0.5 w 60 100 m 100 100 l S"),
        lambda: on_top(juminhyo(), "0.5 w 60 400 m 100 410 l S"),
        lambda: on_top(juminhyo(), "9 w 42.5 737 m 552.7 737 l S"),
        # as thick as a line may be, and as near to its border: over the feet of the address
        lambda: on_top(juminhyo(), "2 w 42.5 724.5 m 552.7 724.5 l S"),
    ],
    R.BOXES: [
        lambda: on_top(juminhyo(), "0.5 w 60 60 40 40 re S"),
        lambda: on_top(juminhyo(), "0.5 w 383 139 42 17 re S"),
    ],
    R.PICTURE: [
        lambda: pdf(juminhyo(), lambda data: page_of(data, add_picture)),
        lambda: pdf(inkan(), lambda _: with_seal(inkan(), seal_png(64)).pdf),
        lambda: pdf(inkan(), first_image_moved),
    ],
    R.DRAWING: [
        lambda: pdf(juminhyo(), other_letters),
        lambda: pdf(juminhyo(), lambda data: prepended(data, "100 100 200 600 re W n")),
        lambda: pdf(juminhyo(), first_text(lambda _: [1], "scn")),
    ],
    R.OFF_PAPER: [lambda: replace(juminhyo(), target=NARROW)],
    R.CODE_AREA: [last_letter_over_the_edge],
    R.CODE: [
        lambda: bad_codes(juminhyo()),
        lambda: replace(
            juminhyo(), edit_code=lambda code: msgspec.structs.replace(code, holder=HANAKO)
        ),
        lambda: replace(
            juminhyo(), edit_code=lambda code: msgspec.structs.replace(code, digest=bytes(16))
        ),
        lambda: replace(
            juminhyo(), edit_code=lambda code: msgspec.structs.replace(code, city="281000")
        ),
        lambda: replace(juminhyo(), edit_code=lambda code: msgspec.structs.replace(code, people=2)),
        lambda: replace(kazei(), edit_code=lambda code: msgspec.structs.replace(code, year=2025)),
        lambda: replace(
            juminhyo(),
            edit_code=lambda code: msgspec.structs.replace(code, day=ISSUED - timedelta(1)),
        ),
        a_name_too_long_for_any_code,
    ],
}

ALL = [(reason, at) for reason, flaws in FLAWS.items() for at in range(len(flaws))]


@pytest.mark.parametrize(("reason", "at"), ALL, ids=[f"{reason}-{at}" for reason, at in ALL])
def test_each_flaw_is_refused_for_its_reason(reason: SheetReason, at: int) -> None:
    found = FLAWS[reason][at]().run()
    assert isinstance(found, RefusedDocument), "admitted"
    assert found.reason is reason


def test_every_reason_has_a_flaw_and_an_explanation() -> None:
    assert FLAWS.keys() == set(SheetReason)
    assert all(FLAWS.values())
    assert EXPLAINED.keys() == set(SheetReason)
