"""What a state shows: facts and actions. How they look is the panel's affair, how they sound the texts'.

A view takes the session and returns the facts that vary; names of screens, and of actions, are keys of the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from firmware.flow.offers import Choice, Contact, Offer, Option, asked, copies, localized
from firmware.flow.session import Session

Facts = Mapping[str, Any]
View = Callable[[Session], Facts]


@dataclass(frozen=True)
class Screen:
    """One thing to show. A touch counts only while it carries this `number` and an action of `actions`.

    `limit_s` seconds are left when it is shown (None: no limit); `deadline` changes whenever they start anew.
    """

    name: str
    number: int
    language: str
    actions: tuple[str, ...] = ()
    limit_s: float | None = None
    deadline: int = 0
    urgent: bool = False
    facts: Facts = field(default_factory=dict, repr=False)


def contact(session: Session, code: str) -> Contact | None:
    """Where to go about this refusal, as the city says."""
    return dict(session.terms.contacts).get(code) if session.terms else None


def _where(session: Session, code: str) -> Facts:
    place = contact(session, code)
    if place is None:
        return {"code": code, "opens_at": session.opens_at}
    return {
        "code": code,
        "opens_at": session.opens_at,
        "office": localized(place.office, session.language),
        "phone": place.phone,
        "hours": localized(place.hours, session.language),
    }


def nothing(_: Session) -> Facts:
    return {}


def notice(session: Session) -> Facts:
    return {"notice": session.notice, "unknown": session.presence == "unknown"}


def out(session: Session) -> Facts:
    """Out of service: why."""
    if session.problem:
        problem = session.problem
    elif session.distrusted:
        problem = "coins"
    elif not session.line:
        problem = "line-down"
    elif session.presence == "unknown":
        problem = "card-reader"
    elif session.presence == "present":
        problem = "card-left"
    else:
        problem = ""
    return {"problem": problem}


def closed(session: Session) -> Facts:
    terms = session.terms
    return {"code": terms.refusal if terms else "", "opens_at": terms.opens_at if terms else ""}


def menu(session: Session) -> Facts:
    terms = session.terms
    if terms is None:
        return {}
    return {
        "city": localized(terms.city_name, session.language),
        "certificates": [
            {"kind": n.kind, "title": localized(n.title, session.language), "fee": n.fee, "open": n.open}
            for n in terms.notices
        ],
    }


def pin(session: Session) -> Facts:
    return {"digits": session.digits, "tries": session.tries, "notice": session.notice}


def certificates(session: Session) -> Facts:
    return {
        "expires_in_days": session.expires_in_days,
        "certificates": [
            {"kind": o.kind, "title": localized(o.title, session.language), "fee": o.fee, "refusal": o.refusal}
            for o in session.offers
        ],
    }


def not_offered(session: Session) -> Facts:
    title = localized(session.offer.title, session.language) if session.offer else ""
    return {**_where(session, session.refusal), "title": title}


def _shown(choice: Choice, chosen: tuple[str, ...]) -> dict[str, object]:
    return {"id": choice.id, "name": choice.name, "chosen": choice.id in chosen}


def question(session: Session) -> Option | None:
    """The option being asked now."""
    options = asked(session.offer, session.answers) if session.offer else ()
    return options[session.step] if session.step < len(options) else None


def options(session: Session) -> Facts:
    offer, option = session.offer, question(session)
    if offer is None or option is None:
        return {}
    chosen = dict(session.answers).get(option.id, ())
    return {
        "title": localized(offer.title, session.language),
        "option": option.id,
        "type": option.type,
        "choices": [_shown(c, chosen) for c in option.choices],
        "count": int(chosen[0]) if option.type == "count" and chosen else None,
        "minimum": option.minimum,
        "maximum": option.maximum,
        "fee": offer.fee,
        "notice": session.notice,
        "step": session.step + 1,
        "steps": len(asked(offer, session.answers)),
    }


def _people(offer: Offer, session: Session) -> list[dict[str, object]]:
    """Who will stand on the sheets, by name, where that was not asked name by name."""
    if any(o.id == "members" for o in asked(offer, session.answers)):
        return []
    household = next((o.choices for o in offer.options if o.id == "members"), ())
    everybody = "household" in dict(session.answers).get("scope", ())
    holder = (Choice("holder", session.holder),) if session.holder else ()
    chosen = household if everybody else holder
    names = {c.name for c in chosen}
    omitted = tuple(c for c in household if c.name not in names)
    return [_row("members", "many", chosen, omitted)] if chosen else []


def _row(
    option: str, type_: str, chosen: tuple[Choice, ...], omitted: tuple[Choice, ...], count: str | None = None
) -> dict[str, object]:
    return {
        "option": option,
        "type": type_,
        "chosen": [{"id": c.id, "name": c.name} for c in chosen],
        "omitted": [{"id": c.id, "name": c.name} for c in omitted],
        "count": count,
    }


def _summary(offer: Offer, session: Session) -> list[dict[str, object]]:
    given = dict(session.answers)
    rows = _people(offer, session)
    for option in asked(offer, session.answers):
        picked = given.get(option.id, ())
        chosen = tuple(c for c in option.choices if c.id in picked)
        omitted = tuple(c for c in option.choices if c.id not in picked)
        count = (picked or ("1",))[0] if option.type == "count" else None
        rows.append(_row(option.id, option.type, chosen, omitted, count))
    return rows


def confirm(session: Session) -> Facts:
    """Exactly what will be printed, and what it costs."""
    offer = session.offer
    if offer is None:
        return {}
    count = copies(session.answers)
    return {
        "title": localized(offer.title, session.language),
        "kind": offer.kind,
        "summary": _summary(offer, session),
        "copies": count,
        "fee": offer.fee,
        "total": offer.fee * count,
    }


def paying(session: Session) -> Facts:
    return {
        "due": session.fee,
        "inserted": session.held,
        "missing": max(session.fee - session.held, 0),
        "notice": session.notice,
    }


def refunding(session: Session) -> Facts:
    return {"amount": session.held, "code": session.refusal}


def printing(session: Session) -> Facts:
    return {
        "sheet": session.sheet,
        "sheets": session.document.sheets if session.document else 0,
        "printed": session.printed,
    }


def sheets(session: Session) -> Facts:
    return {"sheets": session.printed, "sensor": session.outlet_sensor}


def receipt(session: Session) -> Facts:
    return {"change": session.returned, "notice": session.notice}


def refused(session: Session) -> Facts:
    return {**_where(session, session.refusal), "returned": session.returned}


def trouble(session: Session) -> Facts:
    return {
        **_where(session, session.refusal),
        "returned": session.returned,
        "owed": session.owed,
        "printed": session.printed,
    }
