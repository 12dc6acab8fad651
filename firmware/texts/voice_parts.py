"""Parts of what is said: numbers, sums of money, moments, telephone numbers, titles, refusals.

Numbers are phrases of their own, recorded for the values in `NUMBERS`; a value beyond them is left
to the screen rather than said wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from firmware.flow.screens import PRINTED, Facts
from firmware.texts.city_words import is_usual
from firmware.texts.city_words import spoken as spoken_words
from firmware.texts.phrase import Phrase
from firmware.texts.texts import Texts, parse

NUMBERS: Mapping[str, Collection[int]] = {
    "count.yen": (
        *range(10, 100, 10),
        *range(100, 1000, 50),
        *range(1000, 3000, 100),
        *range(3000, 10_001, 1000),
    ),
    "count.tries": range(1, 6),
    "count.copies": range(1, 11),
    "count.sheet": range(1, 61),
    "count.sheets": range(1, 61),
    "count.income-year": range(2022, 2035),  # each the year before a fiscal year
    "spoken.person": range(1, 21),
    "spoken.item": range(1, 17),
    "spoken.fiscal-year": range(2023, 2036),
    "spoken.reiwa": range(5, 18),
    "spoken.hour": range(25),  # a day may end at 24:00
    "spoken.minute": range(1, 60),
    "spoken.day": range(1, 32),
    "spoken.digit": range(10),
}

NO_FACTS: Facts = {}
Words = Iterator[str]
Say = Callable[[Facts, Texts], Words]


def say_number(texts: Texts, key: str, n: int | None) -> Words:
    if n is not None and n in NUMBERS[key]:
        yield texts.get(key, n=n)


def say_amount(texts: Texts, amount: int) -> Words:
    """An amount, from the largest recorded ones; nothing when it cannot be said exactly."""
    parts: list[int] = []
    while amount >= 10 and len(parts) < 4:
        parts.append(max(n for n in NUMBERS["count.yen"] if n <= amount))
        amount -= parts[-1]
    if not amount:
        yield from (texts.get("count.yen", n=n) for n in parts)


def say_labelled_amount(texts: Texts, label: str, amount: int) -> Words:
    """A labelled amount of money, when there is any."""
    amount_words = tuple(say_amount(texts, amount))
    if amount_words:
        yield texts.get(f"label.{label}")
        yield from amount_words


def say_moment(texts: Texts, iso: str) -> Words:
    at = parse(iso)
    if at is None:
        return
    spoken = {
        "month": [texts.get(f"format.month.{at.month}")],
        "day": say_number(texts, "spoken.day", at.day),
        "weekday": [texts.get(f"spoken.weekday.{at.weekday()}")],
        "hour": say_number(texts, "spoken.hour", at.hour),
        "minute": say_number(texts, "spoken.minute", at.minute),
    }
    yield texts.get("spoken.opens")
    for part in texts.get("format.spoken_moment").split():
        yield from spoken[part]


def say_day(texts: Texts, iso: str) -> Words:
    """A day of a year that is near."""
    at = parse(iso)
    if at is None:
        return
    spoken = {
        "month": [texts.get(f"format.month.{at.month}")],
        "day": say_number(texts, "spoken.day", at.day),
    }
    for part in texts.get("format.spoken_moment").split():
        yield from spoken.get(part, ())


def say_discount(texts: Texts, discount: Facts | None) -> Words:
    """Until when the fee holds that was just said."""
    if discount:
        yield texts.get("label.discount")
        yield from say_day(texts, discount["until"])


def say_kind(texts: Texts, certificate: Facts) -> Words:
    """What a certificate is called."""
    kind, titles = certificate["kind"], certificate.get("titles", ())
    if is_usual(kind, titles):
        yield texts.get(f"kind.{kind}")
    elif phrase := spoken_words(titles, texts.language):
        yield phrase


def say_today(texts: Texts, hours: Mapping[str, str] | None) -> Words:
    """From when until when the kiosk serves today: HH:MM each."""
    if hours:
        yield texts.get("spoken.today")
        for key, at in (("starts", hours["from"]), ("ends", hours["until"])):
            hour, _, minute = at.partition(":")
            yield texts.get(f"spoken.{key}")
            yield from say_number(texts, "spoken.hour", int(hour))
            yield from say_number(texts, "spoken.minute", int(minute))


def say_phone(texts: Texts, number: str) -> Words:
    if number:
        yield texts.get("spoken.phone")
        yield from (texts.get("spoken.digit", n=int(c)) for c in number if c in "0123456789")


def say_case(texts: Texts, number: str) -> Words:
    """By what number people can ask about a case, sign by sign."""
    if number and all(sign in CASE_SIGNS for sign in number):
        yield texts.get("label.number")
        for sign in number:
            yield letter(sign, texts.language)


def letter(sign: str, language: str) -> Phrase:
    """A digit or a letter, by its name."""
    japanese = language.startswith(PRINTED)
    return Phrase(LETTERS.get(sign, sign) if japanese else sign.upper(), language)


CASE_SIGNS = "0123456789abcdef"
LETTERS: Mapping[str, str] = dict(
    zip("abcdef", ("エー", "ビー", "シー", "ディー", "イー", "エフ"), strict=True)
)


def receipt_title(facts: Facts) -> str:
    """The key of what is there to be taken at the end."""
    if facts["notice"] == "no-receipt":
        return "screen.receipt.only-change" if facts["change"] else "screen.receipt.nothing"
    return "screen.receipt.with-change" if facts["change"] else "screen.receipt.title"


def say_notice(facts: Facts, texts: Texts) -> Words:
    if facts["notice"]:
        yield texts.get(f"notice.{facts['notice']}")


def lead(name: str, facts: Facts) -> str:
    """The key of what stands beneath the title: another where no change is given, or nothing is to
    be paid.
    """
    special = next(
        (fact for fact in ("exact_only", "free") if facts.get(fact) and name in LEADS[fact]), "lead"
    )
    return f"screen.{name}.{special.replace('_', '-')}"


LEADS: Mapping[str, Collection[str]] = {"exact_only": ("paying",), "free": ("ordering", "readying")}


def say_title(name: str, texts: Texts, facts: Facts = NO_FACTS) -> Words:
    """Title and lead, whichever the screen has."""
    yield texts.get(f"screen.{name}.title")
    if texts.has(lead(name, facts)):
        yield texts.get(lead(name, facts))


def say_refusal(facts: Facts, texts: Texts) -> Words:
    """The one cause, the one next step, when and where."""
    yield texts.get(f"refusal.{facts['code']}.cause")
    yield texts.get(f"refusal.{facts['code']}.next")
    yield from say_moment(texts, facts["opens_at"])
    if facts.get("phone"):
        yield texts.get("label.inquiry" if facts.get("elsewhere") else "label.office")
        if office := spoken_words(facts.get("office_texts", ()), texts.language):
            yield office
        yield from say_phone(texts, facts["phone"])
