"""What is written about the line is so: fields, refusals, and every hashed, signed and sealed byte."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from firmware.link import messages as m
from firmware.link import sealing, signing
from firmware.sheets import base45
from madoguchi import line_doc, line_vectors

VECTORS: dict[str, Any] = json.loads(line_vectors.FILE.read_text("utf-8"))


def binary(part: str, name: str) -> bytes:
    return bytes.fromhex(VECTORS[part][name])


def test_the_pages_are_what_the_types_say() -> None:
    assert line_doc.PAGE.read_text("utf-8") == line_doc.page() + "\n"
    assert line_vectors.FILE.read_text("utf-8") == line_vectors.written()


@pytest.mark.parametrize("part", ["transcript", "request"])
def test_what_is_hashed_has_that_hash(part: str) -> None:
    assert hashlib.sha256(binary(part, "hashed")).hexdigest() == VECTORS[part]["sha256"]


def test_the_transcript_is_framed_as_the_page_says_and_signed_by_the_card() -> None:
    at = VECTORS["transcript"]
    key = load_der_public_key(binary("transcript", "card_key"))
    assert isinstance(key, RSAPublicKey)
    key.verify(
        binary("transcript", "signature"), binary("transcript", "sha256"), PKCS1v15(), Prehashed(hashes.SHA256())
    )
    digest = m.transcript_digest(
        at["kiosk"],
        at["session"],
        binary("transcript", "challenge"),
        binary("transcript", "card_certificate"),
        binary("transcript", "document_key"),
    )
    assert digest.hex() == at["sha256"]


def test_what_is_sealed_opens_with_that_info_and_no_other() -> None:
    at, (private, public) = VECTORS["seal"], line_vectors._keys()
    sealed = binary("seal", "sealed")
    assert m.seal_info(at["kiosk"], at["session"], at["order"]).hex() == at["info"]
    assert sealing.open(private, binary("seal", "info"), sealed) == binary("seal", "document")
    assert len(sealed) == 1120 + len(binary("seal", "document")) + 16
    assert len(public) == 1184 + 32
    with pytest.raises(sealing.SealError):
        sealing.open(private, m.seal_info(at["kiosk"], at["session"], at["session"]), sealed)


def test_what_is_signed_verifies() -> None:
    key = Ed25519PublicKey.from_public_bytes(binary("manifest", "issuing_key"))
    key.verify(binary("manifest", "signature"), binary("manifest", "signed"))
    signing.verify_manifest([key], binary("manifest", "manifest"), binary("manifest", "signature"))
    payload = binary("sheet", "payload")
    key.verify(payload[m.CODE_HEAD :], binary("sheet", "signed"))
    assert payload[: m.CODE_HEAD] == binary("sheet", "head")
    assert signing.verify_code([key], payload).unique_number == VECTORS["sheet"]["unique_number"]
    assert base45.decode(VECTORS["sheet"]["base45"]) == payload
