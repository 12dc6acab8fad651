"""What the flight record of a journey says when it is replayed: nothing of a kiosk that does
as its table says, and the step of one that does not."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flow_rig
import pytest
import test_flow_walks as walks
from flow_rig import Ended, Rig

from firmware.flow import commands, events
from firmware.flow.machine import Flow, UnhandledEvent
from firmware.flow.states import State
from firmware.flow.timers import Timer
from firmware.service.flight_record import FlightRecord, What, note, read_all
from firmware.service.flight_steps import COMMAND_FACTS, EVENT_FACTS, RecordedFlow
from firmware.tools.replay_judge import ANSWER_S, SLOW_S, Process, judge
from firmware.tools.replay_words import (
    ANSWERS,
    DEATH,
    EVENTS,
    TROUBLE,
    UNSEEN_DEATH,
    trouble,
)
from testbed.model_check.defects import find_defect
from testbed.world.answers import TABLE


class Recorded:
    """A flow whose steps are recorded."""

    def __init__(self, flow: Flow, record: FlightRecord) -> None:
        self._flow, self._steps = flow, RecordedFlow(flow, record)
        self.start, self.handle = self._steps.start, self._steps.handle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._flow, name)


class Kiosk:
    """Its processes are recorded in one folder; `time` is seconds."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.time = folder, 0.0
        self.make: Callable[[], Flow] = Flow

    def rig(self) -> Rig:
        record = FlightRecord(self.folder, lambda: self.time)
        flow: Any = Recorded(self.make(), record)
        return Rig(flow=flow)

    def judged(self) -> Sequence[Process]:
        return judge(read_all(self.folder))

    def first_wrong(self) -> tuple[str, str]:
        """The event, and what was wrong, of the newest process."""
        process = self.judged()[-1]
        assert process.first_wrong is not None
        turn = process.turns[process.first_wrong]
        return turn.name, turn.wrong[0]


@pytest.fixture
def kiosk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kiosk:
    made = Kiosk(tmp_path)
    monkeypatch.setattr(flow_rig, "Rig", made.rig)
    return made


@pytest.mark.parametrize("start", walks.STARTS)
def test_a_kiosk_that_does_as_its_table_says_is_told_so(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(12):
        (folder := tmp_path / str(seed)).mkdir()
        kiosk = Kiosk(folder)
        monkeypatch.setattr(flow_rig, "Rig", kiosk.rig)
        walks.walk(start, random.Random(seed).randrange, 60)
        (process,) = kiosk.judged()
        told = [wrong for turn in process.turns for wrong in turn.wrong]
        assert process.whole
        assert [wrong for wrong in told if "table" in wrong or "flow" in wrong] == [], seed


def test_a_journey_without_trouble(kiosk: Kiosk) -> None:
    rig = flow_rig.at_printing()
    rig.settle()
    (process,) = kiosk.judged()
    assert process.first_wrong is None
    assert process.turns[-1].state
    assert process.turns[-1].state.state is State.SHEETS


def test_another_way_than_the_tables_is_found(kiosk: Kiosk) -> None:
    kiosk.make = find_defect("the card need not be taken").flow
    rig = flow_rig.at_menu()
    rig.put_card()
    rig.settle()
    rig.pin()
    rig.settle()
    name, wrong = kiosk.first_wrong()
    assert name == "card-authenticated"
    assert wrong == "the table has no way from card/verifying to choose/certificates on it"


def test_an_event_without_an_answer_is_found(kiosk: Kiosk) -> None:
    rig = flow_rig.at_menu()
    rig.flow._flow.answered[State.MENU] = frozenset()  # type: ignore[attr-defined]
    with pytest.raises(UnhandledEvent):
        rig.put_card()
    name, wrong = kiosk.first_wrong()
    assert name == "card-present"
    assert wrong.startswith("the flow had no answer to it (the model, with stand-ins, has one)")


def test_who_does_not_answer_in_time_is_found(kiosk: Kiosk) -> None:
    rig = flow_rig.at_ordering()
    kiosk.time += 30
    rig.fire(next(name for name in rig.timers if name.value == "limit"))
    assert kiosk.first_wrong() == ("time-up", "the city did not answer PlaceOrder within 30.0 s")


def test_who_was_asked_a_moment_ago_is_not_blamed(kiosk: Kiosk) -> None:
    rig = flow_rig.Rig()
    rig.start()
    rig.fire(next(name for name in rig.timers if name.value == "limit"))
    assert kiosk.first_wrong() == ("time-up", "what out/starting waits for did not come in time")


def test_silence_behind_the_longest_time_is_found(kiosk: Kiosk) -> None:
    rig = flow_rig.at_paying()
    rig.coin(100)
    kiosk.time += ANSWER_S + 1
    rig.send(events.CoinReturned())
    name, wrong = kiosk.first_wrong()
    assert (name, wrong.split(" within")[0]) == (
        "coin-returned",
        "the coin unit did not answer StopCoins",
    )


def test_what_is_asked_again_has_one_answer(kiosk: Kiosk) -> None:
    rig = flow_rig.Rig()
    rig.start()
    rig.fire(Timer.REMIND)
    rig.answer("health")
    rig.answer("terms")
    kiosk.time += ANSWER_S + 1
    rig.send(events.CardAbsent())
    assert [each.first_wrong for each in kiosk.judged()] == [None]


def test_a_case_is_found(kiosk: Kiosk) -> None:
    rig = flow_rig.at_printing()
    rig.answer("sheets", "sheet-failed uncertain")
    assert rig.all(commands.OpenCase)
    name, wrong = kiosk.first_wrong()
    assert name == "sheet-failed"
    assert wrong == "a sheet has failed: reason uncertain"
    (process,) = kiosk.judged()
    assert process.grave
    assert any(each.startswith("a case was opened") for each in process.turns[-1].wrong)


def test_a_process_that_died_is_found(kiosk: Kiosk) -> None:
    flow_rig.at_paying()
    flow_rig.at_menu()
    died, serves = kiosk.judged()
    assert died.turns[-1].wrong == [UNSEEN_DEATH]
    assert serves.first_wrong is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("died code=-9 supervisor=no", "something else killed it with SIGKILL"),
        ("died code=-9 supervisor=yes", "the supervisor killed it with SIGKILL"),
        ("died code=1 supervisor=no", "it gave up with exit code 1"),
    ],
)
def test_how_a_process_died_and_its_money_are_told(kiosk: Kiosk, words: str, told: str) -> None:
    flow_rig.at_paying()
    note(kiosk.folder, What.DIED, words)
    note(kiosk.folder, What.BOOKS, "books kept=0 returned=300 owed=0 held=0")
    (died,) = kiosk.judged()
    assert died.turns[-1].wrong == [f"{DEATH}: {told}"]
    assert died.turns[-1].books.endswith("0 yen kept, 300 yen returned, 0 yen owed, 0 yen held")


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"reason": "jam"}, "a sheet has failed: reason jam"),
        ({"reason": "-"}, "a sheet has failed"),
    ],
)
def test_what_tells_of_something_broken(facts: dict[str, str], told: str) -> None:
    assert trouble("sheet-failed", facts) == told
    assert trouble("card-failed", {"cause": "removed"}) == ""
    assert trouble("health", {"problem": "case-open"}) == ""
    assert trouble("card-present", facts) == ""


def test_what_was_over_when_it_became_ready_explains_nothing(kiosk: Kiosk) -> None:
    rig = flow_rig.Rig()
    rig.start()
    rig.send(events.Health(problem="coins"))
    assert kiosk.first_wrong() == ("health", "the kiosk was looked over: problem coins")
    rig.settle()
    rig.send(events.CardAbsent())
    rig.settle()
    assert kiosk.first_wrong()[0] == "health"
    rig.send(events.LineLost())
    assert kiosk.first_wrong() == ("line-lost", "the city could not be reached")


def test_a_wait_that_somebody_gave_up_is_found(kiosk: Kiosk) -> None:
    rig = flow_rig.at_ordering()
    kiosk.time += SLOW_S + 1
    with pytest.raises(Ended):
        rig.touch("cancel")
    name, wrong = kiosk.first_wrong()
    assert name == "touch.cancel"
    assert wrong == "the city had not answered PlaceOrder for 3.0 s, and it ends"


def test_who_ends_in_order_is_not_told_to_have_died(kiosk: Kiosk) -> None:
    rig = flow_rig.at_menu()
    with pytest.raises(Ended):
        rig.send(events.Shutdown())
    flow_rig.at_menu()
    assert [each.first_wrong for each in kiosk.judged()] == [None, None]


def test_nothing_of_a_person_is_recorded(kiosk: Kiosk) -> None:
    rig = flow_rig.at_menu()
    rig.put_card()
    rig.answer("card", "card-read 1")
    rig.touch("try")
    rig.pin()
    rig.settle()
    rig.send(events.CardAbsent())
    rig.settle()
    rig.touch("choose", "inkan")
    rig.touch("confirm")
    rig.settle()
    words = "\n".join(step.words for step in read_all(kiosk.folder))
    assert State.PAYING.value in words
    personal = ("甲", "昭和", "兵庫", "inkan", flow_rig.SHA, "rig#")
    for secret in (*personal, "tries", "pin-digit", "choices"):
        assert secret not in words


def test_no_fact_of_a_person_is_in_the_tables() -> None:
    """A field that is added to an event is not recorded until somebody decides that it may be."""
    personal = {"stay", "tries", "token", "card", "holder", "offers", "expires_in_days", "document"}
    personal |= {"unique_number", "transaction", "opens_at", "value"}
    told = {name for kind, names in EVENT_FACTS.items() for name in names}
    assert told & personal == {"value"}
    assert [kind for kind, names in EVENT_FACTS.items() if "value" in names] == [
        events.CoinInserted
    ]
    assert not {"kind", "choices", "document", "transaction", "stay", "result"} & {*COMMAND_FACTS}


def test_every_event_and_every_answer_has_its_words() -> None:
    assert {*EVENTS} == {*events.TRIGGERS.values(), *events.TIMERS.values()} - {"pin-digit"}
    answered = {
        kind.__name__: {events.trigger(each.event) for each in asked.answers}
        for kind, asked in TABLE.items()
        if asked.answers and kind is not commands.WatchOutlet  # that is a person
    }
    assert {name: {*names} for name, (_, names) in ANSWERS.items()} == answered


def test_every_fact_of_trouble_is_recorded() -> None:
    kinds = {name: kind for kind, name in events.TRIGGERS.items()}
    for name, (fact, _) in TROUBLE.items():
        assert not fact or fact in EVENT_FACTS[kinds[name]], name


def test_every_step_fits_its_slot(kiosk: Kiosk) -> None:
    for seed in range(5):
        walks.walk("printing three, change due", random.Random(seed).randrange, 60)
    steps = read_all(kiosk.folder)
    assert {What.START, What.EVENT, What.REACHED, What.COMMAND} <= {step.what for step in steps}
    assert max(len(step.words) for step in steps) < 103
