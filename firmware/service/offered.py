"""The questions that a city may ask: what does not fit them is no answer of a city, and no journey
begins with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from firmware.link import messages
from firmware.link.client import LineFault, LineReason
from firmware.link.form_terms import ENTRY_FORMS
from firmware.texts.texts import Texts

TYPES: Final[Mapping[str, str]] = {
    "scope": "one",
    "members": "many",
    "fields": "many",
    "year": "one",
    **{entry.option: "one" for entry in ENTRY_FORMS.values()},
    "copies": "count",
}
MOST_COPIES: Final = 10  # as an order may ask for
# Their choices are named by the texts; a person or a year has a name of its own.
NAMED_BY_TEXTS: Final = ("scope", "fields")
# Of the texts about the question itself, and of who stands on a certificate of a family register.
NO_CHOICES: Final = frozenset({"question", "label", "family", "chosen"})
LANGUAGE: Final = "ja"  # a test proves that every language has the same texts


def check_offers(offers: Iterable[messages.Offer]) -> None:
    """Raises LineFault for offers that the journey has no rules for."""
    kinds: set[str] = set()
    for offer in offers:
        options = [option.id for option in offer.options]
        fits = all(map(_fits, offer.options)) and _is_in_order(offer.options)
        if offer.kind in kinds or len(set(options)) != len(options) or not fits:
            raise LineFault(LineReason.MALFORMED)
        kinds.add(offer.kind)


def _is_in_order(options: Sequence[messages.Option]) -> bool:
    """A question depends on a choice of one before it. An answer that undid an earlier question
    would leave the journey at a question that is not there.
    """
    known: set[tuple[str, str]] = set()
    for option in options:
        if option.when is not None and option.when not in known:
            return False
        known |= {(option.id, choice.id) for choice in option.choices}
    return True


def _fits(option: messages.Option) -> bool:
    if TYPES.get(option.id) != option.type:
        return False
    if option.type == "count":
        return _fits_count(option)
    known = [choice.id for choice in option.choices]
    chosen = option.default
    if len(set(known)) != len(known) or not set(chosen) <= set(known):
        return False
    if option.id in NAMED_BY_TEXTS and not all(_has_words(option.id, id_) for id_ in known):
        return False
    if option.type == "one":
        return bool(known) and len(chosen) <= 1
    most = option.maximum or len(known)
    return option.minimum <= most <= len(known) and len(chosen) <= most


def _has_words(option: str, choice: str) -> bool:
    """Without them no screen could show it, and the journey would end behind the PIN."""
    return choice not in NO_CHOICES and Texts.load(LANGUAGE).has(f"option.{option}.{choice}")


def _fits_count(option: messages.Option) -> bool:
    if option.choices or not 1 <= option.minimum <= option.maximum <= MOST_COPIES:
        return False
    if not option.default:
        return True
    first = option.default[0]
    whole = len(option.default) == 1 and first.isascii() and first.isdecimal()
    return whole and option.minimum <= int(first) <= option.maximum
