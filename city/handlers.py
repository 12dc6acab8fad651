"""What the gateway does with each message. Synchronous, in worker threads; every truth is in the
database.

A handler returns its answer or raises `Refused`. Slow work (chain checks, typesetting, sealing) is
done between transactions, and what it relied on is checked again inside the one that decides.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from sqlalchemy import Connection, Engine

from city import audit, cases, fleet, journals, registry, rollouts, rules
from city.clock import JST, Clock
from city.database import Mode, Unavailable, transact
from city.document import Paginator, Typesetter
from city.municipality import Municipality
from city.opening import Opening, hours_of, opening
from city.permits import Permit, permit
from city.revocation import Revocation
from city.terms import SignedTerms
from firmware.link import messages, signing
from firmware.link.messages import RefusalCode
from firmware.link.refusals import OLDER

if TYPE_CHECKING:
    from city.renewal import Renewal


T = TypeVar("T")


class Refused(Exception):
    """Answered as a `Refusal` with this code."""

    def __init__(self, code: RefusalCode, opens_at: datetime | None = None) -> None:
        super().__init__(code.value)
        self.code = code
        self.opens_at = opens_at


@dataclass(frozen=True)
class City:
    """What all handlers share; nothing here changes while the gateway runs."""

    data: Municipality
    engine: Engine
    clock: Clock
    authorities: tuple[x509.Certificate, ...]
    revocation: Revocation
    issuing: Ed25519PrivateKey
    typeset: Typesetter
    paginate: Paginator
    terms: SignedTerms
    renewal: Renewal | None = None
    phone_policies: tuple[str, ...] = ()

    def seen_by(self, kiosk: str) -> Municipality:
        """What holds at this kiosk's site. Raises Refused for one that the city names at none."""
        data = self.data.seen_by(kiosk)
        if data is None:
            raise Refused(RefusalCode.MAINTENANCE)
        return data

    def read(self, work: Callable[[Connection], T]) -> T:
        return self._transact(Mode.READ, work)

    def step(self, work: Callable[[Connection], T]) -> T:
        return self._transact(Mode.STEP, work)

    def decide(self, work: Callable[[Connection], T]) -> T:
        return self._transact(Mode.DECIDE, work)

    def _transact(self, mode: Mode, work: Callable[[Connection], T]) -> T:
        """See `database.transact`. Raises Refused(BUSY) when the database is away or overloaded."""
        try:
            return transact(self.engine, mode, work)
        except Unavailable:
            raise Refused(RefusalCode.BUSY) from None

    def log(self, connection: Connection, event: str, **ids: str | int) -> None:
        audit.append(connection, event, seconds(self.clock()), **ids)


def seconds(at: datetime) -> int:
    return int(at.timestamp())


def require(holds: bool, code: RefusalCode) -> None:
    if not holds:
        raise Refused(code)


def day_of(now: datetime) -> date:
    return now.astimezone(JST).date()


def require_open(data: Municipality, now: datetime) -> None:
    when = opening(data, now)
    if when.refusal:
        raise Refused(when.refusal, when.opens_at)


# -- hello -----------------------------------------------------------------------------------------


def hello(city: City, kiosk: str, message: messages.Hello) -> messages.Terms:
    """A kiosk of a build that is not taken is told of maintenance, and why if it understands; of
    maintenance too when the city has sites and names it at none.
    """
    require(message.protocol == messages.PROTOCOL, RefusalCode.VERSION)
    now = city.clock()
    here = city.data.seen_by(kiosk)
    data = here or city.data
    challenge = secrets.token_bytes(32)
    update = message.status.update if message.status else None
    board = update.board if update and messages.UPDATES in message.understands else ""

    def note_behind(connection: Connection) -> None:
        if journals.head_of(connection, kiosk):  # a person may have let it have a new one meanwhile
            cases.open_case(connection, cases.JOURNAL_BEHIND, seconds(now), kiosk=kiosk)

    if message.journal_behind:
        city.decide(note_behind)

    def remember(connection: Connection) -> tuple[Permit, tuple[str, bool]]:
        registry.add_challenge(connection, challenge, kiosk, seconds(now) + data.challenge_s)
        fleet.note(connection, kiosk, message, seconds(now))
        found = permit(connection, kiosk)
        if message.journal and message.journal != found.journal:
            journals.keep(connection, kiosk, message.journal)
        wanted = rollouts.told(connection, kiosk, board, seconds(now)) if board else ("", False)
        return found, wanted

    found, (wanted, to_move) = city.step(remember)
    paused, build_taken, journal = found.paused, found.build_taken, found.journal
    if to_move:
        city.decide(lambda connection: rollouts.move(connection, board, seconds(now)))
    when = opening(data, now)
    serves = build_taken and here is not None and not paused.stops(kiosk)
    if not serves:
        when = Opening(RefusalCode.MAINTENANCE)
    return messages.Terms(
        protocol=messages.PROTOCOL,
        city=data.code,
        city_name=data.name,
        now=now.isoformat(timespec="seconds"),
        open=when.refusal is None,
        refusal=rules.refusal(data, when.refusal, now, when.opens_at) if when.refusal else None,
        closes_in_s=int((when.closes_at - now).total_seconds()) if when.closes_at else None,
        certificates=tuple(
            _announced(n, paused.stops(kiosk, n.kind), message.understands)
            for n in rules.notices(data, now)
        ),
        contacts=data.contacts_on(now.astimezone(JST).date()),
        refusal_contacts=data.places,
        form_terms=city.terms.body,
        form_terms_signature=city.terms.signature,
        challenge=challenge,
        challenge_expires_s=data.challenge_s,
        journal=journal,
        today=hours_of(data, now) if serves and messages.TODAY in message.understands else None,
        build_refused=not build_taken and messages.BUILDS in message.understands,
        phones=message.phones and bool(city.phone_policies) and data.takes_phones(day_of(now)),
        issuing=signing.reference(city.issuing.public_key()).hex()
        if messages.ISSUING in message.understands
        else "",
        update=wanted,
    )


def _announced(
    notice: messages.CertificateNotice, paused: bool, understands: Sequence[str]
) -> messages.CertificateNotice:
    """`paused`: until a person has looked, which nobody knows when."""
    if paused:
        notice = replace(notice, open=False, opens_at=None, refusal=RefusalCode.MAINTENANCE)
    if messages.CAUSES not in understands:
        notice = replace(notice, refusal=None)
    return notice if messages.WORDS in understands else replace(notice, discount=None, not_for={})


# -- refusals --------------------------------------------------------------------------------------


def told(code: RefusalCode, message: messages.Message) -> RefusalCode:
    """The code in words that the kiosk which sent this has."""
    knows = messages.CAUSES in getattr(message, "understands", ())
    return code if knows else OLDER.get(code, code)


def note_refusal(
    city: City, kiosk: str, name: str, message: messages.Message, code: RefusalCode
) -> None:
    """Every refusal leaves a trace, and an anomaly a case: one looked at late is one repeated.

    BUSY leaves none: it comes of load or of the database itself, which another transaction would
    not help.
    """
    if code is RefusalCode.BUSY:
        return
    ids = {
        key: str(getattr(message, key))
        for key in ("session", "order", "outcome")
        if hasattr(message, key)
    }

    def note(connection: Connection) -> None:
        city.log(connection, f"{name}-refused", kiosk=kiosk, code=code.value, **ids)
        order = registry.brief_of(connection, ids["order"]) if "order" in ids else None
        owners = {
            registry.kiosk_of(connection, ids.get("session", "")),
            order.kiosk if order else "",
        }
        case = cases.MIX_UP if owners - {"", kiosk} else cases.OF_REFUSAL.get((name, code))
        # One case for a defect, however many meet it: the log has the others.
        if code is RefusalCode.INTERNAL:
            cases.open_case(connection, cases.INTERNAL, seconds(city.clock()), kiosk=kiosk)
        elif case:
            cases.open_case(connection, case, seconds(city.clock()), kiosk=kiosk, **ids)

    with suppress(Refused):  # the first refusal is the answer, whatever becomes of its trace
        city.step(note)
