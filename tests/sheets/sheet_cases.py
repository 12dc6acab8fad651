"""Certificates as a city would send them, with everything a kiosk knows of the order; keys made
here.

The contents are written out here, not composed by the product: they say what `docs/forms.md` asks
for.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image, ImageDraw

from city.document import Layout
from city.typesetting import typeset
from firmware.link import sealing, signing
from firmware.link.commitments import Field, Opening, commitment, field_hash
from firmware.link.content import Content, Person, Row, Sheet, sheet_digest
from firmware.link.form_terms import AmountSection, Form, FormFee, FormIssuer, FormTerms
from firmware.link.messages import (
    Choice,
    Manifest,
    Offer,
    Option,
    OrderAnswer,
    OrderRequest,
    SessionAnswer,
    request_sha256,
    seal_info,
)
from firmware.link.sheet_code import SheetCode
from firmware.sheets.admit import Admitted, RefusedDocument, SignedTerms, Trust, admit
from firmware.sheets.binding import Ordered
from firmware.sheets.prepare import Target

ISSUING, TERMS, OTHER_KEY = (Ed25519PrivateKey.generate() for _ in range(3))
SESSION_KEY = sealing.generate()
TRUST = Trust(issuing_keys=[ISSUING.public_key()], terms_keys=[TERMS.public_key()])
TARGET = Target(dpi=203, width=1664)
ISSUED = date(2026, 11, 24)
KIOSK, SESSION, ORDER, CARD = "akashi-01", "1" * 32, "2" * 32, "3" * 64
TARO, HANAKO, YOSHIDA = "葛\U000e0102城　太郎", "辻\U000e0103　花子", "𠮷田　邊\U000e0109子"
PAGE = "https://verify.akashi.example/v"


def seal_png(ink: int = 0) -> bytes:
    image = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(image).ellipse((6, 6, 293, 293), outline=ink, width=14)
    ImageDraw.Draw(image).line((60, 60, 240, 200), fill=ink, width=14)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


# -- the terms that the city signed

ROWS = (
    "フリガナ",
    "旧氏",
    "通称",
    "生年月日",
    "性別",
    "続柄",
    "前住所",
    "本籍",
    "筆頭者の氏名",
    "個人番号",
)


def form(kind: str, **values: Any) -> Form:
    usual: dict[str, Any] = {
        "kind": kind,
        "form": kind,
        "since": date(2016, 1, 25),
        "until": None,
        "fees": (
            FormFee(since=date(2016, 1, 25), yen=250),
            FormFee(since=date(2024, 1, 4), yen=100),
        ),
        "copies": 3,
        "subtitles": {},
        "notes": (),
        "head": (),
        "fields": {},
        "tax_rows": (),
        "amounts": (),
        "seal_mm": 18.0,
    }
    return Form(**(usual | values))


FORMS = (
    form(
        "juminhyo",
        title={"ja": "住民票の写し", "en": "Certificate of residence"},
        subtitles={"household": "（世帯全員）", "part": "（世帯の一部）"},
        statements={
            "household": "この写しは、世帯全員の住民票の原本と相違ないことを証明します。",
            "part": "この写しは、世帯の一部の住民票の原本と相違ないことを証明します。",
        },
        notes=("この証明書は、固有番号が同じ用紙がそろって１通です。",),
        head=("住所", "世帯主"),
        rows=ROWS,
        always=("住所", "フリガナ", "旧氏", "通称", "生年月日", "性別", "前住所"),
        fields={
            "relationship": ("世帯主", "続柄"),
            "domicile": ("本籍", "筆頭者の氏名"),
            "mynumber": ("個人番号",),
        },
    ),
    form(
        "inkan",
        title={"ja": "印鑑登録証明書"},
        statements={"seal": "この写しは、登録されている印影と相違ないことを証明します。"},
        rows=("フリガナ", "旧氏", "通称", "生年月日", "住所"),
        always=("フリガナ", "旧氏", "通称", "生年月日", "住所"),
    ),
    form(
        "kazei",
        title={"ja": "所得・課税証明書"},
        subtitles={"tax": "{fiscal}（{income}分所得）"},
        statements={"tax": "上記のとおり相違ないことを証明します。"},
        rows=("フリガナ", "旧氏", "通称", "生年月日", "現住所"),
        always=("フリガナ", "旧氏", "通称", "生年月日", "現住所"),
        tax_rows=("{calendar}1月1日の住所",),
        amounts=(
            AmountSection(
                heading="収入・所得の金額",
                labels=("給与収入金額", "公的年金等収入金額", "合計所得金額"),
            ),
            AmountSection(heading="税額", labels=("市民税所得割額", "年税額")),
        ),
    ),
)
FORM_TERMS = FormTerms(
    city="282031",
    heading="明石市",
    verification="右下のコードを読み取ると、明石市が発行した証明書であることを確認できます。",
    verification_page=PAGE,
    issuers=(
        FormIssuer(
            since=date(2016, 1, 1), office="明石市長", officer="明石　次郎", stamp="明石市長之印"
        ),
    ),
    forms=FORMS,
)

# -- the records that the city committed to

NO_VALUE = dict.fromkeys(ROWS, "")
Values = dict[str, str]


def person_record(name: str, **changes: str) -> Values:
    return {
        "氏名": name,
        **NO_VALUE,
        "フリガナ": "カツラギ　タロウ",
        "生年月日": "平成2年5月14日",
        "性別": "女",
        "続柄": "妻",
        "前住所": "神戸市中央区加納町六丁目5番1号",
        "本籍": "兵庫県明石市中崎一丁目5番地の17",
        "筆頭者の氏名": "葛\U000e0102城　一郎",
        "個人番号": "123456789018",
        "住所": "兵庫県明石市中崎一丁目5番1号",
        "現住所": "兵庫県明石市中崎一丁目5番1号",
        "世帯主": TARO,
        **changes,
    }


def tax_record(year: int) -> Values:
    return {
        f"令和{year - 2018}年1月1日の住所": "兵庫県明石市中崎一丁目5番1号",
        "給与収入金額": f"{year},000円",
        "公的年金等収入金額": "",
        "合計所得金額": "4,552,000円",
        "市民税所得割額": "172,000円",
        "年税額": "292,500円",
    }


def household(size: int) -> dict[str, Values]:
    names = (TARO, HANAKO, YOSHIDA, *(f"葛\U000e0102城　{n}郎" for n in "二三四五六七八"))
    born = (f"平成{n}年5月14日" for n in range(2, 30))
    return {
        f"m{n}": person_record(name, 生年月日=next(born)) for n, name in enumerate(names[:size], 1)
    }


@dataclass(frozen=True)
class Case:
    """One order and what came of it; everything can be replaced, and is signed anew when it is
    used.
    """

    kind: str
    records: Mapping[str, Values]
    choices: Mapping[str, tuple[str, ...]]
    content: Content
    open: Mapping[str, frozenset[str]]  # record -> labels that the manifest opens
    pdf: bytes = b""
    terms: FormTerms = FORM_TERMS
    copies: int = 1
    edit_manifest: Callable[[Manifest], Manifest] = lambda manifest: manifest
    edit_session: Callable[[SessionAnswer], SessionAnswer] = lambda session: session
    edit_answer: Callable[[OrderAnswer], OrderAnswer] = lambda answer: answer
    edit_ordered: Callable[[Ordered], Ordered] = lambda ordered: ordered
    edit_code: Callable[[SheetCode], SheetCode] = lambda code: code
    edit_terms: Callable[[SignedTerms], SignedTerms] = lambda terms: terms
    signer: Ed25519PrivateKey = ISSUING
    target: Target = TARGET
    trust: Trust = TRUST
    sealed_for: str = ORDER
    committed: Mapping[str, Values] = field(
        default_factory=dict
    )  # where the city said something else before

    def run(self) -> Admitted | RefusedDocument:
        ordered = self.edit_ordered(self.ordered())
        return admit(
            ordered,
            self.signed_terms(),
            self.answer(),
            SESSION_KEY.private,
            self.trust,
            self.target,
        )

    def change(self, **changes: Any) -> Case:
        """The content is another, and so is the paper: both are consistent."""
        return with_paper(replace(self, content=msgspec.structs.replace(self.content, **changes)))

    def change_sheet(self, number: int = 0, **changes: Any) -> Case:
        sheets = list(self.content.sheets)
        sheets[number] = msgspec.structs.replace(sheets[number], **changes)
        return self.change(sheets=tuple(sheets))

    # -- what the kiosk knows

    def request(self) -> OrderRequest:
        return OrderRequest(
            session=SESSION,
            order=ORDER,
            kind=self.kind,
            choices=dict(self.choices),
            copies=self.copies,
        )

    def session(self) -> SessionAnswer:
        people = {key: record for key, record in self.records.items() if key.startswith("m")}
        committed = {**self.records, **self.committed}
        answer = SessionAnswer(
            session=SESSION,
            holder="m1",
            holder_birth=self.records["m1"]["生年月日"],
            holder_address=self.records["m1"]["住所"],
            members={key: record["氏名"] for key, record in people.items()},
            records={
                key: commitment(SESSION, key, 7, whole(key, record))
                for key, record in committed.items()
            },
            record_version=7,
            offers=(self.offer(),),
            card_expires_in_days=700,
            ends_in_s=1800,
        )
        return self.edit_session(answer)

    def offer(self) -> Offer:
        title = next(f.title for f in FORMS if f.kind == self.kind)
        years = tuple(Choice(id=key) for key in self.records if key.startswith("y"))
        year = (
            Option(id="year", type="one", choices=years, default=(years[0].id,)) if years else None
        )
        options = (year,) if year else ()
        return Offer(kind=self.kind, title=title, fee=100, refusal=None, options=options)

    def ordered(self) -> Ordered:
        return Ordered(KIOSK, CARD, self.request(), self.session(), (ISSUED, ISSUED))

    def signed_terms(self) -> SignedTerms:
        body = msgspec.json.encode(self.terms)
        return self.edit_terms(SignedTerms(body, signing.sign_form_terms(TERMS, body)))

    # -- what the city sends

    def manifest(self) -> Manifest:
        salt = b"s" * 16
        codes = (self.code(number, salt) for number in range(1, self.content.pages + 1))
        manifest = Manifest(
            protocol=2,
            kiosk=KIOSK,
            session=SESSION,
            order=ORDER,
            card_sha256=CARD,
            request_sha256=request_sha256(self.request()),
            kind=self.kind,
            record_version=7,
            copies=self.copies,
            fee=100 * self.copies,
            content=self.content,
            salt=salt,
            openings={key: self.opening(key, labels) for key, labels in self.open.items()},
            document_sha256=hashlib.sha256(self.pdf).hexdigest(),
            codes=tuple(codes),
        )
        return self.edit_manifest(manifest)

    def opening(self, key: str, labels: frozenset[str]) -> Opening:
        all_fields = fields(key, self.records[key])
        return Opening(
            labels=tuple(f.label for f in all_fields),
            fields=tuple(f if f.label in labels else field_hash(f) for f in all_fields),
        )

    def code(self, number: int, salt: bytes) -> bytes:
        content, certified = self.content, self.kind == "juminhyo"
        people = sum(len(sheet.people) for sheet in content.sheets)
        code = SheetCode(
            key=signing.reference(ISSUING.public_key()),
            city="282031",
            day=ISSUED,
            kind=self.kind,
            unique_number=content.unique_number,
            page=number,
            pages=content.pages,
            holder=self.records["m1"]["氏名"],
            year=int(self.choices["year"][0][1:]) if self.kind == "kazei" else None,
            people=people if certified else None,
            whole=certified and "全員" in content.subtitle,
            digest=sheet_digest(content, number, salt),
        )
        return signing.sign_code(ISSUING, self.edit_code(code))

    def answer(self) -> OrderAnswer:
        body = msgspec.json.encode(self.manifest())
        sealed = sealing.seal(
            SESSION_KEY.public, seal_info(KIOSK, SESSION, self.sealed_for), self.pdf
        )
        signature = signing.sign_manifest(self.signer, body)
        return self.edit_answer(
            OrderAnswer(order=ORDER, manifest=body, manifest_signature=signature, sealed=sealed)
        )


def fields(key: str, record: Mapping[str, str]) -> tuple[Field, ...]:
    return tuple(Field(label=k, value=v, salt=_salt(key, k)) for k, v in record.items())


def whole(key: str, record: Mapping[str, str]) -> Opening:
    return Opening(labels=tuple(record), fields=fields(key, record))


def _salt(key: str, label: str) -> bytes:
    return hashlib.sha256(f"{key} {label}".encode()).digest()[:16]


def with_paper(case: Case) -> Case:
    """The paper shows this content."""
    return replace(case, pdf=paper(case.content, case.kind))


@lru_cache(maxsize=64)
def _paper(content: bytes, form_name: str) -> bytes:
    return typeset(msgspec.json.decode(content, type=Content), Layout(form_name)).pdf  # type: ignore[arg-type]


def paper(content: Content, form_name: str) -> bytes:
    return _paper(msgspec.json.encode(content), form_name)


# -- certificates that are right


def rows(record: Values, labels: Sequence[str]) -> tuple[Row, ...]:
    return tuple(Row(label=label, value=record[label]) for label in labels if record[label])


def content(kind: str, sheets: tuple[Sheet, ...], case_name: str, subtitle: str) -> Content:
    its_form = next(f for f in FORMS if f.kind == kind)
    return Content(
        heading="明石市",
        title=its_form.title["ja"],
        subtitle=subtitle,
        unique_number="A7K29QXM4T8R",
        statement=its_form.statements[case_name],
        issued_on="令和8年11月24日",
        office="明石市長",
        officer="明石　次郎",
        stamp="明石市長之印",
        notes=its_form.notes,
        verification=FORM_TERMS.verification,
        sheets=sheets,
    )


def juminhyo(size: int = 1, chosen: Sequence[str] = (), wanted: Sequence[str] = ()) -> Case:
    """`size`: of the household; `chosen`: members, all of them when there are none; `wanted`:
    fields.
    """
    records = household(size)
    people = list(chosen) or list(records)
    its_form = FORMS[0]
    shown = {*its_form.always, *(label for name in wanted for label in its_form.fields[name])}
    body = [label for label in ROWS if label in shown]
    head = rows(records["m1"], [label for label in its_form.head if label in shown])
    boxes = [Person(name=records[key]["氏名"], rows=rows(records[key], body)) for key in people]
    sheets = tuple(
        Sheet(
            head=head,
            people=tuple(boxes[at : at + 4]),
            amounts=(),
            seal=b"",
            applicant="" if "m1" in people[at : at + 4] else TARO,
        )
        for at in range(0, len(boxes), 4)
    )
    whole = len(people) == size
    scope = {"scope": ("some",), "members": tuple(chosen)} if chosen else {"scope": ("household",)}
    opened = {key: frozenset({"氏名", *body}) for key in people}
    opened["m1"] = opened.get("m1", frozenset()) | {
        "氏名",
        "生年月日",
        "住所",
        *(row.label for row in head),
    }
    case_name, subtitle = ("household", "（世帯全員）") if whole else ("part", "（世帯の一部）")
    return with_paper(
        Case(
            kind="juminhyo",
            records=records,
            choices={**(scope if size > 1 else {}), "fields": tuple(wanted)},
            content=content("juminhyo", sheets, case_name, subtitle),
            open=opened,
        )
    )


def inkan() -> Case:
    labels = ("フリガナ", "旧氏", "通称", "生年月日", "住所")
    records = {**household(1), "seal": {"印影": hashlib.sha256(seal_png()).hexdigest()}}
    holder = Person(name=TARO, rows=rows(records["m1"], labels))
    sheet = Sheet(head=(), people=(holder,), amounts=(), seal=seal_png(), applicant="")
    return with_paper(
        Case(
            kind="inkan",
            records=records,
            choices={},
            content=content("inkan", (sheet,), "seal", ""),
            open={"m1": frozenset({"氏名", *labels}), "seal": frozenset({"印影"})},
        )
    )


def kazei(year: int = 2026) -> Case:
    labels = ("フリガナ", "旧氏", "通称", "生年月日", "現住所")
    records = {**household(1), "y2026": tax_record(2026), "y2025": tax_record(2025)}
    record = records[f"y{year}"]
    address = next(iter(record))
    person_rows = (*rows(records["m1"], labels), Row(label=address, value=record[address]))
    amounts = (
        Row(label="収入・所得の金額", value=""),
        *rows(record, ("給与収入金額", "公的年金等収入金額", "合計所得金額")),
        Row(label="税額", value=""),
        *rows(record, ("市民税所得割額", "年税額")),
    )
    holder = Person(name=TARO, rows=person_rows)
    sheet = Sheet(head=(), people=(holder,), amounts=amounts, seal=b"", applicant="")
    subtitle = f"令和{year - 2018}年度（令和{year - 2019}年分所得）"
    return with_paper(
        Case(
            kind="kazei",
            records=records,
            choices={"year": (f"y{year}",)},
            content=content("kazei", (sheet,), "tax", subtitle),
            open={"m1": frozenset({"氏名", "住所", *labels}), f"y{year}": frozenset(record)},
        )
    )


RIGHT: Mapping[str, Callable[[], Case]] = {
    "juminhyo-alone": juminhyo,
    "juminhyo-all-fields": lambda: juminhyo(1, wanted=("relationship", "domicile", "mynumber")),
    "juminhyo-household-of-ten": lambda: juminhyo(10),
    "juminhyo-two-of-three": lambda: juminhyo(3, chosen=("m2", "m3"), wanted=("relationship",)),
    "inkan": inkan,
    "kazei": kazei,
    "kazei-year-before": lambda: kazei(2025),
}
