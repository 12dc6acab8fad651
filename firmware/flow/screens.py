"""What a state shows: facts and actions. How they look is the panel's affair, how they sound the
texts'.

A view takes the session and returns the facts that vary; names of screens, and of actions, are keys
of the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firmware.flow.offers import (
    Choice,
    Contact,
    Discount,
    Holder,
    Localized,
    Offer,
    Option,
    asked,
    copies,
    localized,
)
from firmware.flow.session import Mode, Presence, Session, Token

Facts = Mapping[str, Any]
View = Callable[[Session], Facts]
# Touches that every screen takes: how it is shown, and in which language. They change no state.
SETTINGS = ("mode", "language")
PRINTED = "ja"  # the language of the paper
REMOVED = "removed"  # the question whose copy of a removed entry (住民票の除票)
CARD, PHONE, EITHER = "card", "phone", "either"  # what words can be about
# Refusals that send to another municipality: this city's own office is for questions only.
ELSEWHERE = frozenset({"taxed-elsewhere", "not-resident-on-january-1"})


@dataclass(frozen=True)
class Screen:
    """One thing to show. A touch counts only while it carries this `number` and an action of
    `actions`.

    `limit_s` seconds are left when it is first shown (None: no limit); `deadline` changes whenever
    they start anew.
    """

    name: str
    number: int
    language: str
    actions: tuple[str, ...] = ()
    limit_s: float | None = None
    deadline: int = 0
    urgent: bool = False
    facts: Facts = field(default_factory=dict, repr=False)
    about: str = CARD  # of which of the three the words speak
    modes: frozenset[Mode] = frozenset()
    # How much of the limit has gone: "" at first, "third" when a third is left, "ten" from ten
    # seconds on.
    warning: str = ""
    private: bool = False  # only this person hears what is said
    runs_out: str = ""  # what happens when the time runs out: `time.up.<this>` of the texts


def about(session: Session) -> str:
    """What the words call the thing that lies there, or that this person came with."""
    known = session.lying
    if known is Token.UNKNOWN and not (session.phones and session.presence is Presence.PRESENT):
        known = session.token
    if known is Token.UNKNOWN:
        return EITHER if session.phones else CARD
    return PHONE if known.is_phone else CARD


def contact(session: Session, code: str) -> Contact | None:
    """Where to go about this refusal, as the city says."""
    return dict(session.terms.contacts).get(code) if session.terms else None


def _where(session: Session, code: str) -> Facts:
    place = contact(session, code)
    if place is None:
        return {"code": code, "opens_at": session.opens_at}
    return {
        "code": code,
        "elsewhere": code in ELSEWHERE,
        "opens_at": session.opens_at,
        "office": localized(place.office, session.language),
        "office_texts": place.office,
        "phone": place.phone,
        "hours": localized(place.hours, session.language),
    }


def nothing(_: Session) -> Facts:
    return {}


def notice(session: Session) -> Facts:
    return {"notice": session.notice, "unknown": session.presence is Presence.UNKNOWN}


def out(session: Session) -> Facts:
    """Out of service: why."""
    if session.problem:
        problem = session.problem
    elif session.distrusted:
        problem = "coins"
    elif not session.line:
        problem = "line-down"
    elif session.presence is Presence.UNKNOWN:
        problem = "card-reader"
    elif session.presence is Presence.PRESENT:
        problem = "card-left"
    else:
        problem = ""
    return (
        {"problem": problem, "number": session.number} if session.number else {"problem": problem}
    )


def out_of_service(after: Screen, problem: str, **more: Any) -> Screen:
    """What is shown instead of a journey, behind the screen that was shown last. `more`: whom to
    call, and the like.
    """
    return Screen(
        name="fault",
        number=after.number + 1,
        language=after.language,
        actions=SETTINGS,
        facts={"problem": problem, **more},
        modes=after.modes,
    )


def closed(session: Session) -> Facts:
    terms = session.terms
    return {"code": terms.refusal if terms else "", "opens_at": terms.opens_at if terms else ""}


def menu(session: Session) -> Facts:
    terms = session.terms
    if terms is None:
        return {}
    return {
        "exact_only": session.exact_only,
        "city": localized(terms.city_name, session.language),
        "hours": _hours(terms.today),
        "certificates": [
            {
                **_called(n.kind, n.title, session),
                "fee": n.fee,
                "discount": _discount(n.discount),
                "open": n.open,
                "refusal": n.refusal,
                "opens_at": n.opens_at,
            }
            for n in terms.notices
        ],
    }


def _hours(today: tuple[str, str] | None) -> Facts | None:
    return {"from": today[0], "until": today[1]} if today else None


def _called(kind: str, title: Localized, session: Session) -> Facts:
    """What a certificate is called: `title` on the screen; `titles`, by language, for the voice,
    which may be another's.
    """
    return {"kind": kind, "title": localized(title, session.language), "titles": title}


def _discount(discount: Discount | None) -> Facts | None:
    return {"until": discount.until, "regular": discount.regular} if discount else None


def pin(session: Session) -> Facts:
    return {
        "digits": session.digits,
        "tries": session.tries,
        "typed": session.typed,
        "notice": session.notice,
    }


def certificates(session: Session) -> Facts:
    return {
        "expires_in_days": session.expires_in_days,
        "certificates": [
            {
                **_called(o.kind, o.title, session),
                "fee": o.fee,
                "discount": _discount(o.discount),
                "refusal": o.refusal,
            }
            for o in session.offers
        ],
    }


def not_offered(session: Session) -> Facts:
    title = session.offer.title if session.offer else ()
    return {**_where(session, session.refusal), **_called(session.kind, title, session)}


def _shown(choice: Choice, position: int, chosen: tuple[str, ...], own: str) -> dict[str, object]:
    """`position`, `own` and `reading` let the voice say a person without the name on the paper.
    `own`: which one is the holder.
    """
    return {
        "id": choice.id,
        "position": position,
        "name": choice.name,
        "chosen": choice.id in chosen,
        "own": choice.id == own,
        "reading": choice.reading,
    }


def question(session: Session) -> Option | None:
    """The option being asked now."""
    options = asked(session.offer, session.answers) if session.offer else ()
    return options[session.step] if session.step < len(options) else None


def options(session: Session) -> Facts:
    offer, option = session.offer, question(session)
    if offer is None or option is None:
        return {}
    chosen = dict(session.answers).get(option.id, ())
    own = session.holder.people(offer)[0] if session.holder else ""
    return {
        **_called(offer.kind, offer.title, session),
        "option": option.id,
        "type": option.type,
        "choices": [
            _shown(choice, position, chosen, own)
            for position, choice in enumerate(option.choices, 1)
        ],
        "count": int(chosen[0]) if option.type == "count" and chosen else None,
        "minimum": option.minimum,
        "maximum": option.maximum,
        "fee": offer.fee,
        "notice": session.notice,
        "step": _counted(asked(offer, session.answers)[: session.step + 1]),
        "steps": _counted(offer.options),
    }


def _counted(options: Iterable[Option]) -> int:
    """Questions as a person counts them: one that only some are asked is a part of the one before,
    so that the total never changes under way.
    """
    return max(sum(option.when is None for option in options), 1)


def _named(choices: Iterable[Choice]) -> list[Facts]:
    return [{"id": choice.id, "name": choice.name} for choice in choices]


def _people(holder: Holder, offer: Offer, session: Session) -> Facts:
    """Who will stand on the sheets. `names` and `omitted` are empty for the holder alone, who is
    then the only one of `members`.
    """
    given = dict(session.answers)
    asked_now = {option.id for option in asked(offer, session.answers)}
    own, everybody = holder.people(offer)
    for option in offer.options:
        if option.id == REMOVED:  # one whose entry was removed, and nobody else
            chosen = given.get(REMOVED, ())
            return {
                "scope": "chosen",
                "names": [each.name for each in option.choices if each.id in chosen],
                "omitted": [],
                "members": _positions("", option.choices, chosen),
            }
    if offer.family:
        scope = "chosen" if "members" in asked_now else "family"
    else:
        scope = next(iter(given.get("scope", ())), "self") if "scope" in asked_now else "self"
    if scope == "self":
        alone = [each for each in _positions(own, everybody, (own,)) if each["own"]]
        return {"scope": scope, "names": [], "omitted": [], "members": alone}
    chosen = given.get("members", ())
    wanted = chosen if scope in ("some", "chosen") else [member.id for member in everybody]
    return {
        "scope": scope,
        "names": [member.name for member in everybody if member.id in wanted],
        "omitted": [member.name for member in everybody if member.id not in wanted],
        "members": _positions(own, everybody, wanted),
    }


def _positions(own: str, everybody: Iterable[Choice], wanted: Collection[str]) -> list[Facts]:
    """People as they are spoken of."""
    return [
        {
            "position": position,
            "own": member.id == own,
            "reading": member.reading,
            "printed": member.id in wanted,
        }
        for position, member in enumerate(everybody, 1)
    ]


def _summary(offer: Offer, session: Session) -> list[Facts]:
    """What was answered, beside the people and the number of copies."""
    given = dict(session.answers)
    return [
        {
            "option": option.id,
            "type": option.type,
            "chosen": _named(c for c in option.choices if c.id in given.get(option.id, ())),
            "omitted": _named(c for c in option.choices if c.id not in given.get(option.id, ())),
        }
        for option in asked(offer, session.answers)
        if option.id not in ("scope", "members", REMOVED, "copies")
    ]


def confirm(session: Session) -> Facts:
    """Whose card it is, exactly what will be printed, and what it costs."""
    offer, holder = session.offer, session.holder
    if offer is None or holder is None:
        return {}
    count = copies(session.answers)
    return {
        **_called(offer.kind, offer.title, session),
        "printed_title": localized(offer.title, PRINTED),
        "not_for": localized(offer.not_for, session.language),
        "not_for_texts": offer.not_for,
        "discount": _discount(offer.discount),
        "holder": {"name": holder.name, "birth": holder.birth, "address": holder.address},
        "people": _people(holder, offer, session),
        "summary": _summary(offer, session),
        "copies": count,
        "fee": offer.fee,
        "total": offer.fee * count,
        "free": _free(session),
        "exact_only": session.exact_only and not _free(session),
    }


def _free(session: Session) -> bool:
    """Nothing is to be paid for what was chosen."""
    return session.offer is not None and session.offer.fee == 0


def preparing(session: Session) -> Facts:
    return {"free": _free(session)}


def paying(session: Session) -> Facts:
    return {
        "due": session.fee,
        "inserted": session.held,
        "missing": max(session.fee - session.held, 0),
        "notice": session.notice,
        "exact_only": session.exact_only,
    }


def payway(session: Session) -> Facts:
    return {"due": session.fee, "notice": session.notice}


def charging(session: Session) -> Facts:
    return {"due": session.charging}


def reversing(session: Session) -> Facts:
    return {"amount": session.reversing, "code": session.refusal}


def refunding(session: Session) -> Facts:
    return {"amount": session.held, "code": session.refusal}


def printing(session: Session) -> Facts:
    return {
        "sheet": session.sheet,
        "sheets": session.document.sheets if session.document else 0,
        "printed": session.printed,
        "free": _free(session),
    }


def sheets(session: Session) -> Facts:
    return {"sheets": session.printed, "sensor": session.outlet_sensor, "free": _free(session)}


def receipt(session: Session) -> Facts:
    return {"change": session.returned, "notice": session.notice, "free": _free(session)}


def refused(session: Session) -> Facts:
    return {**_where(session, session.refusal), "returned": session.returned + session.reversed}


def trouble(session: Session) -> Facts:
    return {
        **_where(session, session.refusal),
        "returned": session.returned + session.reversed,
        "owed": session.owed,
        "held": session.undecided,
        "printed": session.printed,
        "valid": session.complete,
    }
