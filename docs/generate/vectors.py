"""docs/vectors.json: every byte string of the line that is hashed, signed or sealed, worked out
once.

Its parts belong together: one order, and the answer to it that a kiosk believes. `python -m
docs.generate.vectors` writes it; a test compares. What follows from the inputs is computed anew.
What is random by nature (a card's signature by a key that was thrown away, a sealed document) is
kept as long as it verifies. All binary values are in lower-case hex; the keys here are for these
examples and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from firmware.link import commitments as records
from firmware.link import form_terms, messages, sealing, signing
from firmware.link.commitments import Field, Opening
from firmware.link.content import DIGEST_SIZE, Content, Person, Row, Sheet, sheet_digest
from firmware.link.sheet_code import SheetCode

FILE: Final = Path(__file__).parents[1] / "vectors.json"
KIOSK = "kiosk-1"
SESSION = "00112233445566778899aabbccddeeff"
ORDER = "ffeeddccbbaa99887766554433221100"
CHALLENGE: Final = bytes(range(32))
CERTIFICATE: Final = b"the DER bytes of the card's certificate"
DOCUMENT: Final = b"%PDF-1.7 stands for the document"
LATTICE_SEED = bytes([1]) * 64
CURVE_KEY = bytes([2]) * 32
ISSUING_SEED = bytes([3]) * 32
TERMS_SEED = bytes([4]) * 32
SHEET_SALT: Final = bytes([5]) * 16
RECORD = "m1"
VERSION = 0x0123456789AB
VALUES: Final = {
    "氏名": "葛\U000e0102城　太郎",
    "旧氏": "",
    "生年月日": "平成2年5月14日",
    "続柄": "世帯主",
    "本籍": "兵庫県明石市中崎一丁目5番地の17",
    "住所": "兵庫県明石市中崎一丁目99番",
    "個人番号": "123456789018",
}
FIELDS: Final = tuple(
    Field(label=label, value=value, salt=bytes([number]) * 16)
    for number, (label, value) in enumerate(VALUES.items(), 6)
)
LABELS: Final = tuple(VALUES)
DAY: Final = date(2026, 11, 24)
PAGE: Final = "https://verify.akashi.example/v"


def vectors(kept: dict[str, Any]) -> dict[str, Any]:
    """`kept`: the file as it is, or {}."""
    return {
        "protocol": messages.PROTOCOL,
        "transcript": _transcript(kept.get("transcript", {})),
        "request": _request(),
        "record": _record(),
        "seal": _seal(kept.get("seal", {})),
        "sheet": _sheet(),
        "manifest": _manifest(),
        "form_terms": _form_terms(),
    }


def _frame(*parts: bytes) -> str:
    """As the page words it, and written a second time: each part after its length in four bytes,
    big-endian.
    """
    return "".join(f"{len(part):08x}{part.hex()}" for part in parts)


def _keys() -> tuple[MLKEM768X25519PrivateKey, bytes]:
    lattice = MLKEM768PrivateKey.from_seed_bytes(LATTICE_SEED)
    curve = X25519PrivateKey.from_private_bytes(CURVE_KEY)
    public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return MLKEM768X25519PrivateKey(lattice, curve), public


def _transcript(kept: dict[str, Any]) -> dict[str, Any]:
    public = _keys()[1]
    parts = (
        b"madoguchi session v2",
        KIOSK.encode(),
        bytes.fromhex(SESSION),
        CHALLENGE,
        hashlib.sha256(CERTIFICATE).digest(),
        public,
    )
    digest = messages.transcript_digest(KIOSK, SESSION, CHALLENGE, CERTIFICATE, public)
    return {
        "kiosk": KIOSK,
        "session": SESSION,
        "challenge": CHALLENGE.hex(),
        "card_certificate": CERTIFICATE.hex(),
        "document_key": public.hex(),
        "hashed": _frame(*parts),
        "sha256": digest.hex(),
        **_card(kept, digest),
    }


def _card(kept: dict[str, Any], digest: bytes) -> dict[str, str]:
    """A card's key and its signature: RSA PKCS#1 v1.5, the digest inside DigestInfo and not hashed
    again.
    """
    try:
        key = load_der_public_key(bytes.fromhex(kept["card_key"]))
        if isinstance(key, RSAPublicKey):
            key.verify(
                bytes.fromhex(kept["signature"]), digest, PKCS1v15(), Prehashed(hashes.SHA256())
            )
            return {"card_key": kept["card_key"], "signature": kept["signature"]}
    except (KeyError, ValueError, InvalidSignature):
        pass
    made = generate_private_key(65537, 2048)
    public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signature = made.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256()))
    return {"card_key": public.hex(), "signature": signature.hex()}


def _order() -> messages.OrderRequest:
    choices = {"scope": ("some",), "members": ("m1",), "fields": ("relationship", "domicile")}
    return messages.OrderRequest(
        session=SESSION, order=ORDER, kind="juminhyo", choices=choices, copies=2
    )


def _request() -> dict[str, Any]:
    order = _order()
    canonical = (
        f'{{"session":"{SESSION}","order":"{ORDER}","kind":"juminhyo","choices":{{"fields":["relationship","domicile"],'
        '"members":["m1"],"scope":["some"]},"copies":2}'
    )
    return {
        "message": json.loads(msgspec.json.encode(order)),
        "hashed": canonical.encode().hex(),
        "sha256": messages.request_sha256(order),
    }


def _seal(kept: dict[str, Any]) -> dict[str, Any]:
    private, public = _keys()
    info = messages.seal_info(KIOSK, SESSION, ORDER)
    sealed = bytes.fromhex(kept.get("sealed", ""))
    try:
        good = sealing.open(private, info, sealed) == DOCUMENT
    except sealing.SealError:
        good = False
    if not good:
        sealed = sealing.seal(public, info, DOCUMENT)
    return {
        "suite": (
            "X-Wing (ML-KEM-768 with X25519), HKDF-SHA256, AES-256-GCM; base mode, one "
            "shot, empty aad"
        ),
        "mlkem768_seed": LATTICE_SEED.hex(),
        "x25519_private": CURVE_KEY.hex(),
        "document_key": public.hex(),
        "kiosk": KIOSK,
        "session": SESSION,
        "order": ORDER,
        "info": _frame(
            b"madoguchi document v2", KIOSK.encode(), bytes.fromhex(SESSION), bytes.fromhex(ORDER)
        ),
        "document": DOCUMENT.hex(),
        "sealed": sealed.hex(),
    }


def _record() -> dict[str, Any]:
    """The record of one person, of which the manifest below opens all but the last field."""
    hashed = [
        _frame(b"madoguchi field v2", f.label.encode(), f.value.encode(), f.salt) for f in FIELDS
    ]
    hashes = [hashlib.sha256(bytes.fromhex(each)).digest() for each in hashed]
    pairs = [
        part for label, each in zip(LABELS, hashes, strict=True) for part in (label.encode(), each)
    ]
    head = (
        b"madoguchi record v2",
        bytes.fromhex(SESSION),
        RECORD.encode(),
        VERSION.to_bytes(8, "big"),
    )
    return {
        "session": SESSION,
        "record": RECORD,
        "record_version": VERSION,
        "fields": [
            {
                "label": field.label,
                "value": field.value,
                "salt": field.salt.hex(),
                "hashed": each,
                "sha256": records.field_hash(field),
            }
            for field, each in zip(FIELDS, hashed, strict=True)
        ],
        "hashed": _frame(*head, *pairs),
        "sha256": records.commitment(
            SESSION, RECORD, VERSION, Opening(labels=LABELS, fields=FIELDS)
        ),
    }


def _content() -> Content:
    rows = tuple(Row(label=label, value=VALUES[label]) for label in ("生年月日", "続柄", "本籍"))
    head = (Row(label="住所", value=VALUES["住所"]),)
    person = Person(name=VALUES["氏名"], rows=rows)
    return Content(
        heading="明石市",
        title="住民票の写し",
        subtitle="（世帯の一部）",
        unique_number="7K3M9PQ2XW4T",
        statement="この写しは、世帯の一部の住民票の原本と相違ないことを証明します。",
        issued_on="令和8年11月24日",
        office="明石市長",
        officer="明石　次郎",
        stamp="明石市長之印",
        notes=(),
        verification="右下のコードで確認できます。",
        sheets=(Sheet(head=head, people=(person,), amounts=(), seal=b"", applicant=""),),
    )


def _code() -> SheetCode:
    content = _content()
    return SheetCode(
        key=_key_reference(),
        city="282031",
        day=DAY,
        kind="juminhyo",
        unique_number=content.unique_number,
        page=1,
        pages=1,
        holder=VALUES["氏名"],
        people=1,
        whole=False,
        digest=sheet_digest(content, 1, SHEET_SALT),
    )


def _issuing() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(ISSUING_SEED)


def _key_reference() -> bytes:
    return hashlib.sha256(_issuing().public_key().public_bytes_raw()).digest()[:4]


def _sheet() -> dict[str, Any]:
    """What the digest in a sheet's code is made of, and the code. All but the signature is written
    a second time.
    """
    code = _code()
    key = _issuing()
    shown = json.loads(msgspec.json.encode(_content()))
    body = json.dumps([1, 1, shown], ensure_ascii=False, separators=(",", ":")).encode()
    hashed = _frame(b"madoguchi sheet v2", SHEET_SALT, body)
    fields = (
        (1, b"juminhyo"),
        (2, code.unique_number.encode()),
        (3, bytes((1, 1))),
        (4, code.holder.encode()),
        (6, bytes((1, 0))),
        (7, hashlib.sha256(bytes.fromhex(hashed)).digest()[:DIGEST_SIZE]),
    )
    days = (DAY - date(2000, 1, 1)).days
    header = b"MG\x02" + code.key + (282031).to_bytes(3, "big") + days.to_bytes(2, "big")
    head = header + b"".join(bytes((tag, len(value))) + value for tag, value in fields)
    payload = signing.sign_code(key, code)
    behind = base64.b32encode(payload).decode().rstrip("=")
    return {
        "content": shown,
        "salt": SHEET_SALT.hex(),
        "hashed": hashed,
        "digest": code.digest.hex(),
        "issuing_key": key.public_key().public_bytes_raw().hex(),
        "key_reference": code.key.hex(),
        "head": head.hex(),
        "signed": _frame(b"madoguchi code v2", head),
        "payload": payload.hex(),
        "address": f"{PAGE}#{behind}",
    }


def _manifest() -> dict[str, Any]:
    """Opens the record above but for its last field, which this order did not ask for."""
    key = _issuing()
    manifest = messages.Manifest(
        protocol=messages.PROTOCOL,
        kiosk=KIOSK,
        session=SESSION,
        order=ORDER,
        card_sha256=hashlib.sha256(CERTIFICATE).hexdigest(),
        request_sha256=messages.request_sha256(_order()),
        kind="juminhyo",
        record_version=VERSION,
        copies=2,
        fee=600,
        content=_content(),
        salt=SHEET_SALT,
        openings={
            RECORD: Opening(labels=LABELS, fields=(*FIELDS[:-1], records.field_hash(FIELDS[-1])))
        },
        document_sha256=hashlib.sha256(DOCUMENT).hexdigest(),
        codes=(signing.sign_code(key, _code()),),
    )
    body = msgspec.json.encode(manifest)
    return {
        "issuing_seed": ISSUING_SEED.hex(),
        "issuing_key": key.public_key().public_bytes_raw().hex(),
        "message": json.loads(body),
        "manifest": body.hex(),
        "signed": _frame(b"madoguchi manifest v2", body),
        "signature": signing.sign_manifest(key, body).hex(),
    }


def _form_terms() -> dict[str, Any]:
    key = Ed25519PrivateKey.from_private_bytes(TERMS_SEED)
    form = form_terms.Form(
        kind="juminhyo",
        form="juminhyo",
        since=date(2016, 1, 25),
        until=None,
        title={"ja": "住民票の写し"},
        fees=(form_terms.FormFee(since=date(2016, 1, 25), yen=300),),
        copies=3,
        subtitles={"household": "（世帯全員）", "part": "（世帯の一部）"},
        statements={
            "household": "この写しは、世帯全員の住民票の原本と相違ないことを証明します。",
            "part": "この写しは、世帯の一部の住民票の原本と相違ないことを証明します。",
        },
        notes=(),
        head=("住所",),
        rows=("旧氏", "生年月日", "続柄", "本籍", "個人番号"),
        always=("住所", "旧氏", "生年月日"),
        fields={"relationship": ("続柄",), "domicile": ("本籍",), "mynumber": ("個人番号",)},
        tax_rows=(),
        amounts=(),
        seal_mm=18.0,
    )
    issuer = form_terms.FormIssuer(
        since=date(2016, 1, 1), office="明石市長", officer="明石　次郎", stamp="明石市長之印"
    )
    terms = form_terms.FormTerms(
        city="282031",
        heading="明石市",
        verification="右下のコードで確認できます。",
        verification_page=PAGE,
        issuers=(issuer,),
        forms=(form,),
    )
    body = msgspec.json.encode(terms)
    return {
        "terms_seed": TERMS_SEED.hex(),
        "terms_key": key.public_key().public_bytes_raw().hex(),
        "message": json.loads(body),
        "terms": body.hex(),
        "signed": _frame(b"madoguchi form terms v2", body),
        "signature": signing.sign_form_terms(key, body).hex(),
    }


def written() -> str:
    """The file's text, on the strength of the one that is there."""
    kept = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    return json.dumps(vectors(kept), ensure_ascii=False, indent=1) + "\n"


def main() -> int:
    FILE.write_text(written(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
