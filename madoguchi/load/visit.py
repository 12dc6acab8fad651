"""One resident at one kiosk: the production desk and line, from hello to outcome, in one of the ways a visit goes.

The desk is the kiosk's own (`firmware.service.city_work`): it binds, opens and reads every document. In place of the
hands are a card key in memory and a coin slot that always has the fee. Dots are made of the sheets only when asked for:
on a board that is the board's time, here it would be the gateways'.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_private_key

from city.pki import Files
from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow import offers as o
from firmware.link import messages as m
from firmware.link import sealing, signing
from firmware.link.client import CityRefusal, Line, LineConfig, LineFault
from firmware.service import config as k
from firmware.service.city_work import CityDesk
from firmware.service.journal import new_id
from firmware.service.vault import Vault
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.prepare import Sheet
from hal.sim.bench import RECEIPT_DOTS, SHEET_DOTS
from madoguchi.load.people import Person

# How a visit goes, and how many of a hundred do.
WAYS: Final[Mapping[str, int]] = {
    "prints": 62,
    "leaves": 8,  # after the offers
    "declines": 6,  # at the money, with a document reserved
    "order-cut": 5,  # the kiosk's time is over before the document comes: what comes late meets nobody
    "asks-twice": 5,  # the answer to the order was lost: the same order again
    "release-cut": 4,  # the answer to the release is lost: money back, nothing printed
    "jams": 4,  # released, and the paper fails: money back
    "tells-twice": 6,  # the answer to the outcome was lost
}
CUT_S: Final = 0.15  # longest wait before a cut
TELL_TIMES, TELL_PAUSE_S = 60, 0.5  # the outbox tells again
HOUSEHOLD: Final = 0.5  # of those who want a 住民票, so many want the whole household's
COPIES: Final = (1, 1, 1, 2)
T = TypeVar("T")
Answer = TypeVar("Answer", bound=m.Message)


@dataclass(frozen=True)
class Call:
    """`result`: "" for an answer, else the refusal's code or the fault's reason."""

    name: str
    seconds: float
    result: str


@dataclass
class Visit:
    """What one kiosk holds of it afterwards. `holder`, `names`: as read from the document that passed the check."""

    kiosk: str
    resident: str
    way: str
    session: str
    end: str = ""  # printed, failed, left, cut, or what was refused or broke
    order: str = ""
    document: str = ""
    unique_number: str = ""
    fee: int = 0
    holder: str = field(default="", repr=False)
    names: tuple[str, ...] = field(default=(), repr=False)
    asked: bool = False  # for the release
    released: bool = False
    outcome: m.Outcome | None = None
    told: bool = False  # the city has accepted the outcome
    amiss: str = ""  # what no load explains: an alarm of the desk, another answer to the same order
    seconds: float = 0.0


class TimedLine(Line):
    """The kiosk's line, with a note of every call, and of the last order."""

    asked: m.OrderRequest | None = None
    got: m.OrderAnswer | None = None
    last: str = ""  # the result of the last call

    def __init__(self, config: LineConfig, calls: list[Call]) -> None:
        super().__init__(config)
        self.calls = calls

    async def order(self, request: m.OrderRequest) -> m.OrderAnswer:
        self.asked, self.got = request, None
        self.got = await super().order(request)
        return self.got

    async def _call(
        self, name: str, request: m.Message, expected: type[Answer], deadline_s: float | None = None
    ) -> Answer:
        began, result = time.perf_counter(), "cut"
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
    """The kiosk's desk, which keeps what the checked document says instead of its dots."""

    manifest: m.Manifest | None = None
    dots: bool = False

    def _prepare(self, pdf: bytes, manifest: m.Manifest) -> tuple[Sheet, ...]:
        self.manifest = manifest
        if self.dots:
            return super()._prepare(pdf, manifest)
        for page, payload in enumerate(manifest.codes, 1):
            code = signing.verify_code(self.issuing_keys, payload)
            if (code.unique_number, code.page, code.pages) != (manifest.unique_number, page, manifest.pages):
                raise SheetFault(SheetReason.CODE, page)
        return ()


@dataclass(frozen=True)
class Place:
    """One kiosk: where it stands, what it trusts."""

    kiosk: str
    url: str
    keys: Files
    dots: bool = False

    def config(self) -> k.Config:
        """Its wires lead nowhere but to the city."""
        certificate, key = self.keys.kiosk(self.kiosk)
        return k.Config(
            kiosk=k.Kiosk(id=self.kiosk, state=Path("/nonexistent")),
            panel=k.Panel(),
            card=k.VpcdCard(listen="127.0.0.1:0"),
            sheets=k.EscposPrinter(address="", width=SHEET_DOTS),
            receipts=k.EscposPrinter(address="", width=RECEIPT_DOTS),
            cash=k.Cash(port="", hoppers=()),
            speaker=k.AlsaSpeaker(),
            line=k.Line(city=self.url, city_ca=self.keys.city_ca, certificate=certificate, key=key),
            trust=k.Trust(card_ca=(), issuing_keys=(self.keys.issuing,)),
            voice=k.Voice(recordings=Path("/nonexistent")),
        )


async def visit(
    place: Place,
    person: Person,
    line: TimedLine,
    issuing: tuple[Ed25519PublicKey, ...],
    luck: random.Random,
    lane: Executor,
) -> Visit:
    """One visit, on the line of this resident: on a board each has a process, and that a connection."""
    vault = Vault(session=new_id())
    way = luck.choices(list(WAYS), list(WAYS.values()))[0]
    seen = Visit(kiosk=place.kiosk, resident=person.id, way=way, session=vault.session)
    began = time.perf_counter()
    desk = Desk(place.config(), line, issuing, alarm=lambda code: setattr(seen, "amiss", code), dots=place.dots)
    one = _One(seen, desk, line, vault, person, luck, lane)
    seen.end = await one.go()
    if seen.end != "printed" and vault.opened:
        await desk.cancel(vault.session)
    if seen.asked:
        await one.tell()
    seen.seconds = time.perf_counter() - began
    return seen


@dataclass
class _One:
    """The steps of one visit; `seen` is what remains of it."""

    seen: Visit
    desk: Desk
    line: TimedLine
    vault: Vault
    person: Person
    luck: random.Random
    lane: Executor
    sheets: int = 0

    async def go(self) -> str:
        """How it ended."""
        seen, desk, vault, luck = self.seen, self.desk, self.vault, self.luck
        if isinstance(await desk.fetch_terms(), e.LineLost) or desk.terms is None:
            return self.line.last
        if not desk.terms.open:
            return "closed"
        self._sign(desk.terms.challenge)
        opened = await desk.open_session(1, vault)
        if not isinstance(opened, e.SessionOpened):
            return self.line.last
        if seen.way == "leaves":
            return "left"
        kind, choices = _choice(opened, luck)
        order = c.PlaceOrder(epoch=1, kind=kind, choices=choices, copies=luck.choice(COPIES))
        checked = await self._cut("order-cut", desk.place_order(order, vault, self.lane))
        seen.order = vault.order
        if checked is None:
            return "cut"
        if not isinstance(checked, e.DocumentChecked):
            return f"rejected:{checked.reason}" if isinstance(checked, e.DocumentRejected) else self.line.last
        self._keep(checked)
        if seen.way == "asks-twice":
            await self._ask_again()
        if seen.way in ("declines", "order-cut"):
            return "left"
        seen.asked = True
        released = await self._cut("release-cut", desk.release(1, vault, seen.fee))
        seen.released = isinstance(released, e.Released)
        if released is not None and not seen.released:
            return self.line.last
        return "printed" if seen.way in ("prints", "asks-twice", "tells-twice") else "failed"

    def _sign(self, challenge: bytes) -> None:
        vault = self.vault
        vault.challenge, vault.certificate, vault.key = challenge, self.person.certificate, sealing.generate()
        digest = m.transcript_digest(self.seen.kiosk, vault.session, challenge, vault.certificate, vault.key.public)
        vault.signature = _pair(self.person.key).sign(digest, PKCS1v15(), Prehashed(hashes.SHA256()))

    def _keep(self, checked: e.DocumentChecked) -> None:
        manifest, seen = self.desk.manifest, self.seen
        if manifest is None:
            return
        self.sheets = checked.sheets
        seen.document, seen.unique_number, seen.fee = checked.document, checked.unique_number, checked.fee
        seen.holder, seen.names = manifest.holder, manifest.members

    async def _ask_again(self) -> None:
        first, asked = self.line.got, self.line.asked
        if first is None or asked is None:
            return
        try:
            if await self.line.order(asked) != first:
                self.seen.amiss = "other-answer"
        except LineFault:
            return
        except CityRefusal as refused:
            if refused.refusal.code is not m.RefusalCode.BUSY:
                self.seen.amiss = f"asked-again:{refused}"

    async def _cut(self, way: str, call: Awaitable[T]) -> T | None:
        """The call's answer; None when this is the way on which nobody waits for it any more."""
        if self.seen.way != way:
            return await call
        try:
            return await asyncio.wait_for(call, self.luck.uniform(0, CUT_S))
        except TimeoutError:
            return None

    async def tell(self) -> None:
        """As the outbox does, until the city has it."""
        seen, printed = self.seen, self.seen.end == "printed"
        seen.outcome = m.Outcome(
            outcome=new_id(),
            session=seen.session,
            order=seen.order,
            result=m.Result.PRINTED if printed else m.Result.FAILED,
            sheets=self.sheets if printed else 0,
            kept=seen.fee if printed else 0,
            returned=0 if printed else seen.fee,
            owed=0,
        )
        for _ in range(TELL_TIMES):
            await self._deliver(seen.outcome)
            if seen.told or seen.amiss:
                break
            await asyncio.sleep(self.luck.uniform(0, 2 * TELL_PAUSE_S))
        if seen.way == "tells-twice":
            await self._deliver(seen.outcome)

    async def _deliver(self, outcome: m.Outcome) -> None:
        def done(_: str) -> None:
            self.seen.told = True

        def denied(_: m.Outcome, code: str) -> None:
            self.seen.amiss = f"denied:{code}"

        await self.desk.deliver([outcome], done, denied)


def _choice(opened: e.SessionOpened, luck: random.Random) -> tuple[str, o.Answers]:
    """A kind this person may have, and answers where they differ from what is asked for by default."""
    offer = luck.choice([offer for offer in opened.offers if not offer.refusal])
    scopes = [choice.id for option in offer.options if option.id == "scope" for choice in option.choices]
    whole = "household" in scopes and luck.random() < HOUSEHOLD
    return offer.kind, ((("scope", ("household",)),) if whole else ())


@lru_cache(maxsize=64)
def _pair(key: bytes) -> RSAPrivateKey:
    loaded = load_der_private_key(key, None)
    if not isinstance(loaded, RSAPrivateKey):
        raise TypeError("a card's key is RSA")
    return loaded
