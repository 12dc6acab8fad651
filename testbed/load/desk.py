"""The kiosk's end of a visit: its line with a note of every call, its desk, and where it stands."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from city.pki import Files
from firmware.flow import events
from firmware.link import messages
from firmware.link.client import CityRefusal, Line, LineConfig, LineFault
from firmware.service import config as kiosk_config
from firmware.service.city_desk import CityDesk
from firmware.service.vault import Vault
from firmware.sheets.admit import SignedTerms, check_document
from firmware.sheets.binding import Ordered
from firmware.sheets.fault import SheetFault, SheetReason
from hal.sim.bench import RECEIPT_DOTS, SHEET_DOTS

Answer = TypeVar("Answer", bound=messages.Message)


@dataclass(frozen=True)
class Call:
    """`result`: "" for an answer, else the refusal's code or the fault's reason."""

    name: str
    seconds: float
    result: str


class TimedLine(Line):
    """The kiosk's line, with a note of every call, and of the last order."""

    asked: messages.OrderRequest | None = None
    got: messages.OrderAnswer | None = None
    last: str = ""  # the result of the last call

    def __init__(self, config: LineConfig, calls: list[Call]) -> None:
        super().__init__(config)
        self.calls = calls

    async def order(self, request: messages.OrderRequest) -> messages.OrderAnswer:
        self.asked = request
        self.got = None
        self.got = await super().order(request)
        return self.got

    async def _call(
        self,
        name: str,
        request: messages.Message,
        expected: type[Answer],
        deadline_s: float | None = None,
    ) -> Answer:
        began = time.perf_counter()
        result = "cut"
        try:
            answer = await super()._call(name, request, expected, deadline_s)
            result = ""
        except CityRefusal as refused:
            result = refused.refusal.code.value
            raise
        except LineFault as fault:
            result = fault.reason.value
            raise
        else:
            return answer
        finally:
            self.last = result
            self.calls.append(Call(name, time.perf_counter() - began, result))


@dataclass
class Desk(CityDesk):
    """The kiosk's desk, which keeps what the checked document says. Without `dots` the pages are
    not looked at.
    """

    manifest: messages.Manifest | None = None
    dots: bool = False

    def _examine(
        self, epoch: int, request: messages.OrderRequest, got: messages.OrderAnswer, vault: Vault
    ) -> events.Event:
        if self.dots:
            found = super()._examine(epoch, request, got, vault)
        else:
            try:
                found = self._check(epoch, request, got, vault)
            except SheetFault as fault:
                found = self._reject(epoch, fault.reason, fault.page)
        if isinstance(found, events.DocumentChecked):
            self.manifest = msgspec.json.decode(got.manifest, type=messages.Manifest)
        return found

    def _check(
        self, epoch: int, request: messages.OrderRequest, got: messages.OrderAnswer, vault: Vault
    ) -> events.Event:
        """All of the check but the pages. Raises SheetFault."""
        answer = vault.answer
        key = vault.key
        terms = self.terms
        if answer is None or key is None or terms is None:
            return events.CityRefused(epoch=epoch, code="line-down")
        days = self._days(terms)
        if days is None:
            raise SheetFault(SheetReason.DATE)
        card = hashlib.sha256(vault.certificate).hexdigest()
        ordered = Ordered(self.config.kiosk.id, card, request, answer, days)
        signed = SignedTerms(terms.form_terms, terms.form_terms_signature)
        document = check_document(ordered, signed, got, key.private, self.trust)
        manifest = document.manifest
        content = document.expected.content
        vault.document = manifest.document_sha256
        return events.DocumentChecked(
            epoch=epoch,
            document=manifest.document_sha256,
            unique_number=content.unique_number,
            sheets=content.pages * manifest.copies,
            fee=manifest.fee,
        )


@dataclass(frozen=True)
class Place:
    """One kiosk: where it stands, what it trusts."""

    kiosk: str
    url: str
    keys: Files
    dots: bool = False

    def config(self) -> kiosk_config.Config:
        """Its wires lead nowhere but to the city."""
        certificate, key = self.keys.kiosk(self.kiosk)
        return kiosk_config.Config(
            kiosk=kiosk_config.Kiosk(id=self.kiosk, state=Path("/nonexistent")),
            panel=kiosk_config.PanelSection(),
            card=kiosk_config.VpcdCard(listen="127.0.0.1:0"),
            sheets=kiosk_config.EscposSection(address="", width=SHEET_DOTS),
            receipts=kiosk_config.EscposSection(address="", width=RECEIPT_DOTS),
            cash=kiosk_config.Cash(port="", hoppers=()),
            speaker=kiosk_config.AlsaSection(),
            line=kiosk_config.LineSection(
                city=self.url,
                city_ca=self.keys.city_ca,
                certificate=certificate,
                key=key,
                clock_s=0,  # the city of a load has the clock of a rehearsal
            ),
            trust=kiosk_config.TrustSection(
                card_ca=(), issuing_keys=(self.keys.issuing,), terms_keys=(self.keys.terms,)
            ),
            voice=kiosk_config.Voice(recordings=Path("/nonexistent")),
        )
