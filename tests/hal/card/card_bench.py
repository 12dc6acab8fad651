"""What the card tests share beside fixtures."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from cryptography import x509

from hal.card import jpki
from hal.card.check import USER_AUTHENTICATION, CardProfile, check_card_certificate, check_signature
from hal.card.contract import CardChannel, CardPresence, CardReader, CardStatus, TokenKind
from hal.sim.card.applet import Applet

NOW = datetime(2025, 6, 2, 3, 0, tzinfo=UTC)
PIN = "1234"
DIGEST = hashlib.sha256(b"transcript").digest()


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.002)


class Watched:
    """A started reader and what it told."""

    def __init__(self, reader: CardReader) -> None:
        self.reader = reader
        self.told: list[CardStatus] = []
        reader.start(self.told.append)

    def wait(self, presence: CardPresence, seconds: float = 5.0) -> CardStatus:
        until(lambda: self.reader.status().presence is presence, seconds)
        return self.reader.status()


class Direct:
    """A channel straight to an applet; keeps the headers it saw and the very buffer of the last
    command.
    """

    def __init__(self, applet: Applet) -> None:
        self.applet = applet
        self.seen: list[str] = []
        self.last: bytes | bytearray = b""

    @property
    def exchanged(self) -> int:
        return len(self.seen)

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        self.seen.append(bytes(apdu[:4]).hex())
        self.last = apdu
        return self.applet.handle(bytes(apdu))

    def disconnect(self) -> None:
        self.applet.power_off()


def _checked(
    der: bytes,
    trusted: Sequence[x509.Certificate],
    now: datetime,
    allow_test: bool,
    kind: TokenKind,
) -> CardProfile:
    """The folder's certificate is a card's; a phone may have one here that is alike."""
    alike = (USER_AUTHENTICATION.dotted_string,)
    return check_card_certificate(der, trusted, now, allow_test, kind, alike)


def whole_session(
    channel: CardChannel,
    trusted: Sequence[x509.Certificate],
    pin: str = PIN,
    now: datetime = NOW,
    allow_test: bool = True,
) -> CardProfile:
    """All that a kiosk asks of a card and checks of its answers, in the order that keeps a person
    waiting least.
    """
    facts = jpki.begin(channel)
    if facts.tries == 0:
        raise jpki.CardRefused(jpki.CardCause.PIN_LOCKED, 0)
    kind, start = jpki.identify(channel, facts)
    ahead = jpki.read_ahead(channel, facts, start) if start else None
    profile = _checked(ahead, trusted, now, allow_test, kind) if ahead else None
    jpki.verify(channel, bytearray(pin.encode()), facts)
    der = ahead or jpki.read_certificate(channel, facts)
    profile = profile or _checked(der, trusted, now, allow_test, kind)
    check_signature(der, DIGEST, jpki.sign(channel, DIGEST, facts, profile.kind))
    return profile
