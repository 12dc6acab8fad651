from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from card_bench import DIGEST, Direct
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hal.card import jpki
from hal.card.check import check_signature
from hal.card.contract import TokenKind
from hal.card.exchange import MOST_APDUS
from hal.card.jpki import CardCause, CardFacts, CardRefused
from hal.faults import DeviceFault, Reason
from hal.sim.card.applet import Applet, Options
from hal.sim.card.pki import load_card


class Scripted(Direct):
    """A channel with prepared answers."""

    def __init__(self, *answers: str | bytes) -> None:
        self.answers = [bytes.fromhex(a) if isinstance(a, str) else a for a in answers]
        self.seen = []

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        self.seen.append(bytes(apdu).hex())
        return self.answers.pop(0)


def session(channel: Direct, with_facts: bool = True) -> tuple[bytes, bytes]:
    facts = jpki.begin(channel)
    assert facts.tries == 3
    passed = facts if with_facts else None
    jpki.verify(channel, bytearray(b"1234"), passed)
    der = jpki.read_certificate(channel, passed)
    return der, jpki.sign(channel, DIGEST, passed)


@pytest.mark.parametrize(
    ("options", "with_facts", "most"),
    [
        (Options(), True, 10),
        (Options(), False, 13),
        (Options(kind="android"), True, 10),
        (Options(short_ef=False), True, 15),
        (Options(short_ef=False), False, 15),
        (Options(read_limit=100), True, 20),
        (Options(read_limit=7), True, 250),
        (Options(read_limit=4), True, 512),
    ],
)
def test_a_session_gives_certificate_and_signature_in_few_commands(
    folder: Path, applet: Applet, options: Options, with_facts: bool, most: int
) -> None:
    applet.options = options
    channel = Direct(applet)
    der, signature = session(channel, with_facts)
    assert der == (folder / "certificate.der").read_bytes()
    check_signature(der, DIGEST, signature)
    assert channel.exchanged <= most
    reads = -(-len(der) // options.read_limit)
    if options.short_ef and with_facts:
        assert channel.exchanged == 4 + reads


def test_pin_misses_are_counted_and_the_third_locks(applet: Applet) -> None:
    channel = Direct(applet)
    facts = jpki.begin(channel)
    for cause, tries in [
        (CardCause.PIN_WRONG, 2),
        (CardCause.PIN_WRONG, 1),
        (CardCause.PIN_LOCKED, 0),
    ]:
        with pytest.raises(CardRefused) as refused:
            jpki.verify(channel, bytearray(b"9999"), facts)
        assert (refused.value.cause, refused.value.tries) == (cause, tries)
    with pytest.raises(CardRefused) as refused:
        jpki.verify(channel, bytearray(b"1234"), facts)
    assert refused.value.cause is CardCause.PIN_LOCKED
    assert jpki.begin(channel).tries == 0


def test_one_verify_is_sent_and_its_buffer_wiped(applet: Applet) -> None:
    channel = Direct(applet)
    facts = jpki.begin(channel)
    before = channel.exchanged
    pin = bytearray(b"1234")
    jpki.verify(channel, pin, facts)
    assert channel.seen[before:] == ["00200098"]
    assert bytes(channel.last) == bytes(9)
    assert pin == b"1234"  # the caller's, to be wiped by the caller


def test_a_lost_answer_to_verify_is_never_sent_again() -> None:
    class Pulled(Scripted):
        def transmit(self, apdu: bytes | bytearray) -> bytes:
            self.seen.append("x")
            self.last = apdu
            raise DeviceFault("card", Reason.REMOVED)

    channel = Pulled()
    with pytest.raises(DeviceFault):
        jpki.verify(channel, bytearray(b"1234"), CardFacts(3, True))
    assert channel.seen == ["x"]
    assert bytes(channel.last) == bytes(9)


@pytest.mark.parametrize("pin", [b"", b"123", b"12345", b"12a4", "１２３４".encode()])
def test_what_is_not_a_pin_never_reaches_the_card(pin: bytes) -> None:
    channel = Scripted()
    with pytest.raises(ValueError, match="four digits"):
        jpki.verify(channel, bytearray(pin), CardFacts(3, True))
    assert channel.seen == []


@pytest.mark.parametrize(
    "status",
    "6200 6300 6283 6400 6581 6700 6881 6882 6981 6982 6985 6999 6A00 6A81 6A82 6A84 6B00 6C00 6D00"
    " 6E00 6F00 6FFF 9240 9404 9100 FFFF 0000".split(),
)
def test_whatever_answers_the_first_select_twice_otherwise_is_no_my_number_card(
    status: str,
) -> None:
    assert jpki.begin(Scripted(status, "9000", "63C3")) == CardFacts(3, True)
    with pytest.raises(CardRefused) as refused:
        jpki.begin(Scripted(*[status] * 4))
    assert refused.value.cause is CardCause.NOT_MYNUMBER


@pytest.mark.parametrize(
    ("answers", "tries"),
    [
        (["9000", "63C0"], 0),
        (["9000", "6984"], 0),
        (["9000", "6983"], 0),
        (["9000", "9000"], None),
        (["9000", "6A86", "9000", "63C2"], 2),
        (["9000", "6A82", "9000", "63C2"], 2),
    ],
)
def test_tries_are_told_in_many_ways(answers: list[str], tries: int | None) -> None:
    assert jpki.begin(Scripted(*answers)).tries == tries


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        (["6A86", "6A86", "6A86"], CardCause.NOT_MYNUMBER),  # also with P2 = 00
        (["6A86", "6700", "6A82", "6A82"], CardCause.NOT_MYNUMBER),
        (["9000", "6A82", "6A82"], CardCause.NO_CERTIFICATE),
        (["9000", "6982"], CardCause.UNREADABLE),
    ],
)
def test_begin_refuses(answers: list[str], cause: CardCause) -> None:
    with pytest.raises(CardRefused) as refused:
        jpki.begin(Scripted(*answers))
    assert refused.value.cause is cause


@pytest.mark.parametrize(
    ("answers", "cause"),
    [
        (["6A82", "6A82"], CardCause.NO_CERTIFICATE),
        ([b"\xff" * 256 + b"\x90\x00"], CardCause.NO_CERTIFICATE),
        ([b"\x00" * 256 + b"\x90\x00"], CardCause.NO_CERTIFICATE),
        ([b"\x31\x82\x01\x00\x90\x00"], CardCause.BAD_CERTIFICATE),
        ([b"\x30\x82\xff\xff\x90\x00"], CardCause.BAD_CERTIFICATE),
        ([b"\x90\x00"], CardCause.UNREADABLE),
        ([b"\x30\x82\x01\x00\x90\x00", b"\x90\x00"], CardCause.UNREADABLE),
        ([b"\x30\x90\x00", b"\x81\x90\x00"], CardCause.BAD_CERTIFICATE),
        ([b"\x90"], CardCause.UNREADABLE),
        (["6982"], CardCause.UNREADABLE),
        ([b"\x30\x82\x0f\x00\x90\x00", *[b"\x00\x90\x00"] * MOST_APDUS], CardCause.UNREADABLE),
    ],
)
def test_a_file_that_is_no_certificate(answers: list[str | bytes], cause: CardCause) -> None:
    with pytest.raises(CardRefused) as refused:
        jpki.read_certificate(Scripted(*answers), CardFacts(3, True))
    assert refused.value.cause is cause


def test_answers_in_pieces() -> None:
    channel = Scripted("309000", "82009000", "029000", "AABB9000")
    assert jpki.read_certificate(channel, CardFacts(3, True)).hex() == "30820002aabb"
    assert channel.seen == ["00b08a0000", "00b0000103", "00b0000301", "00b0000402"]
    channel = Scripted("6C04", "308200029000", "AABB9000")
    assert jpki.read_certificate(channel, CardFacts(3, True)).hex() == "30820002aabb"
    assert channel.seen[1] == "00b08a0004"
    channel = Scripted("6110", b"\x01" * 16 + b"\x61\x02", "02029000")
    assert jpki.sign(channel, DIGEST, CardFacts(3, True)) == b"\x01" * 16 + b"\x02\x02"
    assert channel.seen[1:] == ["00c0000010", "00c0000002"]
    with pytest.raises(CardRefused):
        jpki.sign(Scripted(*["6100"] * MOST_APDUS), DIGEST, CardFacts(3, True))


def test_only_a_command_that_asks_for_data_is_asked_again() -> None:
    """`6Cxx` to a SELECT or to the tries query would make another command of it."""
    channel = Scripted("6C98", "6C98")
    with pytest.raises(CardRefused):
        jpki.begin(channel)
    assert channel.seen[0] == channel.seen[1] == "00a4040c0a" + jpki.AID.hex()
    channel = Scripted("9000", "6C98")
    with pytest.raises(CardRefused):
        jpki.begin(channel)
    assert channel.seen[1:] == ["00200098"]


def test_a_phone_gives_its_certificate_after_the_pin(folder: Path, applet: Applet) -> None:
    applet.options = Options(kind="android")
    channel = Direct(applet)
    facts = jpki.begin(channel)
    assert jpki.read_ahead(channel, facts) is None
    with pytest.raises(CardRefused):
        jpki.read_certificate(channel, facts)
    jpki.verify(channel, bytearray(b"1234"), facts)
    assert jpki.read_certificate(channel, facts) == (folder / "certificate.der").read_bytes()


@pytest.mark.parametrize("options", [Options(), Options(short_ef=False), Options(read_limit=100)])
def test_reading_ahead_costs_nothing(folder: Path, applet: Applet, options: Options) -> None:
    applet.options = options
    later = Direct(applet)
    session(later)
    channel = Direct(applet)
    facts = jpki.begin(channel)
    der = jpki.read_ahead(channel, facts)
    assert der == (folder / "certificate.der").read_bytes()
    before = channel.exchanged
    jpki.verify(channel, bytearray(b"1234"), facts)
    check_signature(der, DIGEST, jpki.sign(channel, DIGEST, facts))
    # where files are selected, the PIN's file is selected once more
    assert channel.exchanged == later.exchanged + (not options.short_ef)
    assert channel.exchanged - before == (2 if options.short_ef else 4)


def test_tries_are_asked_for_without_spending_one(applet: Applet) -> None:
    channel = Direct(applet)
    facts = jpki.begin(channel)
    assert [jpki.tries_left(channel, facts), jpki.tries_left(channel)] == [3, 3]
    channel = Scripted("6300", "63C1")
    with pytest.raises(CardRefused) as refused:
        jpki.verify(channel, bytearray(b"1234"), CardFacts(3, True))
    assert (refused.value.cause, refused.value.tries) == (CardCause.PIN_WRONG, 1)
    assert channel.seen == ["002000980431323334", "00200098"]  # one VERIFY; the second only asks


def test_a_key_without_a_published_command_is_not_signed_with() -> None:
    channel = Scripted()
    with pytest.raises(CardRefused) as refused:
        jpki.sign(channel, DIGEST, CardFacts(3, True), jpki.KeyKind.P384)
    assert refused.value.cause is CardCause.UNKNOWN_KEY
    assert channel.seen == []


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(min_size=2, max_size=258), min_size=1, max_size=8), st.booleans())
def test_any_answers_end_in_a_typed_refusal_or_a_result(
    answers: list[bytes], short_ef: bool
) -> None:
    facts = CardFacts(3, short_ef)

    class Endless(Scripted):
        def transmit(self, apdu: bytes | bytearray) -> bytes:
            self.seen.append("")
            assert len(self.seen) <= MOST_APDUS
            return answers[len(self.seen) % len(answers)]

    for step in (
        lambda c: jpki.begin(c),
        lambda c: jpki.verify(c, bytearray(b"1234"), facts),
        lambda c: jpki.read_certificate(c, facts),
        lambda c: jpki.sign(c, DIGEST, facts),
    ):
        try:
            step(Endless())
        except CardRefused as refused:
            assert "1234" not in str(refused)


def test_a_card_without_certificate_says_so(folder: Path) -> None:
    card = load_card(folder)
    del card._files[0x0A]
    channel = Direct(card)
    facts = jpki.begin(channel)
    with pytest.raises(CardRefused) as refused:
        jpki.read_certificate(channel, facts)
    assert refused.value.cause is CardCause.NO_CERTIFICATE


@pytest.mark.parametrize("short_ef", [True, False])
@pytest.mark.parametrize("kind", ["card", "android", "iphone"])
def test_what_lies_there_is_known_before_the_pin(
    applet: Applet, folder: Path, kind: Any, short_ef: bool
) -> None:
    applet = load_card(folder, options={"kind": kind, "short_ef": short_ef})
    channel = Direct(applet)
    facts = jpki.begin(channel)
    before = channel.exchanged
    found, start = jpki.identify(channel, facts)
    assert found == kind
    assert (start == b"") is (kind != "card")
    assert applet.tries == 3 and not applet.verified
    if short_ef:
        assert channel.exchanged - before == (1 if kind == "card" else 2)


def test_asking_what_lies_there_costs_plastic_nothing(folder: Path, applet: Applet) -> None:
    plain, asked = Direct(load_card(folder)), Direct(applet)
    facts = jpki.begin(plain)
    der = jpki.read_ahead(plain, facts)
    facts = jpki.begin(asked)
    _, start = jpki.identify(asked, facts)
    assert jpki.read_ahead(asked, facts, start) == der
    assert asked.exchanged == plain.exchanged


@pytest.mark.parametrize("label", ["JPKIAPICCTOKEN3", "X", "JPKIAPGPSETOKEN2"])
def test_a_label_that_nobody_has_published_is_unknown(folder: Path, label: str) -> None:
    channel = Direct(load_card(folder, options={"kind": "android", "label": label}))
    assert jpki.identify(channel, jpki.begin(channel)) == (TokenKind.UNKNOWN, b"")


@pytest.mark.parametrize("answer", ["6A82", "6982", "6F00", "9000"])
def test_a_phone_that_hides_its_label_is_unknown(answer: str) -> None:
    channel = Scripted("6982", answer, answer)
    assert jpki.identify(channel, CardFacts(3, True)) == (TokenKind.UNKNOWN, b"")
