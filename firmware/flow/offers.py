"""What the city tells and offers, as the journey needs it: immutable and comparable."""

from __future__ import annotations

from dataclasses import dataclass, field

Localized = tuple[tuple[str, str], ...]  # (language, text) pairs; the first is the fallback


def localized(texts: Localized, language: str) -> str:
    """The text in `language`, or in the city's first language; "" when there is none."""
    known = dict(texts)
    return known.get(language) or (texts[0][1] if texts else "")


@dataclass(frozen=True)
class Contact:
    office: Localized
    phone: str
    hours: Localized


@dataclass(frozen=True)
class Notice:
    """A certificate as the menu announces it. `fee` in yen for one copy."""

    kind: str
    title: Localized
    fee: int
    open: bool = True


@dataclass(frozen=True)
class Terms:
    """What holds now at this city. `refusal` is "" while the service is open."""

    city_name: Localized
    refusal: str = ""
    opens_at: str = ""
    notices: tuple[Notice, ...] = ()
    contacts: tuple[tuple[str, Contact], ...] = ()  # refusal code -> where to go


@dataclass(frozen=True)
class Choice:
    """`name` is set for a person or a year; otherwise the texts know the choice by its id."""

    id: str
    name: str = field(default="", repr=False)


@dataclass(frozen=True)
class Option:
    """A question before the order: pick one, pick many, or a count between minimum and maximum."""

    id: str
    type: str  # "one", "many", "count"
    choices: tuple[Choice, ...] = ()
    default: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 0
    when: tuple[str, str] | None = None


@dataclass(frozen=True)
class Offer:
    """`refusal` is "" when this person may have the certificate."""

    kind: str
    title: Localized
    fee: int
    refusal: str = ""
    options: tuple[Option, ...] = ()


Answers = tuple[tuple[str, tuple[str, ...]], ...]  # (option id, chosen choice ids); a count is one decimal string


def asked(offer: Offer, answers: Answers) -> tuple[Option, ...]:
    """The options this person is asked, given what was answered so far."""
    given = dict(answers)
    return tuple(o for o in offer.options if o.when is None or o.when[1] in given.get(o.when[0], ()))


def defaults(offer: Offer) -> Answers:
    """What holds before the person has chosen anything."""
    return tuple((o.id, o.default or ((str(max(o.minimum, 1)),) if o.type == "count" else ())) for o in offer.options)


def valid(option: Option, chosen: tuple[str, ...]) -> bool:
    """Whether `chosen` answers the option."""
    if option.type == "count":
        return len(chosen) == 1 and chosen[0].isdecimal() and option.minimum <= int(chosen[0]) <= option.maximum
    known = {c.id for c in option.choices}
    if not set(chosen) <= known:
        return False
    if option.type == "one":
        return len(chosen) == 1
    return option.minimum <= len(chosen) <= (option.maximum or len(known))


def pick(option: Option, chosen: tuple[str, ...], value: str) -> tuple[str, ...]:
    """`chosen` after a touch on `value`; unchanged when that makes no sense."""
    if option.type == "count":
        count = int(chosen[0]) + {"more": 1, "less": -1}.get(value, 0)
        return (str(min(max(count, option.minimum), option.maximum)),)
    if value not in {c.id for c in option.choices}:
        return chosen
    if option.type == "one":
        return (value,)
    kept = {*chosen} ^ {value}
    return tuple(c.id for c in option.choices if c.id in kept)


def copies(answers: Answers) -> int:
    """How many copies were asked for; 1 when nobody asked."""
    return int(dict(answers).get("copies", ("1",))[0])


def order_choices(offer: Offer, answers: Answers) -> Answers:
    """What goes to the city: the answers to the questions really asked, without the number of copies."""
    given = dict(answers)
    return tuple((o.id, given.get(o.id, ())) for o in asked(offer, answers) if o.id != "copies")
