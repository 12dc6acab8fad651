"""What is asked of the city. Every outcome is an event of the journey; nothing is raised.

A document is bound, opened, read and turned into dots here, before the journey hears of it: what does not pass is an
anomaly, and no money has been taken.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.link import messages as m
from firmware.link import sealing, signing
from firmware.link.client import MIX_UPS, CityRefusal, Line, LineConfig, LineFault, LineReason
from firmware.link.refusals import ANOMALIES, DENIALS, UNFIT
from firmware.service import terms as words
from firmware.service.config import Config
from firmware.service.journal import new_id
from firmware.service.log import log
from firmware.service.vault import Vault
from firmware.sheets.check import Expected, check_document, check_manifest
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.prepare import Sheet, prepare

T = TypeVar("T")
BUILD = "0.1.0"
CLOCK_S = 60.0  # the city's clock may be ahead of what was heard of it


def line_config(config: Config) -> LineConfig:
    line = config.line
    return LineConfig(
        url=line.city,
        certificate=line.certificate,
        key=line.key,
        ca=line.city_ca,
        interface=line.interface or "",
        deadline_s=line.deadline_s,
    )


@dataclass
class CityDesk:
    """The line, and the last terms heard on it. `terms_at` is monotonic seconds."""

    config: Config
    line: Line
    issuing_keys: tuple[Ed25519PublicKey, ...]
    alarm: Callable[[str], None] = lambda code: None  # opens a case that pauses the kiosk
    terms: m.Terms | None = None
    terms_at: float = 0.0
    rejected: str = ""  # why the document that came was not what it must be
    trouble: str = ""  # why this kiosk, as it is, cannot work with this city

    async def fetch_terms(self) -> e.Event:
        try:
            self.terms = await self.line.hello(m.Hello(protocol=m.PROTOCOL, build=BUILD))
        except (LineFault, CityRefusal) as error:
            self._note("hello", error)
            return e.LineLost()
        self.trouble, self.terms_at = "", time.monotonic()
        return e.TermsReceived(terms=words.terms(self.terms))

    async def open_session(self, epoch: int, vault: Vault) -> e.Event:
        if vault.key is None:
            return e.CityRefused(epoch=epoch, code="line-down")
        request = m.SessionRequest(
            session=vault.session,
            challenge=vault.challenge,
            card_certificate=vault.certificate,
            document_key=vault.key.public,
            signature=vault.signature,
        )

        async def work() -> e.Event:
            vault.opened = True  # from here on the city may hold a session of ours
            vault.answer = answer = await self.line.open_session(request)
            offers = words.offers(answer)
            return e.SessionOpened(
                epoch=epoch, offers=offers, expires_in_days=answer.card_expires_in_days, holder=answer.holder
            )

        return await self._told("sessions", epoch, work)

    async def place_order(self, command: c.PlaceOrder, vault: Vault, lane: Executor) -> e.Event:
        epoch, answer = command.epoch, vault.answer
        if answer is None or vault.key is None:
            return e.CityRefused(epoch=epoch, code="line-down")
        vault.order = new_id()
        request = m.OrderRequest(
            session=vault.session,
            order=vault.order,
            kind=command.kind,
            choices=dict(command.choices),
            copies=command.copies,
        )

        async def work() -> e.Event:
            got = await self.line.order(request)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(lane, self._examine, epoch, request, got, vault)

        return await self._told("orders", epoch, work)

    def _examine(self, epoch: int, request: m.OrderRequest, got: m.OrderAnswer, vault: Vault) -> e.Event:
        """Everything that can be known about the document before money, on the document's own lane."""
        started = time.monotonic()
        answer, key = vault.answer, vault.key
        if answer is None or key is None:  # destroyed meanwhile
            return e.CityRefused(epoch=epoch, code="line-down")
        try:
            signing.verify_manifest(self.issuing_keys, got.manifest, got.manifest_signature)
            manifest = msgspec.json.decode(got.manifest, type=m.Manifest)
            expected = _expected(self.config.kiosk.id, request, answer, vault, self._days())
            check_manifest(manifest, expected)
            info = m.seal_info(self.config.kiosk.id, vault.session, vault.order)
            pdf = sealing.open(key.private, info, got.sealed)
            check_document(pdf, manifest, expected, self.config.fonts.mincho)
            sheets = self._prepare(pdf, manifest)
        except SheetFault as fault:
            return self._reject(epoch, fault.reason.value, fault.page)
        except (signing.SignatureError, sealing.SealError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            return self._reject(epoch, REJECTIONS.get(type(error), "manifest-malformed"))
        vault.sheets, vault.document, vault.title = sheets, manifest.document_sha256, manifest.title
        log("sheets.ready", sheets=len(sheets), ms=round((time.monotonic() - started) * 1000))
        return e.DocumentChecked(
            epoch=epoch,
            document=manifest.document_sha256,
            unique_number=manifest.unique_number,
            sheets=manifest.pages * manifest.copies,
            fee=manifest.fee,
        )

    def _reject(self, epoch: int, reason: str, page: int = 0) -> e.Event:
        """The journey opens a case here; the city hears of it with the cancellation, and has one of its own."""
        self.rejected = reason
        log("sheets.rejected", reason=reason, page=page)
        return e.DocumentRejected(epoch=epoch, reason=reason)

    def _days(self) -> tuple[date, date]:
        """By the city's own clock: when it was asked, and now. Raises SheetFault when it told no such time."""
        try:
            asked = datetime.fromisoformat(self.terms.now if self.terms else "")
        except ValueError:
            raise SheetFault(SheetReason.DATE) from None
        return asked.date(), (asked + timedelta(seconds=time.monotonic() - self.terms_at + CLOCK_S)).date()

    def _prepare(self, pdf: bytes, manifest: m.Manifest) -> tuple[Sheet, ...]:
        section = self.config.sheets

        def verify(payload: bytes) -> m.SheetCode:
            return signing.verify_code(self.issuing_keys, payload)

        return prepare(pdf, manifest, section.dpi, section.width, verify)

    async def release(self, epoch: int, vault: Vault, paid: int) -> e.Event:
        request = m.ReleaseRequest(session=vault.session, order=vault.order, document_sha256=vault.document, paid=paid)

        async def work() -> e.Event:
            got = await self.line.release(request)
            return e.Released(epoch=epoch, document=got.document_sha256)

        return await self._told("release", epoch, work)

    async def cancel(self, session: str) -> None:
        """Best effort: the city ends the session by itself when it hears nothing."""
        try:
            await self.line.cancel(session, self.rejected)
        except (LineFault, CityRefusal) as error:
            self._note("cancel", error)

    async def deliver(
        self, outcomes: list[m.Outcome], done: Callable[[str], None], denied: Callable[[m.Outcome, str], None]
    ) -> None:
        """`done` hears of each that the city has, `denied` of each that its books contradict, and by which code.

        One that is refused for any other cause is told again later. None holds up those behind it.
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

    async def _told(self, call: str, epoch: int, work: Callable[[], Awaitable[e.Event]]) -> e.Event:
        try:
            return await work()
        except LineFault as fault:
            self._note(call, fault)
            return e.CityRefused(epoch=epoch, code="line-down")
        except CityRefusal as refused:
            self._note(call, refused)
            code, opens_at = words.refusal(refused.refusal.code), refused.refusal.opens_at or ""
            return e.CityRefused(epoch=epoch, code=code, opens_at=opens_at)

    def _note(self, call: str, error: LineFault | CityRefusal) -> None:
        """Its own reason into the log; what only a mix-up or a repetition explains is a case."""
        if isinstance(error, LineFault):
            reason = error.reason
            log("line.fault", call=call, reason=reason.value)
            case, unfit = f"line.{reason}" if reason in MIX_UPS else "", reason is LineReason.VERSION
        else:
            code = error.refusal.code
            log("line.refused", call=call, code=code.value)
            case, unfit = f"city.{code}" if code in ANOMALIES else "", code in UNFIT
        if case:
            self.alarm(case)
        if unfit:
            self.trouble = "config"


REJECTIONS: dict[type[Exception], str] = {
    signing.SignatureError: "signature",
    sealing.SealError: "sealing",
}


def _expected(
    kiosk: str, request: m.OrderRequest, answer: m.SessionAnswer, vault: Vault, days: tuple[date, date]
) -> Expected:
    """What this session knows for itself, from what the resident was shown and chose."""
    offer = next(offer for offer in answer.offers if offer.kind == request.kind)
    return Expected(
        session=request.session,
        order=request.order,
        kiosk=kiosk,
        card_sha256=hashlib.sha256(vault.certificate).hexdigest(),
        request_sha256=m.request_sha256(request),
        holder=answer.holder,
        members=words.chosen_members(answer, tuple(request.choices.items())),
        kind=request.kind,
        title=offer.title.get("ja", ""),
        days=days,
        copies=request.copies,
        fee=offer.fee * request.copies,
    )
