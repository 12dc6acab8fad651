"""What is said about keys: each thing that can be chosen with its key, what is chosen now, the keys
that go on or back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from firmware.flow.keys import DIGITS, GO, NAMES, Press, choices, keys
from firmware.flow.screens import Facts, Screen
from firmware.texts.phrase import SpokenTexts
from firmware.texts.texts import Texts
from firmware.texts.voice_names import spell
from firmware.texts.voice_parts import (
    NUMBERS,
    Words,
    receipt_title,
    say_amount,
    say_discount,
    say_kind,
    say_number,
)

FISCAL_YEAR = re.compile(r"y(\d{4})")
PAYMENT = re.compile(r"p(\d{4})\.\d+")  # of a fiscal year
ENTRY = re.compile(r"(?:p\d{4}\.|v)(\d{1,2})")
REIWA = 2018  # the year before its first one


def say_press(texts: Texts, key: str) -> Words:
    """The key that does what was just said."""
    yield texts.get("spoken.press", button=texts.raw(f"key.{NAMES[key]}", {}))


def say_choices(screen: Screen, texts: Texts, languages: Sequence[str], private: bool) -> Words:
    """Each with its key, and whether it is chosen now. What has no key is reached by steps."""
    offered = choices(screen, languages)
    for number, press in enumerate(offered):
        if press.action == "language":
            yield from _language(press.value, number)
            continue
        yield from say_button(screen, texts, press, private)
        if number < len(DIGITS):
            yield from say_press(texts, DIGITS[number])
        yield from _state(screen, texts, press)
    if len(offered) > len(DIGITS):
        yield texts.get("spoken.more")
    if screen.facts.get("type") == "many" and not _chosen(screen.facts):
        yield texts.get("spoken.none-chosen")


def _language(language: str, number: int) -> Words:
    """In that language itself, for the people who wait for it."""
    texts = SpokenTexts.of(Texts.load(language))
    if number < len(DIGITS):
        yield texts.get("name.language")
        yield from say_press(texts, DIGITS[number])


def say_going(screen: Screen, texts: Texts) -> Words:
    """The keys that go on, back, or out."""
    known = keys(screen, ())
    said: set[Press] = set()
    for key in GO:
        press = known.get(key)
        if press is not None and press not in said:
            said.add(press)
            yield texts.get(_label(screen, press))
            yield from say_press(texts, key)


def _label(screen: Screen, press: Press) -> str:
    """The key of what stands on a button."""
    if press.action == "ok" and screen.name == "receipt":
        return "action.taken" if receipt_title(screen.facts) != NOTHING_LEFT else "action.ok"
    return BUTTONS.get(press, f"action.{press.action}")


NOTHING_LEFT = "screen.receipt.nothing"


def say_step(screen: Screen, texts: Texts, press: Press, private: bool) -> Words:
    """One thing that can be pressed, on its own: for a person who goes from one to the next. A
    digit of the PIN has no words.
    """
    if press.action == "digit":
        return
    if press.action == "language" and press.value:
        yield SpokenTexts.of(Texts.load(press.value)).get("name.language")
    else:
        yield from say_button(screen, texts, press, private)
        yield from _state(screen, texts, press)
    yield texts.get("spoken.take")


def say_button(screen: Screen, texts: Texts, press: Press, private: bool) -> Words:
    """What a button is called."""
    facts = screen.facts
    if press.action == "choose":
        yield from _certificate(facts, texts, press.value)
    elif press.action == "pick" and facts["type"] == "count":
        yield texts.get(f"choose.{press.value}")
    elif press.action == "pick":
        yield from say_choice(facts, texts, _number(facts, press.value), private)
    elif press.action == "mode" and texts.has(f"page.mode.{press.value}"):
        yield texts.get(f"page.mode.{press.value}")
    elif press.action == "page":
        yield texts.get(f"page.{press.value}")
    elif texts.has(key := _label(screen, press)):
        yield texts.get(key)


PEOPLE = ("members", "removed")  # questions whose choices are people
BUTTONS: Mapping[Press, str] = {
    Press("volume", "up"): "action.louder",
    Press("volume", "down"): "action.quieter",
}


def _certificate(facts: Facts, texts: Texts, kind: str) -> Words:
    for number, each in enumerate(facts["certificates"], 1):
        if each["kind"] == kind:
            said = tuple(say_kind(texts, each))
            yield from said or say_number(texts, "spoken.item", number)


def _number(facts: Facts, choice: str) -> int:
    return next((n for n, each in enumerate(facts["choices"], 1) if each["id"] == choice), 0)


def say_choice(facts: Facts, texts: Texts, number: int, private: bool) -> Words:
    """One answer to a question: words of the texts, a person by position, a fiscal year."""
    if not number:
        return
    choice = facts["choices"][number - 1]
    if facts["option"] in PEOPLE:
        yield from say_person(texts, number, choice, private)
    elif choice["name"]:
        yield from say_named(texts, choice["id"], number)
    else:
        yield texts.get(f"option.{facts['option']}.{choice['id']}")


def fiscal_year(choice: str) -> int:
    """Of a choice's id; 0 when it is none."""
    year = FISCAL_YEAR.fullmatch(choice)
    return int(year[1]) if year else 0


def income_year(choice: str) -> int:
    """The calendar year whose income a fiscal year's certificate shows: the one before. 0 when the
    choice is no year.
    """
    return max(fiscal_year(choice) - 1, 0)


def say_named(texts: Texts, choice: str, number: int) -> Words:
    """What the city named in words that nobody has recorded: a fiscal year by its number, an entry
    by its place.
    """
    year = fiscal_year(choice)
    entry = ENTRY.fullmatch(choice)
    payment = PAYMENT.fullmatch(choice)
    if payment and (paid := int(payment[1])) in NUMBERS["spoken.fiscal-year"]:
        yield from say_number(texts, "spoken.fiscal-year", paid)
        yield from say_number(texts, "spoken.reiwa", paid - REIWA)
    if entry:
        yield from say_number(texts, "spoken.item", int(entry[1]))
    elif year in NUMBERS["spoken.fiscal-year"]:
        yield from say_number(texts, "spoken.fiscal-year", year)
        yield from say_number(texts, "spoken.reiwa", year - REIWA)
        yield from say_number(texts, "count.income-year", income_year(choice))
    else:
        yield from say_number(texts, "spoken.item", number)


def say_person(texts: Texts, position: int, person: Facts, private: bool) -> Words:
    """By position; by name, spelled as the city reads it, only where nobody else can hear."""
    yield from say_number(texts, "spoken.person", position)
    if person.get("own"):
        yield texts.get("spoken.own")
    if private and person.get("reading"):
        yield from spell(str(person["reading"]))


def _state(screen: Screen, texts: Texts, press: Press) -> Words:
    """What it costs, that it cannot be had, or that it is chosen now."""
    facts = screen.facts
    if press.action == "choose":
        offer = next(each for each in facts["certificates"] if each["kind"] == press.value)
        if offer["refusal"]:
            yield texts.get("label.unavailable")
        elif not offer["fee"]:
            yield texts.get("screen.confirm.free")
        else:
            yield from say_amount(texts, offer["fee"])
        if not offer["refusal"]:
            yield from say_discount(texts, offer.get("discount"))
    elif press.action == "pick" and press.value in _chosen(facts):
        yield texts.get("spoken.chosen")


def _chosen(facts: Facts) -> set[str]:
    return {each["id"] for each in facts.get("choices", ()) if each["chosen"]}


def say_changes(before: Screen, after: Screen, texts: Texts, private: bool) -> Words:
    """What a key has changed on a screen that stays: only that is said."""
    facts = after.facts
    was, now = _chosen(before.facts), _chosen(facts)
    for number, choice in enumerate(facts.get("choices", ()), 1):
        left = choice["id"] in was - now and facts["type"] == "many"
        if left or choice["id"] in now - was:
            yield from say_choice(facts, texts, number, private)
            yield texts.get("spoken.not-chosen" if left else "spoken.chosen")
    if before.facts.get("count") != facts.get("count"):
        yield from say_number(texts, "count.copies", facts.get("count"))
