"""Load: everything that must be 0 is, on both databases; and the judge sees each of it when it is
not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import postgres_server
import pytest
from sheets.sheet_cases import KIOSK, ORDER, SESSION, SESSION_KEY, TRUST, Case, juminhyo

from city import pki
from firmware.flow import events
from firmware.link.messages import Outcome, Result, Terms
from firmware.service.city_desk import line_config
from firmware.service.vault import Vault
from testbed.load import command, judge
from testbed.load.customers import Customer
from testbed.load.desk import Desk, Place, TimedLine
from testbed.load.judge import FAULTS, Books, OrderRow
from testbed.load.visit import Visit

CUSTOMERS = {
    name: Customer(name, name, (name, f"{name}'s child"), certificate=b"", key=b"")
    for name in ("taro", "hanako")
}


def outcome(order: str, result: Result = Result.PRINTED, kept: int = 100) -> Outcome:
    return Outcome(
        outcome=order * 32,
        session=order * 32,
        order=order * 32,
        result=result,
        sheets=1,
        kept=kept,
        returned=0,
        owed=0,
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
        accepted=True,
    )


def entry(order: str, resident: str, state: str = "issued") -> OrderRow:
    return OrderRow(
        order * 32, order * 32, f"kiosk-{order}", state, 100, order * 12, order * 64, resident
    )


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
    (
        "lost_orders",
        VISITS,
        replace(BOOKS, outcomes={**BOOKS.outcomes, "a" * 32: outcome("a", Result.FAILED)}),
    ),
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
    left = Visit(
        "kiosk-c",
        "taro",
        "declines",
        "c" * 32,
        end="left",
        order="c" * 32,
        holder="taro",
        names=("taro",),
    )
    failed = replace(
        printed("d", "hanako"),
        end="failed",
        released=False,
        outcome=outcome("d", Result.FAILED, kept=0),
    )  # its answer was lost: issued, and the money is back
    books = replace(
        BOOKS,
        orders=(*BOOKS.orders, entry("c", "taro", "void"), entry("d", "hanako")),
        outcomes={**BOOKS.outcomes, "d" * 32: outcome("d", Result.FAILED, kept=0)},
        issued={**BOOKS.issued, "d" * 32: 1},
    )
    verdict = judge.judge((*VISITS, left, failed), CUSTOMERS, books)
    assert verdict.sound, verdict.found
    assert (verdict.printed, verdict.issued, verdict.kept) == (2, 3, 200)


@pytest.mark.parametrize(("fault", "visits", "books"), WRONG)
def test_the_judge_names_what_is_wrong(fault: str, visits: tuple[Visit, ...], books: Books) -> None:
    assert judge.judge(visits, CUSTOMERS, books).counts[fault]


def test_every_fault_can_be_found() -> None:
    assert {fault for fault, _, _ in WRONG} == FAULTS.keys()


# -- the desk: all of the kiosk's check but the pages


CARD = b"the card's certificate"


def bound(case: Case, **changes: Any) -> Case:
    """The case's manifest names our card; `changes` are further fields of it."""
    changes = {"card_sha256": hashlib.sha256(CARD).hexdigest(), **changes}
    return replace(
        case, edit_manifest=lambda manifest: msgspec.structs.replace(manifest, **changes)
    )


def make_terms(case: Case) -> Terms:
    signed = case.signed_terms()
    return Terms(
        protocol=2,
        city="282031",
        city_name={"ja": "明石市"},
        now="2026-11-24T10:00:00+09:00",
        open=True,
        refusal=None,
        closes_in_s=None,
        certificates=(),
        contacts={},
        refusal_contacts={},
        form_terms=signed.body,
        form_terms_signature=signed.signature,
        challenge=bytes(32),
        challenge_expires_s=60,
    )


@pytest.fixture
def examine(tmp_path: Path) -> Callable[[Case], events.Event]:
    config = Place(KIOSK, "https://127.0.0.1:1", pki.make(tmp_path, (KIOSK,))).config()

    def run(case: Case) -> events.Event:
        desk = Desk(config, TimedLine(line_config(config), []), case.trust, terms=make_terms(case))
        vault = Vault(
            session=SESSION, key=SESSION_KEY, certificate=CARD, order=ORDER, answer=case.session()
        )
        return desk._examine(1, case.request(), case.answer(), vault)

    return run


def test_the_desk_of_a_load_takes_a_right_document(examine: Callable[[Case], events.Event]) -> None:
    found = examine(bound(juminhyo(2)))
    assert isinstance(found, events.DocumentChecked), found
    assert (found.unique_number, found.sheets, found.fee) == ("A7K29QXM4T8R", 1, 100)


OTHERS: dict[str, Callable[[Case], Case]] = {
    "terms": lambda case: replace(bound(case), trust=replace(TRUST, terms_edition=2)),
    "card": lambda case: case,
    "commitment": lambda case: bound(replace(case, committed={"m1": case.records["m2"]})),
    "statement": lambda case: bound(case.change(statement="この写しは無効です。")),
    "code": lambda case: bound(
        replace(case, edit_code=lambda code: msgspec.structs.replace(code, digest=bytes(16)))
    ),
    "sealing": lambda case: bound(replace(case, sealed_for="4" * 32)),
    "document-hash": lambda case: bound(case, document_sha256="5" * 64),
}


@pytest.mark.parametrize("reason", OTHERS)
def test_the_desk_of_a_load_refuses_what_a_kiosk_refuses(
    reason: str, examine: Callable[[Case], events.Event]
) -> None:
    found = examine(OTHERS[reason](juminhyo(2)))
    assert isinstance(found, events.DocumentRejected), found
    assert found.reason == reason


@pytest.fixture
def load(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(*words: str) -> dict[str, Any]:
        capsys.readouterr()
        code = command.main([*words, "--clients", "1", "--seed", "5", "--json"])
        (one,) = json.loads(capsys.readouterr().out)["rungs"]
        assert code == 0, one
        return dict(one)

    return run


def test_nobody_gets_what_is_another_s_from_two_gateways(
    load: Callable[..., dict[str, Any]],
) -> None:
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
    from firmware.tools.cli import main

    assert main(["load", "--city", "https://192.0.2.1:443"]) == 2
    assert "loopback" in capfd.readouterr().err
