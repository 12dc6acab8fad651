"""What the city tells and offers, as the journey needs it: immutable and comparable."""

from __future__ import annotations

from dataclasses import dataclass, field

Localized = tuple[tuple[str, str], ...]  # (language, text) pairs; the first is the last resort
JAPANESE = ("ja-easy", "ja")  # easy words first, ordinary ones where the city has no others


def localized(texts: Localized, language: str) -> str:
    """The city's text in `language`, else in one that its readers are most likely to read; "" when
    there is none.
    """
    known = dict(texts)
    others = ("ja",) if language in JAPANESE else ("en", "ja")
    found = (known.get(each) for each in (language, *others))
    return next(filter(None, found), texts[0][1] if texts else "")


@dataclass(frozen=True)
class Contact:
    office: Localized
    phone: str
    hours: Localized


@dataclass(frozen=True)
class Discount:
    """The fee holds until the end of that day (YYYY-MM-DD); `regular` is that of the day after."""

    until: str
    regular: int


@dataclass(frozen=True)
class Notice:
    """A certificate as the menu announces it. `fee` in yen for one copy."""

    kind: str
    title: Localized
    fee: int
    open: bool = True
    opens_at: str = ""  # of one that is not open, when that is known
    refusal: str = ""  # why it is not open, where the city tells; "" of one that is open
    discount: Discount | None = None


@dataclass(frozen=True)
class Terms:
    """What holds now at this city. `refusal` is "" while the service is open."""

    city_name: Localized
    refusal: str = ""
    opens_at: str = ""
    notices: tuple[Notice, ...] = ()
    contacts: tuple[tuple[str, Contact], ...] = ()  # refusal code -> where to go
    phones: bool = False  # a phone may be laid in place of the card
    today: tuple[str, str] | None = None  # open from, until; None: not today, or not told


@dataclass(frozen=True)
class Choice:
    """`name` is set for a person or a year; otherwise the texts know the choice by its id.
    `reading`: how a person's name is read, in katakana, where the city tells.
    """

    id: str
    name: str = field(default="", repr=False)
    reading: str = field(default="", repr=False)


@dataclass(frozen=True)
class Holder:
    """Whose card it is: shown before the order is confirmed. Everything as it will be printed."""

    id: str  # which of `household`
    birth: str = field(repr=False)
    address: str = field(repr=False)
    household: tuple[Choice, ...]  # everybody who can be certified, by name, the holder included
    family_id: str = ""  # which of `family`
    family: tuple[Choice, ...] = ()  # the same of the family register

    def people(self, offer: Offer) -> tuple[str, tuple[Choice, ...]]:
        """Who can stand on this certificate: which one of them is the holder, and all of them."""
        return (self.family_id, self.family) if offer.family else (self.id, self.household)

    @property
    def name(self) -> str:
        return next(member.name for member in self.household if member.id == self.id)


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
    opens_at: str = ""  # when the refusal ends by itself
    family: bool = False  # it shows people of the family register, not of the household
    discount: Discount | None = None
    not_for: Localized = ()  # what it cannot be used for


Answers = tuple[
    tuple[str, tuple[str, ...]], ...
]  # (option id, chosen choice ids); a count is one decimal string


def asked(offer: Offer, answers: Answers) -> tuple[Option, ...]:
    """The options this person is asked, given what was answered so far."""
    given = dict(answers)
    return tuple(
        o for o in offer.options if o.when is None or o.when[1] in given.get(o.when[0], ())
    )


def defaults(offer: Offer) -> Answers:
    """What holds before the person has chosen anything."""
    return tuple(
        (o.id, o.default or ((str(max(o.minimum, 1)),) if o.type == "count" else ()))
        for o in offer.options
    )


def valid(option: Option, chosen: tuple[str, ...]) -> bool:
    """Whether `chosen` answers the option."""
    if option.type == "count":
        return (
            len(chosen) == 1
            and chosen[0].isdecimal()
            and option.minimum <= int(chosen[0]) <= option.maximum
        )
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
    """What goes to the city: the answers to the questions really asked, without the number of
    copies.
    """
    given = dict(answers)
    return tuple((o.id, given.get(o.id, ())) for o in asked(offer, answers) if o.id != "copies")
