"""Certificates as the city would send them: typeset here, signed with a key made here."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image, ImageDraw

from city.document import Document, Person, Row
from city.typesetting import typeset
from firmware.link.messages import Manifest, SheetCode
from firmware.link.signing import sign_code, verify_code
from firmware.sheets.check import Expected

KEY = Ed25519PrivateKey.generate()
VERIFY: Callable[[bytes], SheetCode] = partial(verify_code, [KEY.public_key()])
ISSUED = date(2026, 11, 24)
TARO, HANAKO, YOSHIDA = "葛\U000e0102城　太郎", "辻\U000e0103　花子", "𠮷田　邊\U000e0109子"


def seal_png() -> bytes:
    image = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(image).ellipse((6, 6, 293, 293), outline=0, width=14)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def document(kind: str = "juminhyo", names: tuple[str, ...] = (TARO,), **changes: object) -> Document:
    titles = {"juminhyo": "住民票の写し", "inkan": "印鑑登録証明書", "kazei": "所得・課税証明書"}
    rows = (Row("生年月日", "平成2年5月14日"), Row("性別", "女"), Row("前住所", "神戸市中央区加納町六丁目5番1号"))
    base = Document(
        kind=kind,
        form=kind,
        city="明石市",
        title=titles[kind],
        subtitle="",
        holder=TARO,
        head=(Row("住所", "兵庫県明石市中崎一丁目5番1号"),),
        people=tuple(Person(name, "カツラギ　タロウ", rows) for name in names),
        amounts=(Row("所得", ""), Row("給与所得", "3,656,000円")) if kind == "kazei" else (),
        statement="この写しは、原本と相違ないことを証明します。",
        notes=(),
        unique_number="A7K29QXM4T8R",
        issued_on=ISSUED,
        issued_era="令和8年11月24日",
        issuer="明石市長　明石　次郎",
        verification="二次元コードで確認できます。",
        seal=seal_png() if kind == "inkan" else b"",
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Case:
    """A document with what goes with it. `verify` is what the kiosk checks codes with."""

    pdf: bytes
    manifest: Manifest
    expected: Expected
    verify: Callable[[bytes], SheetCode] = VERIFY


def case(doc: Document, pdf: bytes | None = None, pages: int = 0) -> Case:
    """`doc` as promised; `pdf` what came instead of it, properly signed all the same."""
    if pdf is None:
        typeset_doc = typeset(doc)
        pdf, pages = typeset_doc.pdf, typeset_doc.pages
    digest, days = hashlib.sha256(pdf), (doc.issued_on - date(2000, 1, 1)).days
    codes = (SheetCode(doc.unique_number, n, pages, days, digest.digest()[:18]) for n in range(1, pages + 1))
    names = tuple(person.name for person in doc.people)
    bound = {
        "session": "1" * 32,
        "order": "2" * 32,
        "kiosk": "akashi-01",
        "card_sha256": "3" * 64,
        "request_sha256": "4" * 64,
        "holder": doc.holder,
        "members": names,
        "kind": doc.kind,
        "title": doc.title,
        "copies": 1,
        "fee": 100,
    }
    manifest = Manifest(
        protocol=1,
        issued_on=doc.issued_era,
        unique_number=doc.unique_number,
        record_version=7,
        pages=pages,
        seal_page=1 if doc.seal else 0,
        document_sha256=digest.hexdigest(),
        codes=tuple(sign_code(KEY, code) for code in codes),
        **bound,  # type: ignore[arg-type]
    )
    return Case(pdf, manifest, Expected(days=(ISSUED, ISSUED), **bound))  # type: ignore[arg-type]
