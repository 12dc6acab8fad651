"""The steps of the check. Each needs the one before, and the first that fails is the last. The
card's power is cut in any case.
"""

from __future__ import annotations

import hashlib
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509

from firmware.tools.card_check import pcsc
from firmware.tools.card_check.profile import Profile, profile
from firmware.tools.card_check.remedies import (
    CAUSES,
    FAULTS,
    KEEP_LAST,
    NAME,
    NO_CARD,
    POWER,
    SENT,
    TYPED,
)
from firmware.tools.diagnose.finding import REPORT, Finding, Verdict, Wrong, as_json
from hal.card import jpki
from hal.card.check import check_card_certificate, check_signature, key_kind
from hal.card.contract import CardChannel, CardPresence, CardReader, CardStatus, Stay, TokenKind
from hal.card.jpki import CardCause, CardFacts, CardRefused, KeyKind
from hal.card.pcsc import PcscReader
from hal.card.pcsc.names import choose
from hal.faults import DeviceFault, Reason

POLL_S: Final = 0.02
STANDING_S: Final = 1.0  # a card that is mute or taken for so long stays so
TROUBLE: Final = {
    CardPresence.MUTE: Reason.MUTE,
    CardPresence.IN_USE: Reason.IN_USE,
    CardPresence.UNKNOWN: Reason.NOT_CONNECTED,
}
VERIFY_INS: Final = 0x20
TITLES: Final = {
    "context": "PC/SC",
    "readers": "読取機",
    "status": "カード",
    "connect": "接続",
    "applet": "公的個人認証",
    "tries": "暗証番号の残り回数",
    "certificate": "電子証明書",
    "issuer": "発行者",
    "verify": "暗証番号の照合",
    "sign": "署名",
    "signature": "署名の検証",
    "power": "カードの電源",
}


@dataclass
class CheckRecord:
    """What --json tells beside the findings."""

    reader: str
    milliseconds: dict[str, float] = field(default_factory=dict)  # by step
    session_ms: float = 0.0  # from the connection to the end of it
    apdus: int = 0
    tries: int | None = None  # as the card answered before any PIN
    certificate: Profile | None = None
    signature_verified: bool = False
    power: str = "unknown"  # off, on or unknown, after everything

    def summary(self, whole: bool, findings: list[Finding]) -> dict[str, Any]:
        return {"ok": whole, **asdict(self), "findings": [as_json(each) for each in findings]}


@dataclass
class Metered:
    """A channel, and how long its commands took. Of a command nothing but its second byte
    is kept.
    """

    channel: CardChannel
    took_ms: list[tuple[int, float]] = field(default_factory=list)  # INS, milliseconds

    @property
    def exchanged(self) -> int:
        return self.channel.exchanged

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        began = time.monotonic()
        try:
            return self.channel.transmit(apdu)
        finally:
            self.took_ms.append((apdu[1], _ms(began)))

    def disconnect(self) -> None:
        self.channel.disconnect()

    def spent_ms(self, ins: int) -> float:
        return sum(ms for sent, ms in self.took_ms if sent == ins)


class Walk:
    """`pin` gives the digits when, and only when, they are wanted; None: no PIN, and no try is
    spent.
    """

    def __init__(
        self,
        reader: str,
        wait_s: float,
        pin: Callable[[], bytearray] | None,
        trusted: tuple[x509.Certificate, ...],
    ) -> None:
        self.record = CheckRecord(reader)
        self._name = self._found = reader
        self._wait_s = wait_s
        self._pin = pin
        self._trusted = trusted
        self._reader: CardReader | None = None
        self._stay: Stay | None = None
        self._channel: Metered | None = None
        self._facts: CardFacts | None = None
        self._der: bytes | None = None
        self._kind = KeyKind.RSA
        self._token = TokenKind.CARD
        self._digest = b""
        self._signature = b""
        self._asked_ms = 0.0  # how long a person took to type

    def findings(self) -> Iterator[Finding]:
        """One after the other, as they come. Never raises; however it ends, the card is let go."""
        began = 0.0
        try:
            for step in self._steps():
                finding = self._examine(step)
                began = began or (time.monotonic() if self._channel else 0.0)
                yield finding
                if not finding.ok:
                    break
        finally:
            connected = self._channel is not None
            self._let_go()
            if began:
                self.record.session_ms = round(
                    _ms(began) + self.record.milliseconds["connect"] - self._asked_ms, 1
                )
        if connected:
            yield self._examine("power")

    def _steps(self) -> Iterator[str]:
        yield from ("context", "readers", "status", "connect", "applet", "tries", "certificate")
        if self._der:
            yield "issuer"
        if self._pin is None:
            return
        yield "verify"
        if not self._der:  # a phone
            yield from ("certificate", "issuer")
        yield from ("sign", "signature")

    def _examine(self, step: str) -> Finding:
        """Whatever goes wrong is a finding."""
        began, wrong = time.monotonic(), Finding(step, Verdict.NG, "")
        try:
            return Finding(step, Verdict.OK, STEPS[step](self))
        except Wrong as found:
            return replace(wrong, detail=found.detail, remedy=found.remedy)
        except CardRefused as refused:
            return replace(wrong, detail=str(refused), remedy=CAUSES[refused.cause])
        except DeviceFault as fault:
            detail = fault.reason.value + (f" ({fault.detail})" if fault.detail else "")
            return replace(wrong, detail=detail, remedy=FAULTS[fault.reason])
        except Exception as error:  # its text could hold anything
            return replace(wrong, detail=type(error).__name__, remedy=REPORT)
        finally:
            self.record.milliseconds.setdefault(step, round(_ms(began), 1))

    def _let_go(self) -> None:
        if self._channel:
            self.record.apdus = self._channel.exchanged
            self._channel.disconnect()
        if self._reader:
            self._reader.close()

    # -- the reader

    def context(self) -> str:
        pcsc.answers()
        return "pcscd answers"

    def readers(self) -> str:
        names = pcsc.readers()
        try:
            self._found = choose(self._name, "", names, lambda _: "")
        except DeviceFault as fault:
            known = ", ".join(names) or "no reader"
            raise Wrong(f"{fault.detail}; PC/SC knows: {known}", NAME) from None
        return self._found

    def status(self) -> str:
        self._reader = PcscReader(self._name)
        self._reader.start(lambda _: None)
        seen = self._come(self._reader)
        if seen.presence is CardPresence.PRESENT:
            self._stay = seen.stay
            return "a card lies on it"
        if seen.presence is CardPresence.ABSENT:
            raise Wrong(f"no card within {self._wait_s:g} s", NO_CARD)
        raise Wrong(seen.presence.value, FAULTS[TROUBLE[seen.presence]])

    def _come(self, reader: CardReader) -> CardStatus:
        """Wait for a card, and for what is wrong with it to pass."""
        end, asked = time.monotonic() + self._wait_s, False
        seen, since = reader.status(), time.monotonic()
        while seen.presence is not CardPresence.PRESENT and time.monotonic() < end:
            if (
                seen.presence in (CardPresence.MUTE, CardPresence.IN_USE)
                and time.monotonic() > since + STANDING_S
            ):
                break
            if seen.presence is CardPresence.ABSENT and not asked:
                asked = True
                sys.stderr.write("カードを置いてください / place the card …\n")
            time.sleep(POLL_S)
            now = reader.status()
            seen, since = now, since if now == seen else time.monotonic()
        return seen

    def connect(self) -> str:
        assert self._reader and self._stay  # noqa: S101
        self._channel = Metered(self._reader.connect(self._stay))
        return "exclusive, powered up"

    # -- the card

    def applet(self) -> str:
        try:
            self._facts = jpki.begin(self._card)
        except CardRefused:
            if not self._card.spent_ms(VERIFY_INS):
                raise
        took = self.record.milliseconds
        took["tries"] = round(self._card.spent_ms(VERIFY_INS), 1)
        took["applet"] = round(sum(ms for _, ms in self._card.took_ms) - took["tries"], 1)
        return "JPKI"

    def tries(self) -> str:
        if self._facts is None:  # it was asked together with the applet
            raise CardRefused(CardCause.NO_CERTIFICATE)
        left = self.record.tries = self._facts.tries
        if left is None:
            raise Wrong("the card does not tell", CAUSES[CardCause.UNREADABLE])
        if left == 0:
            raise CardRefused(CardCause.PIN_LOCKED, 0)
        if left == 1 and self._pin:
            raise Wrong("1 left: it is not spent here", KEEP_LAST)
        return f"{left} left"

    def certificate(self) -> str:
        verified = self.record.milliseconds.get("verify") is not None
        self._token, start = (
            (self._token, b"") if verified else jpki.identify(self._card, self._facts)
        )
        if not (start or verified):
            return f"readable after the PIN only; the label says: {self._token.value}"
        self._der = jpki.read_ahead(self._card, self._facts, start)
        if self._der is None:
            raise CardRefused(CardCause.UNREADABLE)
        found = self.record.certificate = profile(self._der, self._trusted, datetime.now(UTC))
        detail = f"{found.key}, {found.validity}, until {found.until_year}"
        if found.validity != "valid":
            cause = CardCause.EXPIRED if found.validity == "expired" else CardCause.NOT_YET_VALID
            raise Wrong(detail, CAUSES[cause])
        self._kind = key_kind(self._der)
        if self._token is not TokenKind.CARD:
            named = " or ".join(found.policies) or "none"
            return f"{detail}; trust.phone_policies must name {named}"
        if not found.for_authentication:
            raise Wrong(
                f"{detail}, policies {', '.join(found.policies) or 'none'}",
                CAUSES[CardCause.WRONG_ISSUER],
            )
        return detail + ("; TEST CARD: a kiosk in service refuses it" if found.test else "")

    def issuer(self) -> str:
        assert self._der and self.record.certificate  # noqa: S101
        if not self._trusted:
            return "not checked: no --trust"
        # Whoever names a test CA lets test cards pass.
        check_card_certificate(
            self._der,
            self._trusted,
            datetime.now(UTC),
            True,
            self._token,
            self.record.certificate.policies,
        )
        generation = self.record.certificate.generation
        return f"one of the {len(self._trusted)} given, the one since {generation}"

    def verify(self) -> str:
        assert self._pin  # noqa: S101
        began = time.monotonic()
        pin = self._pin()
        self._asked_ms = _ms(began)
        try:
            if len(pin) != 4 or not pin.isdigit():
                raise Wrong("the PIN is four digits; none was sent", TYPED)
            began = time.monotonic()
            jpki.verify(self._card, pin, self._facts)
        except DeviceFault as fault:
            raise Wrong(f"{fault.reason.value}: a try may be spent", SENT) from None
        finally:
            self.record.milliseconds["verify"] = round(_ms(began), 1)
            pin[:] = bytes(len(pin))
        return "right"

    def sign(self) -> str:
        self._digest = hashlib.sha256(secrets.token_bytes(32)).digest()
        self._signature = jpki.sign(self._card, self._digest, self._facts, self._kind)
        return f"{len(self._signature)} bytes"

    def signature(self) -> str:
        assert self._der  # noqa: S101
        check_signature(self._der, self._digest, self._signature)
        self.record.signature_verified = True
        return "belongs to the certificate"

    def power(self) -> str:
        self.record.power = pcsc.power(self._found)
        if self.record.power == "on":
            raise Wrong("still on", POWER)
        if self.record.power == "unknown":
            raise Wrong(
                "unknown: the card is gone, or another program has it", FAULTS[Reason.REMOVED]
            )
        return self.record.power

    @property
    def _card(self) -> Metered:
        assert self._channel  # noqa: S101
        return self._channel


STEPS: Final[Mapping[str, Callable[[Walk], str]]] = {name: getattr(Walk, name) for name in TITLES}


def _ms(since: float) -> float:
    return (time.monotonic() - since) * 1000
