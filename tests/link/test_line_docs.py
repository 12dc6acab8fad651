"""What is written about the line is so: fields, refusals, and every hashed, signed and
sealed byte.
"""

from __future__ import annotations

import hashlib
import json
import struct
from datetime import date
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from docs.generate import line_messages, vectors
from firmware.link import form_terms, messages, sealing, sheet_code, signing
from firmware.link.commitments import Field, Opening, commitment, field_hash
from firmware.link.content import Content, sheet_digest
from firmware.sheets.admit import SignedTerms, Trust, check_document
from firmware.sheets.binding import Ordered
from firmware.sheets.fault import SheetFault, SheetReason

VECTORS: dict[str, Any] = json.loads(vectors.FILE.read_text("utf-8"))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648


def binary(part: str, name: str) -> bytes:
    return bytes.fromhex(VECTORS[part][name])


def framed(*parts: bytes) -> bytes:
    """The framing as the page words it, once more."""
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def base32(text: str) -> bytes:
    """A decoder of our own: five bits a letter, the bits that are left over are 0."""
    bits = "".join(f"{ALPHABET.index(letter):05b}" for letter in text)
    whole = len(bits) // 8 * 8
    assert not bits[whole:].strip("0")
    return bytes(int(bits[at : at + 8], 2) for at in range(0, whole, 8))


def tagged(message: bytes) -> dict[int, bytes]:
    found = {}
    while message:
        tag, size = message[0], message[1]
        found[tag] = message[2 : 2 + size]
        message = message[2 + size :]
    return found


def test_the_pages_are_what_the_types_say() -> None:
    assert line_messages.PAGE.read_text("utf-8") == line_messages.page() + "\n"
    assert vectors.FILE.read_text("utf-8") == vectors.written()


@pytest.mark.parametrize("part", ["transcript", "request"])
def test_what_is_hashed_has_that_hash(part: str) -> None:
    assert hashlib.sha256(binary(part, "hashed")).hexdigest() == VECTORS[part]["sha256"]


def test_the_transcript_is_framed_as_the_page_says_and_signed_by_the_card() -> None:
    at = VECTORS["transcript"]
    key = load_der_public_key(binary("transcript", "card_key"))
    assert isinstance(key, RSAPublicKey)
    key.verify(
        binary("transcript", "signature"),
        binary("transcript", "sha256"),
        PKCS1v15(),
        Prehashed(hashes.SHA256()),
    )
    digest = messages.transcript_digest(
        at["kiosk"],
        at["session"],
        binary("transcript", "challenge"),
        binary("transcript", "card_certificate"),
        binary("transcript", "document_key"),
    )
    assert digest.hex() == at["sha256"]


def test_what_is_sealed_opens_with_that_info_and_no_other() -> None:
    at, (private, public) = VECTORS["seal"], vectors._keys()
    sealed = binary("seal", "sealed")
    assert messages.seal_info(at["kiosk"], at["session"], at["order"]).hex() == at["info"]
    assert sealing.open(private, binary("seal", "info"), sealed) == binary("seal", "document")
    assert len(sealed) == 1120 + len(binary("seal", "document")) + 16
    assert len(public) == 1184 + 32
    with pytest.raises(sealing.SealError):
        sealing.open(private, messages.seal_info(at["kiosk"], at["session"], at["session"]), sealed)


def test_a_record_is_committed_to_as_the_page_says() -> None:
    at = VECTORS["record"]
    for field in at["fields"]:
        made = Field(label=field["label"], value=field["value"], salt=bytes.fromhex(field["salt"]))
        assert field_hash(made) == field["sha256"]
        assert hashlib.sha256(bytes.fromhex(field["hashed"])).hexdigest() == field["sha256"]
    hashes = [field["sha256"] for field in at["fields"]]
    labels = tuple(field["label"] for field in at["fields"])
    closed = Opening(labels=labels, fields=tuple(hashes))
    assert commitment(at["session"], at["record"], at["record_version"], closed) == at["sha256"]
    assert hashlib.sha256(binary("record", "hashed")).hexdigest() == at["sha256"]


def test_the_manifest_opens_the_committed_record_and_keeps_one_value_closed() -> None:
    manifest = msgspec.json.decode(binary("manifest", "manifest"), type=messages.Manifest)
    at = VECTORS["record"]
    opening = manifest.openings[at["record"]]
    assert (
        commitment(manifest.session, at["record"], manifest.record_version, opening) == at["sha256"]
    )
    assert [field for field in opening.fields if isinstance(field, str)] == [
        at["fields"][-1]["sha256"]
    ]
    assert at["fields"][-1]["value"] not in binary("manifest", "manifest").decode()


def test_what_is_signed_verifies() -> None:
    key = Ed25519PublicKey.from_public_bytes(binary("manifest", "issuing_key"))
    key.verify(binary("manifest", "signature"), binary("manifest", "signed"))
    signing.verify_manifest([key], binary("manifest", "manifest"), binary("manifest", "signature"))
    terms_key = Ed25519PublicKey.from_public_bytes(binary("form_terms", "terms_key"))
    terms_key.verify(binary("form_terms", "signature"), binary("form_terms", "signed"))
    signing.verify_form_terms(
        [terms_key], binary("form_terms", "terms"), binary("form_terms", "signature")
    )
    terms = msgspec.json.decode(binary("form_terms", "terms"), type=form_terms.FormTerms)
    assert json.loads(msgspec.json.encode(terms)) == VECTORS["form_terms"]["message"]


def test_a_sheets_code_is_made_and_signed_as_the_page_says() -> None:
    at = VECTORS["sheet"]
    content = msgspec.convert(at["content"], Content)
    digest = hashlib.sha256(binary("sheet", "hashed")).digest()[:16]
    assert sheet_digest(content, 1, binary("sheet", "salt")) == digest == binary("sheet", "digest")
    key = Ed25519PublicKey.from_public_bytes(binary("sheet", "issuing_key"))
    payload = binary("sheet", "payload")
    key.verify(payload[-64:], binary("sheet", "signed"))
    assert payload[:-64] == binary("sheet", "head")
    code = signing.verify_code([key], payload)
    assert (code.digest, code.holder, code.city) == (
        digest,
        VECTORS["record"]["fields"][0]["value"],
        "282031",
    )
    assert sheet_code.payload_of(at["address"]) == payload


def test_everything_hashed_signed_or_sealed_is_framed_with_words_of_its_own() -> None:
    session, order = (
        bytes.fromhex(VECTORS["seal"]["session"]),
        bytes.fromhex(VECTORS["seal"]["order"]),
    )
    kiosk, salt = VECTORS["seal"]["kiosk"].encode(), binary("sheet", "salt")
    at = VECTORS["record"]
    fields = [
        (f["label"].encode(), f["value"].encode(), bytes.fromhex(f["salt"])) for f in at["fields"]
    ]
    pairs = [
        part for f in at["fields"] for part in (f["label"].encode(), bytes.fromhex(f["sha256"]))
    ]
    version = struct.pack(">Q", at["record_version"])
    card = hashlib.sha256(binary("transcript", "card_certificate")).digest()
    challenge, key = binary("transcript", "challenge"), binary("transcript", "document_key")
    shown = json.dumps(
        [1, 1, VECTORS["sheet"]["content"]], ensure_ascii=False, separators=(",", ":")
    ).encode()
    head, manifest, terms = (
        binary("sheet", "head"),
        binary("manifest", "manifest"),
        binary("form_terms", "terms"),
    )

    assert binary("transcript", "hashed") == framed(
        b"madoguchi session v2", kiosk, session, challenge, card, key
    )
    assert binary("seal", "info") == framed(b"madoguchi document v2", kiosk, session, order)
    assert [bytes.fromhex(f["hashed"]) for f in at["fields"]] == [
        framed(b"madoguchi field v2", *f) for f in fields
    ]
    assert binary("record", "hashed") == framed(
        b"madoguchi record v2", session, at["record"].encode(), version, *pairs
    )
    assert binary("sheet", "hashed") == framed(b"madoguchi sheet v2", salt, shown)
    assert binary("sheet", "signed") == framed(b"madoguchi code v2", head)
    assert binary("manifest", "signed") == framed(b"madoguchi manifest v2", manifest)
    assert binary("form_terms", "signed") == framed(b"madoguchi form terms v2", terms)


def test_the_address_holds_the_payload_and_the_payload_the_fields() -> None:
    at = VECTORS["sheet"]
    page, _, behind = at["address"].partition("#")
    head = binary("sheet", "head")
    key = hashlib.sha256(binary("sheet", "issuing_key")).digest()[:4]
    assert page == VECTORS["form_terms"]["message"]["verification_page"]
    assert base32(behind) == binary("sheet", "payload") == head + binary("sheet", "payload")[-64:]
    assert head[:3] == b"MG\x02" and head[3:7] == key == binary("sheet", "key_reference")
    assert struct.unpack(">I", b"\0" + head[7:10]) == (282031,)
    assert date.fromordinal(
        date(2000, 1, 1).toordinal() + struct.unpack(">H", head[10:12])[0]
    ) == date(2026, 11, 24)
    assert tagged(head[12:]) == {
        1: b"juminhyo",
        2: at["content"]["unique_number"].encode(),
        3: bytes((1, 1)),
        4: at["content"]["sheets"][0]["people"][0]["name"].encode(),
        6: bytes((1, 0)),
        7: binary("sheet", "digest"),
    }


def answer() -> messages.OrderAnswer:
    return messages.OrderAnswer(
        order=VECTORS["seal"]["order"],
        manifest=binary("manifest", "manifest"),
        manifest_signature=binary("manifest", "signature"),
        sealed=binary("seal", "sealed"),
    )


def believe(session: messages.SessionAnswer) -> bytes:
    """What a kiosk that ordered this opens. Raises SheetFault."""
    card = hashlib.sha256(binary("transcript", "card_certificate")).hexdigest()
    request = msgspec.convert(VECTORS["request"]["message"], messages.OrderRequest)
    days = (date(2026, 11, 24), date(2026, 11, 24))
    trust = Trust(
        issuing_keys=[Ed25519PublicKey.from_public_bytes(binary("manifest", "issuing_key"))],
        terms_keys=[Ed25519PublicKey.from_public_bytes(binary("form_terms", "terms_key"))],
    )
    return check_document(
        Ordered(VECTORS["seal"]["kiosk"], card, request, session, days),
        SignedTerms(binary("form_terms", "terms"), binary("form_terms", "signature")),
        answer(),
        vectors._keys()[0],
        trust,
    ).file


def session_answer() -> messages.SessionAnswer:
    at = VECTORS["record"]
    value = {field["label"]: field["value"] for field in at["fields"]}
    return messages.SessionAnswer(
        session=at["session"],
        holder=at["record"],
        holder_birth=value["生年月日"],
        holder_address=value["住所"],
        members={at["record"]: value["氏名"], "m2": "葛城　花子"},
        records={at["record"]: at["sha256"], "m2": "0" * 64},
        record_version=at["record_version"],
        offers=(
            messages.Offer(
                kind="juminhyo", title={"ja": "住民票の写し"}, fee=300, refusal=None, options=()
            ),
        ),
        card_expires_in_days=700,
        ends_in_s=600,
    )


def test_the_examples_are_one_order_and_an_answer_that_a_kiosk_believes() -> None:
    assert believe(session_answer()) == binary("seal", "document")
    record = VECTORS["record"]["record"]
    other = msgspec.structs.replace(session_answer(), records={record: "0" * 64, "m2": "0" * 64})
    with pytest.raises(SheetFault) as refused:
        believe(other)
    assert refused.value.reason is SheetReason.COMMITMENT
