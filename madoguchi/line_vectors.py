"""docs/vectors.json: every byte string of the line that is hashed, signed or sealed, worked out once.

`python -m madoguchi.line_vectors` writes it; a test compares. What follows from the inputs is computed anew. What is
random by nature (a card's signature by a key that was thrown away, a sealed document) is kept as long as it verifies.
All binary values are in lower-case hex; the keys here are for these examples and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import sys
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

from firmware.link import messages as m
from firmware.link import sealing, signing
from firmware.sheets import base45

FILE: Final = Path(__file__).parent.parent / "docs" / "vectors.json"
KIOSK, SESSION, ORDER = "kiosk-1", "00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"
CHALLENGE: Final = bytes(range(32))
CERTIFICATE: Final = b"the DER bytes of the card's certificate"
DOCUMENT: Final = b"%PDF-1.7 stands for the document"
LATTICE_SEED, CURVE_KEY, ISSUING_SEED = bytes([1]) * 64, bytes([2]) * 32, bytes([3]) * 32


def vectors(kept: dict[str, Any]) -> dict[str, Any]:
    """`kept`: the file as it is, or {}."""
    return {
        "protocol": m.PROTOCOL,
        "transcript": _transcript(kept.get("transcript", {})),
        "request": _request(),
        "seal": _seal(kept.get("seal", {})),
        "manifest": _manifest(),
        "sheet": _sheet(),
    }


def _frame(*parts: bytes) -> str:
    """As the page words it, and written a second time: each part after its length in four bytes, big-endian."""
    return "".join(f"{len(part):08x}{part.hex()}" for part in parts)


def _keys() -> tuple[MLKEM768X25519PrivateKey, bytes]:
    lattice, curve = MLKEM768PrivateKey.from_seed_bytes(LATTICE_SEED), X25519PrivateKey.from_private_bytes(CURVE_KEY)
    public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return MLKEM768X25519PrivateKey(lattice, curve), public


def _transcript(kept: dict[str, Any]) -> dict[str, Any]:
    public = _keys()[1]
    parts = (
        b"madoguchi session v1",
        KIOSK.encode(),
        bytes.fromhex(SESSION),
        CHALLENGE,
        hashlib.sha256(CERTIFICATE).digest(),
        public,
    )
    digest = m.transcript_digest(KIOSK, SESSION, CHALLENGE, CERTIFICATE, public)
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
    """A card's key and its signature: RSA PKCS#1 v1.5, the digest inside DigestInfo and not hashed again."""
    try:
        key = load_der_public_key(bytes.fromhex(kept["card_key"]))
        if isinstance(key, RSAPublicKey):
            key.verify(bytes.fromhex(kept["signature"]), digest, PKCS1v15(), Prehashed(hashes.SHA256()))
            return {"card_key": kept["card_key"], "signature": kept["signature"]}
    except (KeyError, ValueError, InvalidSignature):
        pass
    made = generate_private_key(65537, 2048)
    public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    signature = made.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256()))
    return {"card_key": public.hex(), "signature": signature.hex()}


def _order() -> m.OrderRequest:
    choices = {"scope": ("some",), "members": ("m2", "m1"), "fields": ("domicile", "relationship")}
    return m.OrderRequest(session=SESSION, order=ORDER, kind="juminhyo", choices=choices, copies=2)


def _request() -> dict[str, Any]:
    order = _order()
    canonical = (
        f'{{"session":"{SESSION}","order":"{ORDER}","kind":"juminhyo","choices":{{"fields":["domicile","relationship"],'
        '"members":["m2","m1"],"scope":["some"]},"copies":2}'
    )
    return {
        "message": json.loads(msgspec.json.encode(order)),
        "hashed": canonical.encode().hex(),
        "sha256": m.request_sha256(order),
    }


def _seal(kept: dict[str, Any]) -> dict[str, Any]:
    private, public = _keys()
    info = m.seal_info(KIOSK, SESSION, ORDER)
    sealed = bytes.fromhex(kept.get("sealed", ""))
    try:
        good = sealing.open(private, info, sealed) == DOCUMENT
    except sealing.SealError:
        good = False
    if not good:
        sealed = sealing.seal(public, info, DOCUMENT)
    return {
        "suite": "X-Wing (ML-KEM-768 with X25519), HKDF-SHA256, AES-256-GCM; base mode, one shot, empty aad",
        "mlkem768_seed": LATTICE_SEED.hex(),
        "x25519_private": CURVE_KEY.hex(),
        "document_key": public.hex(),
        "kiosk": KIOSK,
        "session": SESSION,
        "order": ORDER,
        "info": _frame(b"madoguchi document v1", KIOSK.encode(), bytes.fromhex(SESSION), bytes.fromhex(ORDER)),
        "document": DOCUMENT.hex(),
        "sealed": sealed.hex(),
    }


def _manifest() -> dict[str, Any]:
    key, sheet = Ed25519PrivateKey.from_private_bytes(ISSUING_SEED), _code()
    manifest = m.Manifest(
        protocol=m.PROTOCOL,
        kiosk=KIOSK,
        session=SESSION,
        order=ORDER,
        card_sha256=hashlib.sha256(CERTIFICATE).hexdigest(),
        request_sha256=m.request_sha256(_order()),
        kind="juminhyo",
        title="住民票",
        holder="明石　太郎",
        members=("明石　太郎", "明石　花子"),
        issued_on="令和8年11月24日",
        unique_number=sheet.unique_number,
        record_version=1,
        pages=1,
        copies=2,
        fee=600,
        seal_page=0,
        document_sha256=hashlib.sha256(DOCUMENT).hexdigest(),
        codes=(signing.sign_code(key, sheet),),
    )
    body = msgspec.json.encode(manifest)
    return {
        "issuing_seed": ISSUING_SEED.hex(),
        "issuing_key": key.public_key().public_bytes_raw().hex(),
        "message": json.loads(body),
        "manifest": body.hex(),
        "signed": _frame(b"madoguchi manifest v1", body),
        "signature": signing.sign_manifest(key, body).hex(),
    }


def _code() -> m.SheetCode:
    digest = hashlib.sha256(DOCUMENT).digest()
    return m.SheetCode(unique_number="7K3M9PQ2XW4T", page=1, pages=1, issued_days=9824, text_hash=digest[:18])


def _sheet() -> dict[str, Any]:
    key, code = Ed25519PrivateKey.from_private_bytes(ISSUING_SEED), _code()
    head = b"MG1" + code.unique_number.encode().ljust(16, b"\0") + bytes((1, 1, 9824 >> 8, 9824 & 255)) + code.text_hash
    payload = signing.sign_code(key, code)
    return {
        "unique_number": code.unique_number,
        "page": code.page,
        "pages": code.pages,
        "issued_days": code.issued_days,
        "document_sha256_first_18_bytes": code.text_hash.hex(),
        "head": head.hex(),
        "signed": _frame(b"madoguchi sheet v1", head),
        "payload": payload.hex(),
        "base45": base45.encode(payload),
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
