"""Sealed documents open once, for one purpose; signatures hold for one domain."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from firmware.link import messages as m
from firmware.link import sealing, signing

KEYS = sealing.generate()
INFO = m.seal_info("kiosk-1", "0" * 32, "1" * 32)


@given(st.binary(max_size=2000))
def test_what_is_sealed_opens(plaintext: bytes) -> None:
    assert sealing.open(KEYS.private, INFO, sealing.seal(KEYS.public, INFO, plaintext)) == plaintext


@pytest.mark.parametrize(
    "info",
    [
        m.seal_info("kiosk-2", "0" * 32, "1" * 32),
        m.seal_info("kiosk-1", "2" * 32, "1" * 32),
        m.seal_info("kiosk-1", "0" * 32, "2" * 32),
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
    "public", [b"", b"short", KEYS.public[:-1], KEYS.public + b"\0", b"\xff" * sealing.PUBLIC_SIZE]
)
def test_what_is_no_key_is_refused(public: bytes) -> None:
    with pytest.raises(sealing.SealError):
        sealing.seal(public, INFO, b"document")


def test_keys_do_not_show_themselves() -> None:
    assert KEYS.public.hex()[:8] not in repr(KEYS)
    assert "object at" not in repr(KEYS)


# -- signatures ---------------------------------------------------------------------------------------------------

OLD, NEW, STRANGE = (Ed25519PrivateKey.generate() for _ in range(3))
PINNED = (OLD.public_key(), NEW.public_key())
CODE = m.SheetCode(unique_number="ABCDEFGH1234", page=2, pages=3, issued_days=9824, text_hash=bytes(range(18)))


@pytest.mark.parametrize("key", [OLD, NEW])
def test_any_pinned_key_will_do(key: Ed25519PrivateKey) -> None:
    signing.verify_manifest(PINNED, b"manifest", signing.sign_manifest(key, b"manifest"))
    assert signing.verify_code(PINNED, signing.sign_code(key, CODE)) == CODE


def test_no_other_key_and_no_other_bytes() -> None:
    good = signing.sign_manifest(OLD, b"manifest")
    bad = [
        (PINNED, b"manifest", signing.sign_manifest(STRANGE, b"manifest")),
        (PINNED, b"manifesto", good),
        (PINNED, b"manifest", b""),
        ((), b"manifest", good),
    ]
    for pinned, manifest, signature in bad:
        with pytest.raises(signing.SignatureError):
            signing.verify_manifest(pinned, manifest, signature)


def test_a_manifests_signature_is_no_codes_signature() -> None:
    head = CODE.encode()
    with pytest.raises(signing.SignatureError):
        signing.verify_code(PINNED, head + signing.sign_manifest(OLD, head))
    with pytest.raises(signing.SignatureError):
        signing.verify_manifest(PINNED, head, signing.sign_code(OLD, CODE)[m.CODE_HEAD :])


@given(st.binary(max_size=120))
def test_garbage_is_no_code(payload: bytes) -> None:
    with pytest.raises(signing.SignatureError):
        signing.verify_code(PINNED, payload)


@given(
    st.builds(
        m.SheetCode,
        unique_number=st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=1, max_size=16),
        page=st.integers(1, 255),
        pages=st.integers(1, 255),
        issued_days=st.integers(0, 65535),
        text_hash=st.binary(min_size=18, max_size=18),
    )
)
def test_a_code_is_read_as_it_was_written(code: m.SheetCode) -> None:
    payload = signing.sign_code(NEW, code)
    assert len(payload) == m.CODE_SIZE
    assert signing.verify_code(PINNED, payload) == code


def test_pinned_keys_are_read_from_files(tmp_path: Path) -> None:
    good, bad = tmp_path / "issuing.pem", tmp_path / "other.pem"
    good.write_bytes(OLD.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    bad.write_text("-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----\n")
    [key] = signing.load_public([good])
    signing.verify_manifest([key], b"x", signing.sign_manifest(OLD, b"x"))
    with pytest.raises(signing.SignatureError):
        signing.load_public([good, bad])


def test_no_repr_of_an_order_shows_whom_it_is_for() -> None:
    answer = m.OrderAnswer(order="1" * 32, manifest=b'{"holder":"AKASHI"}', manifest_signature=bytes(64), sealed=b"")
    assert "AKASHI" not in repr(answer)
