"""What is said about a screen: recorded phrases, one after the other, each the very text of a key.

Numbers are phrases of their own, recorded for the values in `NUMBERS`; a value beyond them is left to the screen
rather than said wrongly. The PIN and people's names are never spoken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from firmware.flow.screens import Facts, Screen
from firmware.texts.texts import Texts, parse

RECORDED = ("screen.", "notice.", "refusal.", "problem.", "option.", "choose.", "kind.", "label.", "spoken.")

NUMBERS: Mapping[str, Collection[int]] = {
    "count.yen": (*range(10, 1000, 10), *range(1000, 10_001, 100)),
    "count.tries": range(1, 6),
    "count.copies": range(1, 11),
    "count.sheet": range(1, 61),
    "count.sheets": range(1, 61),
    "spoken.hour": range(24),
    "spoken.minute": range(1, 60),
    "spoken.day": range(1, 32),
    "spoken.digit": range(10),
}

Words = Iterator[str]
Say = Callable[[Facts, Texts], Words]


def phrases(texts: Texts) -> frozenset[str]:
    """All that must be recorded for this language."""
    fixed = (texts.get(key) for key, text in texts.known.items() if key.startswith(RECORDED) and "{" not in text)
    months = (texts.get(f"format.month.{month}") for month in range(1, 13))
    counted = (texts.get(key, n=n) for key, values in NUMBERS.items() for n in values)
    return frozenset((*fixed, *months, *counted))


def words(screen: Screen, texts: Texts) -> tuple[str, ...]:
    """The phrases for a screen, all of them in `phrases`. Raises MissingText for a screen without words."""
    return tuple(SAY.get(screen.name, _plain(screen.name))(screen.facts, texts))


# -- parts


def _number(texts: Texts, key: str, n: int | None) -> Words:
    if n is not None and n in NUMBERS[key]:
        yield texts.get(key, n=n)


def _yen(texts: Texts, amount: int) -> Words:
    """An amount, from the largest recorded ones; nothing when it cannot be said exactly."""
    parts: list[int] = []
    while amount >= 10 and len(parts) < 3:
        parts.append(max(n for n in NUMBERS["count.yen"] if n <= amount))
        amount -= parts[-1]
    if not amount:
        yield from (texts.get("count.yen", n=n) for n in parts)


def _sum(texts: Texts, label: str, amount: int) -> Words:
    """A labelled amount of money, when there is any."""
    said = tuple(_yen(texts, amount))
    if said:
        yield texts.get(f"label.{label}")
        yield from said


def _moment(texts: Texts, iso: str) -> Words:
    at = parse(iso)
    if at is None:
        return
    said = {
        "month": [texts.get(f"format.month.{at.month}")],
        "day": _number(texts, "spoken.day", at.day),
        "weekday": [texts.get(f"spoken.weekday.{at.weekday()}")],
        "hour": _number(texts, "spoken.hour", at.hour),
        "minute": _number(texts, "spoken.minute", at.minute),
    }
    yield texts.get("spoken.opens")
    for part in texts.get("format.spoken_moment").split():
        yield from said[part]


def _phone(texts: Texts, number: str) -> Words:
    if number:
        yield texts.get("spoken.phone")
        yield from (texts.get("spoken.digit", n=int(c)) for c in number if c in "0123456789")


def _notice(facts: Facts, texts: Texts) -> Words:
    if facts["notice"]:
        yield texts.get(f"notice.{facts['notice']}")


def _title(name: str, texts: Texts) -> Words:
    """Title and lead, whichever the screen has."""
    yield texts.get(f"screen.{name}.title")
    if texts.has(f"screen.{name}.lead"):
        yield texts.get(f"screen.{name}.lead")


def _refusal(facts: Facts, texts: Texts) -> Words:
    """The one cause, the one next step, when and where."""
    yield texts.get(f"refusal.{facts['code']}.cause")
    yield texts.get(f"refusal.{facts['code']}.next")
    yield from _moment(texts, facts["opens_at"])
    yield from _phone(texts, facts.get("phone", ""))


# -- screens


def _plain(name: str) -> Say:
    def say(_: Facts, texts: Texts) -> Words:
        return _title(name, texts)

    return say


def _card(name: str) -> Say:
    def say(facts: Facts, texts: Texts) -> Words:
        if facts["unknown"]:
            yield texts.get("notice.reader.title")
            yield texts.get("notice.reader.lead")
            return
        yield from _notice(facts, texts)
        yield from _title(name, texts)

    return say


def _place(facts: Facts, texts: Texts) -> Words:
    yield from _notice(facts, texts)
    yield from _title("place", texts)


def problem_key(problem: str, texts: Texts) -> str:
    """The key of why the kiosk is out of service; a device's problem that has no words is "other"."""
    return f"problem.{problem}" if texts.has(f"problem.{problem}.cause") else "problem.other"


def _fault(facts: Facts, texts: Texts) -> Words:
    key = problem_key(facts["problem"], texts)
    yield texts.get("screen.fault.title")
    yield texts.get(f"{key}.cause")
    yield texts.get(f"{key}.next")


def _closed(facts: Facts, texts: Texts) -> Words:
    yield texts.get("screen.closed.title")
    yield from _refusal(facts, texts)


def _pin(facts: Facts, texts: Texts) -> Words:
    yield from _notice(facts, texts)
    yield from _title("pin", texts)
    yield from _number(texts, "count.tries", facts["tries"])
    yield texts.get("screen.pin.keys")
    yield texts.get("screen.pin.hide")


def _lasttry(facts: Facts, texts: Texts) -> Words:
    yield from _notice(facts, texts)
    yield from _title("lasttry", texts)
    yield texts.get("screen.lasttry.advice")


def _certificates(facts: Facts, texts: Texts) -> Words:
    yield from _title("certificates", texts)
    for offer in facts["certificates"]:
        if texts.has(f"kind.{offer['kind']}"):
            yield texts.get(f"kind.{offer['kind']}")
            yield from [texts.get("label.unavailable")] if offer["refusal"] else _yen(texts, offer["fee"])
    if expiring(facts["expires_in_days"]):
        yield texts.get("screen.certificates.expiring")


def expiring(days: int | None) -> bool:
    """Whether to warn that the card's certificate ends soon: under three months."""
    return days is not None and days < 90


def _notoffered(facts: Facts, texts: Texts) -> Words:
    yield from _refusal(facts, texts)
    yield texts.get("screen.notoffered.lead")


def how_to_choose(facts: Facts) -> str:
    """The key of how a question is answered."""
    if facts["type"] == "many":
        return "choose.some" if facts["minimum"] else "choose.many"
    return f"choose.{facts['type']}"


def _choice(option: str, choice: Mapping[str, str], texts: Texts) -> Words:
    if not choice["name"]:  # a name is a person's, and nobody has recorded it
        yield texts.get(f"option.{option}.{choice['id']}")


def _options(facts: Facts, texts: Texts) -> Words:
    yield from _notice(facts, texts)
    yield texts.get(f"option.{facts['option']}.question")
    yield texts.get(how_to_choose(facts))
    for choice in facts["choices"]:
        yield from _choice(facts["option"], choice, texts)
    yield from _number(texts, "count.copies", facts["count"])


def _confirm(facts: Facts, texts: Texts) -> Words:
    yield texts.get("screen.confirm.title")
    for part in facts["summary"]:
        if part["type"] != "count":
            yield texts.get(f"option.{part['option']}.label")
            yield from _parts(part, texts)
    yield from _number(texts, "count.copies", facts["copies"])
    yield from _sum(texts, "total", facts["total"])
    yield texts.get("screen.confirm.refund")
    yield texts.get("screen.confirm.exemption")
    yield texts.get("screen.confirm.lead")


def _parts(part: Facts, texts: Texts) -> Words:
    """What is chosen; with a question of many also what is not."""
    for choice in part["chosen"]:
        yield from _choice(part["option"], choice, texts)
    if not part["chosen"]:
        yield texts.get("label.none")
    said = [word for c in part["omitted"] for word in _choice(part["option"], c, texts)]
    if said and part["type"] == "many":
        yield texts.get("label.omitted")
        yield from said


def _paying(facts: Facts, texts: Texts) -> Words:
    yield from _notice(facts, texts)
    if facts["inserted"]:
        yield from _sum(texts, "inserted", facts["inserted"])
        yield from _sum(texts, "missing", facts["missing"])
        return
    yield texts.get("screen.paying.title")
    yield from _sum(texts, "due", facts["due"])
    yield texts.get("screen.paying.lead")


def _refunding(facts: Facts, texts: Texts) -> Words:
    yield from _title("refunding", texts)
    yield from _yen(texts, facts["amount"])


def _printing(facts: Facts, texts: Texts) -> Words:
    yield texts.get("screen.printing.title")
    yield from _number(texts, "count.sheet", facts["sheet"])
    yield from _number(texts, "count.sheets", facts["sheets"])
    yield texts.get("screen.printing.lead")


def _sheets(name: str) -> Say:
    def say(facts: Facts, texts: Texts) -> Words:
        yield texts.get(f"screen.{name}.title")
        yield from _number(texts, "count.sheets", facts["sheets"])
        if facts["sheets"] > 1:
            yield texts.get("screen.sheets.loose")
        yield texts.get(f"screen.{name}.lead")

    return say


def receipt_title(facts: Facts) -> str:
    """The key of what is there to be taken at the end."""
    if facts["notice"] == "no-receipt":
        return "screen.receipt.only-change" if facts["change"] else "screen.receipt.nothing"
    return "screen.receipt.with-change" if facts["change"] else "screen.receipt.title"


def _receipt(facts: Facts, texts: Texts) -> Words:
    yield from _notice(facts, texts)
    yield texts.get(receipt_title(facts))
    yield from _sum(texts, "change", facts["change"])
    if receipt_title(facts) != "screen.receipt.nothing":
        yield texts.get("screen.receipt.lead")


def belongings(facts: Facts) -> list[str]:
    """Keys of what the person came with or gets: the last reminder."""
    receipt = [] if facts["notice"] == "no-receipt" else ["screen.thanks.receipt"]
    return ["screen.thanks.card", "screen.thanks.paper", *receipt, *(["label.change"] if facts["change"] else [])]


def _thanks(facts: Facts, texts: Texts) -> Words:
    yield from _title("thanks", texts)
    yield from (texts.get(key) for key in belongings(facts))


def _refused(facts: Facts, texts: Texts) -> Words:
    yield from _refusal(facts, texts)
    yield from _sum(texts, "returned", facts["returned"])
    yield texts.get("screen.refused.lead")


def _trouble(facts: Facts, texts: Texts) -> Words:
    yield from _refusal(facts, texts)
    yield from _sum(texts, "returned", facts["returned"])
    yield from _sum(texts, "owed", facts["owed"])
    yield texts.get("screen.trouble.lead")


SAY: Mapping[str, Say] = {
    "fault": _fault,
    "closed": _closed,
    "place": _place,
    "pin": _pin,
    "lasttry": _lasttry,
    **{name: _card(name) for name in ("remove", "removealarm", "hold", "takecard", "cardleft")},
    "certificates": _certificates,
    "notoffered": _notoffered,
    "options": _options,
    "confirm": _confirm,
    "paying": _paying,
    "refunding": _refunding,
    "printing": _printing,
    **{name: _sheets(name) for name in ("sheets", "uncollected")},
    "receipt": _receipt,
    "thanks": _thanks,
    "refused": _refused,
    "trouble": _trouble,
}
