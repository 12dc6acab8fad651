"""The judge of the walks sees each property fail, by what a bench or a kiosk would show then, and
is silent else.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from firmware.link.messages import Outcome, Result
from firmware.service.journal import Entry
from testbed.random_walk import books, judge, private
from testbed.random_walk.books import AtCity, Books, Paper
from testbed.random_walk.judge import LogLine, Now

SESSION, ORDER, CARD, NUMBER = "5" * 32, "0" * 32, "c" * 64, "N1"


# -- one moment

WELL = [
    Now(screen="menu"),
    Now(screen="pin", card=True, digits=3),
    Now(screen="paying", slot=True, unfinished=True),
    Now(screen="sheets", outlet=2, unfinished=True),
    Now(screen="cardleft", card=True),
    Now(screen="fault", reader=False, paused=True, outlet=1),
    Now(screen="", slot=True),  # killed: the next process shuts it
    Now(screen="fault", slot=True, coins_obey=False),
]
WRONG = [
    ("a", Now(screen="paying", card=True)),
    ("a", Now(screen="certificates", reader=False)),
    ("d", Now(screen="menu", outlet=1)),
    ("d", Now(screen="menu", held=True)),
    ("d", Now(screen="menu", unfinished=True)),
    ("e", Now(screen="menu", card=True)),
    ("h", Now(screen="certificates", digits=2)),
    ("h", Now(screen="pin", digits=2)),
    ("i", Now(screen="printing", slot=True)),
    ("i", Now(screen="menu", slot=True)),
    ("k", Now(screen="menu", paused=True)),
]


@pytest.mark.parametrize("now", WELL)
def test_a_moment_that_is_well(now: Now) -> None:
    assert not list(judge.check_moment(now))


@pytest.mark.parametrize(("letter", "now"), WRONG)
def test_a_moment_that_is_wrong(letter: str, now: Now) -> None:
    assert letter in {fault.letter for fault in judge.check_moment(now)}


def test_a_sheet_begun_beside_a_card() -> None:
    assert [fault.letter for fault in judge.check_beside_a_card(entries(*JOURNEY))] == [
        "b",
        "b",
        "b",
    ]
    assert not list(judge.check_beside_a_card(entries(*BEGUN)))


# -- the log


def states(*steps: tuple[str, str]) -> list[LogLine]:
    return [LogLine(1, "state", state, event) for event, state in steps]


TRAILS = [
    (
        "",
        states(
            ("time-up", "take/removealarm"),
            ("card-absent", "choose/opening"),
            ("x", "choose/confirm"),
        ),
    ),
    (
        "",
        states(
            ("card-present", "take/hold"),
            ("time-up", "unwind/stopping"),
            ("coins-stopped", "end/refused"),
        ),
    ),
    (
        "",
        [
            LogLine(1, "state", "pay/paying", "x"),
            LogLine(1, "state", "unwind/stopping", "time-up"),
            LogLine(2, "state", "choose/confirm", "x"),
        ],
    ),
    (
        "j",
        states(("x", "pay/paying"), ("time-up", "unwind/stopping"), ("released", "issue/printing")),
    ),
    (
        "j",
        states(
            ("x", "take/hold"), ("time-up", "take/cardleft"), ("card-absent", "choose/certificates")
        ),
    ),
    ("g", [LogLine(1, "error", "pay/paying", "KeyError")]),
    ("l", [LogLine(1, "command.refused", "PrintSheet", "the card is not absent")]),
]


@pytest.mark.parametrize(("letter", "lines"), TRAILS)
def test_the_trail(letter: str, lines: list[LogLine]) -> None:
    assert {fault.letter for fault in judge.check_log(lines)} == ({letter} if letter else set())


# -- the books


def entries(*steps: tuple[str, dict[str, Any]], session: str = SESSION) -> list[Entry]:
    return [Entry(seq, session, kind, facts) for seq, (kind, facts) in enumerate(steps, 1)]


BEGUN: list[tuple[str, dict[str, Any]]] = [
    ("begun", {}),
    ("authenticated", {"card": CARD}),
    ("checked", {"order": ORDER, "document": "d", "sheets": 2, "copies": 1, "fee": 200}),
]
PAID: list[tuple[str, dict[str, Any]]] = [
    ("coin", {"value": 500, "counter": 0}),
    ("release-asked", {"order": ORDER, "document": "d"}),
    ("released", {"order": ORDER, "document": "d"}),
]
PRINTED: list[tuple[str, dict[str, Any]]] = [
    (kind, {"sheet": sheet}) for sheet in (1, 2) for kind in ("sheet-begun", "sheet-done")
]
CHANGE: list[tuple[str, dict[str, Any]]] = [
    ("payout-begun", {"amount": 300}),
    ("payout-done", {"amount": 300}),
]
TOLD = {
    "outcome": "o" * 32,
    "result": "printed",
    "sheets": 2,
    "kept": 200,
    "returned": 300,
    "owed": 0,
    "held": 0,
}
END: list[tuple[str, dict[str, Any]]] = [
    ("outcome", TOLD),
    ("ended", {"kept": 200, "returned": 300, "owed": 0, "held": 0}),
]
JOURNEY = [*BEGUN, *PAID, *PRINTED, *CHANGE, *END]


def outcome(**facts: Any) -> Outcome:
    given = {**TOLD, "result": Result.PRINTED, **facts}
    return Outcome(session=SESSION, order=ORDER, **given)


GOOD = Books(
    entries=entries(*JOURNEY),
    papers=[Paper(NUMBER, 1, 1), Paper(NUMBER, 1, 1)],  # two copies of one page
    orders={ORDER: AtCity(NUMBER, SESSION, CARD, "issued")},
    outcomes={ORDER: [outcome()]},
    inside=200,
    laid=frozenset({CARD}),
)


def case(code: str, pauses: bool = True, number: str = "1") -> tuple[str, dict[str, Any]]:
    return "case", {"case": number, "code": code, "pauses": pauses}


def without(*kinds: str) -> list[Entry]:
    return entries(*(step for step in JOURNEY if step[0] not in kinds))


CANCELLED = [
    *BEGUN,
    ("coin", {"value": 100, "counter": 0}),
    ("payout-begun", {"amount": 100}),
    ("payout-done", {"amount": 100}),
    ("ended", {"kept": 0, "returned": 100, "owed": 0, "held": 0}),
]
TORN = [
    *BEGUN,
    *PAID,
    ("sheet-begun", {"sheet": 1}),
    ("sheet-failed", {"sheet": 1, "reason": "jam", "certain": True}),
]
TORN_END = [
    ("payout-begun", {"amount": 500}),
    ("payout-done", {"amount": 500}),
    ("outcome", {**TOLD, "result": "failed", "sheets": 0, "kept": 0, "returned": 500}),
    ("ended", {"kept": 0, "returned": 500, "owed": 0, "held": 0}),
]
LOST = [
    *BEGUN,
    ("coin", {"value": 100, "counter": 0}),
    ("owed", {"amount": 100}),
    ("ended", {"kept": 0, "returned": 0, "owed": 100, "held": 0}),
]


def test_good_books() -> None:
    assert not list(books.check_books(GOOD))


FINE = [
    Books(),
    Books(entries=entries(*CANCELLED)),
    replace(
        GOOD,
        entries=entries(*TORN, case("print.failed"), *TORN_END),
        papers=[],
        inside=0,
        outcomes={ORDER: [outcome(kept=0, returned=500)]},
    ),
    Books(
        entries=entries(*LOST, case("power.money-owed")), inside=100, causes=frozenset({"power"})
    ),
    Books(entries=[*entries(case("coins.events-lost"), session="")], inside=100, uncounted=100),
    Books(entries=entries(case("coins.jam"), ("case-closed", {"case": "1"}), *CANCELLED)),
]


@pytest.mark.parametrize("found", FINE)
def test_books_of_disturbances_that_were_reported(found: Books) -> None:
    assert not list(books.check_books(found))


BAD: list[tuple[str, Books]] = [
    ("b", replace(GOOD, entries=without("coin"))),
    ("b", replace(GOOD, entries=without("released"))),
    ("b", replace(GOOD, orders={ORDER: AtCity(NUMBER, SESSION, CARD, "void")})),
    ("b", replace(GOOD, orders={ORDER: AtCity(NUMBER, SESSION, "another" * 9, "issued")})),
    ("b", replace(GOOD, laid=frozenset())),
    ("b", replace(GOOD, papers=[Paper(NUMBER, 1, 1)])),
    ("b", replace(GOOD, papers=[Paper(NUMBER, 1, 1)] * 3)),
    ("b", replace(GOOD, papers=[Paper(NUMBER, 1, 2)] * 2)),
    ("b", replace(GOOD, papers=[*GOOD.papers, Paper("stranger", 1, 1)])),
    ("b", replace(GOOD, unreadable=1)),
    ("c", replace(GOOD, inside=100)),
    ("c", replace(GOOD, inside=300, uncounted=0)),
    ("c", replace(GOOD, inside=300, uncounted=100)),  # counted by nobody, and no case
    ("c", replace(GOOD, entries=without("payout-begun", "payout-done"))),
    ("c", replace(GOOD, entries=without("outcome"))),
    ("c", replace(GOOD, outcomes={})),
    ("c", replace(GOOD, outcomes={ORDER: [outcome(kept=0)]})),
    ("c", Books(entries=entries(*LOST), inside=100)),
    (
        "c",
        Books(
            entries=entries(*LOST, case("power.money-owed"), ("slip", {"amount": 100})), inside=100
        ),
    ),
    ("d", replace(GOOD, entries=without("ended"))),
    ("d", replace(GOOD, open_at_city=1)),
    ("g", Books(entries=entries(case("table.no-answer"), session=""))),
    ("g", Books(entries=entries(case("child.silent"), session=""))),
    ("l", Books(entries=entries(case("permit.refused"), session=""))),
    ("k", replace(GOOD, entries=entries(*TORN, *TORN_END), papers=[], inside=0)),
    ("k", Books(entries=entries(case("payout.short"), session=""))),
    ("k", Books(entries=[*entries(case("coins.jam"), session="s"), *entries(*CANCELLED)])),
]


@pytest.mark.parametrize(("letter", "found"), BAD)
def test_bad_books(letter: str, found: Books) -> None:
    assert letter in {fault.letter for fault in books.check_books(found)}


def test_every_property_has_been_seen_to_fail() -> None:
    """(f) and (p) are below, and where the wires are."""
    seen = {letter for letter, _ in (*WRONG, *TRAILS, *BAD) if letter}
    assert seen | {"f", "p"} == judge.PROPERTIES.keys()


# -- what is a person's


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"log": "state", "pid": 1234, "ms": 1234}', ""),
        ('{"log": "case.opened", "case": "ab1234cd"}', ""),
        ('{"log": "error", "what": "no answer to 1234"}', "PIN"),
        ('{"log": "error", "what": "明石　太郎"}', "name"),
        ("Traceback: 明石太郎", "name"),
        ('{"log": "error", "what": "181220540773"}', "number"),
        ('{"log": "error", "what": "昭和55年5月14日"}', "birth date"),
        ('{"log": "error", "what": "兵庫県明石市大久保町ゆりのき通一丁目98番7号"}', "address"),
    ],
)
def test_leaks(line: str, told: str) -> None:
    found = list(private.leaks(line, private.words(), ("1234", "2345")))
    assert bool(found) is bool(told)
    assert all(told in leak for leak in found)
    assert not any("明石" in leak or "1234" in leak.partition(" ")[2] for leak in found), (
        "the report itself tells nothing"
    )


def test_what_the_screen_shows_of_a_person_is_looked_for_in_memory() -> None:
    shown = private.shown()["taro"]
    assert shown == {"明石　太郎", "昭和55年5月14日", "兵庫県明石市大久保町ゆりのき通一丁目98番7号"}
    assert shown <= private.words()


HOLDS = (
    "import sys; wait = sys.stdin.readline; wait(); held = {0!r}.translate({{45: None}}); "
    "print(flush=True); wait()"
)


@pytest.mark.parametrize("name", ["何-処-某", "𠮷-某-某", "A-m-y B-l-o-g-g-s"])
def test_a_name_that_came_into_a_process_is_found(name: str) -> None:
    """Held as text: its words are never on the command line, or in the source."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS.format(name)], stdin=-1, stdout=-1, text=True
    ) as other:
        assert other.stdin and other.stdout
        memory, wanted = private.Memory(other.pid), (name.replace("-", ""),)
        assert not memory.holds(other.pid, wanted)
        other.stdin.write("\n")
        other.stdin.flush()
        other.stdout.readline()
        assert memory.holds(other.pid, wanted)
        other.stdin.close()
