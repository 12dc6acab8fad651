"""Load: everything that must be 0 is, on both databases; and the judge sees each of it when it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import postgres_server
import pytest

from firmware.link.messages import Outcome, Result
from madoguchi.load import command, judge
from madoguchi.load.judge import FAULTS, Books, Entry
from madoguchi.load.people import Person
from madoguchi.load.visit import Visit

PEOPLE = {name: Person(name, name, (name, f"{name}'s child"), certificate=b"", key=b"") for name in ("taro", "hanako")}


def outcome(order: str, result: Result = Result.PRINTED, kept: int = 100) -> Outcome:
    return Outcome(
        outcome=order * 32, session=order * 32, order=order * 32, result=result, sheets=1, kept=kept, returned=0, owed=0
    )


def printed(order: str, resident: str) -> Visit:
    return Visit(
        kiosk=f"kiosk-{order}",
        resident=resident,
        way="prints",
        session=order * 32,
        end="printed",
        order=order * 32,
        document=order * 64,
        unique_number=order * 12,
        fee=100,
        holder=resident,
        names=(resident,),
        asked=True,
        released=True,
        outcome=outcome(order),
        told=True,
    )


def entry(order: str, resident: str, state: str = "issued") -> Entry:
    return Entry(order * 32, order * 32, f"kiosk-{order}", state, 100, order * 12, order * 64, resident)


VISITS = (printed("a", "taro"), printed("b", "hanako"))
BOOKS = Books(
    orders=(entry("a", "taro"), entry("b", "hanako")),
    outcomes={order * 32: outcome(order) for order in "ab"},
    issued={order * 32: 1 for order in "ab"},
    broken=None,
    entries=6,
    cases=(),
)


def first(**changes: Any) -> tuple[Visit, ...]:
    return (replace(VISITS[0], **changes), VISITS[1])


def book(**changes: Any) -> Books:
    return replace(BOOKS, orders=(replace(BOOKS.orders[0], **changes), BOOKS.orders[1]))


WRONG: list[tuple[str, tuple[Visit, ...], Books]] = [
    ("wrong_documents", first(holder="hanako", names=("hanako",)), BOOKS),
    ("wrong_documents", first(names=("taro", "hanako")), BOOKS),
    ("wrong_documents", first(document="b" * 64), BOOKS),
    ("wrong_documents", first(unique_number="b" * 12), BOOKS),
    ("wrong_documents", VISITS, book(resident="hanako")),
    ("wrong_documents", VISITS, book(kiosk="kiosk-b")),
    ("wrong_documents", VISITS, book(session="b" * 32)),
    ("rejected_documents", first(end="rejected:holder"), BOOKS),
    ("lost_orders", VISITS[1:], BOOKS),
    ("lost_orders", VISITS, replace(BOOKS, orders=BOOKS.orders[1:])),
    ("lost_orders", VISITS, book(state="void")),
    ("lost_orders", VISITS, replace(BOOKS, outcomes={"b" * 32: outcome("b")})),
    ("lost_orders", VISITS, replace(BOOKS, outcomes={**BOOKS.outcomes, "a" * 32: outcome("a", Result.FAILED)})),
    ("lost_orders", first(asked=False, released=False), BOOKS),
    ("double_issues", VISITS, replace(BOOKS, issued={"a" * 32: 2, "b" * 32: 1})),
    ("double_issues", VISITS, replace(BOOKS, issued={"b" * 32: 1})),
    ("double_issues", VISITS, book(unique_number="b" * 12)),
    ("double_issues", VISITS, book(document="b" * 64)),
    ("double_issues", VISITS, book(session="b" * 32)),
    ("yen_apart", first(outcome=outcome("a", kept=200)), BOOKS),
    ("yen_apart", VISITS, book(fee=250)),
    ("broken_log", VISITS, replace(BOOKS, broken=3)),
    ("anomalies", first(amiss="line.other-session"), BOOKS),
    ("anomalies", VISITS, replace(BOOKS, cases=("double-release:a",))),
]


def test_the_judge_is_silent_when_all_is_well() -> None:
    left = Visit("kiosk-c", "taro", "declines", "c" * 32, end="left", order="c" * 32, holder="taro", names=("taro",))
    failed = replace(
        printed("d", "hanako"), end="failed", released=False, outcome=outcome("d", Result.FAILED, kept=0)
    )  # its answer was lost: issued, and the money is back
    books = replace(
        BOOKS,
        orders=(*BOOKS.orders, entry("c", "taro", "void"), entry("d", "hanako")),
        outcomes={**BOOKS.outcomes, "d" * 32: outcome("d", Result.FAILED, kept=0)},
        issued={**BOOKS.issued, "d" * 32: 1},
    )
    verdict = judge.judge((*VISITS, left, failed), PEOPLE, books)
    assert verdict.sound, verdict.found
    assert (verdict.printed, verdict.issued, verdict.kept) == (2, 3, 200)


@pytest.mark.parametrize(("fault", "visits", "books"), WRONG)
def test_the_judge_names_what_is_wrong(fault: str, visits: tuple[Visit, ...], books: Books) -> None:
    assert judge.judge(visits, PEOPLE, books).counts[fault]


def test_every_fault_can_be_found() -> None:
    assert {fault for fault, _, _ in WRONG} == FAULTS.keys()


@pytest.fixture
def load(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(*words: str) -> dict[str, Any]:
        capsys.readouterr()
        code = command.main([*words, "--clients", "1", "--seed", "5", "--json"])
        (one,) = json.loads(capsys.readouterr().out)["rungs"]
        assert code == 0, one
        return dict(one)

    return run


def test_nobody_gets_what_is_another_s_from_two_gateways(load: Callable[..., dict[str, Any]]) -> None:
    postgres_server.required()
    found = load("--kiosks", "4", "--journeys", "16", "--postgres", "--gateways", "2")
    assert found["must_be_zero"] == dict.fromkeys(FAULTS, 0)
    assert found["journeys"] == 16 and found["printed"] > 4 and not found["errors"]
    assert found["city_ms"]["cpu"]["typesetting"] > 0 and found["cores"]["gateways"] > 0


def test_a_full_queue_refuses_and_people_come_back(load: Callable[..., dict[str, Any]]) -> None:
    found = load("--kiosks", "6", "--journeys", "10", "--workers", "1", "--waiting", "1")
    assert found["busy"] and found["came_back"] and found["journeys"] == 10
    assert found["must_be_zero"] == dict.fromkeys(FAULTS, 0)


def test_only_a_rehearsal_on_loopback_is_loaded(capfd: pytest.CaptureFixture[str]) -> None:
    from madoguchi.cli import main

    assert main(["load", "--city", "https://192.0.2.1:443"]) == 2
    assert "loopback" in capfd.readouterr().err
