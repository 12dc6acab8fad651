"""From the city's messages to the journey's own words."""

from __future__ import annotations

from firmware.flow import offers as o
from firmware.link import messages as m
from firmware.link.refusals import LINE


def _localized(texts: dict[str, str]) -> o.Localized:
    return tuple(texts.items())


def _contact(contact: m.Contact) -> o.Contact:
    return o.Contact(_localized(contact.office), contact.phone, _localized(contact.hours))


def refusal(code: m.RefusalCode) -> str:
    """What the resident is told. Between the machines there are many causes; for a person there are two."""
    if code in (m.RefusalCode.CHALLENGE, m.RefusalCode.SESSION_UNKNOWN):
        return "too-slow"  # the city's time for this session is over
    return (m.RefusalCode.PROTOCOL_ERROR if code in LINE else code).value


def terms(message: m.Terms) -> o.Terms:
    """What holds now. A subject without a contact is left out."""
    closed = message.refusal
    return o.Terms(
        city_name=_localized(message.city_name),
        refusal="" if message.open else (closed.code if closed else m.RefusalCode.CLOSED).value,
        opens_at=(closed.opens_at or "") if closed else "",
        notices=tuple(o.Notice(c.kind, _localized(c.title), c.fee, c.open) for c in message.certificates),
        contacts=tuple(
            (code, _contact(message.contacts[subject]))
            for code, subject in message.refusal_contacts.items()
            if subject in message.contacts
        ),
    )


def _option(option: m.Option) -> o.Option:
    return o.Option(
        option.id,
        option.type,
        tuple(o.Choice(c.id, c.name) for c in option.choices),
        option.default,
        option.minimum,
        option.maximum,
        option.when,
    )


def offers(answer: m.SessionAnswer) -> tuple[o.Offer, ...]:
    """What this person may have, and may not."""
    return tuple(
        o.Offer(
            offer.kind,
            _localized(offer.title),
            offer.fee,
            refusal(offer.refusal) if offer.refusal else "",
            tuple(_option(option) for option in offer.options),
        )
        for offer in answer.offers
    )


def chosen_members(answer: m.SessionAnswer, choices: o.Answers) -> tuple[str, ...]:
    """The names that must stand on the sheets, in the household's order; empty: the holder alone."""
    given = dict(choices)
    scope = given.get("scope", ())
    if "household" in scope:
        return tuple(answer.members.values())
    if "some" in scope:
        return tuple(answer.members[i] for i in given.get("members", ()) if i in answer.members)
    return ()
