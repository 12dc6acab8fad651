"""Long random walks over the whole system: nothing is lost, nobody gets another's paper, there is
always a way home.

`./scripts/walks --minutes 30` is a night's worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from firmware.tools.cli import main
from testbed.customer import Watcher
from testbed.demo import FOLDER
from testbed.model_check import wrong
from testbed.random_walk import acts, drive, walk
from testbed.random_walk.acts import Act
from testbed.random_walk.drive import Failure, SharedSystem, Tally, attempt, run_walks, shorten
from testbed.random_walk.walk import Walk
from testbed.screen import Seen

WALKS = 3
STEPS = 40
OPERATOR = "look into the cases"
KILLED = "something else killed it with SIGKILL"
TO_THE_TILL = (
    "card taro",
    "type the PIN",
    "card off",
    "touch choose juminhyo",
    *["touch next"] * 3,
    "touch confirm",
)

# Whole journeys, on a machine that may be busy.
pytestmark = [pytest.mark.wires, pytest.mark.timeout(1000)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedSystem]:
    with SharedSystem(FOLDER, tmp_path_factory.mktemp("walks") / "failed") as shared:
        yield shared


@pytest.mark.timeout(1000)  # a walk that fails is made shorter first
def test_walks(shared: SharedSystem) -> None:
    for _ in range(4):  # a busy machine may end an errand of the first walk early
        tally = run_walks(shared, WALKS, STEPS, first=3)
        assert not tally.failures, "\n".join(
            f"({one.letter}) {one.what}: {one.replay}" for one in tally.failures
        )
        assert tally.counts["steps"] == WALKS * STEPS
        if tally.counts["journeys"] >= 2:
            break
    assert tally.counts["journeys"] >= 2, "the first walk is one errand after the other"
    assert tally.counts["faults"]


# -- what the wires or the kiosk would show if it were wrong


def play_wrong(
    shared: SharedSystem, monkeypatch: pytest.MonkeyPatch, *names: str
) -> Failure | None:
    """As `play`, of what is wrong for good: nobody waits for it to pass."""
    monkeypatch.setattr(walk, "NOTICE_S", 0.5)
    monkeypatch.setattr(walk, "REPORTED_S", 0.5)
    return play(shared, monkeypatch, *names)


class NotOffered(Exception):
    """This machine was too slow for the walk: it did not come so far."""


def play(shared: SharedSystem, monkeypatch: pytest.MonkeyPatch, *names: str) -> Failure | None:
    """A walk by the names of what is done."""
    offered_by = acts.possible

    async def when_offered(on: Walk, name: str) -> None:
        """A slow machine shows the screen later; the walk must not do something else instead."""
        for _ in range(100):
            offered = {act.name: act for act in offered_by(on)}
            if name in offered:
                return await offered[name].do()
            if OPERATOR in offered:  # a slow start may have left a case that closes the kiosk
                await offered[OPERATOR].do()
            await on.look(0.3)
        raise NotOffered(name)

    def named(on: Walk) -> list[Act]:
        return [Act(name, 1, partial(when_offered, on, name)) for name in names]

    monkeypatch.setattr(acts, "possible", named)
    monkeypatch.setattr(acts, "choose", lambda found, number: found[number])
    return attempt(shared, [number * walk.HASTY for number in range(len(names))], Tally())


def test_a_coin_that_nobody_counted_is_noticed(
    shared: SharedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def swallowed_only(self: Walk, value: int) -> None:
        self.bench.coins.acceptor.swallowed.append(value)

    monkeypatch.setattr(Walk, "coin", swallowed_only)
    found = play_wrong(shared, monkeypatch, "coin 10")
    assert found is not None
    assert (found.letter, found.did) == ("c", ("coin 10",))


def test_a_machine_that_forgets_the_change_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = wrong.program("change is forgotten")
    with SharedSystem(FOLDER, tmp_path / "failed", program) as shared:
        found = play_wrong(
            shared,
            monkeypatch,
            *TO_THE_TILL,
            "coin 500",
            *["take what is there"] * 2,
            *["touch ok"] * 2,
        )
    assert found is not None
    assert found.letter == "c"


def test_a_kiosk_that_obeys_older_screens_is_noticed(
    shared: SharedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch = Watcher.touch

    async def any_screen(self: Watcher, seen: Seen, action: str, value: str = "") -> None:
        if not seen.name:  # made up, one too low
            seen.number += 1
        await touch(self, seen, action, value)

    monkeypatch.setattr(Watcher, "touch", any_screen)
    monkeypatch.setattr(walk, "ASIDE_S", 3.0)
    found = play_wrong(shared, monkeypatch, "touch start", "touch an older screen")
    assert found is not None
    assert found.letter == "f"


def test_an_incident_of_a_walk_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A process is killed between the fee and the paper: what died, of what, and the money.

    The kiosk's time runs as it does for people: at the walks' pace it has no patience with a busy
    machine, and the till is not reached. What else was slow may be told too.
    """
    monkeypatch.setattr(walk, "PACE", 1.0)
    bundle = tmp_path / "incident.zip"
    with SharedSystem(FOLDER, tmp_path / "failed") as shared:
        shared.incident = bundle
        for _ in range(5):
            with suppress(NotOffered), monkeypatch.context() as patch:
                played = play(shared, patch, *TO_THE_TILL, "coin 500", "kill the process")
                break
        else:
            pytest.fail("five walks did not come to the till")
    assert played is None
    assert main(["replay", str(bundle)]) == 1
    head, *processes = capsys.readouterr().out.split("\n\n")
    assert KILLED in head
    [killed] = [told for told in processes if KILLED in told]
    steps, _, verdict = killed.partition("The first step that was not as it should be")
    assert KILLED in verdict
    before, _, money = steps.partition(KILLED)
    assert "wants AcceptCoins (due 100)" in before
    assert "the supervisor closed the session's books: " in money


def test_a_slot_left_open_is_noticed(shared: SharedSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hal.sim.coins.acceptor.Acceptor.accepting", property(lambda _: True))
    found = play_wrong(shared, monkeypatch, "wait")
    assert found is not None and found.letter == "i"


def test_a_name_in_the_log_is_noticed(
    shared: SharedSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talkative(self: Walk) -> None:
        with (self.system.rehearsal.run / "kiosk.log").open("a", encoding="utf-8") as log:
            log.write("明石　太郎\n")

    monkeypatch.setattr(Walk, "lift", talkative)
    monkeypatch.setattr(Walk, "load_paper", talkative)
    monkeypatch.setattr(Walk, "close_cases", talkative)
    found = play_wrong(shared, monkeypatch, "wait")
    assert found is not None and found.letter == "p"


def test_a_seed_is_the_same_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere: Any = None

    def chosen(first: int) -> list[Sequence[int]]:
        seen: list[Sequence[int]] = []
        monkeypatch.setattr(drive, "attempt", lambda _, numbers, __: seen.append(tuple(numbers)))
        run_walks(nowhere, 4, 50, first)
        return seen

    assert chosen(1) == chosen(1) != chosen(2)
    assert chosen(1)[0] == (0,) * 50
    assert all(len(numbers) == 50 for numbers in chosen(2))


def test_a_number_means_the_same_whatever_else_is_possible() -> None:
    async def nothing() -> None: ...

    few = [Act(name, weight, nothing) for name, weight in (("a", 100), ("b", 10), ("c", 1))]
    chosen = [acts.choose(few, number).name for number in range(4000)]
    assert chosen[0] == "a"
    assert (
        80 < chosen.count("a") / chosen.count("c") < 125
        and 8 < chosen.count("a") / chosen.count("b") < 12
    )
    more = [*few, Act("d", 50, nothing)]
    assert {
        was for number, was in enumerate(chosen) if acts.choose(more, number).name not in (was, "d")
    } == set()


def test_a_failing_walk_is_made_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of two hundred numbers matter."""

    def attempt(_: Any, numbers: Sequence[int], __: Tally) -> Failure | None:
        left = iter(numbers)
        lasts = all(any(number == wanted for number in left) for wanted in (7, 70, 170))
        return Failure("c", "", tuple(numbers), ()) if lasts else None

    monkeypatch.setattr(drive, "attempt", attempt)
    nowhere: Any = None
    assert shorten(nowhere, Failure("c", "", tuple(range(200)), ())).numbers == (7, 70, 170)
