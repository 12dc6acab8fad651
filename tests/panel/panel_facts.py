"""Screens to be shown and said: those of real journeys, and facts that are rare or hostile."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from firmware.flow.screens import Screen
from firmware.flow.states import State
from firmware.flow.table import SPECS
from firmware.link.messages import RefusalCode
from firmware.panel import samples
from firmware.texts.texts import Texts

WHERE = {"office": "窓口 <&>", "phone": "078-918-5020", "hours": "8:55"}


def refusals() -> list[str]:
    known = Texts.load("ja").known
    return [key.split(".")[1] for key in known if key.startswith("refusal.") and key.endswith(".cause")]


def notices() -> list[str]:
    return [
        "",
        *(key.split(".")[1] for key in Texts.load("ja").known if key.startswith("notice.") and key.count(".") == 1),
    ]


def options(option: str, kind: str, ids: tuple[str, ...], names: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    choices = [{"id": i, "name": n, "chosen": i == ids[0]} for i, n in zip(ids, names or ("",) * len(ids), strict=True)]
    return {
        "title": "住民票", "option": option, "type": kind, "choices": choices, "count": None, "minimum": 0,
        "maximum": 9, "fee": 100, "notice": "", "step": 1, "steps": 2, **more,
    }  # fmt: skip


def confirm(copies: int = 1, fee: int = 100) -> dict[str, Any]:
    fields = ("relationship", "domicile", "residence", "mynumber")
    people = [{"id": "m1", "name": "明石<script>"}, {"id": "m2", "name": "明石 花子"}]
    return {
        "title": "住民票", "kind": "juminhyo", "copies": copies, "fee": fee, "total": fee * copies,
        "summary": [
            {"option": "scope", "type": "one", "chosen": [{"id": "some", "name": ""}],
             "omitted": [{"id": "self", "name": ""}, {"id": "household", "name": ""}], "count": None},
            {"option": "members", "type": "many", "chosen": people[:1], "omitted": people[1:], "count": None},
            {"option": "fields", "type": "many", "chosen": [],
             "omitted": [{"id": field, "name": ""} for field in fields], "count": None},
            {"option": "copies", "type": "count", "chosen": [], "omitted": [], "count": str(copies)},
        ],
    }  # fmt: skip


def synthetic() -> Iterator[tuple[str, dict[str, Any]]]:
    """(screen, facts) beyond what the journeys show."""
    codes, amounts = refusals(), (0, 10, 100, 990, 1050, 12_340, 99_999)
    for problem in ("", "printer", "leftover", "config", "receipt-printer", "coins", "card-left", "flux-capacitor"):
        yield "fault", {"problem": problem}
    for code, opens in product(codes, ("", "soon", samples.OPENS, "2027-01-04T00:00:00+09:00")):
        yield "refused", {"code": code, "opens_at": opens, "returned": 0, **(WHERE if opens else {})}
        yield "notoffered", {"code": code, "opens_at": opens, "title": "x", **WHERE}
        yield "trouble", {"code": code, "opens_at": opens, "returned": 10, "owed": 90, "printed": 1, **WHERE}
    for code, opens in product((RefusalCode.CLOSED.value, RefusalCode.MAINTENANCE.value), ("", samples.OPENS)):
        yield "closed", {"code": code, "opens_at": opens}
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
        facts = {"due": due, "inserted": inserted, "missing": max(due - inserted, 0), "notice": "coin-returned"}
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
        offers = [{"kind": kind, "title": "<b>", "fee": 0, "refusal": ""} for kind in ("juminhyo", "koseki")]
        yield "certificates", {"expires_in_days": days, "certificates": offers}
    yield "options", options("scope", "one", ("self", "household", "some"))
    yield "options", options("members", "many", ("m1", "m2"), ("明石<script>", "花子"), minimum=1)
    yield "options", options("members", "many", tuple(f"m{n}" for n in range(32)), ("名",) * 32, minimum=1)
    yield "options", options("fields", "many", ("relationship", "domicile", "residence", "mynumber"))
    yield "options", options("year", "one", ("y2026",), ("令和8年度",), notice="choose-at-least-one")
    yield "options", options("copies", "count", ("1",), count=10) | {"choices": []}
    for copies, fee in product((1, 10), (0, 100, 450)):
        yield "confirm", confirm(copies, fee)


def every_screen(language: str) -> Iterator[Screen]:
    """Of journeys, then synthetic ones with the state's own actions."""
    yield from samples.screens(language)
    specs = {state.screen: SPECS[state] for state in State}
    for number, (name, facts) in enumerate(synthetic()):
        spec = specs[name]
        limit = spec.limit_s if spec.patient else None
        yield Screen(name, number, language, spec.actions, limit, 1, spec.urgent, facts)
