"""What the city says to an honest kiosk that stands beside the inspected ones and prints nothing.

Before the journeys each errand is asked for once, and the answer is compared with the register.
While they go on, the same is asked again and again: that is the load, and no answer may differ.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from city.pki import Files
from firmware.link import messages, sealing
from firmware.link.client import CityRefusal, Line, LineFault
from firmware.link.form_terms import FormTerms, current
from firmware.service.build import build
from firmware.service.city_desk import line_config
from firmware.service.journal import new_id
from testbed.inspection import published, register
from testbed.inspection.errand import Errand
from testbed.inspection.paper_judge import Truth
from testbed.inspection.plan import described
from testbed.inspection.register import LATEST
from testbed.load.desk import Place

TRIES: Final = 5
PAUSE_S: Final = 0.05
AGAIN_S: Final = 0.5
# What each judge knows the truth from.
JUDGES: Final = {
    "the register's": register.faults_of,
    "what the city has published": published.faults_of,
}


class Unanswered(Exception):
    """One line: what the city did not answer."""


@dataclass(frozen=True)
class Desk:
    """A kiosk of its own name, with the test cards. `cards`: folder of each resident's card."""

    kiosk: str
    url: str
    keys: Files
    cards: Mapping[str, Path]

    async def ask(self, errand: Errand) -> Truth:
        """One journey up to the document, which is then cancelled. Raises CityRefusal, LineFault,
        Unanswered when this person is not offered that.
        """
        key = sealing.generate()
        async with Line(line_config(Place(self.kiosk, self.url, self.keys).config())) as line:
            hello = messages.Hello(messages.PROTOCOL, build(), understands=messages.UNDERSTOOD)
            terms = await line.hello(hello)
            request = self._request(errand, terms.challenge, key.public)
            session = await line.open_session(request)
            try:
                offer = next((o for o in session.offers if o.kind == errand.kind), None)
                if offer is None:
                    raise Unanswered(f"{described(errand)}: not offered")
                order = messages.OrderRequest(
                    session=request.session,
                    order=new_id(),
                    kind=errand.kind,
                    choices=answers(errand, offer),
                    copies=errand.copies,
                )
                answer = await line.order(order)
            finally:
                await line.cancel(request.session)
        manifest = msgspec.json.decode(answer.manifest, type=messages.Manifest)
        return truth_of(errand, terms, session, manifest)

    def _request(self, errand: Errand, challenge: bytes, public: bytes) -> messages.SessionRequest:
        card = self.cards[errand.resident]
        certificate = (card / "certificate.der").read_bytes()
        key = load_pem_private_key((card / "key.pem").read_bytes(), None)
        if not isinstance(key, RSAPrivateKey):
            raise Unanswered("the key of a card is RSA")
        session = new_id()
        digest = messages.transcript_digest(self.kiosk, session, challenge, certificate, public)
        return messages.SessionRequest(
            session=session,
            challenge=challenge,
            card_certificate=certificate,
            document_key=public,
            signature=key.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256())),
            understands=messages.UNDERSTOOD,
        )


def answers(errand: Errand, offer: messages.Offer) -> dict[str, tuple[str, ...]]:
    """To every question that is asked, as a kiosk sends them."""
    given: dict[str, tuple[str, ...]] = {}
    for option in offer.options:
        if option.type != "count" and (
            option.when is None or option.when[1] in given.get(option.when[0], ())
        ):
            given[option.id] = tuple(errand.picks.get(option.id, option.default))
    return given


def truth_of(
    errand: Errand,
    terms: messages.Terms,
    session: messages.SessionAnswer,
    manifest: messages.Manifest,
) -> Truth:
    signed = msgspec.json.decode(terms.form_terms, type=FormTerms)
    day = datetime.fromisoformat(terms.now).date()
    form = current(signed, errand.kind, day).form
    people = sum(len(sheet.people) for sheet in manifest.content.sheets)
    certified = form.form == "juminhyo"
    year = next(iter(errand.picks.get("year", (f"y{LATEST}",)))).removeprefix("y")
    return Truth(
        content=msgspec.to_builtins(manifest.content, builtin_types=(bytes,)),
        form=form.form,
        seal_mm=form.seal_mm,
        kind=errand.kind,
        city=signed.city,
        day=day,
        holder=session.members[session.holder],
        year=int(year) if form.form == "kazei" else None,
        people=people if certified else None,
        whole=certified and people == len(session.members),
        salt=None,
        copies=errand.copies,
        fee=manifest.fee,
        address=signed.verification_page,
    )


@dataclass
class Truths:
    """`of`: what must come out, by the errand's name; `faults`: where the city differs, without a
    person; `asked`: how many answers were compared; `unanswered`: refused, or lost on the line.
    """

    desk: Desk
    of: dict[str, Truth] = field(default_factory=dict, repr=False)
    faults: list[str] = field(default_factory=list)
    asked: int = 0
    unanswered: int = 0

    async def learn(self, errands: Sequence[Errand]) -> None:
        """Before the journeys, one after the other. Raises Unanswered."""
        for errand in errands:
            truth = self.of[errand.name] = await self._patiently(errand)
            self.asked += 1
            for source, judge in JUDGES.items():
                for fault in judge(errand, truth.content, truth.day):
                    self.faults.append(f"city: {described(errand)}: {fault} is not {source}")

    async def _patiently(self, errand: Errand) -> Truth:
        for _ in range(TRIES):
            try:
                return await self.desk.ask(errand)
            except (CityRefusal, LineFault) as failed:
                why = str(failed)
                await asyncio.sleep(AGAIN_S)
        raise Unanswered(f"{described(errand)}: {why}")

    async def keep_asking(self, errands: Sequence[Errand]) -> None:
        """Until it is cancelled."""
        for errand in itertools.cycle(errands):
            try:
                found = await self.desk.ask(errand)
            except (CityRefusal, LineFault, Unanswered):
                self.unanswered += 1
                await asyncio.sleep(AGAIN_S)
                continue
            self.asked += 1
            if said(found) != said(self.of[errand.name]):
                self.faults.append(f"city: {described(errand)}: another answer under load")
            await asyncio.sleep(PAUSE_S)


def said(truth: Truth) -> str:
    """A hash over what must be the same whenever it is asked."""
    content: dict[str, Any] = {**truth.content, "unique_number": ""}
    facts = (content, truth.holder, truth.year, truth.people, truth.whole, truth.copies, truth.fee)
    return hashlib.sha256(repr(facts).encode()).hexdigest()
