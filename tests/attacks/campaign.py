"""A campaign of attempts, drawn by a seed: each at the kiosk's door, or through a whole kiosk, and
what became of it.

At the door an altered answer meets `firmware.sheets.admit` alone: many attempts on one honest
journey. At the kiosk a person stands before the production journey, over real TLS, and each attempt
is a journey of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final
from unittest.mock import patch

import msgspec
from adversary import Adversary, Live
from attack_bench import DPI, WIDTH, Attack, Kiosk, Wish
from attempts import Attempt
from city_bench import HELLO, NOON, Direct, new_id, session_request
from errands import ERRANDS, Errand, others_of
from forger import Spoken, draft_of
from mutations import Impossible, message_of, plain
from namesake import enter_namesake
from repertoire import Repertoire
from sqlalchemy import delete, select
from stages import STAGES, WEIGHTS

from city import ordering, tables
from firmware.flow.events import DocumentRejected
from firmware.link import messages, sealing
from firmware.link.form_terms import FormTerms
from firmware.link.signing import load_public
from firmware.service.handlers import panel
from firmware.sheets.admit import RefusedDocument, SignedTerms, Trust, admit
from firmware.sheets.binding import Ordered
from firmware.sheets.prepare import Target
from testbed.inspection.paper import blank_sheet, dots_of
from testbed.inspection.paper_judge import Judge, Truth
from testbed.inspection.register import faults_of
from testbed.inspection.truths import answers

AT_ONCE: Final = ("kiosk-1", "kiosk-2", "kiosk-3")
SPEAKER: Final = "kiosk-4"  # at which the honest journeys are made
TARGET: Final = Target(DPI, WIDTH)
WRONG, LOST, UNNAMED, CRASH = "WRONG SHEET", "MONEY", "UNNAMED", "CRASH"
BAD: Final = (WRONG, LOST, UNNAMED, CRASH)
HARMLESS, CAUGHT, LEFT = "harmless", "caught", "left"
OTHERWISE: Final = "set otherwise"  # harmless: the right letters in the right areas
IMPOSSIBLE: Final = (Impossible, msgspec.ValidationError)
TRIES: Final = 30  # drawings of one attempt, until one is possible


@dataclass(frozen=True)
class Became:
    """`outcome`: harmless, caught, left, or one of BAD; `by`: the reason it was caught for, or what
    is wrong.
    """

    attempt: Attempt
    outcome: str
    by: str = ""


@dataclass(frozen=True)
class Journey:
    """An honest journey: what was said, the kiosk's part of it, and what must come out."""

    errand: Errand
    spoken: Spoken
    keys: sealing.KeyPair = field(repr=False)
    card: bytes = field(repr=False)
    truth: Truth = field(repr=False)


class Campaign:
    """`close` ends the judge's typesetter."""

    def __init__(self, attack: Attack, errands: Sequence[Errand] = ERRANDS) -> None:
        """Raises AssertionError when the honest city does not say what its register says."""
        self._attack = attack
        self._adversary = Adversary(attack)
        self._trust = Trust(
            load_public([attack.city.pki.issuing]), load_public([attack.city.pki.terms])
        )
        self._judge = Judge(blank_sheet(TARGET), self._trust.issuing_keys, DPI)
        enter_namesake(attack.city.city.engine)
        self._cards = {
            who: attack.city.card(who) for who in dict.fromkeys(e.resident for e in errands)
        }
        self.journeys = {errand.name: self._speak(errand) for errand in errands}
        self._repertoires = {errand.name: self._repertoire(errand, errands) for errand in errands}
        for errand in errands:
            became = self.at_the_door(Attempt(errand.name, "none", "nothing", "none", "none"))
            assert became.outcome == HARMLESS, f"{errand.name}: {became.by}"

    def close(self) -> None:
        self._judge.close()

    # -- honest journeys

    def _speak(self, errand: Errand) -> Journey:
        """One journey as the city should answer it."""
        line, card, keys = (
            Direct(self._attack.city.city, SPEAKER),
            self._cards[errand.resident],
            sealing.generate(),
        )
        terms = line.ask("hello", HELLO)
        request = session_request(card, terms.challenge, keys, SPEAKER)
        session = line.ask("sessions", request)
        offer = next(offer for offer in session.offers if offer.kind == errand.kind)
        choices = answers(errand, offer)
        order = messages.OrderRequest(
            session=request.session,
            order=new_id(),
            kind=errand.kind,
            choices=choices,
            copies=errand.copies,
        )
        with patch.object(ordering, "unique_number", lambda: number_for(errand)):
            answer = line.ask("orders", order)
        manifest = msgspec.json.decode(answer.manifest, type=messages.Manifest)
        pdf = self._adversary.files[manifest.content.unique_number]
        spoken = Spoken(errand.name, terms, session, order, answer, manifest, pdf, keys.public)
        line.ask("cancel", messages.CancelRequest(session=request.session))
        faults = faults_of(errand, plain(manifest)["content"], NOON.date())
        assert not faults, f"{errand.name}: the city in order says {faults}"
        return Journey(errand, spoken, keys, card.der, truth_of(errand, spoken))

    def _repertoire(self, errand: Errand, errands: Sequence[Errand]) -> Repertoire:
        others = {
            who: self.journeys[other.name].spoken
            for who, other in others_of(errand, errands).items()
        }
        return Repertoire(self.journeys[errand.name].spoken, others, self._attack.city.city.issuing)

    # -- which attempts

    def draw(self, count: int, seed: int, stages: Sequence[str]) -> list[Attempt]:
        """`count` different attempts; the same for the same seed."""
        drawn: dict[str, Attempt] = {}
        dice = random.Random(seed)
        weights = [WEIGHTS.get(stage, 1) for stage in stages]
        while len(drawn) < count:
            repertoire = self._repertoires[dice.choice(sorted(self._repertoires))]
            try:
                attempt = repertoire.draw(dice.choices(stages, weights)[0], dice)
                self._rehearse(attempt)
            except IMPOSSIBLE:
                continue
            drawn.setdefault(attempt.name, attempt)
        return list(drawn.values())

    def every_kind(self, seed: int, stages: Sequence[str], one_in: int = 1) -> Iterator[Became]:
        """At the door: one attempt of every family of these stages that can be made at all.

        `one_in`: only one family in so many.
        """
        for stage in (stage for stage in stages if stage in STAGES):
            families: dict[str, list[list[Attempt]]] = defaultdict(list)
            for repertoire in self._repertoires.values():
                for family, attempts in repertoire.families(stage).items():
                    families[family].append(attempts)
            for family, same in islice(families.items(), 0, None, one_in):
                # not one for all: a new family would change what is drawn of every other
                dice = random.Random(f"{seed} {stage} {family}")
                tried = (dice.choice(dice.choice(same)) for _ in range(TRIES))
                yield from islice(self._possible(tried), 1)

    def _possible(self, attempts: Iterable[Attempt]) -> Iterator[Became]:
        for attempt in attempts:
            with suppress(*IMPOSSIBLE):
                yield self.at_the_door(attempt)

    def all_of(self, stages: Sequence[str]) -> Iterator[Attempt]:
        """Every single attempt of these stages."""
        for repertoire in self._repertoires.values():
            for stage in stages:
                if stage in STAGES:
                    yield from repertoire.stage(stage)

    def _rehearse(self, attempt: Attempt) -> None:
        """Raises Impossible when this attempt changes nothing, or cannot be made."""
        spoken = self.journeys[attempt.errand].spoken
        if attempt.alter:
            draft = draft_of(spoken)
            attempt.alter(draft)
            self._adversary.forger.finish(draft)
        said = {"hello": spoken.terms, "sessions": spoken.session}
        for name in said.keys() & attempt.hooks.keys():
            was = plain(said[name])
            if attempt.hooks[name](was) == was:
                raise Impossible

    # -- at the door

    def at_the_door(self, attempt: Attempt) -> Became:
        journey = self.journeys[attempt.errand]
        spoken = journey.spoken
        terms, session = plain(spoken.terms), plain(spoken.session)
        if "hello" in attempt.hooks:
            terms = attempt.hooks["hello"](terms)
        if "sessions" in attempt.hooks:
            session = attempt.hooks["sessions"](session)
        answer, pdf = spoken.answer, spoken.pdf
        if attempt.alter:
            draft = draft_of(spoken)
            attempt.alter(draft)
            answer = self._adversary.forger.finish(draft)
            pdf = self._adversary.forger.files[spoken.request.order]
        try:
            said = message_of(session, messages.SessionAnswer)
            answer = message_of(plain_of(answer), messages.OrderAnswer)
        except msgspec.ValidationError:
            return Became(attempt, CAUGHT, "line: malformed")
        ordered = Ordered(
            kiosk=SPEAKER,
            card_sha256=hashlib.sha256(journey.card).hexdigest(),
            request=spoken.request,
            session=said,
            days=(NOON.date(), NOON.date()),
        )
        signed = SignedTerms(terms["form_terms"], terms["form_terms_signature"])
        target = TARGET if attempt.width is None else replace(TARGET, width=attempt.width)
        try:
            found = admit(ordered, signed, answer, journey.keys.private, self._trust, target)
        except Exception as error:
            return Became(attempt, CRASH, repr(error)[:200])
        if isinstance(found, RefusedDocument):
            return Became(attempt, CAUGHT, found.reason.value)
        printed = [
            dots_of(sheet.rows, sheet.width, sheet.height) for sheet in found.sheets
        ] * found.copies
        judge = self._judge if target is TARGET else self._judge.beside(blank_sheet(target))
        verdict = judge.judge(journey.truth, printed, pdf)
        if found.fee != journey.truth.fee:
            return Became(attempt, LOST, f"{found.fee} yen instead of {journey.truth.fee}")
        if verdict.faults:
            return Became(attempt, WRONG, "; ".join(verdict.faults))
        return Became(attempt, HARMLESS, OTHERWISE if verdict.otherwise else "")

    # -- at the kiosk

    def at_the_kiosk(self, attempts: Sequence[Attempt]) -> list[Became]:
        """Each in a journey of its own, some at a time."""
        with patch.object(panel, "render", lambda *_: ""):  # nobody reads the pages here
            return self._attack.run("generated", lambda url: self._all(url, attempts))

    async def _all(self, url: str, attempts: Sequence[Attempt]) -> list[Became]:
        waiting, became = list(attempts)[::-1], list[Became]()

        async def one_by_one(kiosk: str) -> None:
            while waiting:
                became.append(await self._try(url, kiosk, waiting.pop()))

        await asyncio.gather(*map(one_by_one, AT_ONCE))
        return became

    async def _try(self, url: str, kiosk: str, attempt: Attempt) -> Became:
        journey = self.journeys[attempt.errand]
        live = self._adversary.live[kiosk] = Live(self._adversary, attempt)
        errand = journey.errand
        picks = {**errand.picks, **({"copies": (str(errand.copies),)} if errand.copies > 1 else {})}
        served = self._attack.kiosk(
            url, errand.resident, Wish(errand.kind, picks), kiosk, secrets.token_hex(8)
        )
        served.expects = self._shown(journey)
        served.gives_up = "cancel" in attempt.hooks
        try:
            await served.serve()
        except TimeoutError:
            return Became(attempt, UNNAMED, f"no end: {served.screens[-3:]}")
        finally:
            del self._adversary.live[kiosk]
        at_city = self._city_cases(kiosk)
        if live.error and not isinstance(live.error, IMPOSSIBLE):
            raise live.error
        return self._became(served, live, journey, at_city)

    def _shown(self, journey: Journey) -> Mapping[str, Any]:
        """What this person must see on the screen before they confirm."""
        session, truth = journey.spoken.session, journey.truth
        return {
            "holder": {
                "name": session.members[session.holder],
                "birth": session.holder_birth,
                "address": session.holder_address,
            },
            "printed_title": truth.content["title"],
            "total": truth.fee,
        }

    def _became(self, kiosk: Kiosk, live: Live, journey: Journey, at_city: Sequence[str]) -> Became:
        attempt = live.attempt
        printed = [dots_of(page.rows, page.width, page.height) for page in kiosk.sheets.pages]
        truth = journey.truth
        if live.spoken:  # of this very journey: number, salts and day are its own
            truth = replace(
                truth_of(journey.errand, live.spoken), content=number_of(truth, live.spoken)
            )
        verdict = self._judge.judge(truth, printed, live.file)
        if verdict.faults:
            return Became(attempt, WRONG, "; ".join(verdict.faults))
        kept = kiosk.kept
        if kept != (truth.fee if printed else 0):
            return Became(attempt, LOST, f"{kept} yen kept for {len(printed)} sheets")
        named = self._named(kiosk, at_city)
        if printed:
            return Became(attempt, HARMLESS, OTHERWISE if verdict.otherwise else named)
        if kiosk.left:
            return Became(attempt, LEFT, kiosk.left)
        judged = any(isinstance(event, DocumentRejected) for event in kiosk.events)
        if judged and named not in self._attack.reasons("sheets.rejected"):
            return Became(
                attempt, UNNAMED, f"{named} is a case without a line in the log, or the other way"
            )
        if named:
            return Became(attempt, CAUGHT, named)
        if kiosk.gives_up or kiosk.stuck:
            return Became(attempt, LEFT, "gave up")
        return Became(attempt, UNNAMED, f"{kiosk.screens[-3:]}")

    def _named(self, kiosk: Kiosk, at_city: Sequence[str]) -> str:
        """The reason of the kiosk's case, or in its log, or the city's case, or what the screen
        told.
        """
        rejected = [
            case.removeprefix("document.") for case in kiosk.cases if case.startswith("document.")
        ]
        if rejected:
            return rejected[0]
        for event, facts in kiosk.logged:
            if event == "sheets.rejected":
                return str(facts["reason"])
            if event == "line.fault" and facts["reason"] == "terms":
                return "terms"
            if event in ("line.fault", "line.refused"):
                return f"line: {facts['call']}: {facts.get('reason') or facts.get('code')}"
        if at_city:
            return f"city: {at_city[0]}"
        if kiosk.cases:
            return f"case: {kiosk.cases[0]}"
        told = next((s.name for s in reversed(kiosk.seen) if s.name in TOLD), "")
        return f"told: {told}" if told else ""

    def _city_cases(self, kiosk: str) -> list[str]:
        """Those of this kiosk; closed, so that the next attempt is not stopped by them."""
        with self._attack.city.city.engine.begin() as connection:
            own = tables.cases.c.kiosk == kiosk
            found = connection.execute(select(tables.cases.c.code).where(own)).scalars().all()
            connection.execute(delete(tables.cases).where(own))
        return sorted(set(found))


TOLD: Final = ("closed", "fault", "refused", "notoffered", "trouble")


def plain_of(answer: Any) -> Any:
    return plain(answer) if isinstance(answer, msgspec.Struct) else answer


def truth_of(errand: Errand, spoken: Spoken) -> Truth:
    """From what the city said before anybody laid hands on it."""
    terms = msgspec.json.decode(spoken.terms.form_terms, type=FormTerms)
    people = sum(len(sheet.people) for sheet in spoken.manifest.content.sheets)
    year = next(iter(errand.picks.get("year", ("y2026",)))).removeprefix("y")
    certified = spoken.form.form == "juminhyo"
    return Truth(
        content=plain(spoken.manifest)["content"],
        form=spoken.form.form,
        seal_mm=spoken.form.seal_mm,
        kind=errand.kind,
        city=terms.city,
        day=NOON.date(),
        holder=spoken.session.members[spoken.session.holder],
        year=int(year) if spoken.form.form == "kazei" else None,
        people=people if certified else None,
        whole=certified and people == len(spoken.session.members),
        salt=spoken.manifest.salt,
        copies=errand.copies,
        fee=spoken.manifest.fee,
        address=terms.verification_page,
    )


def number_of(truth: Truth, spoken: Spoken) -> dict[str, Any]:
    """The content of the first journey with this one's number: what the city says twice must be the
    same.
    """
    return {**truth.content, "unique_number": spoken.manifest.content.unique_number}


def number_for(errand: Errand) -> str:
    """The same in every campaign, so that the same seed makes the same attempts."""
    digits = int(hashlib.sha256(errand.name.encode()).hexdigest(), 16)
    return "".join(
        ordering.CROCKFORD[digits >> 5 * at & 31] for at in range(ordering.NUMBER_LENGTH)
    )
