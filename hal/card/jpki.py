"""The JPKI user-authentication applet over a CardChannel. No other applet of the card is ever touched.

A session is begin, verify, read_certificate, sign, in this order: it suits plastic cards and phones (whose
certificate can be read after the PIN only). What counts is the number of APDUs: pass the `facts` of `begin`
on, and a card that takes short EF identifiers is done with 4 APDUs plus one for each 256 bytes of certificate.
Without `facts` every function selects its file first, which every card understands.

Key type and applet may change with the next generation of cards; nothing outside this file knows either.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hal.card.contract import CardChannel

AID: Final = bytes.fromhex("D392F000260100000001")
CERTIFICATE, KEY, PIN = 0x0A, 0x17, 0x18  # EF identifiers, and short EF identifiers likewise
DIGEST_INFO_SHA256: Final = bytes.fromhex("3031300D060960864801650304020105000420")
LONGEST_CERTIFICATE = 4096  # bytes; real ones have about 1,500
MOST_READS = 512  # a card that hands out its bytes one by one is not waited for
MOST_RESPONSES = 32  # GET RESPONSE for one command
CURRENT = 0x80  # P2: the file selected before

OK, FILE_END = 0x9000, 0x6282
NOT_FOUND, WRONG_P1P2, NO_CURRENT_FILE = 0x6A82, 0x6A86, 0x6986
LOCKED = frozenset({0x6983, 0x6984})
NO_APPLET = frozenset({0x6A82, 0x6A81, 0x6A86, 0x6D00, 0x6E00, 0x6999})


class CardCause(StrEnum):
    """Why a card that answers properly is no use. Each has its own message and its own place to go."""

    NOT_MYNUMBER = "not-mynumber"
    """The card has no JPKI applet: it is not a My Number card."""
    NO_CERTIFICATE = "no-certificate"
    """No user-authentication certificate: opted out, or a card without PIN."""
    PIN_WRONG = "pin-wrong"
    """The PIN did not match; `tries` are left."""
    PIN_LOCKED = "pin-locked"
    """No tries left: the municipal office must reset the PIN."""
    UNREADABLE = "unreadable"
    """The card answers, but not with what the applet must answer; placing it again may help."""
    EXPIRED = "expired"
    """The certificate's validity is over."""
    NOT_YET_VALID = "not-yet-valid"
    """The certificate's validity has not begun, or the kiosk's clock is wrong."""
    WRONG_ISSUER = "wrong-issuer"
    """Not issued by a trusted CA for user authentication, or issued for tests only."""
    BAD_SIGNATURE = "bad-signature"
    """The card's signature does not belong to its certificate."""


class CardRefused(Exception):
    """`tries` is set for PIN_WRONG and PIN_LOCKED. Holds nothing about the person."""

    def __init__(self, cause: CardCause, tries: int | None = None) -> None:
        super().__init__(cause.value if tries is None else f"{cause.value} (tries left: {tries})")
        self.cause = cause
        self.tries = tries


@dataclass(frozen=True)
class CardFacts:
    """`tries`: PIN tries left, 0 when locked, None when the card does not tell."""

    tries: int | None
    short_ef: bool = False


def begin(channel: CardChannel) -> CardFacts:
    """Select the applet and ask for the tries left, which spends none.

    Raises CardRefused NOT_MYNUMBER, NO_CERTIFICATE, UNREADABLE; DeviceFault.
    """
    _, status = _exchange(channel, _select(0x04, AID))
    if status == 0x6F00:  # seen from sound cards on the first command after power-up
        _, status = _exchange(channel, _select(0x04, AID))
    if status in NO_APPLET:
        raise CardRefused(CardCause.NOT_MYNUMBER)
    _expect(status, OK)
    _, status = _exchange(channel, bytes([0x00, 0x20, 0x00, CURRENT | PIN]))
    short_ef = status not in (WRONG_P1P2, NOT_FOUND)
    if not short_ef:
        _select_file(channel, PIN)
        _, status = _exchange(channel, bytes([0x00, 0x20, 0x00, CURRENT]))
    return CardFacts(_tries(status), short_ef)


def verify(channel: CardChannel, pin: bytearray, facts: CardFacts | None = None) -> None:
    """Send exactly one VERIFY, whatever happens. `pin` is four ASCII digits; wiping it is the caller's part.

    Raises CardRefused PIN_WRONG, PIN_LOCKED, NO_CERTIFICATE, UNREADABLE; DeviceFault, and then the try may
    have been spent; ValueError for anything but four digits.
    """
    if len(pin) != 4 or not pin.isdigit():
        raise ValueError("the PIN is four digits")
    apdu = bytearray([0x00, 0x20, 0x00, _file(channel, PIN, facts), 4]) + pin
    try:
        answer = channel.transmit(apdu)
    finally:
        apdu[:] = bytes(len(apdu))
    status = int.from_bytes(answer[-2:], "big")
    if status == OK:
        return
    tries = _tries(status)
    if tries == 0:
        raise CardRefused(CardCause.PIN_LOCKED, 0)
    raise CardRefused(CardCause.PIN_WRONG, tries)


def read_certificate(channel: CardChannel, facts: CardFacts | None = None) -> bytes:
    """Read the user-authentication certificate: DER, without the filler behind it.

    Raises CardRefused NO_CERTIFICATE, UNREADABLE; DeviceFault.
    """
    short_ef = facts is not None and facts.short_ef
    if not short_ef:
        _select_file(channel, CERTIFICATE)
    der = _read(channel, CURRENT | CERTIFICATE if short_ef else 0, 0, 256)
    size = _der_size(der)
    for _ in range(MOST_READS):
        if len(der) >= size:
            return der[:size]
        der += _read(channel, len(der) >> 8, len(der) & 0xFF, min(size - len(der), 256))
    raise CardRefused(CardCause.UNREADABLE)


def sign(channel: CardChannel, digest: bytes, facts: CardFacts | None = None) -> bytes:
    """Sign a SHA-256 digest (32 bytes) with PKCS#1 v1.5; the caller checks it against the certificate.

    Raises CardRefused NO_CERTIFICATE, UNREADABLE (also when the PIN was not verified); DeviceFault; ValueError.
    """
    if len(digest) != 32:
        raise ValueError("a SHA-256 digest is 32 bytes")
    data = DIGEST_INFO_SHA256 + digest
    head = bytes([0x80, 0x2A, 0x00, _file(channel, KEY, facts), len(data)])
    signature, status = _exchange(channel, head + data + b"\x00")
    _expect(status, OK)
    if not signature:
        raise CardRefused(CardCause.UNREADABLE)
    return signature


def _select(by: int, name: bytes) -> bytes:
    return bytes([0x00, 0xA4, by, 0x0C, len(name)]) + name


def _select_file(channel: CardChannel, file: int) -> None:
    _, status = _exchange(channel, _select(0x02, bytes([0x00, file])))
    if status == NOT_FOUND:
        raise CardRefused(CardCause.NO_CERTIFICATE)
    _expect(status, OK)


def _file(channel: CardChannel, file: int, facts: CardFacts | None) -> int:
    """P2 that names the file: its short identifier, or the current file after selecting it."""
    if facts is not None and facts.short_ef:
        return CURRENT | file
    _select_file(channel, file)
    return CURRENT


def _read(channel: CardChannel, p1: int, p2: int, size: int) -> bytes:
    data, status = _exchange(channel, bytes([0x00, 0xB0, p1, p2, size & 0xFF]))
    if status in (NOT_FOUND, WRONG_P1P2, NO_CURRENT_FILE):
        offset = 0 if p1 & 0x80 else p1 << 8 | p2
        _select_file(channel, CERTIFICATE)
        data, status = _exchange(channel, bytes([0x00, 0xB0, offset >> 8, offset & 0xFF, size & 0xFF]))
    _expect(status, OK, FILE_END)
    if not data:
        raise CardRefused(CardCause.UNREADABLE)
    return data


def _der_size(start: bytes) -> int:
    """Length of the DER object that begins here. A file with filler alone holds no certificate."""
    if start[0] in (0x00, 0xFF):
        raise CardRefused(CardCause.NO_CERTIFICATE)
    if len(start) < 4 or start[:2] != b"\x30\x82":
        raise CardRefused(CardCause.UNREADABLE)
    size = 4 + int.from_bytes(start[2:4], "big")
    if size > LONGEST_CERTIFICATE:
        raise CardRefused(CardCause.UNREADABLE)
    return size


def _tries(status: int) -> int | None:
    if status in LOCKED:
        return 0
    if status & 0xFFF0 == 0x63C0:
        return status & 0xF
    if status == NOT_FOUND:
        raise CardRefused(CardCause.NO_CERTIFICATE)
    _expect(status, OK, 0x6300)
    return None


def _expect(status: int, *wanted: int) -> None:
    if status not in wanted:
        raise CardRefused(CardCause.UNREADABLE)


def _exchange(channel: CardChannel, apdu: bytes) -> tuple[bytes, int]:
    """One command with what T=0 makes of it: `6Cxx` asks again with Le = xx, `61xx` fetches the rest.

    Neither pcsc-lite nor pyscard does this. Never for a command that carries a PIN.
    """
    answer = channel.transmit(apdu)
    if answer[-2] == 0x6C:
        answer = channel.transmit(apdu[:-1] + answer[-1:])
    data = answer[:-2]
    for _ in range(MOST_RESPONSES):
        if answer[-2] != 0x61:
            break
        answer = channel.transmit(bytes([0x00, 0xC0, 0x00, 0x00, answer[-1]]))
        data += answer[:-2]
    return data, int.from_bytes(answer[-2:], "big")
