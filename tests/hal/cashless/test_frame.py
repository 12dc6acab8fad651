"""Frames and bodies: whole or refused, and no place for a card number or a name."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal.cashless.frame import (
    DIGITS,
    HEX,
    LAYOUT,
    LONGEST,
    MessageKind,
    TerminalFrameError,
    body,
    decode,
    encode,
    message,
    missing,
    parse,
)

REFERENCE = "0f" * 16
SAMPLES = (
    message(MessageKind.STATUS),
    message(MessageKind.CHARGE, reference=REFERENCE, amount=300),
    message(MessageKind.QUERY, reference=REFERENCE),
    message(MessageKind.CANCEL, reference=REFERENCE),
    message(MessageKind.REVERSE, transaction=7, amount=300),
    message(MessageKind.STATUS_IS, state="R", boots=3),
    message(
        MessageKind.CHARGE_IS,
        reference=REFERENCE,
        amount=300,
        state="A",
        reason=0,
        transaction=7,
        boots=3,
    ),
    message(MessageKind.REVERSAL_IS, transaction=7, amount=300, state="V"),
)


def test_every_kind_has_a_layout_and_a_sample() -> None:
    assert set(LAYOUT) == set(MessageKind) == {sample.kind for sample in SAMPLES}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind.name)
def test_there_and_back(sample: object) -> None:
    sequence, content = decode(encode(200, body(sample)))  # type: ignore[arg-type]
    assert (sequence, parse(content)) == (200, sample)


def test_a_frame_as_the_document_shows_it() -> None:
    assert encode(1, body(message(MessageKind.STATUS))).hex(" ") == "02 02 01 53 fb 5b"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind.name)
def test_a_single_flipped_bit_is_never_taken(sample: object) -> None:
    frame = encode(9, body(sample))  # type: ignore[arg-type]
    for at, bit in itertools.product(range(len(frame)), range(8)):
        damaged = frame[:at] + bytes([frame[at] ^ 1 << bit]) + frame[at + 1 :]
        with pytest.raises(TerminalFrameError):
            decode(damaged)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.kind.name)
def test_a_frame_cut_short_wants_more(sample: object) -> None:
    frame = encode(9, body(sample))  # type: ignore[arg-type]
    assert all(missing(frame[:length]) > 0 for length in range(len(frame)))
    assert missing(frame) == 0


@given(st.binary(max_size=LONGEST))
def test_any_bytes_are_a_message_or_refused(raw: bytes) -> None:
    for read in (decode, parse):
        try:
            read(raw)
        except TerminalFrameError:
            continue


@pytest.mark.parametrize(
    "values",
    [
        {"reference": REFERENCE, "amount": 1_000_000},
        {"reference": REFERENCE[1:] + "g", "amount": 1},
        {"reference": "明石" * 16, "amount": 1},
        {"reference": REFERENCE, "amount": -5},
    ],
)
def test_what_does_not_fit_its_field_is_not_sent(values: dict[str, str | int]) -> None:
    with pytest.raises(TerminalFrameError):
        message(MessageKind.CHARGE, **values)


def test_no_field_can_hold_a_card_number_or_a_name() -> None:
    """A PAN has 13 to 19 digits. The one longer field is ours, and is compared with what
    we sent.
    """
    fields = {name: field for layout in LAYOUT.values() for name, field in layout.items()}
    assert {name for name, field in fields.items() if field.width >= 13} == {"reference"}
    assert all(field.chars <= HEX | DIGITS or field.width == 1 for field in fields.values())
