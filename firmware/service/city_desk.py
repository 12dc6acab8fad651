"""What is asked of the city. Every outcome is an event of the journey; nothing is raised.

A document is bound, opened, read and turned into dots here, before the journey gets it: what
does not pass is an anomaly, and no money has been taken.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeVar

from cryptography import x509
from msgspec import structs

from firmware.flow import commands, events
from firmware.link import messages
from firmware.link.client import (
    MIX_UPS,
    UNUSABLE,
    CityRefusal,
    Line,
    LineConfig,
    LineFault,
    LineReason,
)
from firmware.link.form_terms import FormTerms
from firmware.link.refusals import ANOMALIES, DENIALS, UNFIT
from firmware.link.signing import load_public
from firmware.service.build import build
from firmware.service.config import Config, EscposSection, SheetsDriver, guard_style
from firmware.service.devices import printer
from firmware.service.journal import new_id
from firmware.service.log import log
from firmware.service.terms import refusal, session_opened
from firmware.service.terms import terms as journey_terms
from firmware.service.unrecorded import MAKE, unrecorded
from firmware.service.vault import Vault
from firmware.sheets.admit import RefusedDocument, SignedTerms, Trust, admit, read_terms
from firmware.sheets.binding import Ordered, check_notices
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.prepare import Target
from hal.printer.escpos_commands import NEVER_IN_A_PAGE

T = TypeVar("T")
JAPAN = timedelta(hours=9)
CLOCK_S = 60.0  # the city's clock may be ahead of its newest answer


def line_config(config: Config) -> LineConfig:
    line = config.line
    return LineConfig(
        url=line.city,
        certificate=line.certificate,
        key=line.key,
        ca=line.city_ca,
        interface=line.interface or "",
        clock_s=line.clock_s,
        deadline_s=line.deadline_s,
    )


def trust(config: Config) -> Trust:
    """The keys and the font that documents are checked with. Raises SignatureError, OSError."""
    return Trust(
        issuing_keys=load_public(config.trust.issuing_keys),
        terms_keys=load_public(config.trust.terms_keys),
        terms_edition=config.trust.terms_edition,
        font=config.fonts.mincho,
    )


CERTIFICATE: Final = "certificate"
VOICE: Final = "voice"
BUILD: Final = "build-refused"
# How it looks when the city does not take this kiosk's certificate, among other causes.
UNHEARD: Final = frozenset({LineReason.TLS, LineReason.UNREACHABLE, LineReason.TRUNCATED})


@dataclass
class CityDesk:
    """The line, and the newest terms from it. `terms_at` is monotonic seconds."""

    config: Config
    line: Line
    trust: Trust
    alarm: Callable[[str], None] = lambda code: None  # opens a case that pauses the kiosk
    # how this kiosk is, told with each hello
    status: Callable[[], messages.KioskStatus | None] = lambda: None
    # hears which image the city wants this kiosk to have, with the answer to each hello; None when
    # there is none: it may want another one meanwhile
    wants: Callable[[str | None], None] = lambda version: None
    status_refused: bool = False  # a city of an older build refuses a hello that tells it
    terms: messages.Terms | None = None
    terms_at: float = 0.0
    rejected: str = ""  # why the document that came was not what it must be
    trouble: str = ""  # why this kiosk, as it is, cannot work with this city
    unrecorded: tuple[str, ...] = ()  # kinds that the voice has no recording of
    cause: str = ""  # of the trouble, where it has one
    certificate_over: bool = False  # this kiosk's, and no city answers
    journal_behind: bool = False  # it lacks the entry that the city has kept of it
    journal: messages.JournalHead | None = (
        None  # its newest entry, once it has been compared with what the city kept
    )

    async def fetch_terms(self) -> events.Event:
        try:
            hello = messages.Hello(
                protocol=messages.PROTOCOL,
                build=build(),
                journal_behind=self.journal_behind,
                journal=self.journal,
                phones=bool(self.config.trust.phone_policies),
                understands=messages.UNDERSTOOD,
                status=None if self.status_refused else self.status(),
            )
            received = await self._hello(hello)
            signed = self._check_terms(received)
        except (LineFault, CityRefusal) as error:
            self._note("hello", error)
            self.wants(None)
            unheard = isinstance(error, LineFault) and error.reason in UNHEARD
            self.certificate_over = unheard and self._is_over()
            return events.LineLost()
        self.certificate_over = False
        self.terms, self.trouble, self.terms_at = received, "", time.monotonic()
        self.cause = ""
        self._listen(unrecorded(self.config, signed.forms, received))
        self.wants(received.update)
        if received.build_refused:
            log("line.build-refused", build=build())
            self.trouble, self.cause = "config", BUILD
        return events.TermsReceived(
            terms=journey_terms(self.terms, phones=bool(self.config.trust.phone_policies))
        )

    async def _hello(self, hello: messages.Hello) -> messages.Terms:
        """Nobody goes without a certificate because the city does not understand how the kiosk is.
        Raises LineFault, CityRefusal.
        """
        try:
            return await self.line.hello(hello)
        except CityRefusal as error:
            if hello.status is None or error.refusal.code is not messages.RefusalCode.MALFORMED:
                raise
        self.status_refused = True
        return await self.line.hello(structs.replace(hello, status=None))

    def _listen(self, kinds: tuple[str, ...]) -> None:
        """Kinds that nobody could be told of by voice keep this kiosk out of service."""
        if kinds and kinds != self.unrecorded:
            log("voice.unrecorded", kinds=",".join(kinds), make=MAKE)
        self.unrecorded = kinds

    def _check_terms(self, received: messages.Terms) -> FormTerms:
        """What every document will be measured by: the city's clock, and its signed terms. Raises
        LineFault.
        """
        now = datetime.fromisoformat(received.now)  # the line has read it
        if now.utcoffset() != JAPAN:  # another zone has another day at the same instant
            raise LineFault(LineReason.MALFORMED)
        if self.line.clock.is_wrong():
            raise LineFault(LineReason.CLOCK)
        try:
            signed = SignedTerms(received.form_terms, received.form_terms_signature)
            read = read_terms(signed, self.trust.terms_keys, self.trust.terms_edition)
            check_notices(read, received, now.date())
        except SheetFault:  # every document of this city would be refused
            raise LineFault(LineReason.TERMS) from None
        return read

    def problem(self) -> str:
        """Why nobody can be served with this city now; "" for nothing."""
        if self.trouble:
            return self.trouble
        if self.line.clock.is_wrong():
            return "clock"
        return "config" if self.item() else ""

    def item(self) -> str:
        """What must be looked at when the problem is "config", where that is known. The screen
        shows it where it shows a case's number.
        """
        if self.trouble or self.line.clock.is_wrong():
            return self.cause if self.trouble else ""
        if self.certificate_over:
            return CERTIFICATE
        return VOICE if self.unrecorded else ""

    def _is_over(self) -> bool:
        """By the city's time, or by the board's while no city has told its own."""
        with suppress(OSError, ValueError):
            paper = x509.load_pem_x509_certificate(self.config.line.certificate.read_bytes())
            return paper.not_valid_after_utc < (self.line.clock.now() or datetime.now(UTC))
        return False

    async def open_session(self, epoch: int, vault: Vault) -> events.Event:
        if vault.key is None:
            return events.CityRefused(epoch=epoch, code="line-down")
        request = messages.SessionRequest(
            session=vault.session,
            challenge=vault.challenge,
            card_certificate=vault.certificate,
            document_key=vault.key.public,
            signature=vault.signature,
            understands=messages.UNDERSTOOD,
        )

        async def work() -> events.Event:
            vault.opened = True  # from here on the city may hold a session of ours
            vault.answer = answer = await self.line.open_session(request)
            return session_opened(epoch, answer)

        return await self._as_event("sessions", epoch, work)

    async def place_order(
        self, command: commands.PlaceOrder, vault: Vault, thread: Executor
    ) -> events.Event:
        epoch, answer = command.epoch, vault.answer
        if answer is None or vault.key is None:
            return events.CityRefused(epoch=epoch, code="line-down")
        vault.order = new_id()
        request = messages.OrderRequest(
            session=vault.session,
            order=vault.order,
            kind=command.kind,
            choices=dict(command.choices),
            copies=command.copies,
            understands=messages.UNDERSTOOD,
        )

        async def work() -> events.Event:
            got = await self.line.order(request)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(thread, self._examine, epoch, request, got, vault)

        return await self._as_event("orders", epoch, work)

    def _examine(
        self, epoch: int, request: messages.OrderRequest, got: messages.OrderAnswer, vault: Vault
    ) -> events.Event:
        """Everything that can be known about the document before money, on the document's
        own thread.
        """
        started = time.monotonic()
        answer, key, terms = vault.answer, vault.key, self.terms
        if answer is None or key is None or terms is None:  # destroyed meanwhile
            return events.CityRefused(epoch=epoch, code="line-down")
        days = self._days(terms)
        if days is None:
            return self._reject(epoch, SheetReason.DATE)
        ordered = Ordered(
            kiosk=self.config.kiosk.id,
            card_sha256=hashlib.sha256(vault.certificate).hexdigest(),
            request=request,
            session=answer,
            days=days,
        )
        signed = SignedTerms(terms.form_terms, terms.form_terms_signature)
        found = admit(ordered, signed, got, key.private, self.trust, self._target())
        if isinstance(found, RefusedDocument):
            return self._reject(epoch, found.reason, found.page)
        vault.sheets, vault.document = found.sheets, found.document
        log("sheets.ready", sheets=len(found.sheets), ms=round((time.monotonic() - started) * 1000))
        return events.DocumentChecked(
            epoch=epoch,
            document=found.document,
            unique_number=found.unique_number,
            sheets=len(found.sheets) * found.copies,
            fee=found.fee,
            copies=found.copies,
        )

    def _reject(self, epoch: int, reason: SheetReason, page: int = 0) -> events.Event:
        """The journey opens a case here; the city learns of it with the cancellation, and has one
        of its own.
        """
        self.rejected = reason.value
        log("sheets.rejected", reason=reason.value, page=page)
        return events.DocumentRejected(epoch=epoch, reason=reason.value)

    def _days(self, terms: messages.Terms) -> tuple[date, date] | None:
        """By the city's own clock: when it was asked, and now. None when it gave no such time."""
        try:
            asked = datetime.fromisoformat(terms.now)
            return asked.date(), (
                asked + timedelta(seconds=time.monotonic() - self.terms_at + CLOCK_S)
            ).date()
        except (ValueError, OverflowError):
            return None

    def _target(self) -> Target:
        section = self.config.sheets
        never: tuple[bytes, ...] = NEVER_IN_A_PAGE if isinstance(section, EscposSection) else ()
        if isinstance(section, SheetsDriver):
            never = printer("sheets", section).capabilities.never
        return Target(section.dpi, section.width, guard_style(section), section.duplex, never)

    async def release(self, epoch: int, vault: Vault, paid: int) -> events.Event:
        request = messages.ReleaseRequest(
            session=vault.session, order=vault.order, document_sha256=vault.document, paid=paid
        )

        async def work() -> events.Event:
            got = await self.line.release(request)
            return events.Released(epoch=epoch, document=got.document_sha256)

        return await self._as_event("release", epoch, work)

    async def cancel(self, session: str) -> None:
        """Best effort: the city ends the session by itself when no message comes."""
        try:
            await self.line.cancel(session, self.rejected)
        except (LineFault, CityRefusal) as error:
            self._note("cancel", error)

    async def deliver(
        self,
        outcomes: list[messages.Outcome],
        done: Callable[[str], None],
        denied: Callable[[messages.Outcome, str], None],
    ) -> None:
        """`done` is called for each that the city has, `denied` for each that its books contradict,
        and by which code.

        One that is refused for any other cause is sent again later. None holds up those behind it.
        """
        for outcome in outcomes:
            try:
                await self.line.outcome(outcome)
            except LineFault as fault:
                self._note("outcome", fault)
                return
            except CityRefusal as refused:
                if refused.refusal.code in DENIALS:
                    log("line.refused", call="outcome", code=refused.refusal.code.value)
                    denied(outcome, refused.refusal.code.value)
                else:
                    self._note("outcome", refused)
            else:
                log("line.delivered", outcome=outcome.outcome)
                done(outcome.outcome)

    async def _as_event(
        self, call: str, epoch: int, work: Callable[[], Awaitable[events.Event]]
    ) -> events.Event:
        try:
            return await work()
        except LineFault as fault:
            self._note(call, fault)
            return events.CityRefused(epoch=epoch, code="line-down")
        except CityRefusal as refused:
            self._note(call, refused)
            code, opens_at = refusal(refused.refusal.code), refused.refusal.opens_at or ""
            return events.CityRefused(epoch=epoch, code=code, opens_at=opens_at)

    def _note(self, call: str, error: LineFault | CityRefusal) -> None:
        """Its own reason into the log; what only a mix-up or a repetition explains is a case."""
        if isinstance(error, LineFault):
            reason = error.reason
            log("line.fault", call=call, reason=reason.value)
            cause = reason.value
            case, unfit = f"line.{reason}" if reason in MIX_UPS else "", reason in UNUSABLE
        else:
            code = error.refusal.code
            log("line.refused", call=call, code=code.value)
            cause = code.value
            case, unfit = f"city.{code}" if code in ANOMALIES else "", code in UNFIT
        if case:
            self.alarm(case)
        if unfit:
            self.trouble, self.cause = "config", cause
