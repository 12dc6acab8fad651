"""One resident at one kiosk: the production desk and line, from hello to outcome, in one of the
ways a visit goes.

The desk is the kiosk's own (`firmware.service.city_desk`). In place of the hands are a card key in
memory and a coin slot that always has the fee. The kiosk's own check proves every document; its
pages are looked at, drawn again and made into dots only when asked for: on a board that is the
board's time, here it would be the gateways'.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_private_key

from firmware.flow import commands, events, offers
from firmware.link import messages, sealing, sheet_code
from firmware.link.client import CityRefusal, LineFault
from firmware.service.journal import new_id
from firmware.service.vault import Vault
from firmware.sheets.admit import Trust
from testbed.load.customers import Customer
from testbed.load.desk import Desk, Place, TimedLine

# How a visit goes, and how many of a hundred do.
WAYS: Final[Mapping[str, int]] = {
    "prints": 62,
    "leaves": 8,  # after the offers
    "declines": 6,  # at the money, with a document reserved
    # the kiosk's time is over before the document comes: what comes late meets nobody
    "order-cut": 5,
    "asks-twice": 5,  # the answer to the order was lost: the same order again
    "release-cut": 4,  # the answer to the release is lost: money back, nothing printed
    "jams": 4,  # released, and the paper fails: money back
    "sends-twice": 6,  # the answer to the outcome was lost
}
CUT_S: Final = 0.15  # longest wait before a cut
# The outbox sends the outcome again.
SEND_TIMES: Final = 60
SEND_PAUSE_S: Final = 0.5
HOUSEHOLD: Final = 0.5  # of those who want a 住民票, so many want the whole household's
COPIES: Final = (1, 1, 1, 2)
T = TypeVar("T")


@dataclass
class Visit:
    """What one kiosk holds of it afterwards. `holder`, `names`: as read from the document that
    passed the check.
    """

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
    outcome: messages.Outcome | None = None
    accepted: bool = False  # the city has accepted the outcome
    amiss: str = ""  # what no load explains: an alarm of the desk, another answer to the same order
    seconds: float = 0.0

    def note_alarm(self, code: str) -> None:
        self.amiss = code


async def visit(
    place: Place,
    customer: Customer,
    line: TimedLine,
    trusted: Trust,
    chance: random.Random,
    thread: Executor,
) -> Visit:
    """One visit, on the line of this resident: on a board each has a process, and that a
    connection.
    """
    vault = Vault(session=new_id())
    way = chance.choices(list(WAYS), list(WAYS.values()))[0]
    seen = Visit(kiosk=place.kiosk, resident=customer.id, way=way, session=vault.session)
    began = time.perf_counter()
    desk = Desk(
        place.config(),
        line,
        trusted,
        alarm=seen.note_alarm,
        dots=place.dots,
    )
    one = _One(seen, desk, line, vault, customer, chance, thread)
    seen.end = await one.go()
    if seen.end != "printed" and vault.opened:
        await desk.cancel(vault.session)
    if seen.asked:
        await one.send_outcome()
    seen.seconds = time.perf_counter() - began
    return seen


@dataclass
class _One:
    """The steps of one visit; `seen` is what remains of it."""

    seen: Visit
    desk: Desk
    line: TimedLine
    vault: Vault
    customer: Customer
    chance: random.Random
    thread: Executor
    sheets: int = 0

    async def go(self) -> str:
        """How it ended."""
        seen = self.seen
        desk = self.desk
        vault = self.vault
        if isinstance(await desk.fetch_terms(), events.LineLost) or desk.terms is None:
            return self.line.last
        if not desk.terms.open:
            return "closed"
        self._sign(desk.terms.challenge)
        opened = await desk.open_session(1, vault)
        if not isinstance(opened, events.SessionOpened):
            return self.line.last
        if seen.way == "leaves":
            return "left"
        kind, choices = _choice(opened, self.chance)
        order = commands.PlaceOrder(
            epoch=1, kind=kind, choices=choices, copies=self.chance.choice(COPIES)
        )
        checked = await self._cut("order-cut", desk.place_order(order, vault, self.thread))
        seen.order = vault.order
        if checked is None:
            return "cut"
        if not isinstance(checked, events.DocumentChecked):
            if isinstance(checked, events.DocumentRejected):
                return f"rejected:{checked.reason}"
            return self.line.last
        self._keep(checked)
        if seen.way == "asks-twice":
            await self._ask_again()
        if seen.way in ("declines", "order-cut"):
            return "left"
        seen.asked = True
        released = await self._cut("release-cut", desk.release(1, vault, seen.fee))
        seen.released = isinstance(released, events.Released)
        if released is not None and not seen.released:
            return self.line.last
        return "printed" if seen.way in ("prints", "asks-twice", "sends-twice") else "failed"

    def _sign(self, challenge: bytes) -> None:
        vault = self.vault
        vault.challenge = challenge
        vault.certificate = self.customer.certificate
        vault.key = sealing.generate()
        digest = messages.transcript_digest(
            self.seen.kiosk, vault.session, challenge, vault.certificate, vault.key.public
        )
        vault.signature = _pair(self.customer.key).sign(
            digest, PKCS1v15(), Prehashed(hashes.SHA256())
        )

    def _keep(self, checked: events.DocumentChecked) -> None:
        manifest = self.desk.manifest
        seen = self.seen
        if manifest is None:
            return
        self.sheets = checked.sheets
        seen.document = checked.document
        seen.unique_number = checked.unique_number
        seen.fee = checked.fee
        seen.holder = sheet_code.decode(sheet_code.split(manifest.codes[0])[0]).holder
        seen.names = tuple(
            person.name for sheet in manifest.content.sheets for person in sheet.people
        )

    async def _ask_again(self) -> None:
        first = self.line.got
        asked = self.line.asked
        if first is None or asked is None:
            return
        try:
            if await self.line.order(asked) != first:
                self.seen.amiss = "other-answer"
        except LineFault:
            return
        except CityRefusal as refused:
            if refused.refusal.code is not messages.RefusalCode.BUSY:
                self.seen.amiss = f"asked-again:{refused}"

    async def _cut(self, way: str, call: Awaitable[T]) -> T | None:
        """The call's answer; None when this is the way on which nobody waits for it any more."""
        if self.seen.way != way:
            return await call
        try:
            return await asyncio.wait_for(call, self.chance.uniform(0, CUT_S))
        except TimeoutError:
            return None

    async def send_outcome(self) -> None:
        """As the outbox does, until the city has it."""
        seen = self.seen
        printed = seen.end == "printed"
        seen.outcome = messages.Outcome(
            outcome=new_id(),
            session=seen.session,
            order=seen.order,
            result=messages.Result.PRINTED if printed else messages.Result.FAILED,
            sheets=self.sheets if printed else 0,
            kept=seen.fee if printed else 0,
            returned=0 if printed else seen.fee,
            owed=0,
        )
        for _ in range(SEND_TIMES):
            await self._deliver(seen.outcome)
            if seen.accepted or seen.amiss:
                break
            await asyncio.sleep(self.chance.uniform(0, 2 * SEND_PAUSE_S))
        if seen.way == "sends-twice":
            await self._deliver(seen.outcome)

    async def _deliver(self, outcome: messages.Outcome) -> None:
        def done(_: str) -> None:
            self.seen.accepted = True

        def denied(_: messages.Outcome, code: str) -> None:
            self.seen.amiss = f"denied:{code}"

        await self.desk.deliver([outcome], done, denied)


def _choice(opened: events.SessionOpened, chance: random.Random) -> tuple[str, offers.Answers]:
    """A kind this customer may have, and an answer to each question that is always asked."""
    offer = chance.choice([offer for offer in opened.offers if not offer.refusal])
    answers = {
        option.id: option.default
        for option in offer.options
        if option.type == "one" and not option.when
    }
    if "scope" in answers and chance.random() < HOUSEHOLD:
        answers["scope"] = ("household",)
    return offer.kind, tuple(answers.items())


@lru_cache(maxsize=64)
def _pair(key: bytes) -> RSAPrivateKey:
    loaded = load_der_private_key(key, None)
    if not isinstance(loaded, RSAPrivateKey):
        raise TypeError("a card's key is RSA")
    return loaded
