"""The JPKI user-authentication applet over a CardChannel. No other applet of the card is ever touched.

What counts is the number of APDUs. A session is, in the order that keeps a person waiting least:

    facts = begin(channel)                      # 2: select, tries left
    der = read_ahead(channel, facts)            # one for each 256 bytes, while the person types the PIN
    verify(channel, pin, facts)                 # 1
    der = der or read_certificate(channel, facts)  # phones only: theirs can be read after the PIN
    signature = sign(channel, digest, facts)    # 1

A card that takes short EF identifiers is done with 4 APDUs plus one for each 256 bytes of certificate; one that
does not, and a caller without `facts`, pays a SELECT for each file.

The card may leave during `verify`: that is DeviceFault, never PIN_WRONG, and the try may have been spent or not.
Nothing is sent again. On the next connection `begin` asks for the tries, and a counter that went down says that
the PIN was wrong. On a connection that still lives, `tries_left` asks the same.

Key type and applet change with the next generation of cards (ECDSA P-384, whose command is not published): what
can be signed with is the table `SIGN_COMMANDS`, and nothing outside this file knows a command.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from hal.card.contract import CardChannel

AID: Final = bytes.fromhex("D392F000260100000001")
CERTIFICATE, KEY, PIN = 0x0A, 0x17, 0x18  # EF identifiers, and short EF identifiers likewise
DIGEST_INFO_SHA256: Final = bytes.fromhex("3031300D060960864801650304020105000420")
LONGEST_CERTIFICATE = 4096  # bytes; real ones have about 1,500
MOST_APDUS = 512  # on one connection: a card that hands out its bytes one by one is not waited for
CURRENT = 0x80  # P2: the file selected before

OK, FILE_END, UNCOUNTED_MISS = 0x9000, 0x6282, 0x6300
NOT_PERMITTED, NOT_FOUND, WRONG_P1P2 = 0x6982, 0x6A82, 0x6A86
LOCKED = frozenset({0x6983, 0x6984})
NO_APPLET = frozenset({0x6A82, 0x6A81, 0x6A86, 0x6D00, 0x6E00, 0x6999})
NOT_BY_SHORT_EF = frozenset({NOT_FOUND, WRONG_P1P2, 0x6986, 0x6B00})  # select the file, and once more


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
    UNKNOWN_KEY = "unknown-key"
    """A sound certificate with a key that no published command signs with: a card of a later generation."""


class KeyKind(StrEnum):
    """What the certificate says of the card's key."""

    RSA = "rsa"
    P384 = "ecdsa-p384"


class CardRefused(Exception):
    """`tries` is set for PIN_WRONG and PIN_LOCKED. Holds nothing about the person."""

    def __init__(self, cause: CardCause, tries: int | None = None) -> None:
        super().__init__(cause.value if tries is None else f"{cause.value} (tries left: {tries})")
        self.cause = cause
        self.tries = tries


@dataclass(frozen=True)
class CardFacts:
    """`tries`: PIN tries left, 0 when locked, None when the card does not tell (or holds a verified PIN)."""

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
    _, status = _exchange(channel, _verify_head(CURRENT | PIN))
    if status in NOT_BY_SHORT_EF:
        return CardFacts(tries_left(channel))
    return CardFacts(_tries(status), short_ef=True)


def tries_left(channel: CardChannel, facts: CardFacts | None = None) -> int | None:
    """Ask the selected applet for the PIN tries left, which spends none: 0 when locked, None when it does not tell.

    Raises CardRefused NO_CERTIFICATE, UNREADABLE; DeviceFault.
    """
    _, status = _exchange(channel, _verify_head(_file(channel, PIN, facts)))
    return _tries(status)


def verify(channel: CardChannel, pin: bytearray, facts: CardFacts | None = None) -> None:
    """Send exactly one VERIFY, whatever happens. `pin` is four ASCII digits; wiping it is the caller's part.

    Raises CardRefused PIN_WRONG, PIN_LOCKED, NO_CERTIFICATE, UNREADABLE; DeviceFault, and then the try may
    have been spent; ValueError for anything but four digits.
    """
    if len(pin) != 4 or not pin.isdigit():
        raise ValueError("the PIN is four digits")
    apdu = bytearray(_verify_head(_file(channel, PIN, facts))) + b"\x04" + pin
    try:
        answer = _transmit(channel, apdu)
    finally:
        apdu[:] = bytes(len(apdu))
    status = int.from_bytes(answer[-2:], "big")
    if status == OK:
        return
    tries = tries_left(channel, facts) if status == UNCOUNTED_MISS else _tries(status)
    raise CardRefused(CardCause.PIN_LOCKED if tries == 0 else CardCause.PIN_WRONG, tries)


def read_ahead(channel: CardChannel, facts: CardFacts | None = None) -> bytes | None:
    """`read_certificate` before the PIN: None when this card hands it out after the PIN only, as phones do.

    On plastic it costs no APDU more than reading later, on a phone one. Raises as `read_certificate`.
    """
    return _read_file(channel, CERTIFICATE, facts)


def read_certificate(channel: CardChannel, facts: CardFacts | None = None) -> bytes:
    """Read the user-authentication certificate: DER, without the filler behind it.

    Raises CardRefused NO_CERTIFICATE, UNREADABLE (also when it wants the PIN first); DeviceFault.
    """
    der = _read_file(channel, CERTIFICATE, facts)
    if der is None:
        raise CardRefused(CardCause.UNREADABLE)
    return der


def sign(channel: CardChannel, digest: bytes, facts: CardFacts | None = None, kind: KeyKind = KeyKind.RSA) -> bytes:
    """Sign a SHA-256 digest (32 bytes) with a key of the certificate's kind; the caller checks the signature.

    Raises CardRefused UNKNOWN_KEY (nothing was sent), NO_CERTIFICATE, UNREADABLE (also when the PIN was not
    verified); DeviceFault; ValueError.
    """
    if len(digest) != 32:
        raise ValueError("a SHA-256 digest is 32 bytes")
    if kind not in SIGN_COMMANDS:
        raise CardRefused(CardCause.UNKNOWN_KEY)
    command = SIGN_COMMANDS[kind]
    signature, status = _exchange(channel, command(_file(channel, KEY, facts), digest), 256)
    if status in NOT_BY_SHORT_EF and facts is not None and facts.short_ef:
        signature, status = _exchange(channel, command(_file(channel, KEY, None), digest), 256)
    _expect(status, OK)
    if not signature:
        raise CardRefused(CardCause.UNREADABLE)
    return signature


def _sign_rsa(file: int, digest: bytes) -> bytes:
    """PKCS#1 v1.5 (RFC 8017, 9.2): the card pads, the DigestInfo is ours."""
    data = DIGEST_INFO_SHA256 + digest
    return bytes([0x80, 0x2A, 0x00, file, len(data)]) + data


SIGN_COMMANDS: Final[Mapping[KeyKind, Callable[[int, bytes], bytes]]] = {KeyKind.RSA: _sign_rsa}


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


def _verify_head(file: int) -> bytes:
    """VERIFY without data: alone it asks for the tries left."""
    return bytes([0x00, 0x20, 0x00, file])


def _read_file(channel: CardChannel, file: int, facts: CardFacts | None) -> bytes | None:
    """The DER object a file begins with; None when reading is not permitted yet."""
    data, status = b"", WRONG_P1P2
    if facts is not None and facts.short_ef:
        data, status = _exchange(channel, bytes([0x00, 0xB0, CURRENT | file, 0]), 256)
    if status in NOT_BY_SHORT_EF:
        _select_file(channel, file)
        data, status = _read(channel, 0, 256)
    if status == NOT_PERMITTED:
        return None
    der = _content(data, status)
    while len(der) < (size := _der_size(der)):
        der += _content(*_read(channel, len(der), min(size - len(der), 256)))
    return der[:size]


def _read(channel: CardChannel, offset: int, size: int) -> tuple[bytes, int]:
    """Read from the current file."""
    return _exchange(channel, bytes([0x00, 0xB0, offset >> 8, offset & 0xFF]), size)


def _content(data: bytes, status: int) -> bytes:
    _expect(status, OK, FILE_END)
    if not data:
        raise CardRefused(CardCause.UNREADABLE)
    return data


def _der_size(start: bytes) -> int:
    """Length of the DER object that begins here, 4 until that is known. Filler alone is no certificate."""
    if start[0] in (0x00, 0xFF):
        raise CardRefused(CardCause.NO_CERTIFICATE)
    if not b"\x30\x82".startswith(start[:2]):
        raise CardRefused(CardCause.UNREADABLE)
    size = 4 + (int.from_bytes(start[2:4], "big") if len(start) >= 4 else 0)
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
    _expect(status, OK, UNCOUNTED_MISS)
    return None


def _expect(status: int, *wanted: int) -> None:
    if status not in wanted:
        raise CardRefused(CardCause.UNREADABLE)


def _exchange(channel: CardChannel, command: bytes, le: int | None = None) -> tuple[bytes, int]:
    """One command, and what T=0 makes of it: `6Cxx` asks again with Le = xx, `61xx` fetches the rest.

    Neither pcsc-lite nor pyscard does this. `le` is the number of bytes wanted (1..256), None for a command that
    asks for no data and is never asked again. Not for a command that carries a PIN.
    """
    wanted = b"" if le is None else bytes([le & 0xFF])
    answer = _transmit(channel, command + wanted)
    if wanted and answer[-2] == 0x6C:
        answer = _transmit(channel, command + answer[-1:])
    data = answer[:-2]
    while answer[-2] == 0x61:
        answer = _transmit(channel, bytes([0x00, 0xC0, 0x00, 0x00, answer[-1]]))
        data += answer[:-2]
    return data, int.from_bytes(answer[-2:], "big")


def _transmit(channel: CardChannel, apdu: bytes | bytearray) -> bytes:
    if channel.exchanged >= MOST_APDUS:
        raise CardRefused(CardCause.UNREADABLE)
    answer = channel.transmit(apdu)
    if len(answer) < 2:
        raise CardRefused(CardCause.UNREADABLE)
    return answer
