"""What is asked of the card, in the card's thread. Every outcome is an event of the journey;
nothing is raised.

One connection lasts from the first reading to the signature, unless something that passes goes
wrong (hal/card/session.py): each APDU is some 30 ms of a person holding still. What does not need
the PIN is done while the person types it: after the last digit only VERIFY and the signature stand
between the person and "take your card". The card's power is cut whenever it is let go.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from firmware.flow import events
from firmware.flow.session import Token
from firmware.link import sealing
from firmware.link.messages import transcript_digest
from firmware.service.card_outcomes import CardOutcomes
from firmware.service.log import log
from firmware.service.vault import PIN_LENGTH, Vault
from hal.card import jpki
from hal.card.check import check_card_certificate, check_signature
from hal.card.contract import CardReader, Stay
from hal.card.jpki import CardCause, CardRefused
from hal.card.session import DOUBTFUL, CardSession
from hal.faults import DeviceFault, Reason

T = TypeVar("T")

# What the journey gets when the wire fails, and that has stayed. Everything else is "place it
# again".
FAULT_CAUSES = {
    Reason.REMOVED: "removed",
    Reason.MUTE: "mute",
    Reason.NOT_CONNECTED: "card-reader",
    Reason.CONFIGURATION: "card-reader",
    Reason.DENIED: "card-reader",
    Reason.SERVICE_DOWN: "card-reader",
    Reason.IN_USE: "card-reader",
}
# After a PIN was sent: what may have happened to an answer, while the card lies there.
PASSING = frozenset({Reason.SILENT, Reason.GARBLED})


def load_trust(paths: tuple[Path, ...]) -> tuple[x509.Certificate, ...]:
    """The card CAs: PEM, with all generations in one file or not, or DER. Raises ValueError, which
    names the file, OSError.
    """
    return tuple(each for path in paths for each in _authorities(path))


def _authorities(path: Path) -> list[x509.Certificate]:
    data = path.read_bytes()
    try:
        if b"-----BEGIN" in data:  # words may stand before it
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{path}: not a certificate (PEM or DER)") from None


@dataclass
class CardReading:
    """What is known of one card during one stay. Nothing of it serves another stay."""

    epoch: int
    session: CardSession
    tries: int = 0  # as the card told before the last PIN; 0: not known, or locked
    interrupted: bool = False  # a PIN was typed, and what became of it had to be asked
    first: CardCause | Reason | None = None  # why
    certificate: bytes = field(default=b"", repr=False)  # checked
    kind: jpki.KeyKind = jpki.KeyKind.RSA  # as the certificate says
    key: sealing.KeyPair | None = field(default=None, repr=False)


@dataclass
class CardDesk:
    """Holds the connection to the card of one stay, at most one, and counts what it cost.

    `now` is the time that a card's validity is judged by: the city's, never a clock that may be
    wrong. None: it is not known, and the city judges alone.
    """

    reader: CardReader
    trusted: tuple[x509.Certificate, ...]
    allow_test: bool
    now: Callable[[], datetime | None]
    phone_policies: tuple[str, ...] = ()
    reading: CardReading | None = None
    outcomes: CardOutcomes = field(default_factory=CardOutcomes)
    _mute: bool = False  # this person's card did not start, and that was counted
    _trouble: Reason | None = None  # what the reader's was when it was last asked

    def trouble(self) -> str:
        """Between two persons: is the reader there, and may we use it? "" when all is well."""
        found = None
        try:
            self.reader.check()
        except DeviceFault as fault:
            found = fault.reason
            if found is not self._trouble:
                log("device.fault", device="card", reason=found.value, detail=fault.detail)
        self._trouble = found
        return "card-reader" if found or self.outcomes.pausing() else ""

    def read(self, epoch: int, stay: Stay) -> events.Event:
        """Applet there? Tries left? A card or a phone? Known before a PIN is asked for."""

        def work() -> events.Event:
            self.release()
            session = CardSession(
                self.reader, stay, note=lambda what: log("card.repeated", what=what)
            )
            self.reading = reading = CardReading(epoch, session)
            session.begin()
            session.identify()
            return self._told(reading, session.facts)

        return self._as_event(epoch, work)

    def read_ahead(self, epoch: int) -> events.Event | None:
        """What needs no PIN: a one-time key, and the certificate, checked. No event unless
        the card is no use.

        Known now, nobody types a PIN in vain. A phone shows its certificate after the PIN only:
        then it is read there.
        """
        reading = self.reading
        if reading is None or reading.epoch != epoch or not reading.tries:
            return None

        def work() -> None:
            reading.key = sealing.generate()
            reading.session.read_ahead(lambda der: self._keep(reading, der))

        return self._as_event(epoch, work)

    def authenticate(self, epoch: int, vault: Vault, kiosk: str, challenge: bytes) -> events.Event:
        """VERIFY once, then the signature over the transcript; all checked here before anybody else
        sees it.
        """
        pin = vault.pin.take()
        started = time.monotonic()
        reading = self.reading

        def work() -> events.Event:
            if (
                reading is None
                or reading.epoch != epoch
                or not (len(pin) == PIN_LENGTH and pin.isdigit())
            ):
                # the journey moved on, or forgot the PIN, meanwhile
                return events.CardFailed(epoch=epoch, cause="removed")
            channel, facts = reading.session.channel, reading.session.facts
            jpki.verify(channel, pin, facts)
            if not reading.certificate:
                _twice(lambda: self._keep(reading, jpki.read_certificate(channel, facts)))
            certificate, key = reading.certificate, reading.key or sealing.generate()
            digest = transcript_digest(kiosk, vault.session, challenge, certificate, key.public)

            def sign() -> bytes:
                made = jpki.sign(channel, digest, facts, reading.kind)
                check_signature(certificate, digest, made)
                return made

            signature = _twice(sign)
            self.outcomes.well()
            vault.certificate, vault.signature, vault.key, vault.challenge = (
                certificate,
                signature,
                key,
                challenge,
            )
            log(
                "card.done",
                apdus=reading.session.exchanged,
                repeated=reading.session.repeated,
                ms=round((time.monotonic() - started) * 1000),
            )
            return events.CardAuthenticated(
                epoch=epoch, card=hashlib.sha256(certificate).hexdigest()
            )

        def work_or_ask() -> events.Event:
            try:
                return work()
            except (CardRefused, DeviceFault) as error:
                if reading is None or not self._passes(reading, error):
                    raise
                reading.first = error.cause if isinstance(error, CardRefused) else error.reason
            return self._ask_what_became(reading)

        try:
            event = self._as_event(epoch, work_or_ask)
        finally:
            pin[:] = bytes(len(pin))
        if not isinstance(event, events.PinWrong | events.CardRead):
            self.release()
        return event

    def _passes(self, reading: CardReading, error: CardRefused | DeviceFault) -> bool:
        """Whether the card may be asked once what became of the PIN, and the person for it.

        Raises DeviceFault: two faults that are not alike say nothing about the card.
        """
        if reading.interrupted:
            refused = isinstance(error, CardRefused) and error.cause is CardCause.UNREADABLE
            if refused and reading.first is not CardCause.UNREADABLE:
                raise DeviceFault(reading.session.stay.reader, Reason.GARBLED)
            return False
        if isinstance(error, CardRefused):
            return error.cause is CardCause.UNREADABLE
        return error.reason in PASSING

    def _ask_what_became(self, reading: CardReading) -> events.Event:
        """The PIN that was sent is not sent again: the card is asked for the tries, which spends
        none. Fewer than before say that it was wrong; otherwise the person is asked once more.

        Raises CardRefused; DeviceFault.
        """
        reading.interrupted, before = True, reading.tries
        facts = reading.session.begin_again()
        log("card.interrupted", repeated=reading.session.repeated)
        if facts.tries is not None and 0 < facts.tries < before:
            reading.tries = facts.tries
            return events.PinWrong(epoch=reading.epoch, tries=facts.tries)
        return self._told(reading, facts)

    def _told(self, reading: CardReading, facts: jpki.CardFacts) -> events.CardRead:
        """Raises CardRefused: a counter nobody knows is not one to spend."""
        if facts.tries is None:
            raise CardRefused(CardCause.UNREADABLE)
        reading.tries = facts.tries
        token = Token(reading.session.kind.value)
        return events.CardRead(epoch=reading.epoch, tries=facts.tries, token=token)

    def release(self) -> None:
        """Cut the card's power and forget what was read of it. Never raises."""
        reading, self.reading = self.reading, None
        if reading is not None:
            reading.session.end()

    def _keep(self, reading: CardReading, certificate: bytes) -> None:
        """Raises CardRefused, and keeps nothing."""
        profile = check_card_certificate(
            certificate,
            self.trusted,
            self.now(),
            self.allow_test,
            reading.session.kind,
            self.phone_policies,
        )
        reading.certificate, reading.kind = certificate, profile.kind

    def _as_event(
        self, epoch: int, work: Callable[[], T]
    ) -> T | events.PinWrong | events.CardFailed:
        try:
            return work()
        except CardRefused as refused:
            if refused.cause not in (CardCause.NOT_MYNUMBER, CardCause.UNREADABLE):
                self.outcomes.well()
            elif self.reading is not None and self.reading.session.unheard:
                self.outcomes.failed(Reason.SILENT)
            if refused.cause is CardCause.PIN_WRONG and refused.tries:
                if self.reading is not None:
                    self.reading.tries = refused.tries
                return events.PinWrong(epoch=epoch, tries=refused.tries)
            cause = CAUSES[refused.cause]
        except DeviceFault as fault:
            log("device.fault", device="card", reason=fault.reason.value, detail=fault.detail)
            if fault.reason is not Reason.MUTE or not self._mute:
                self.outcomes.failed(fault.reason)
            self._mute = self._mute or fault.reason is Reason.MUTE
            cause = FAULT_CAUSES.get(fault.reason, "card-unreadable")
        self.release()
        return events.CardFailed(epoch=epoch, cause=cause)


def _twice(work: Callable[[], T]) -> T:
    """After the PIN, on the connection that knows it: what damage on the way could cause is
    believed when it comes again.
    """
    try:
        return work()
    except CardRefused as refused:
        if refused.cause not in DOUBTFUL | {CardCause.BAD_SIGNATURE}:
            raise
    return work()


# What stays when it is read again is not told as something that passes.
CAUSES = {
    CardCause.PIN_WRONG: "card-invalid",  # and the card does not give the tries
    CardCause.PIN_LOCKED: "pin-locked",
    CardCause.NOT_MYNUMBER: "not-mynumber",
    CardCause.NO_CERTIFICATE: "no-certificate",
    CardCause.UNREADABLE: "card-invalid",
    CardCause.BAD_CERTIFICATE: "card-invalid",
    CardCause.EXPIRED: "card-expired",
    CardCause.NOT_YET_VALID: "card-too-new",
    CardCause.WRONG_ISSUER: "card-invalid",
    CardCause.BAD_SIGNATURE: "card-invalid",
    CardCause.UNKNOWN_KEY: "card-unsupported",
}
