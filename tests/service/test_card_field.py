"""Cards as they are in the field, at the card's desk: what passes is none of the card's, what stays
is told as what it is, and no try is spent by accident.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hal.sim.card.flaws import flawed
from hal.sim.card.options import CardFaults
from hal.sim.card.pki import load_card
from testbed.bench_card import main
from testbed.bench_card.field import (
    FOREIGN,
    PASSING,
    PIN,
    VERIFY,
    WAYS,
    WRONG_PIN,
    Field,
    any_session,
    at,
    at_once,
    quiet,
    saved,
)

EXCHANGES = range(1, 11)  # of a session with plastic


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Field:
    return Field(tmp_path_factory.mktemp("field"))


@pytest.fixture(autouse=True)
def no_waiting(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.CRITICAL)
    with at_once():
        yield


def test_a_session_without_trouble_takes_ten_apdus_on_one_connection(where: Field) -> None:
    played = where.play(where.program({}, CardFaults()), quiet)
    assert (played.told, played.apdus, played.connects, played.typed) == ("served", 10, 1, 1)


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("index", EXCHANGES)
def test_a_good_card_with_a_passing_fault_at_any_exchange_is_served(
    where: Field, index: int, fault: str
) -> None:
    played = where.play(where.program({}, CardFaults()), at(index, fault))
    assert (played.told, played.wrong) == ("served", [])
    assert played.typed <= 2, "a person types again only when the PIN's own exchange was hit"
    assert played.typed == 1 or index >= 9


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in WAYS.items()}),
    st.integers(1, 40),
    st.sampled_from(PASSING),
    st.sampled_from((PIN, WRONG_PIN)),
)
def test_ways_and_a_passing_fault_together(
    where: Field, ways: dict[str, Any], index: int, fault: str, pin: str
) -> None:
    played = where.play(where.program(ways, CardFaults()), at(index, fault), pin)
    assert (played.told, played.wrong) == ("served" if pin == PIN else "pin-wrong", [])


@pytest.mark.parametrize("resets", range(1, 5))
def test_a_card_that_starts_at_a_later_attempt_is_read_in_the_same_stay(
    where: Field, resets: int
) -> None:
    played = where.play(where.program({}, CardFaults(mute_resets=resets)), quiet)
    assert (played.told, played.stays) == ("served", 1)


@pytest.mark.parametrize("status", FOREIGN)
def test_a_foreign_card_is_told_so_after_one_repeat(where: Field, status: int) -> None:
    program = where.program({"applet": False, "select_status": status}, CardFaults())
    played = where.play(program, quiet)
    assert (played.told, played.connects, played.wrong) == ("not-mynumber", 1, [])
    assert played.apdus <= 3  # and once with P2 = 00, where that could be what was refused


@pytest.mark.parametrize("index", range(1, 5))
@pytest.mark.parametrize("ways", [{}, {"p2_0c": False, "t0": True}])
def test_a_good_card_that_begins_with_6f00_is_not_blamed_for_a_passing_fault(
    where: Field, ways: dict[str, Any], index: int
) -> None:
    program = where.program({"first_6f00": True, **ways}, CardFaults())
    assert where.play(program, at(index, "glitch")).told == "served"


@pytest.mark.parametrize(
    ("first", "told"), [("lose_answer", "card-unreadable"), ("glitch", "card-invalid")]
)
def test_two_faults_after_the_pin_that_are_not_alike_say_nothing_about_the_card(
    where: Field, monkeypatch: pytest.MonkeyPatch, first: str, told: str
) -> None:
    program = where.program({}, CardFaults())
    faults, execute = iter((first, "glitch")), program.execute

    def execute_badly(apdu: bytes) -> bytes | None:
        if apdu[1] == VERIFY and len(apdu) > 5:
            setattr(program.faults, next(faults), program.apdus + 1)
        return execute(apdu)

    monkeypatch.setattr(program, "execute", execute_badly)
    assert where.play(program, quiet).told == told


def test_a_card_with_power_that_answers_nothing_is_no_my_number_card(where: Field) -> None:
    assert where.play(where.program({}, CardFaults(deaf=True)), quiet).told == "not-mynumber"


def test_a_card_that_never_starts_is_told_how_to_lay_it(where: Field) -> None:
    assert where.play(where.program({}, CardFaults(mute=True)), quiet).told == "mute"


@pytest.mark.parametrize(
    ("flaw", "told"),
    [
        ("rubbish", "card-invalid"),
        ("tampered", "card-invalid"),
        ("wrong-ca", "card-invalid"),
        ("no-certificate", "no-certificate"),
        ("defaults-written-out", "served"),
        ("unusual-strings", "served"),
    ],
)
def test_what_stays_when_it_is_read_again_is_not_told_as_something_that_passes(
    where: Field, flaw: str, told: str
) -> None:
    program = where.program({}, CardFaults())
    program.applet = load_card(where.folder / "card", change=flawed(flaw, where.ca))
    played = where.play(program, quiet)
    assert (played.told, played.wrong) == (told, [])


@pytest.mark.parametrize("seed", range(0, 300, 50))
def test_any_card_with_any_trouble_is_judged_well(where: Field, seed: int) -> None:
    for number in range(seed, seed + 50):
        assert any_session(where, number).wrong == [], number


def test_a_second_attempt_saves_sessions(where: Field) -> None:
    found = saved(where, 100, 0.05, seed=1)
    assert not found["wrong"]
    assert found["with"]["served"] > found["without"]["served"] + 20


def test_the_command_says_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--fuzz", "20", "--transient", "5", "--json"]) == 0
    assert '"cases": 20' in capsys.readouterr().out
