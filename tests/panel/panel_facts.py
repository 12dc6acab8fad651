"""Screens to be shown and said: those of real journeys, and facts that are rare or hostile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from firmware.flow.screens import CARD, EITHER, PHONE, Screen
from firmware.flow.states import State
from firmware.flow.table import SPECS
from firmware.link.messages import RefusalCode
from firmware.panel import samples
from firmware.texts.texts import Texts

WHERE = {"office": "窓口 <&>", "phone": "078-918-5020", "hours": "8:55"}


NOT_FOR = "<b>就学支援金の申請には使えません。"
CITY_WORDS = {
    "discount": {"until": "2027-03-31", "regular": 300},
    "not_for": NOT_FOR,
    "not_for_texts": (("ja", NOT_FOR),),
}


def menu() -> dict[str, Any]:
    """A certificate for each cause for which the menu does not offer one, and one with a discount
    that has a title of the city's own.
    """
    shut = ("closed", "maintenance", "year-not-yet")
    here = {"kind": "own", "title": "<市>", "titles": (("ja", "<市>"),), "open": True, "fee": 10}
    certificates = [
        {
            **here,
            "kind": kind,
            "open": False,
            "refusal": kind,
            "opens_at": "2026-11-24T06:30:00+09:00",
        }
        for kind in shut
    ]
    certificates.append({**here, "refusal": "", "opens_at": "", **CITY_WORDS})
    return {"city": "市", "exact_only": True, "hours": None, "certificates": certificates}


def refusals() -> list[str]:
    known = Texts.load("ja").known
    return [
        key.split(".")[1] for key in known if key.startswith("refusal.") and key.endswith(".cause")
    ]


def problems() -> list[str]:
    known = Texts.load("ja").known
    return [key.split(".")[1] for key in known if key.startswith("problem.") and "cause" in key]


def notices() -> list[str]:
    return [
        "",
        *(
            key.split(".")[1]
            for key in Texts.load("ja").known
            if key.startswith("notice.") and key.count(".") == 1
        ),
    ]


def options(
    option: str, kind: str, ids: tuple[str, ...], names: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    choices = [
        {"id": i, "name": n, "chosen": i == ids[0]}
        for i, n in zip(ids, names or ("",) * len(ids), strict=True)
    ]
    return {
        "title": "住民票",
        "option": option,
        "type": kind,
        "choices": choices,
        "count": None,
        "minimum": 0,
        "maximum": 9,
        "fee": 100,
        "notice": "",
        "step": 1,
        "steps": 2,
        **more,
    }


FIELDS = ("relationship", "domicile", "residence", "mynumber")
HOLDER = {
    "name": "明石<script>",
    "birth": "昭和33年4月1日",
    "address": "兵庫県明石市中崎一丁目5番1号",
}
SOME = {"scope": "some", "names": ["明石<script>"], "omitted": ["明石 花子"]}


def fields(*chosen: str) -> dict[str, Any]:
    return {
        "option": "fields",
        "type": "many",
        "chosen": [{"id": field, "name": ""} for field in FIELDS if field in chosen],
        "omitted": [{"id": field, "name": ""} for field in FIELDS if field not in chosen],
    }


def confirm(copies: int = 1, fee: int = 100, **more: Any) -> dict[str, Any]:
    facts = {
        "title": "住民票",
        "printed_title": "住民票",
        "kind": "juminhyo",
        "copies": copies,
        "fee": fee,
        "total": fee * copies,
        "holder": HOLDER,
        "people": SOME,
        "summary": [fields()],
    }
    return facts | more


SAYS = ("notice", "code", "problem", "unknown", "expires_in_days")


def synthetic() -> Iterator[tuple[str, dict[str, Any]]]:
    """(screen, facts) beyond what the journeys show."""
    codes, amounts = refusals(), (0, 10, 100, 990, 1050, 12_340, 99_999)
    for problem in ("", *problems(), "flux-capacitor"):
        yield "fault", {"problem": problem}
    for problem, phone in product(("storage", "program"), ("", "078-918-5020")):
        yield "fault", {"problem": problem, "phone": phone, "number": "0123456789ab"}
    yield "fault", {"problem": "storage", "returned": 100, "owed": 300}
    for code, opens in product(codes, ("", "soon", samples.OPENS, "2027-01-04T00:00:00+09:00")):
        yield (
            "refused",
            {"code": code, "opens_at": opens, "returned": 0, **(WHERE if opens else {})},
        )
        yield (
            "notoffered",
            {"code": code, "opens_at": opens, "title": "x", "elsewhere": bool(opens), **WHERE},
        )
        yield (
            "trouble",
            {
                "code": code,
                "opens_at": opens,
                "returned": 10,
                "owed": 90,
                "held": 300,
                "number": "0123456789ab",
                "printed": 1,
                "valid": code == "change-owed",
                **WHERE,
            },
        )
    for code, opens in product(
        (RefusalCode.CLOSED.value, RefusalCode.MAINTENANCE.value), ("", samples.OPENS)
    ):
        yield "closed", {"code": code, "opens_at": opens}
    yield from (("reading", {}), ("verifying", {}))
    for notice, unknown in product(notices(), (True, False)):
        for name in ("place", "remove", "removealarm", "hold", "takecard", "cardleft"):
            yield name, {"notice": notice, "unknown": unknown}
    for notice, tries, digits in product(notices(), (None, 0, 1, 3, 15), (0, 4)):
        yield "pin", {"notice": notice, "tries": tries, "digits": digits}
        yield "lasttry", {"notice": notice, "tries": tries, "digits": digits}
    for notice, change in product(notices(), amounts):
        for name in ("change", "receipting", "receipt", "thanks"):
            yield name, {"notice": notice, "change": change}
    for due, inserted in product(amounts, amounts):
        facts = {
            "due": due,
            "inserted": inserted,
            "missing": max(due - inserted, 0),
            "notice": "coin-returned",
        }
        yield "paying", facts
        yield "settling", facts
    for amount, code in product(amounts, ("", *codes)):
        yield "refunding", {"amount": amount, "code": code}
        yield "stopping", {"amount": amount, "code": code}
    for sheet, count in ((0, 0), (1, 1), (1, 3), (60, 60), (61, 200)):
        yield "printing", {"sheet": sheet, "sheets": count, "printed": max(sheet - 1, 0)}
        for sensor in (True, False):
            yield "sheets", {"sheets": count, "sensor": sensor}
            yield "uncollected", {"sheets": count, "sensor": sensor}
    for days in (None, 0, 1, 89, 90):
        offers = [
            {"kind": kind, "title": "<b>", "fee": 0, "refusal": ""}
            for kind in ("juminhyo", "koseki")
        ]
        yield "certificates", {"expires_in_days": days, "certificates": offers}
    yield "options", options("scope", "one", ("self", "household", "some"))
    yield "options", options("members", "many", ("m1", "m2"), ("明石<script>", "花子"), minimum=1)
    yield (
        "options",
        options("members", "many", tuple(f"m{n}" for n in range(32)), ("名",) * 32, minimum=1),
    )
    yield (
        "options",
        options("fields", "many", ("relationship", "domicile", "residence", "mynumber")),
    )
    yield (
        "options",
        options("year", "one", ("y2026",), ("令和8年度",), notice="choose-at-least-one"),
    )
    yield "options", options("copies", "count", ("1",), count=10) | {"choices": []}
    for copies, fee in product((1, 10), (0, 100, 450)):
        yield "confirm", confirm(copies, fee)
    yield "confirm", confirm(1, 10) | CITY_WORDS
    yield "menu", menu()
    for scope, names in (("self", []), ("household", ["明石<script>", "明石 花子"])):
        people = {"scope": scope, "names": names, "omitted": []}
        yield "confirm", confirm(people=people, summary=[fields(*FIELDS)])


def every_screen(language: str) -> Iterator[Screen]:
    """Of journeys, then synthetic ones with the state's own actions; and each that says something
    else about a card, a phone and either.
    """
    yield from samples.screens(language)
    specs = {state.screen: SPECS[state] for state in State}
    said: set[tuple[object, ...]] = set()
    for number, (name, facts) in enumerate(synthetic()):
        spec = specs[name]
        limit = spec.limit_s if spec.patient else None
        key = (name, *(facts.get(fact) for fact in SAYS))
        for about in (CARD,) if key in said else (CARD, PHONE, EITHER):
            yield Screen(name, number, language, spec.actions, limit, 1, spec.urgent, facts, about)
        said.add(key)
