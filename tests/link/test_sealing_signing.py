"""Sealed documents open once, for one purpose; signatures hold for one domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware.link import messages, sealing, sheet_code, signing
from firmware.link.sheet_code import SheetCode

KEYS = sealing.generate()
INFO = messages.seal_info("kiosk-1", "0" * 32, "1" * 32)


@given(st.binary(max_size=2000))
def test_what_is_sealed_opens(plaintext: bytes) -> None:
    assert sealing.open(KEYS.private, INFO, sealing.seal(KEYS.public, INFO, plaintext)) == plaintext


@pytest.mark.parametrize(
    "info",
    [
        messages.seal_info("kiosk-2", "0" * 32, "1" * 32),
        messages.seal_info("kiosk-1", "2" * 32, "1" * 32),
        messages.seal_info("kiosk-1", "0" * 32, "2" * 32),
        b"",
    ],
)
def test_it_does_not_open_for_another_kiosk_session_or_order(info: bytes) -> None:
    sealed = sealing.seal(KEYS.public, INFO, b"document")
    with pytest.raises(sealing.SealError):
        sealing.open(KEYS.private, info, sealed)


def test_it_does_not_open_with_another_key() -> None:
    with pytest.raises(sealing.SealError):
        sealing.open(sealing.generate().private, INFO, sealing.seal(KEYS.public, INFO, b"document"))


@given(st.data())
def test_it_does_not_open_when_altered_or_cut(data: st.DataObject) -> None:
    sealed = bytearray(sealing.seal(KEYS.public, INFO, b"document"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    flipped = sealed.copy()
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    for bad in (flipped, sealed[:place], sealed + b"\0"):
        with pytest.raises(sealing.SealError):
            sealing.open(KEYS.private, INFO, bytes(bad))


@pytest.mark.parametrize(
    "public",
    [b"", b"short", KEYS.public[:-1], KEYS.public + b"\0", b"\xff" * sealing.PUBLIC_SIZE],
    ids=["empty", "short", "cut", "too long", "all ones"],  # each process has other keys
)
def test_what_is_no_key_is_refused(public: bytes) -> None:
    with pytest.raises(sealing.SealError):
        sealing.seal(public, INFO, b"document")


def test_keys_do_not_show_themselves() -> None:
    assert KEYS.public.hex()[:8] not in repr(KEYS)
    assert "object at" not in repr(KEYS)


# -- signatures ------------------------------------------------------------------------------------

OLD, NEW, STRANGE = (Ed25519PrivateKey.generate() for _ in range(3))
PINNED = (OLD.public_key(), NEW.public_key())
CODE = SheetCode(
    key=signing.reference(NEW.public_key()),
    city="282031",
    day=date(2026, 11, 24),
    kind="juminhyo",
    unique_number="ABCDEFGH1234",
    page=2,
    pages=3,
    holder="葛\U000e0102城　太郎",
    people=4,
    whole=True,
    digest=bytes(range(16)),
)


@pytest.mark.parametrize("key", [OLD, NEW])
def test_any_pinned_key_will_do(key: Ed25519PrivateKey) -> None:
    signing.verify_manifest(PINNED, b"manifest", signing.sign_manifest(key, b"manifest"))
    signing.verify_form_terms(PINNED, b"terms", signing.sign_form_terms(key, b"terms"))
    code = replace(CODE, key=signing.reference(key.public_key()))
    assert signing.verify_code(PINNED, signing.sign_code(key, code)) == code


def test_a_code_that_names_one_key_and_is_signed_by_another_is_refused() -> None:
    with pytest.raises(signing.SignatureError):
        signing.verify_code(PINNED, signing.sign_code(OLD, CODE))


@pytest.mark.parametrize(
    ("sign", "verify"),
    [
        (signing.sign_manifest, signing.verify_manifest),
        (signing.sign_form_terms, signing.verify_form_terms),
    ],
    ids=["manifest", "form terms"],
)
def test_no_other_key_and_no_other_bytes(
    sign: Callable[[Ed25519PrivateKey, bytes], bytes],
    verify: Callable[[Sequence[Ed25519PublicKey], bytes, bytes], None],
) -> None:
    good = sign(OLD, b"signed")
    verify(PINNED, b"signed", good)
    bad = [
        (PINNED, b"signed", sign(STRANGE, b"signed")),
        (PINNED, b"signed by", good),
        (PINNED, b"signe", good),
        (PINNED, b"signed", good[:-1]),
        (PINNED, b"signed", good + b"\0"),
        (PINNED, b"signed", b""),
        ((), b"signed", good),
        ((NEW.public_key(),), b"signed", good),
    ]
    for pinned, message, signature in bad:
        with pytest.raises(signing.SignatureError):
            verify(pinned, message, signature)


def test_a_signature_of_one_domain_is_none_of_another() -> None:
    head = sheet_code.encode(CODE)
    signed = {
        "manifest": signing.sign_manifest(NEW, head),
        "terms": signing.sign_form_terms(NEW, head),
        "code": signing.sign_code(NEW, CODE)[-64:],
    }
    verify = {
        "manifest": lambda signature: signing.verify_manifest(PINNED, head, signature),
        "terms": lambda signature: signing.verify_form_terms(PINNED, head, signature),
        "code": lambda signature: signing.verify_code(PINNED, head + signature),
    }
    for domain, check in verify.items():
        check(signed[domain])
        for other in signed.keys() - {domain}:
            with pytest.raises(signing.SignatureError):
                check(signed[other])


@given(st.binary(max_size=300))
def test_garbage_is_no_code(payload: bytes) -> None:
    with pytest.raises(signing.SignatureError):
        signing.verify_code(PINNED, payload)


CODES = st.builds(
    SheetCode,
    key=st.just(CODE.key),
    city=st.integers(0, 999_999).map("{:06}".format),
    day=st.dates(date(2000, 1, 1), date(2179, 6, 6)),
    kind=st.sampled_from(["juminhyo", "inkan", "kazei"]),
    unique_number=st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=8, max_size=16),
    page=st.just(1),
    pages=st.integers(1, 20),
    holder=st.text(st.sampled_from("明石太郎葛\U000e0102　A"), min_size=1, max_size=30),
    year=st.none() | st.integers(2000, 2100),
    people=st.none() | st.integers(1, 32),
    digest=st.binary(min_size=16, max_size=16),
)


@given(CODES)
def test_a_code_is_read_as_it_was_written(code: SheetCode) -> None:
    payload = signing.sign_code(NEW, code)
    assert signing.verify_code(PINNED, payload) == code
    address = sheet_code.address("https://verify.akashi.example/v", payload)
    assert sheet_code.payload_of(address) == payload


@given(CODES, st.data())
def test_a_code_that_is_cut_padded_or_altered_is_refused(
    code: SheetCode, data: st.DataObject
) -> None:
    payload = signing.sign_code(NEW, code)
    place = data.draw(st.integers(0, len(payload) - 1))
    flipped = bytearray(payload)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    for bad in (payload[:place], payload + b"\0", payload + payload, bytes(flipped)):
        with pytest.raises(signing.SignatureError):
            signing.verify_code(PINNED, bad)


def test_pinned_keys_are_read_from_files(tmp_path: Path) -> None:
    good, bad = tmp_path / "issuing.pem", tmp_path / "other.pem"
    good.write_bytes(OLD.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    bad.write_text("-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----\n")
    [key] = signing.load_public([good])
    signing.verify_manifest([key], b"x", signing.sign_manifest(OLD, b"x"))
    with pytest.raises(signing.SignatureError):
        signing.load_public([good, bad])


def test_no_repr_of_an_order_shows_whom_it_is_for() -> None:
    answer = messages.OrderAnswer(
        order="1" * 32, manifest=b'{"holder":"AKASHI"}', manifest_signature=bytes(64), sealed=b""
    )
    assert "AKASHI" not in repr(answer)
