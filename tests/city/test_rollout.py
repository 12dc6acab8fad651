"""A build goes out to three kiosks by the city's word, ring by ring, and stops where it must.

The kiosks are boards with two slots (`updated_board`), the city is the gateway's own handler of
`hello`; between them stands what a running kiosk tells and keeps of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from city_bench import HELLO, Rehearsal
from msgspec.structs import replace as changed
from sqlalchemy import Connection, select
from updated_board import Build, UpdatedBoard

from city import builds, cases, rollouts, tables
from city.fleet import SILENT_S, Seen, view
from city.fleet_command import as_text, needs_nobody
from city.handlers import hello, seconds
from city.rollout import Plan, Rollout, Stage, State, judge, objections, stage, word
from city.rollouts import RolloutError
from firmware.link.messages import KioskStatus, UpdateReport
from firmware.tools.cli import main

OLD = Build("20")
KIOSKS = ("kiosk-1", "kiosk-2", "kiosk-3")
RINGS = (("kiosk-1",), ("kiosk-2", "kiosk-3"))


@dataclass
class Fleet:
    """The city, and its kiosks. A day is: hello, residents, hello, night, hello."""

    rehearsal: Rehearsal
    boards: Mapping[str, UpdatedBoard]
    bundles: Path

    def hello(self) -> None:
        for kiosk, board in self.boards.items():
            status = KioskStatus(availability="ready", update=board.report())
            said = changed(HELLO, build=board.running.image.build, status=status)
            board.told(hello(self.rehearsal.city, kiosk, said).update)

    def days(self, count: int) -> None:
        for _ in range(count):
            for board in self.boards.values():
                board.night()
            self.hello()
            for board in self.boards.values():
                board.day()
            self.hello()
            self.rehearsal.clock.now += timedelta(days=1)

    def start(self, build: Build, hours: int = 96) -> None:
        plan = Plan(
            board="x86-64",
            version=build.version,
            build=build.image.build,
            rings=RINGS,
            hours=hours,
        )
        self._begin(lambda c, now: rollouts.start(c, plan, now))

    def _begin(self, what: Callable[[Connection, int], Rollout]) -> None:
        with self.rehearsal.city.engine.begin() as connection:
            what(connection, seconds(self.rehearsal.clock()))

    def stop(self) -> None:
        self._begin(lambda c, now: rollouts.stop(c, "x86-64", now))

    @property
    def rollout(self) -> Rollout:
        with self.rehearsal.city.engine.begin() as connection:
            known = rollouts.of_board(connection, "x86-64")
        assert known
        return known

    @property
    def seen(self) -> Sequence[Seen]:
        with self.rehearsal.city.engine.begin() as connection:
            return view(connection, seconds(self.rehearsal.clock()) - 86_400)

    @property
    def running(self) -> list[str]:
        return [board.running.version for board in self.boards.values()]

    def command(self, *words: str) -> int:
        return main(["city", *words, "--config", str(self.rehearsal.folder / "city.toml")])


BUILDS = {
    "good": Build("21"),
    "bad": Build("21", screen=False),
    "dying": Build("21", dies=True),
    "forged": Build("21", key=b"a stranger's"),
    "of another board": Build("21", model="raspberry-pi-5"),
}


@pytest.fixture
def fleet(rehearsal: Rehearsal, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """`request.param`: which build 21 lies among the bundles."""
    new = BUILDS[getattr(request, "param", "good")]
    new.bundle(tmp_path)
    boards = {
        kiosk: UpdatedBoard.made(tmp_path / kiosk, tmp_path, OLD, new, Build("22"))
        for kiosk in KIOSKS
    }
    made = Fleet(rehearsal, boards, tmp_path)
    made.hello()
    yield made
    for board in boards.values():
        assert all(board.is_whole(slot, version) for version, slot, _ in board.entries().values())


def test_a_good_build_goes_through_all_rings(
    fleet: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet.start(BUILDS["good"])
    fleet.hello()
    assert [fleet.boards[kiosk].update("follow") for kiosk in KIOSKS] == [0, 0, 0]
    assert [board.state.staged for board in fleet.boards.values()] == ["21", "", ""]
    fleet.days(1)
    assert (fleet.running, fleet.rollout.ring) == (["21", "20", "20"], 1)
    fleet.days(1)
    assert (fleet.running, fleet.rollout.state) == (["21"] * 3, State.DONE)
    assert all(needs_nobody(one) for one in fleet.seen)
    assert fleet.command("rollout", "show") == 0
    assert "kiosk-3\ttrusted\t21" in capsys.readouterr().out
    with fleet.rehearsal.city.engine.begin() as connection:
        entries = connection.execute(select(tables.audit.c.entry).order_by(tables.audit.c.seq))
        events = [json.loads(entry)["event"] for (entry,) in entries]
    assert events[-3:] == ["rollout-running", "rollout-running", "rollout-done"]


@pytest.mark.parametrize(
    ("fleet", "why"),
    [("bad", "no-screen"), ("dying", "service-ended")],
    indirect=["fleet"],
)
def test_a_bad_build_falls_back_and_reaches_nobody_else(
    fleet: Fleet, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also one that is healthy at its start, and then dies."""
    fleet.start(BUILDS["good"])
    fleet.hello()
    fleet.days(3)
    assert fleet.running == ["20", "20", "20"]
    assert fleet.rollout.state is State.STOPPED
    assert fleet.rollout.why == f"fell-back kiosk-1 {why}"
    assert fleet.boards["kiosk-2"].state.staged == ""
    assert fleet.command("rollout", "show") == 1
    assert [needs_nobody(one) for one in fleet.seen] == [False, True, True]
    assert f"\t20, fell back from 21: {why}\t" in as_text(fleet.seen)
    with pytest.raises(RolloutError, match="kiosk-1: fell back from this version"):
        fleet.start(BUILDS["good"])


@pytest.mark.parametrize("fleet", ["forged", "of another board"], indirect=True)
def test_what_is_not_installed_stops_when_the_time_is_over(fleet: Fleet) -> None:
    """A wrong signature; a bundle that says that it is for another board."""
    fleet.start(BUILDS["good"], hours=48)
    fleet.hello()
    fleet.days(4)
    assert fleet.running == ["20", "20", "20"]
    assert (fleet.rollout.state, fleet.rollout.why) == (State.STOPPED, "late kiosk-1 waiting")
    assert len(fleet.boards["kiosk-1"].entries()) == 1


def test_a_kiosk_that_does_not_come_back_stops_it(fleet: Fleet) -> None:
    fleet.start(BUILDS["good"], hours=48)
    fleet.hello()
    fleet.days(1)
    gone = dict(fleet.boards)
    fleet.boards = {kiosk: gone[kiosk] for kiosk in ("kiosk-1", "kiosk-3")}
    fleet.days(4)
    assert fleet.rollout.why == "late kiosk-2 waiting"


def test_a_case_at_a_kiosk_with_the_new_build_stops_it(fleet: Fleet) -> None:
    fleet.start(BUILDS["good"])
    fleet.hello()
    fleet.boards["kiosk-1"].night()
    with fleet.rehearsal.city.engine.begin() as connection:
        cases.open_case(connection, "double-release", 1, kiosk="kiosk-1")
    fleet.hello()
    assert (fleet.rollout.state, fleet.rollout.why) == (State.STOPPED, "case kiosk-1")
    fleet.days(2)
    assert fleet.running == ["21", "20", "20"]


def test_whoever_has_it_installed_gives_it_back_when_it_is_stopped(fleet: Fleet) -> None:
    fleet.start(BUILDS["good"])
    fleet.hello()
    board = fleet.boards["kiosk-1"]
    assert board.update("follow") == 0
    assert len(board.entries()) == 2
    fleet.stop()
    fleet.hello()
    assert board.update("restart") == 1, "the city does not want it now"
    assert board.update("follow") == 0
    assert len(board.entries()) == 1
    board.power_on()
    assert (board.running.version, board.state.rejected) == ("20", {})


def test_giving_back_goes_on_where_it_was_cut(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.start(BUILDS["good"])
    fleet.hello()
    board = fleet.boards["kiosk-1"]
    board.update("follow")
    fleet.stop()
    fleet.hello()
    with monkeypatch.context() as cut:
        cut.setattr(board, "_run", lambda *_: False)
        assert board.update("follow") == 1
    assert len(board.entries()) == 2
    assert board.update("follow") == 0
    assert len(board.entries()) == 1
    board.power_on()
    assert (board.running.version, board.state.followed) == ("20", "")


def test_what_a_person_installs_instead_is_not_given_back(fleet: Fleet) -> None:
    fleet.start(BUILDS["good"])
    fleet.hello()
    board = fleet.boards["kiosk-1"]
    board.update("follow")
    Build("22").bundle(fleet.bundles)
    bundle = fleet.bundles / "madoguchi-x86-64-22.raucb"
    assert board._run("rauc", "install", str(bundle))
    fleet.stop()
    fleet.hello()
    assert board.update("follow") == 0
    assert board.state.staged == "22"
    board.night()
    assert board.running.version == "22"


def test_nobody_is_told_of_an_older_build(fleet: Fleet) -> None:
    fleet.start(BUILDS["good"])
    fleet.hello()
    fleet.days(2)
    with pytest.raises(RolloutError, match="kiosk-1: runs 21, which is newer"):
        fleet.start(Build("20"))
    board = fleet.boards["kiosk-1"]
    board.told("20")
    OLD.bundle(fleet.bundles)
    assert board.update("follow") == 1
    assert board.state.staged == ""


def test_a_build_that_may_not_serve_does_not_go_out(fleet: Fleet) -> None:
    with fleet.rehearsal.city.engine.begin() as connection:
        builds.name(connection, OLD.image.build, builds.ACCEPTED, 1)
    with pytest.raises(RolloutError, match="accept it first"):
        fleet.start(BUILDS["good"])


def test_a_build_that_is_refused_meanwhile_goes_no_further(fleet: Fleet) -> None:
    fleet.start(BUILDS["good"])
    fleet.hello()
    with fleet.rehearsal.city.engine.begin() as connection:
        builds.name(connection, BUILDS["good"].image.build, builds.REFUSED, 1)
    fleet.hello()
    assert (fleet.rollout.state, fleet.rollout.why) == (State.STOPPED, "refused")
    fleet.days(1)
    assert fleet.running == ["20", "20", "20"]


def test_the_command_starts_and_stops_what_a_file_says(
    fleet: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = tmp_path / "plan.toml"
    lines = ['board = "x86-64"', 'version = "21"', 'build = "b"', 'rings = [["kiosk-1"]]']
    plan.write_text("\n".join(lines))
    assert fleet.command("rollout", "show") == 0
    assert fleet.command("rollout", "start", str(plan)) == 0
    assert fleet.command("rollout", "start", str(plan)) == 2
    assert "21 is going out to x86-64: stop it first" in capsys.readouterr().err
    assert fleet.command("rollout", "stop", "x86-64") == 0
    assert fleet.command("rollout", "show", "--json") == 1
    [told] = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["why"], told["kiosks"]) == ("by hand", [["1", "kiosk-1", "waiting", "20"]])
    for wrong, said in {
        'rings = [["kiosk-9"]]': "kiosk-9: has not told which image it runs",
        'rings = [["kiosk-1"], ["kiosk-1"]]': "kiosk-1: stands twice",
        "rings = []": "length >= 1",
        'ring = [["kiosk-1"]]': "unknown field `ring`",
    }.items():
        plan.write_text("\n".join([*lines[:3], wrong]))
        assert fleet.command("rollout", "start", str(plan)) == 2
        assert said in capsys.readouterr().err


def test_a_kiosk_that_does_not_understand_is_told_nothing(fleet: Fleet) -> None:
    fleet.start(BUILDS["good"])
    status = KioskStatus(availability="ready", update=fleet.boards["kiosk-1"].report())
    said = changed(HELLO, status=status)
    assert hello(fleet.rehearsal.city, "kiosk-1", said).update == "21"
    assert hello(fleet.rehearsal.city, "kiosk-1", changed(said, understands=())).update == ""


# --- what is pure


def seen(kiosk: str, told: UpdateReport | None, cases: int = 0, silent_s: int = 0) -> Seen:
    return Seen(kiosk, "ready", "", {}, False, cases, 0, "", told, 0, silent_s)


def told(version: str, **more: object) -> UpdateReport:
    return UpdateReport(board="x86-64", version=version, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        (None, Stage.WAITING),
        (told("20"), Stage.WAITING),
        (told("20", staged="21"), Stage.INSTALLED),
        (told("20", staged="19"), Stage.WAITING),
        (told("21", on_trial=True), Stage.ON_TRIAL),
        (told("21"), Stage.TRUSTED),
        (told("22"), Stage.TRUSTED),
        (told("20", fell_back="21"), Stage.FELL_BACK),
    ],
)
def test_where_a_kiosk_stands(report: UpdateReport | None, expected: Stage) -> None:
    assert stage(report, "21") is expected


def test_an_earlier_ring_is_watched_until_the_end() -> None:
    rollout = Rollout(board="x86-64", version="21", build="b", rings=RINGS, ring=1, since=0)
    fleet = {"kiosk-1": seen("kiosk-1", told("21"), cases=1)}
    assert judge(rollout, fleet, 0).why == "case kiosk-1"
    stopped = judge(rollout, fleet, 0)
    assert judge(stopped, {}, 10**9) == stopped, "only a person starts it again"
    assert (word(rollout, "kiosk-2"), word(stopped, "kiosk-2")) == ("21", "")


@pytest.mark.parametrize("ring", [0, 1])
def test_a_trusted_kiosk_that_fell_silent_holds_the_next_ring(ring: int) -> None:
    """The new build may have silenced it. It is waited for, and then a person is asked."""
    rollout = Rollout(board="x86-64", version="21", build="b", rings=RINGS, ring=ring, since=0)
    fleet = {kiosk: seen(kiosk, told("21")) for kiosk in KIOSKS}
    silent = {**fleet, "kiosk-1": seen("kiosk-1", told("21"), silent_s=SILENT_S + 1)}
    assert judge(rollout, silent, rollout.hours * 3600) == rollout
    assert judge(rollout, silent, rollout.hours * 3600 + 1).why == "late kiosk-1 silent"
    heard = judge(rollout, fleet, rollout.hours * 3600)
    assert (heard.ring, heard.state) == ((1, State.RUNNING) if ring == 0 else (1, State.DONE))


def test_a_case_of_the_old_build_is_not_the_new_ones() -> None:
    rollout = Rollout(board="x86-64", version="21", build="b", rings=RINGS, since=0)
    assert judge(rollout, {"kiosk-1": seen("kiosk-1", told("20"), cases=1)}, 0) == rollout


def test_a_plan_names_only_boards_that_it_fits() -> None:
    plan = Plan(board="raspberry-pi-5", version="21", build="b", rings=(("kiosk-1",),))
    assert objections(plan, {"kiosk-1": seen("kiosk-1", told("20"))}) == [
        "kiosk-1: is a x86-64, not a raspberry-pi-5"
    ]
