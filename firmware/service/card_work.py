"""What is asked of the card, in the card's lane. Every outcome is an event of the journey; nothing is raised.

One connection lasts from the first reading to the signature: each APDU is some 30 ms of a person holding still.
The card's power is cut whenever it is let go.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from firmware.flow import events as e
from firmware.link import sealing
from firmware.link.messages import transcript_digest
from firmware.service.log import log
from firmware.service.vault import Vault
from hal.card import jpki
from hal.card.check import check_card_certificate, check_signature
from hal.card.contract import CardChannel, CardReader, Stay
from hal.card.jpki import CardCause, CardRefused
from hal.faults import DeviceFault, Reason

# What the journey is told when the wire fails. Everything else is "place it again".
FAULT_CAUSES = {Reason.REMOVED: "removed", Reason.NOT_CONNECTED: "card-reader", Reason.CONFIGURATION: "card-reader"}


def load_trust(paths: tuple[Path, ...]) -> tuple[x509.Certificate, ...]:
    """The card CAs, PEM or DER. Raises ValueError, OSError."""
    found = []
    for path in paths:
        data = path.read_bytes()
        pem = data.lstrip().startswith(b"-----BEGIN")
        found.append(x509.load_pem_x509_certificate(data) if pem else x509.load_der_x509_certificate(data))
    return tuple(found)


@dataclass
class CardDesk:
    """Holds the connection to the card of one stay, at most one, and counts what it cost."""

    reader: CardReader
    trusted: tuple[x509.Certificate, ...]
    allow_test: bool
    channel: CardChannel | None = None
    facts: jpki.CardFacts | None = None

    def read(self, epoch: int, stay: Stay) -> e.Event:
        """Applet there? Tries left?"""

        def work() -> e.Event:
            self.release()
            self.channel = self.reader.connect(stay)
            self.facts = jpki.begin(self.channel)
            if self.facts.tries is None:  # a counter nobody knows is not one to spend
                raise CardRefused(CardCause.UNREADABLE)
            return e.CardRead(epoch=epoch, tries=self.facts.tries)

        return self._told(epoch, work)

    def authenticate(self, epoch: int, vault: Vault, kiosk: str, challenge: bytes) -> e.Event:
        """VERIFY once, certificate, signature over the transcript; all checked here before anybody else sees it."""
        pin = vault.pin.take()
        started = time.monotonic()

        def work() -> e.Event:
            if self.channel is None or self.facts is None:
                return e.CardFailed(epoch=epoch, cause="removed")
            jpki.verify(self.channel, pin, self.facts)
            certificate = jpki.read_certificate(self.channel, self.facts)
            check_card_certificate(certificate, self.trusted, datetime.now(UTC), self.allow_test)
            key = sealing.generate()
            digest = transcript_digest(kiosk, vault.session, challenge, certificate, key.public)
            signature = jpki.sign(self.channel, digest, self.facts)
            check_signature(certificate, digest, signature)
            vault.certificate, vault.signature, vault.key, vault.challenge = certificate, signature, key, challenge
            log("card.done", apdus=self.channel.exchanged, ms=round((time.monotonic() - started) * 1000))
            return e.CardAuthenticated(epoch=epoch, card=hashlib.sha256(certificate).hexdigest())

        try:
            event = self._told(epoch, work)
        finally:
            pin[:] = bytes(len(pin))
        if not isinstance(event, e.PinWrong):
            self.release()
        return event

    def release(self) -> None:
        """Cut the card's power and let go. Never raises."""
        channel, self.channel, self.facts = self.channel, None, None
        if channel is not None:
            channel.disconnect()

    def _told(self, epoch: int, work: Callable[[], e.Event]) -> e.Event:
        try:
            return work()
        except CardRefused as refused:
            if refused.cause is CardCause.PIN_WRONG and refused.tries:
                return e.PinWrong(epoch=epoch, tries=refused.tries)
            locked = refused.cause in (CardCause.PIN_WRONG, CardCause.PIN_LOCKED)
            cause = "pin-locked" if locked else CAUSES[refused.cause]
        except DeviceFault as fault:
            log("device.fault", device="card", reason=fault.reason.value, detail=fault.detail)
            cause = FAULT_CAUSES.get(fault.reason, "card-unreadable")
        self.release()
        return e.CardFailed(epoch=epoch, cause=cause)


CAUSES = {
    CardCause.NOT_MYNUMBER: "not-mynumber",
    CardCause.NO_CERTIFICATE: "no-certificate",
    CardCause.UNREADABLE: "card-unreadable",
    CardCause.EXPIRED: "card-expired",
    CardCause.NOT_YET_VALID: "card-too-new",
    CardCause.WRONG_ISSUER: "card-invalid",
    CardCause.BAD_SIGNATURE: "card-invalid",
}
