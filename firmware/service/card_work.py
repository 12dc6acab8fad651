"""What is asked of the card, in the card's lane. Every outcome is an event of the journey; nothing is raised.

One connection lasts from the first reading to the signature: each APDU is some 30 ms of a person holding still.
What does not need the PIN is done while the person types it: after the last digit only VERIFY and the signature stand
between the person and "take your card". The card's power is cut whenever it is let go.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from firmware.flow import events as e
from firmware.link import sealing
from firmware.link.messages import transcript_digest
from firmware.service.log import log
from firmware.service.vault import PIN_LENGTH, Vault
from hal.card import jpki
from hal.card.check import check_card_certificate, check_signature
from hal.card.contract import CardChannel, CardReader, Stay
from hal.card.jpki import CardCause, CardRefused
from hal.faults import DeviceFault, Reason

T = TypeVar("T")

# What the journey is told when the wire fails. Everything else is "place it again".
FAULT_CAUSES = {Reason.REMOVED: "removed", Reason.NOT_CONNECTED: "card-reader", Reason.CONFIGURATION: "card-reader"}


def load_trust(paths: tuple[Path, ...]) -> tuple[x509.Certificate, ...]:
    """The card CAs: PEM, with all generations in one file or not, or DER. Raises ValueError, OSError."""
    found: list[x509.Certificate] = []
    for path in paths:
        data = path.read_bytes()
        pem = b"-----BEGIN" in data  # words may stand before it
        found += x509.load_pem_x509_certificates(data) if pem else [x509.load_der_x509_certificate(data)]
    return tuple(found)


@dataclass
class Reading:
    """What is known of one card during one stay. It ends with the connection, and nothing of it serves another stay."""

    epoch: int
    channel: CardChannel
    facts: jpki.CardFacts | None = None
    certificate: bytes = field(default=b"", repr=False)  # checked
    kind: jpki.KeyKind = jpki.KeyKind.RSA  # as the certificate says
    key: sealing.KeyPair | None = field(default=None, repr=False)


@dataclass
class CardDesk:
    """Holds the connection to the card of one stay, at most one, and counts what it cost."""

    reader: CardReader
    trusted: tuple[x509.Certificate, ...]
    allow_test: bool
    reading: Reading | None = None

    def read(self, epoch: int, stay: Stay) -> e.Event:
        """Applet there? Tries left?"""

        def work() -> e.Event:
            self.release()
            self.reading = reading = Reading(epoch, self.reader.connect(stay))
            reading.facts = jpki.begin(reading.channel)
            if reading.facts.tries is None:  # a counter nobody knows is not one to spend
                raise CardRefused(CardCause.UNREADABLE)
            return e.CardRead(epoch=epoch, tries=reading.facts.tries)

        return self._told(epoch, work)

    def read_ahead(self, epoch: int) -> e.Event | None:
        """What needs no PIN: a one-time key, and the certificate, checked. Nothing to tell unless the card is no use.

        Told now, nobody types a PIN in vain. A phone shows its certificate after the PIN only: then it is read there.
        """
        reading = self.reading
        if reading is None or reading.epoch != epoch or not (reading.facts and reading.facts.tries):
            return None

        def work() -> None:
            reading.key = sealing.generate()
            found = jpki.read_ahead(reading.channel, reading.facts)
            if found is not None:
                self._keep(reading, found)

        return self._told(epoch, work)

    def authenticate(self, epoch: int, vault: Vault, kiosk: str, challenge: bytes) -> e.Event:
        """VERIFY once, then the signature over the transcript; all checked here before anybody else sees it."""
        pin = vault.pin.take()
        started = time.monotonic()
        reading = self.reading

        def work() -> e.Event:
            if reading is None or reading.epoch != epoch or not (len(pin) == PIN_LENGTH and pin.isdigit()):
                return e.CardFailed(epoch=epoch, cause="removed")  # the journey moved on, or forgot the PIN, meanwhile
            jpki.verify(reading.channel, pin, reading.facts)
            if not reading.certificate:
                self._keep(reading, jpki.read_certificate(reading.channel, reading.facts))
            certificate, key = reading.certificate, reading.key or sealing.generate()
            digest = transcript_digest(kiosk, vault.session, challenge, certificate, key.public)
            signature = jpki.sign(reading.channel, digest, reading.facts, reading.kind)
            check_signature(certificate, digest, signature)
            vault.certificate, vault.signature, vault.key, vault.challenge = certificate, signature, key, challenge
            log("card.done", apdus=reading.channel.exchanged, ms=round((time.monotonic() - started) * 1000))
            return e.CardAuthenticated(epoch=epoch, card=hashlib.sha256(certificate).hexdigest())

        try:
            event = self._told(epoch, work)
        finally:
            pin[:] = bytes(len(pin))
        if not isinstance(event, e.PinWrong):
            self.release()
        return event

    def release(self) -> None:
        """Cut the card's power and forget what was read of it. Never raises."""
        reading, self.reading = self.reading, None
        if reading is not None:
            reading.channel.disconnect()

    def _keep(self, reading: Reading, certificate: bytes) -> None:
        """Raises CardRefused, and keeps nothing."""
        profile = check_card_certificate(certificate, self.trusted, datetime.now(UTC), self.allow_test)
        reading.certificate, reading.kind = certificate, profile.kind

    def _told(self, epoch: int, work: Callable[[], T]) -> T | e.PinWrong | e.CardFailed:
        try:
            return work()
        except CardRefused as refused:
            if refused.cause is CardCause.PIN_WRONG and refused.tries:
                return e.PinWrong(epoch=epoch, tries=refused.tries)
            cause = CAUSES[refused.cause]
        except DeviceFault as fault:
            log("device.fault", device="card", reason=fault.reason.value, detail=fault.detail)
            cause = FAULT_CAUSES.get(fault.reason, "card-unreadable")
        self.release()
        return e.CardFailed(epoch=epoch, cause=cause)


CAUSES = {
    CardCause.PIN_WRONG: "card-unreadable",  # and the card does not tell the tries: not one to go on with
    CardCause.PIN_LOCKED: "pin-locked",
    CardCause.NOT_MYNUMBER: "not-mynumber",
    CardCause.NO_CERTIFICATE: "no-certificate",
    CardCause.UNREADABLE: "card-unreadable",
    CardCause.EXPIRED: "card-expired",
    CardCause.NOT_YET_VALID: "card-too-new",
    CardCause.WRONG_ISSUER: "card-invalid",
    CardCause.BAD_SIGNATURE: "card-invalid",
    CardCause.UNKNOWN_KEY: "card-unsupported",
}
