"""The code of a sheet: what `encode` makes is read, and nothing else is."""

from __future__ import annotations

import hashlib
from datetime import date
from itertools import permutations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware.link import sheet_code, signing
from firmware.link.sheet_code import CodeError, SheetCode

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PAGE = "https://verify.akashi.example/v"
FULL = SheetCode(
    key=signing.reference(KEY.public_key()),
    city="012345",
    day=date(2026, 11, 24),
    kind="juminhyo",
    unique_number="7K3M9PQ2XW4T",
    page=2,
    pages=3,
    holder="葛\U000e0102城　太郎",
    year=2026,
    people=4,
    whole=True,
    digest=bytes(range(16)),
)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # RFC 4648
HEAD = sheet_code.encode(FULL)
ADDRESS = sheet_code.address(PAGE, signing.sign_code(KEY, FULL))
CODES = st.builds(
    SheetCode,
    key=st.binary(min_size=4, max_size=4),
    city=st.integers(0, 999_999).map("{:06}".format),
    day=st.dates(date(2000, 1, 1), date(2179, 6, 6)),
    kind=st.sampled_from(["juminhyo", "kisai", "inkan", "kazei"]),
    unique_number=st.from_regex("[0-9A-Z]{8,16}", fullmatch=True),
    page=st.just(1),
    pages=st.integers(1, 20),
    holder=st.text(min_size=1, max_size=40),
    year=st.none() | st.integers(0, 65_535),
    people=st.none() | st.integers(0, 255),
    digest=st.binary(min_size=16, max_size=16),
)


def pieces(head: bytes) -> list[bytes]:
    """The fields as they stand in the message, each with its tag and its length."""
    found, rest = [], head[sheet_code.HEADER_SIZE :]
    while rest:
        size = 2 + rest[1]
        found.append(rest[:size])
        rest = rest[size:]
    return found


def joined(fields: list[bytes]) -> bytes:
    return HEAD[: sheet_code.HEADER_SIZE] + b"".join(fields)


def read(head: bytes) -> SheetCode | None:
    try:
        return sheet_code.decode(head)
    except CodeError:
        return None


def proven(text: str) -> SheetCode | None:
    """What a reader with the city's key makes of an address."""
    try:
        return signing.verify_code([KEY.public_key()], sheet_code.payload_of(text))
    except (CodeError, signing.SignatureError):
        return None


# -- bytes -----------------------------------------------------------------------------------------


@given(CODES)
def test_what_is_encoded_is_read_back(code: SheetCode) -> None:
    assert sheet_code.decode(sheet_code.encode(code)) == code


@given(st.binary(max_size=120).map(lambda rest: HEAD[:3] + rest) | st.binary(max_size=120))
@example(HEAD)
def test_what_is_read_is_what_would_be_encoded(head: bytes) -> None:
    found = read(head)
    assert found is None or sheet_code.encode(found) == head


def test_every_truncation_is_refused() -> None:
    assert [size for size in range(len(HEAD)) if read(HEAD[:size])] == []


def test_every_byte_that_is_another_is_another_code_or_none() -> None:
    for at in range(len(HEAD)):
        for value in set(range(256)) - {HEAD[at]}:
            altered = HEAD[:at] + bytes((value,)) + HEAD[at + 1 :]
            found = read(altered)
            assert found is None or (found != FULL and sheet_code.encode(found) == altered)


@given(st.binary(min_size=1, max_size=40))
def test_what_is_padded_is_another_code_or_none(more: bytes) -> None:
    assert read(HEAD + more) is None
    assert read(more + HEAD) != FULL


def test_a_doubled_code_is_refused() -> None:
    assert read(HEAD + HEAD) is None
    assert read(HEAD + HEAD[sheet_code.HEADER_SIZE :]) is None


def test_fields_in_another_order_are_refused() -> None:
    fields = pieces(HEAD)
    assert joined(fields) == HEAD
    for order in permutations(fields):
        if list(order) != fields:
            assert read(joined(list(order))) is None


def test_a_field_that_is_there_twice_is_refused() -> None:
    fields = pieces(HEAD)
    for at in range(len(fields)):
        assert read(joined([*fields[: at + 1], *fields[at:]])) is None


def test_a_required_field_that_is_missing_is_refused() -> None:
    fields = pieces(HEAD)
    for at, field in enumerate(fields):
        found = read(joined([*fields[:at], *fields[at + 1 :]]))
        assert (found is None) == (field[0] in sheet_code.REQUIRED)
        assert found != FULL


def test_a_field_without_a_value_is_refused() -> None:
    fields = pieces(HEAD)
    for at, field in enumerate(fields):
        assert read(joined([*fields[:at], field[:1] + b"\0", *fields[at + 1 :]])) is None


@pytest.mark.parametrize(
    "field",
    [
        b"\x00\x01x",
        b"\x08\x01x",
        b"\xff\x01x",
        b"\x07\x00",
        b"\x07",
        b"\x07\x10short",
        b"\x07\x11" + bytes(17),
    ],
    ids=["tag 0", "tag 8", "tag 255", "empty", "no length", "cut", "too long"],
)
def test_a_field_that_no_version_has_is_refused(field: bytes) -> None:
    assert read(joined([*pieces(HEAD)[:-1], field])) is None
    assert read(HEAD + field) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"city": "1000000"},
        {"city": "28203"},
        {"city": "28２031"},
        {"city": "akashi"},
        {"day": date(1999, 12, 31)},
        {"day": date(2179, 6, 7)},
        {"kind": "住民票"},
        {"kind": ""},
        {"unique_number": ""},
        {"unique_number": "Ä" * 8},
        {"page": 0},
        {"page": 4},
        {"pages": 256},
        {"holder": ""},
        {"holder": "城" * 86},
        {"holder": "\ud800"},
        {"year": 65_536},
        {"year": -1},
        {"people": 256},
        {"people": None},
        {"digest": bytes(15)},
        {"digest": bytes(17)},
        {"key": bytes(3)},
        {"key": bytes(5)},
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_not_encoded(changes: dict[str, object]) -> None:
    with pytest.raises(CodeError):
        sheet_code.encode(replace(FULL, **changes))


# -- addresses -------------------------------------------------------------------------------------


@given(st.binary(max_size=300))
def test_an_address_gives_its_payload_back(payload: bytes) -> None:
    assert sheet_code.payload_of(sheet_code.address(PAGE, payload)) == payload
    assert sheet_code.payload_of(sheet_code.address(PAGE, payload).partition("#")[2]) == payload


@given(st.text(st.sampled_from("ABCXYZ234567=abc #0189\n\u3000Ａ"), max_size=40))
def test_a_payload_has_one_text_only(behind: str) -> None:
    try:
        payload = sheet_code.payload_of(behind)
    except CodeError:
        return
    assert sheet_code.address(PAGE, payload).partition("#")[2] == behind.rpartition("#")[2]


def test_the_address_itself_is_proven() -> None:
    assert proven(ADDRESS) == FULL


@pytest.mark.parametrize(
    "text",
    [
        PAGE + "#" + ADDRESS.partition("#")[2].lower(),
        ADDRESS[:-1] + ADDRESS[-1].lower(),
        ADDRESS + "=",
        ADDRESS + "======",
        ADDRESS + " ",
        ADDRESS + "\n",
        ADDRESS + "\u3000",
        ADDRESS.replace("#", "# "),
        ADDRESS[:60] + " " + ADDRESS[60:],
        ADDRESS[:60] + "\n" + ADDRESS[60:],
        ADDRESS[:60] + "-" + ADDRESS[60:],
        ADDRESS[:60] + "%20" + ADDRESS[60:],
        ADDRESS + "#",
        ADDRESS + "#" + ADDRESS.partition("#")[2][:-1],
        ADDRESS[:60] + "#" + ADDRESS[60:],
        ADDRESS[:60] + "0" + ADDRESS[61:],
        ADDRESS[:60] + "Ａ" + ADDRESS[61:],
        ADDRESS + ADDRESS.partition("#")[2],
        ADDRESS + "A",
        ADDRESS + "AAAAAAAA",
        PAGE,
        PAGE + "#",
        "",
    ],
    ids=repr,
)
def test_another_text_proves_nothing(text: str) -> None:
    assert proven(text) is None


@pytest.mark.parametrize("size", range(1, 5))
def test_stray_bits_behind_the_last_byte_are_refused(size: int) -> None:
    text = sheet_code.address("", bytes(size))[1:]
    unused = 5 * len(text) - 8 * size
    assert unused > 0
    for bits in range(1, 1 << unused):
        with pytest.raises(CodeError):
            sheet_code.payload_of(text[:-1] + ALPHABET[bits])


def test_every_letter_that_is_missing_doubled_or_another_proves_nothing() -> None:
    begin = ADDRESS.index("#") + 1
    for at in range(begin, len(ADDRESS)):
        other = "A" if ADDRESS[at] != "A" else "B"
        for text in (
            ADDRESS[:at] + ADDRESS[at + 1 :],
            ADDRESS[: at + 1] + ADDRESS[at:],
            ADDRESS[:at] + other + ADDRESS[at + 1 :],
        ):
            assert proven(text) is None


# -- keys ------------------------------------------------------------------------------------------


def test_a_key_is_named_by_the_beginning_of_its_hash() -> None:
    public = KEY.public_key().public_bytes_raw()
    assert signing.reference(KEY.public_key()) == hashlib.sha256(public).digest()[:4]


def test_of_several_keys_with_one_reference_the_one_that_signed_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    monkeypatch.setattr(signing, "reference", lambda key: FULL.key)
    payload = signing.sign_code(KEY, FULL)
    for pinned in ([KEY.public_key(), other.public_key()], [other.public_key(), KEY.public_key()]):
        assert signing.verify_code(pinned, payload) == FULL
    with pytest.raises(signing.SignatureError):
        signing.verify_code([other.public_key()], payload)


def test_a_key_that_is_not_pinned_proves_nothing() -> None:
    payload = signing.sign_code(KEY, FULL)
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
    for pinned in ([], [other]):
        with pytest.raises(signing.SignatureError):
            signing.verify_code(pinned, payload)
