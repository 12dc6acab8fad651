"""What each screen says, from its facts; but neither its keys nor where something is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from firmware.flow.screens import CARD, PRINTED, Facts
from firmware.texts.city_words import spoken
from firmware.texts.texts import Texts
from firmware.texts.voice_keys import say_named, say_person
from firmware.texts.voice_parts import (
    Say,
    Words,
    lead,
    receipt_title,
    say_amount,
    say_case,
    say_discount,
    say_kind,
    say_labelled_amount,
    say_moment,
    say_notice,
    say_number,
    say_phone,
    say_refusal,
    say_title,
    say_today,
)


def speaks(name: str) -> Say:
    """What this screen says: title and lead, where it has nothing of its own."""
    return SAY.get(name, _plain(name))


def _plain(name: str) -> Say:
    def say(facts: Facts, texts: Texts) -> Words:
        return say_title(name, texts, facts)

    return say


def _card(name: str) -> Say:
    def say(facts: Facts, texts: Texts) -> Words:
        if facts["unknown"]:
            yield texts.get("notice.reader.title")
            yield texts.get("notice.reader.lead")
            return
        yield from say_notice(facts, texts)
        yield from say_title(name, texts)

    return say


def _menu(facts: Facts, texts: Texts) -> Words:
    yield from say_title("menu", texts)
    yield texts.get("screen.menu.offer")
    for each in facts.get("certificates", ()):
        yield from say_kind(texts, each)
        yield from say_fee(texts, each) if each["open"] else say_shut(texts, each)
    if facts.get("exact_only"):
        yield texts.get("screen.menu.exact-only")
    yield from say_today(texts, facts.get("hours"))


def say_fee(texts: Texts, certificate: Facts) -> Words:
    yield from say_amount(texts, certificate["fee"])
    yield from say_discount(texts, certificate.get("discount"))


def shut_key(certificate: Facts) -> str:
    """The key of why the menu does not offer a certificate now."""
    return SHUT.get(certificate["refusal"], "label.shut")


SHUT: Mapping[str, str] = {
    "maintenance": "label.maintenance",
    "year-not-yet": "label.year-not-yet",
}


def say_shut(texts: Texts, certificate: Facts) -> Words:
    """That it cannot be had now, why, and from when."""
    yield texts.get(shut_key(certificate))
    yield from say_moment(texts, certificate["opens_at"])


def _place(facts: Facts, texts: Texts) -> Words:
    yield from say_notice(facts, texts)
    yield from say_title("place", texts)
    if texts.spoken_of != CARD:
        yield texts.get("screen.place.phones")


def problem_key(problem: str, texts: Texts) -> str:
    """The key of why the kiosk is out of service; a device's problem that has no words
    is "other".
    """
    return f"problem.{problem}" if texts.has(f"problem.{problem}.cause") else "problem.other"


def _fault(facts: Facts, texts: Texts) -> Words:
    key = problem_key(facts["problem"], texts)
    yield texts.get("screen.fault.title")
    yield texts.get(f"{key}.cause")
    yield texts.get(f"{key}.next")
    yield from say_case(texts, facts.get("number", ""))
    yield from say_phone(texts, facts.get("phone", ""))
    yield from say_labelled_amount(texts, "returned", facts.get("returned", 0))
    yield from say_labelled_amount(texts, "owed", facts.get("owed", 0))


def _closed(facts: Facts, texts: Texts) -> Words:
    yield texts.get("screen.closed.title")
    yield from say_refusal(facts, texts)


def _pin(facts: Facts, texts: Texts) -> Words:
    yield from say_notice(facts, texts)
    yield from say_title("pin", texts)
    yield from say_number(texts, "count.tries", facts["tries"])
    yield texts.get("screen.pin.keys")
    yield texts.get("screen.pin.hide")


def _lasttry(facts: Facts, texts: Texts) -> Words:
    yield from say_notice(facts, texts)
    yield from say_title("lasttry", texts)
    yield texts.get("screen.lasttry.advice")


def _certificates(facts: Facts, texts: Texts) -> Words:
    yield from say_title("certificates", texts)
    if expiring(facts["expires_in_days"]):
        yield texts.get("screen.certificates.expiring")


def expiring(days: int | None) -> bool:
    """Whether to warn that the card's certificate ends soon: under three months."""
    return days is not None and days < 90


def _notoffered(facts: Facts, texts: Texts) -> Words:
    yield from say_refusal(facts, texts)
    yield texts.get("screen.notoffered.lead")


def how_to_choose(facts: Facts) -> str:
    """The key of how a question is answered."""
    if facts["type"] == "many":
        return "choose.some" if facts["minimum"] else "choose.many"
    return f"choose.{facts['type']}"


def _choice(option: str, choice: Mapping[str, str], texts: Texts) -> Words:
    if choice["name"]:
        yield from say_named(texts, choice["id"], 0)
    else:
        yield texts.get(f"option.{option}.{choice['id']}")


def _options(facts: Facts, texts: Texts) -> Words:
    yield from say_notice(facts, texts)
    yield texts.get(f"option.{facts['option']}.question")
    yield texts.get(how_to_choose(facts))
    yield from say_number(texts, "count.copies", facts["count"])


def _confirm(facts: Facts, texts: Texts) -> Words:
    yield texts.get("screen.confirm.title")
    yield texts.get("screen.confirm.check")
    if texts.has(f"kind.{facts['kind']}"):
        yield texts.get(f"kind.{facts['kind']}")
    yield texts.get("option.scope.label")
    yield texts.get(f"option.scope.{facts['people']['scope']}")
    if facts["private"] or facts["people"]["scope"] != "self":
        yield from _people(facts["people"].get("members", ()), texts, facts["private"])
    for part in facts["summary"]:
        yield texts.get(f"option.{part['option']}.label")
        yield from _parts(part, texts)
    yield from say_number(texts, "count.copies", facts["copies"])
    yield from say_labelled_amount(texts, "total", facts["total"])
    if not_for := spoken(facts.get("not_for_texts", ()), texts.language):
        yield not_for
    if discount := facts.get("discount"):
        yield from say_discount(texts, discount)
        yield from say_labelled_amount(texts, "afterwards", discount["regular"])
    yield from (texts.get(key) for key in conditions(facts, texts))
    yield texts.get("screen.confirm.lead")


def _people(members: Sequence[Facts], texts: Texts, private: bool) -> Words:
    """Who of the household is printed and who is not, by position."""
    for label, printed in (("printed", True), ("omitted", False)):
        people = [each for each in members if each["printed"] is printed]
        if people:
            yield texts.get(f"label.{label}")
        for each in people:
            yield from say_person(texts, each["position"], each, private)


def conditions(facts: Facts, texts: Texts) -> list[str]:
    """Keys of what must be known about the paper and the money before the order is confirmed."""
    paper = ["screen.confirm.japanese"] if texts.language != PRINTED else []
    if facts.get("free"):
        return [*paper, "screen.confirm.free"]
    exact = ["screen.confirm.exact-only"] if facts.get("exact_only") else []
    return [*paper, *exact, "screen.confirm.refund", "screen.confirm.exemption"]


def _parts(part: Facts, texts: Texts) -> Words:
    """What is chosen; with a question of many also what is not."""
    for choice in part["chosen"]:
        yield from _choice(part["option"], choice, texts)
    if not part["chosen"]:
        yield texts.get("label.none")
    omitted = [word for c in part["omitted"] for word in _choice(part["option"], c, texts)]
    if omitted and part["type"] == "many":
        yield texts.get("label.omitted")
        yield from omitted


def _paying(facts: Facts, texts: Texts) -> Words:
    yield from say_notice(facts, texts)
    if facts["inserted"]:
        yield from say_labelled_amount(texts, "inserted", facts["inserted"])
        yield from say_labelled_amount(texts, "missing", facts["missing"])
        return
    yield texts.get("screen.paying.title")
    yield from say_labelled_amount(texts, "due", facts["due"])
    yield texts.get(lead("paying", facts))


def _payway(facts: Facts, texts: Texts) -> Words:
    yield from say_notice(facts, texts)
    yield texts.get("screen.payway.title")
    yield from say_labelled_amount(texts, "due", facts["due"])
    yield texts.get("screen.payway.lead")


def _charging(facts: Facts, texts: Texts) -> Words:
    yield texts.get("screen.charging.title")
    yield from say_labelled_amount(texts, "due", facts["due"])
    yield texts.get("screen.charging.lead")


def _reversing(facts: Facts, texts: Texts) -> Words:
    yield from say_title("reversing", texts)
    yield from say_amount(texts, facts["amount"])


def _refunding(facts: Facts, texts: Texts) -> Words:
    yield from say_title("refunding", texts)
    yield from say_amount(texts, facts["amount"])


def _printing(facts: Facts, texts: Texts) -> Words:
    yield texts.get("screen.printing.title")
    yield from say_number(texts, "count.sheet", facts["sheet"])
    yield from say_number(texts, "count.sheets", facts["sheets"])
    yield texts.get("screen.printing.lead")


def _sheets(name: str) -> Say:
    def say(facts: Facts, texts: Texts) -> Words:
        yield texts.get(f"screen.{name}.title")
        yield from say_number(texts, "count.sheets", facts["sheets"])
        if facts["sheets"] > 1:
            yield texts.get("screen.sheets.loose")
        yield texts.get(f"screen.{name}.lead")

    return say


def _receipt(facts: Facts, texts: Texts) -> Words:
    yield from say_notice(facts, texts)
    yield texts.get(receipt_title(facts))
    yield from say_labelled_amount(texts, "change", facts["change"])
    if receipt_title(facts) != "screen.receipt.nothing":
        yield texts.get("screen.receipt.lead")


def belongings(facts: Facts) -> list[str]:
    """Keys of what the person came with or gets: the last reminder."""
    receipt = [] if facts["notice"] == "no-receipt" else ["screen.thanks.receipt"]
    return [
        "screen.thanks.card",
        "screen.thanks.paper",
        *receipt,
        *(["label.change"] if facts["change"] else []),
    ]


def _thanks(facts: Facts, texts: Texts) -> Words:
    yield from say_title("thanks", texts)
    yield from (texts.get(key) for key in belongings(facts))


def _refused(facts: Facts, texts: Texts) -> Words:
    yield from say_refusal(facts, texts)
    yield from say_labelled_amount(texts, "returned", facts["returned"])
    yield texts.get("screen.refused.lead")


def _trouble(facts: Facts, texts: Texts) -> Words:
    yield from say_refusal(facts, texts)
    if facts.get("valid"):
        yield texts.get("screen.trouble.valid")
    yield from say_labelled_amount(texts, "returned", facts["returned"])
    yield from say_labelled_amount(texts, "owed", facts["owed"])
    yield from say_labelled_amount(texts, "held", facts["held"])
    yield from say_case(texts, facts.get("number", ""))
    yield texts.get("screen.trouble.lead")


SAY: Mapping[str, Say] = {
    "fault": _fault,
    "menu": _menu,
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
    "payway": _payway,
    "charging": _charging,
    "reversing": _reversing,
    "refunding": _refunding,
    "printing": _printing,
    **{name: _sheets(name) for name in ("sheets", "uncollected")},
    "receipt": _receipt,
    "thanks": _thanks,
    "refused": _refused,
    "trouble": _trouble,
}
