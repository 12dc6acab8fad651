"""Certificates that OpenSSL verifies and a strict parser refuses: the city takes what the kiosk
takes, and nothing else.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from city import cards
from city.card_parts import EXTENSIONS, INTEGER, OCTET_STRING, SEQUENCE, read
from city.config import ConfigError
from firmware.link.messages import RefusalCode
from hal.card.check import check_card_certificate
from hal.card.jpki import CardRefused
from hal.sim.card import odd_der
from hal.sim.card.flaws import flawed
from hal.sim.card.pki import CardCa, Chip, load_card, make_card, make_card_ca

NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ODD = ("defaults-written-out", "unusual-strings")


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CardCa:
    return make_card_ca(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def odd(ca: CardCa, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("card")
    make_card(folder, ca, "T0001234567890A", "1234", NOW - 400 * DAY, NOW + 400 * DAY)
    made: dict[str, bytes] = {}

    def keep(flaw: str, chip: Chip) -> Chip:
        changed = flawed(flaw, ca, NOW)(chip)
        made[flaw] = changed.certificate or b""
        return changed

    for flaw in ODD:
        load_card(folder, change=lambda chip, flaw=flaw: keep(flaw, chip))  # type: ignore[misc]
    return made


@pytest.mark.parametrize("flaw", ODD)
def test_the_city_takes_it_as_the_kiosk_does(
    odd: dict[str, bytes], ca: CardCa, flaw: str, tmp_path: Path
) -> None:
    der, trusted = odd[flaw], [ca.certificate]
    profile = check_card_certificate(der, trusted, NOW, allow_test=True)
    card = cards.check_certificate(trusted, der, NOW)
    assert card.fingerprint == profile.fingerprint
    assert card.serial == read(der).serial > 0
    for content in (der, ssl.DER_cert_to_PEM_cert(der).encode()):
        (tmp_path / "card").write_bytes(content)
        assert cards.read_card(tmp_path / "card")[0] == profile.fingerprint


def damaged(der: bytes) -> Iterator[bytes]:
    """Each byte in turn has another value, in steps; and each length is another."""
    for place in range(0, len(der), 7):
        yield der[:place] + bytes([der[place] ^ 0x11]) + der[place + 1 :]
    for size in range(0, len(der), 29):
        yield der[:size]
    yield der + b"\0"


@pytest.mark.parametrize("flaw", ODD)
def test_damaged_it_is_refused_at_both_ends(odd: dict[str, bytes], ca: CardCa, flaw: str) -> None:
    for wrong in damaged(odd[flaw]):
        with pytest.raises(CardRefused):
            check_card_certificate(wrong, [ca.certificate], NOW, allow_test=True)
        with pytest.raises(cards.CardRefused) as refused:
            cards.check_certificate([ca.certificate], wrong, NOW)
        assert refused.value.code is RefusalCode.CARD_INVALID


def test_a_file_that_is_no_certificate_is_told(tmp_path: Path) -> None:
    for content in (b"", b"-----BEGIN CERTIFICATE-----\nx\n", b"\x30\x03abc"):
        (tmp_path / "card").write_bytes(content)
        with pytest.raises(ConfigError, match="not a certificate"):
            cards.read_card(tmp_path / "card")


@pytest.mark.parametrize("number", [b"", b"\0", b"\xfb", b"\0\0\x01", b"\0\x7f"])
def test_a_number_that_the_authority_cannot_be_asked_about_is_none(
    odd: dict[str, bytes], ca: CardCa, number: bytes
) -> None:
    """The question for a negative one cannot even be written: that was an internal error."""
    _, parts = odd_der.open_certificate(odd[ODD[0]])
    fields = [part.whole for part in parts]
    assert fields[1][0] == INTEGER
    for content, refused in ((parts[1].content, False), (number, True)):
        fields[1] = odd_der.write(INTEGER, content)
        der = odd_der.signed(odd[ODD[0]], fields, ca)
        if not refused:
            assert read(der).serial > 0
            continue
        with pytest.raises(cards.CardRefused) as error:
            cards.check_certificate([ca.certificate], der, NOW)
        assert error.value.code is RefusalCode.CARD_INVALID


OTHER = bytes.fromhex("06032A0304")
UNFIT = {
    "demands what nobody knows": (OTHER, b"\x01\x01\xff", b"\x05\x00"),
    "demands it in another way": (OTHER, b"\x01\x01\x01", b"\x05\x00"),
    "of a CA": (odd_der.BASIC_CONSTRAINTS, b"", bytes.fromhex("30030101FF")),
    "for signing certificates": (bytes.fromhex("0603551D0F"), b"", bytes.fromhex("03020106")),
    "for servers": (
        bytes.fromhex("0603551D25"),
        b"",
        bytes.fromhex("300A06082B06010505070301"),
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_is_for_something_else_is_refused_at_both_ends(
    odd: dict[str, bytes], ca: CardCa, what: str
) -> None:
    name, critical, value = UNFIT[what]
    _, fields = odd_der.open_certificate(odd["unusual-strings"])
    extensions = fields[-1].children()[0].children()
    kept = [each.whole for each in extensions if not each.content.startswith(name)]
    new = odd_der.write(SEQUENCE, name, critical, odd_der.write(OCTET_STRING, value))
    wrapper = odd_der.write(EXTENSIONS, odd_der.write(SEQUENCE, *kept, new))
    der = odd_der.signed(odd[ODD[0]], [*(part.whole for part in fields[:-1]), wrapper], ca)
    with pytest.raises(CardRefused):
        check_card_certificate(der, [ca.certificate], NOW, allow_test=True)
    with pytest.raises(cards.CardRefused):
        cards.check_certificate([ca.certificate], der, NOW)
