"""The JPKI user-authentication applet over a CardChannel. No other applet of the card is ever
touched.

What counts is the number of APDUs. A session is, in the order that keeps a person waiting least:

    facts = begin(channel)  # 2: select, tries left
    kind, start = identify(channel, facts)  # 1: the first 256 bytes; 2 on a phone
    der = read_ahead(channel, facts, start)  # the rest, while the person types the PIN
    verify(channel, pin, facts)  # 1
    der = der or read_certificate(channel, facts)  # phones only: readable after the PIN
    signature = sign(channel, digest, facts)  # 1

A card that takes short EF identifiers is done with 4 APDUs plus one for each 256 bytes of
certificate; one that does not, and a caller without `facts`, pays a SELECT for each file. What else
a card may answer is the affair of `exchange`.

The card may leave during `verify`: that is DeviceFault, never PIN_WRONG, and the try may have been
spent or not. Nothing is sent again. On the next connection `begin` asks for the tries, and a
counter that went down says that the PIN was wrong. On a connection that still lives, `tries_left`
asks the same.

Key type and applet change with the next generation of cards (ECDSA P-384, whose command is not
published): what can be signed with is the table `SIGN_COMMANDS`, and nothing outside this file
knows a command.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from hal.card.contract import CardChannel, TokenKind
from hal.card.exchange import (
    CURRENT,
    OK,
    READ,
    SIGN,
    WHOLE,
    Command,
    Exchange,
    Form,
    Unanswered,
    select,
    transmit,
)

AID: Final = bytes.fromhex("D392F000260100000001")
CERTIFICATE, KEY, PIN = 0x0A, 0x17, 0x18  # EF identifiers, and short EF identifiers likewise
TOKEN, LABEL_SIZE = 0x06, 32  # token information begins with a label, filled up with blanks
LABELS: Final = {
    b"JPKIAPICCTOKEN2": TokenKind.CARD,
    b"JPKIAPGPSETOKEN": TokenKind.ANDROID,
    b"JPKIAPIOSTOKEN": TokenKind.IPHONE,
}
DIGEST_INFO_SHA256: Final = bytes.fromhex("3031300D060960864801650304020105000420")
LONGEST_CERTIFICATE = 4096  # bytes; real ones have about 1,500
DIGEST_BYTES: Final = 32

FILE_END, UNCOUNTED_MISS = 0x6282, 0x6300
NOT_PERMITTED, NOT_FOUND, NO_DIAGNOSIS = 0x6982, 0x6A82, 0x6F00
LOCKED = frozenset({0x6983, 0x6984})

SELECT_APPLET: Final = select(0x04, AID)
TRIES: Final = Command(bytes([0x00, 0x20, 0x00, CURRENT]), file=PIN)  # VERIFY without data
PIECE: Final = Command(bytes([0x00, READ, 0x00, 0x00]), le=WHOLE)


class CardCause(StrEnum):
    """Why a card that answers properly is no use. Each has its own message and its own place
    to go.
    """

    NOT_MYNUMBER = "not-mynumber"
    """The card has no JPKI applet: it is not a My Number card."""
    NO_CERTIFICATE = "no-certificate"
    """No user-authentication certificate: opted out, or a card without PIN."""
    PIN_WRONG = "pin-wrong"
    """The PIN did not match; `tries` are left."""
    PIN_LOCKED = "pin-locked"
    """No tries left: the municipal office must reset the PIN."""
    UNREADABLE = "unreadable"
    """The card answers, but not with what the applet must answer."""
    BAD_CERTIFICATE = "bad-certificate"
    """What the card holds as a certificate is none: it stays so, however often it is read."""
    EXPIRED = "expired"
    """The certificate's validity is over."""
    NOT_YET_VALID = "not-yet-valid"
    """The certificate's validity has not begun, or the kiosk's clock is wrong."""
    WRONG_ISSUER = "wrong-issuer"
    """Not issued by a trusted CA for user authentication, or issued for tests only."""
    BAD_SIGNATURE = "bad-signature"
    """The card's signature does not belong to its certificate."""
    UNKNOWN_KEY = "unknown-key"
    """A sound certificate with a key that no published command signs with: a card of a later
    generation.
    """


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
    """`tries`: PIN tries left, 0 when locked, None when the card does not tell (or holds a verified
    PIN). `exchange` remembers how this card wants to be asked.
    """

    tries: int | None
    short_ef: bool = False
    exchange: Exchange = field(default_factory=Exchange, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.short_ef:
            self.exchange.learned.add(Form.SELECT_FILE)


def begin(channel: CardChannel) -> CardFacts:
    """Select the applet and ask for the tries left, which spends none.

    Whatever a card answers to its first SELECT, and to the same once more, other than 9000 says
    that it is not a My Number card: no two of the others say it alike. 6F00 says nothing yet, and
    is asked about once more. Raises CardRefused
    NOT_MYNUMBER, NO_CERTIFICATE, UNREADABLE; DeviceFault.
    """
    exchange = Exchange()
    status = _send(exchange, channel, SELECT_APPLET)[1]
    if status != OK:  # sound cards were seen to answer 6F00 to the first command after power-up
        status = _send(exchange, channel, SELECT_APPLET)[1]
    if status == NO_DIAGNOSIS:  # such a card, and a moment's fault behind it
        status = _send(exchange, channel, SELECT_APPLET)[1]
    if status != OK:
        raise CardRefused(CardCause.NOT_MYNUMBER)
    tries = _tries(_send(exchange, channel, TRIES)[1])
    return CardFacts(tries, Form.SELECT_FILE not in exchange.learned, exchange)


def tries_left(channel: CardChannel, facts: CardFacts | None = None) -> int | None:
    """Ask the selected applet for the PIN tries left, which spends none: 0 when locked, None when
    it does not tell.

    Raises CardRefused NO_CERTIFICATE, UNREADABLE; DeviceFault.
    """
    return _tries(_send(_exchange(facts), channel, TRIES)[1])


def verify(channel: CardChannel, pin: bytearray, facts: CardFacts | None = None) -> None:
    """Send exactly one VERIFY, whatever happens. `pin` is four ASCII digits; wiping it is the
    caller's part.

    Raises CardRefused PIN_WRONG, PIN_LOCKED, NO_CERTIFICATE, UNREADABLE; DeviceFault, and then the
    try may have been spent; ValueError for anything but four digits.
    """
    if len(pin) != 4 or not pin.isdigit():
        raise ValueError("the PIN is four digits")
    exchange = _exchange(facts)
    with _answered():
        _found(exchange.select(channel, TRIES))
        apdu = bytearray(exchange.head(TRIES)) + b"\x04" + pin
        try:
            _, status = transmit(channel, apdu)
        finally:
            apdu[:] = bytes(len(apdu))
    if status == OK:
        return
    tries = tries_left(channel, facts) if status == UNCOUNTED_MISS else _tries(status)
    raise CardRefused(CardCause.PIN_LOCKED if tries == 0 else CardCause.PIN_WRONG, tries)


def identify(channel: CardChannel, facts: CardFacts | None = None) -> tuple[TokenKind, bytes]:
    """What lies there, and how its certificate begins: b"" when it comes after the PIN only.

    Plastic shows its certificate, so the READ that `read_ahead` needs anyhow tells it. Only
    what withholds the certificate, as phones do, is asked for its label. Spends no try.

    Raises CardRefused NO_CERTIFICATE, UNREADABLE; DeviceFault.
    """
    exchange = _exchange(facts)
    start, status = _piece(exchange, channel, CERTIFICATE, 0, WHOLE)
    if status != NOT_PERMITTED:
        _found(status)
        if not start:
            raise CardRefused(CardCause.UNREADABLE)
        return TokenKind.CARD, start
    label, status = _piece(exchange, channel, TOKEN, 0, LABEL_SIZE)
    told = label[:LABEL_SIZE].rstrip(b" ") if status in (OK, FILE_END) else b""
    return LABELS.get(told, TokenKind.UNKNOWN), b""


def read_ahead(
    channel: CardChannel, facts: CardFacts | None = None, start: bytes = b""
) -> bytes | None:
    """`read_certificate` before the PIN: None when this card hands it out after the PIN only, as
    phones do. `start` is what `identify` has just read of it.

    On plastic it costs no APDU more than reading later, on a phone one. Raises as
    `read_certificate`.
    """
    exchange, der = _exchange(facts), start
    while len(der) < (size := _der_size(der)):
        wanted = min(size - len(der), WHOLE) if der else WHOLE
        data, status = _piece(exchange, channel, CERTIFICATE, len(der), wanted)
        if status == NOT_PERMITTED and not der:
            return None
        _found(status)
        if not data:
            raise CardRefused(CardCause.UNREADABLE)
        der += data
    return der[:size]


def _piece(
    exchange: Exchange, channel: CardChannel, file: int, offset: int, size: int
) -> tuple[bytes, int]:
    head = PIECE.head[:2] + offset.to_bytes(2, "big")
    return _send(exchange, channel, replace(PIECE, head=head, le=size, file=file))


def read_certificate(channel: CardChannel, facts: CardFacts | None = None) -> bytes:
    """Read the user-authentication certificate: DER, without the filler behind it.

    Raises CardRefused NO_CERTIFICATE, BAD_CERTIFICATE, UNREADABLE (also when it wants the PIN
    first); DeviceFault.
    """
    der = read_ahead(channel, facts)
    if der is None:
        raise CardRefused(CardCause.UNREADABLE)
    return der


def sign(
    channel: CardChannel, digest: bytes, facts: CardFacts | None = None, kind: KeyKind = KeyKind.RSA
) -> bytes:
    """Sign a SHA-256 digest (32 bytes) with a key of the certificate's kind; the caller checks the
    signature.

    Raises CardRefused UNKNOWN_KEY (nothing was sent), NO_CERTIFICATE, UNREADABLE (also when the PIN
    was not verified); DeviceFault; ValueError.
    """
    if len(digest) != DIGEST_BYTES:
        raise ValueError("a SHA-256 digest is 32 bytes")
    if kind not in SIGN_COMMANDS:
        raise CardRefused(CardCause.UNKNOWN_KEY)
    command = SIGN_COMMANDS[kind](digest)
    signature, status = _send(_exchange(facts), channel, command)
    _found(status, OK)
    if not signature:
        raise CardRefused(CardCause.UNREADABLE)
    return signature


def _sign_rsa(digest: bytes) -> Command:
    """PKCS#1 v1.5 (RFC 8017, 9.2): the card pads, the DigestInfo is ours."""
    head = bytes([0x80, SIGN, 0x00, CURRENT])
    return Command(head, DIGEST_INFO_SHA256 + digest, le=WHOLE, file=KEY)


SIGN_COMMANDS: Final[Mapping[KeyKind, Callable[[bytes], Command]]] = {KeyKind.RSA: _sign_rsa}


def _exchange(facts: CardFacts | None) -> Exchange:
    return (facts or CardFacts(None)).exchange


@contextlib.contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except Unanswered:
        raise CardRefused(CardCause.UNREADABLE) from None


def _send(exchange: Exchange, channel: CardChannel, command: Command) -> tuple[bytes, int]:
    with _answered():
        return exchange.send(channel, command)


def _found(status: int, *wanted: int) -> None:
    """Raises CardRefused NO_CERTIFICATE when the file is not there, UNREADABLE."""
    if status == NOT_FOUND:
        raise CardRefused(CardCause.NO_CERTIFICATE)
    if status not in (wanted or (OK, FILE_END)):
        raise CardRefused(CardCause.UNREADABLE)


def _der_size(start: bytes) -> int:
    """Length of the DER object that begins here, 4 until that is known. Filler alone is no
    certificate.
    """
    if start[:1] in (b"\x00", b"\xff"):
        raise CardRefused(CardCause.NO_CERTIFICATE)
    if not b"\x30\x82".startswith(start[:2]):
        raise CardRefused(CardCause.BAD_CERTIFICATE)
    size = 4 + (int.from_bytes(start[2:4], "big") if len(start) >= 4 else 0)
    if size > LONGEST_CERTIFICATE:
        raise CardRefused(CardCause.BAD_CERTIFICATE)
    return size


def _tries(status: int) -> int | None:
    if status in LOCKED:
        return 0
    if status & 0xFFF0 == 0x63C0:
        return status & 0xF
    _found(status, OK, UNCOUNTED_MISS)
    return None
