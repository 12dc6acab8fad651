"""From the city's messages to the journey's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from firmware.flow import events, offers
from firmware.link import messages
from firmware.link.client import LineFault, LineReason
from firmware.link.form_terms import ENTRY_FORMS
from firmware.link.refusals import LINE
from firmware.service.offered import check_offers
from firmware.sheets import era

NAMED: Final = frozenset(entry.option for entry in ENTRY_FORMS.values())


def _localized(texts: dict[str, str]) -> offers.Localized:
    return tuple(texts.items())


def _contact(contact: messages.Contact) -> offers.Contact:
    return offers.Contact(_localized(contact.office), contact.phone, _localized(contact.hours))


def refusal(code: messages.RefusalCode) -> str:
    """What the resident reads. Between the machines there are many causes; for a person there are
    two.
    """
    if code in (messages.RefusalCode.CHALLENGE, messages.RefusalCode.SESSION_UNKNOWN):
        return "too-slow"  # the city's time for this session is over
    return (messages.RefusalCode.PROTOCOL_ERROR if code in LINE else code).value


def terms(message: messages.Terms, *, phones: bool) -> offers.Terms:
    """What holds now. A subject without a contact is left out. `phones`: this kiosk can check a
    phone's certificate; whether it may is the city's word.
    """
    closed = message.refusal
    return offers.Terms(
        city_name=_localized(message.city_name),
        refusal=""
        if message.open
        else refusal(closed.code if closed else messages.RefusalCode.CLOSED),
        opens_at=(closed.opens_at or "") if closed else "",
        notices=tuple(map(_notice, message.certificates)),
        contacts=tuple(
            (code, _contact(message.contacts[subject]))
            for code, subject in message.refusal_contacts.items()
            if subject in message.contacts
        ),
        phones=message.phones and phones,
        today=_today(message.today) if message.today else None,
    )


def _notice(notice: messages.CertificateNotice) -> offers.Notice:
    return offers.Notice(
        notice.kind,
        _localized(notice.title),
        notice.fee,
        notice.open,
        notice.opens_at or "",
        refusal(notice.refusal) if notice.refusal else "",
        _discount(notice.discount),
    )


def _discount(discount: messages.Discount | None) -> offers.Discount | None:
    if discount is None:
        return None
    return offers.Discount(discount.until.isoformat(), discount.regular)


def _today(hours: messages.Hours) -> tuple[str, str]:
    """A day that ends at midnight ends at 24:00: at 00:00 it begins."""
    return hours.opens, "24:00" if hours.closes == "00:00" else hours.closes


def session_opened(epoch: int, answer: messages.SessionAnswer) -> events.SessionOpened:
    """Who the city says it is, and what they may have. Raises LineFault for an answer that
    contradicts itself.

    What the screen calls a person or a year is worked out from what will be compared with the
    document, never taken from the option: whoever confirms it confirms that.
    """
    identity = (
        answer.members.get(answer.holder, ""),
        answer.holder_birth,
        answer.holder_address,
        *answer.members.values(),
    )
    if not all(text.strip() for text in identity):
        raise LineFault(LineReason.MALFORMED)
    check_offers(answer.offers)
    called = [name for entries in answer.entries.values() for name in entries.values()]
    if not all(name.strip() for name in called):
        raise LineFault(LineReason.MALFORMED)
    family = answer.family
    if any(offer.family for offer in answer.offers) is not (family is not None):
        raise LineFault(LineReason.MALFORMED)
    if family and not (
        family.holder in family.members and all(name.strip() for name in family.members.values())
    ):
        raise LineFault(LineReason.MALFORMED)
    household = tuple(
        offers.Choice(record, name, answer.readings.get(record, ""))
        for record, name in answer.members.items()
    )
    return events.SessionOpened(
        epoch=epoch,
        offers=tuple(_offer(offer, answer) for offer in answer.offers),
        expires_in_days=answer.card_expires_in_days,
        holder=offers.Holder(
            answer.holder,
            answer.holder_birth,
            answer.holder_address,
            household,
            family.holder if family else "",
            tuple(offers.Choice(*each) for each in family.members.items()) if family else (),
        ),
    )


def _offer(offer: messages.Offer, answer: messages.SessionAnswer) -> offers.Offer:
    return offers.Offer(
        offer.kind,
        _localized(offer.title),
        offer.fee,
        refusal(offer.refusal) if offer.refusal else "",
        tuple(_option(option, answer, offer.family) for option in offer.options),
        offer.opens_at or "",
        offer.family,
        _discount(offer.discount),
        _localized(offer.not_for),
    )


def _option(
    option: messages.Option, answer: messages.SessionAnswer, of_family: bool
) -> offers.Option:
    """Raises LineFault where people are asked for in another order than they are told in: the voice
    says who is chosen, and who is confirmed, by their place.
    """
    people = answer.family.members if of_family and answer.family else answer.members
    readings = {} if of_family else answer.readings
    if option.id == "members" and [each.id for each in option.choices] != list(people):
        raise LineFault(LineReason.MALFORMED)
    return offers.Option(
        option.id,
        option.type,
        tuple(
            offers.Choice(
                choice.id,
                _name(option.id, choice.id, {**answer.entries, "members": people}),
                readings.get(choice.id, "") if option.id == "members" else "",
            )
            for choice in option.choices
        ),
        option.default,
        option.minimum,
        option.maximum,
        option.when,
    )


def _name(option: str, choice: str, named: Mapping[str, Mapping[str, str]]) -> str:
    """ "" where the texts know the choice. Raises LineFault for a person, an entry or a year that
    does not exist. `named`: by the question.
    """
    try:
        if option in named or option in NAMED:
            return named[option][choice]
        if option == "year":
            return era.year_words(int(choice.removeprefix("y")))["fiscal"]
    except (KeyError, ValueError):
        raise LineFault(LineReason.MALFORMED) from None
    return ""
