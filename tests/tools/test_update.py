"""When a build may be installed, started, kept and given up; what a board remembers of it."""

from __future__ import annotations

import errno
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import asdict
from msgspec.structs import replace as replace_in

from firmware.link.build_version import is_newer
from firmware.service import image_build as image
from firmware.service import status
from firmware.service import update_state as state
from firmware.service.cases import create_journal, journal_path
from firmware.service.entry import NewEntry, new_entry
from firmware.service.image_build import BuildUnreadable, ImageBuild
from firmware.service.journal import VERSION, Journal
from firmware.service.update_state import UpdateState
from firmware.tools.diagnose import TITLES
from firmware.tools.diagnose.finding import Finding
from firmware.tools.diagnose.finding import Verdict as Verdicts
from firmware.tools.update import board, command
from firmware.tools.update.board import read_service
from firmware.tools.update.rules import RULES, Act, Books, Known, refusals
from firmware.tools.update.trial import DEATHS, JOURNEYS, STARTS, Verdict, fault, judge

RUNNING = ImageBuild("x86-64", "20", "0.1.0+g1", 1)
OFFERED = ImageBuild("x86-64", "21", "0.1.0+g2", 1)
QUIET = Known(running=RUNNING, books=Books(), offered=OFFERED, floor="20", staged="21")
# What forbids, by rule: one world each, in which exactly that rule speaks.
FORBIDDEN = {
    "other-board": (Act.INSTALL, {"offered": ImageBuild("raspberry-pi-5", "21", "", 1)}),
    "not-newer": (Act.INSTALL, {"offered": ImageBuild("x86-64", "20", "", 1)}),
    "fell-back": (Act.INSTALL, {"rejected": frozenset({"21"})}),
    "other-journal": (Act.INSTALL, {"offered": ImageBuild("x86-64", "21", "", 2)}),
    "on-trial": (Act.INSTALL, {"on_trial": "20"}),
    "nothing-staged": (Act.RESTART, {"staged": ""}),
    "withdrawn": (Act.RESTART, {"followed": "21", "wanted": ""}),
    "journal-unreadable": (Act.RESTART, {"books": None}),
    "being-served": (Act.RESTART, {"books": Books(sessions_open=1)}),
    "served-now": (Act.FALL_BACK, {"books": Books(sessions_open=1)}),
    "money-inside": (Act.RESTART, {"books": Books(money_inside=100)}),
    "page-in-printer": (Act.RESTART, {"books": Books(page_in_printer=True)}),
}


def codes(act: Act, known: Known) -> list[str]:
    return [rule.code for rule in refusals(act, known)]


@pytest.mark.parametrize("act", Act)
def test_a_quiet_board_may(act: Act) -> None:
    assert codes(act, QUIET) == []


def test_every_rule_is_tried() -> None:
    assert [rule.code for rule in RULES] == list(FORBIDDEN)


@pytest.mark.parametrize("code", FORBIDDEN)
def test_what_forbids(code: str) -> None:
    act, world = FORBIDDEN[code]
    assert codes(act, replace(QUIET, **world)) == [code]  # type: ignore[arg-type]


@pytest.mark.parametrize("act", (Act.INSTALL, Act.RESTART))
@pytest.mark.parametrize(
    "books", (None, Books(sessions_open=1), Books(money_inside=1), Books(page_in_printer=True))
)
def test_nobody_is_disturbed_by_an_update(act: Act, books: Books | None) -> None:
    assert codes(act, replace(QUIET, books=books))


def test_without_a_bundle_nothing_is_installed() -> None:
    assert codes(Act.INSTALL, replace(QUIET, offered=None))


def test_a_version_that_was_trusted_once_is_the_floor_for_ever() -> None:
    """Also when the board runs an older one, because the newer one is damaged."""
    assert codes(Act.INSTALL, replace(QUIET, floor="21")) == ["not-newer"]


def test_a_build_that_fails_may_be_left_whatever_it_has_done() -> None:
    broken = Books(sessions_open=1, money_inside=500, page_in_printer=True)
    assert codes(Act.FALL_BACK, replace(QUIET, books=broken, kiosk_runs=False)) == []
    assert codes(Act.FALL_BACK, replace(QUIET, books=None)) == []


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [("10", "9", True), ("9", "10", False), ("1.10", "1.9", True), ("1", "1", False), ("1", "", 1)],
)
def test_versions_are_numbers(one: str, other: str, newer: bool) -> None:
    assert is_newer(one, other) == bool(newer)


# --- the first journeys


def journey(number: int, *more: NewEntry) -> list[NewEntry]:
    session = f"{number:032x}"
    return [
        new_entry(session, "begun"),
        new_entry(session, "sheet-done", sheet=1),
        *more,
        new_entry(session, "ended", kept=100, returned=0, owed=0, held=0),
    ]


def case(code: str) -> NewEntry:
    return new_entry("", "case", case="1" * 32, code=code, pauses=True)


def journeys(count: int) -> list[NewEntry]:
    return [entry for number in range(count) for entry in journey(number)]


def test_a_build_is_trusted_after_some_journeys_with_paper() -> None:
    assert judge(journeys(JOURNEYS - 1), 0, failed=False) is Verdict.WAIT
    assert judge(journeys(JOURNEYS), 0, failed=False) is Verdict.GOOD


def test_people_who_walk_away_prove_nothing() -> None:
    left = [entry for entry in journeys(9) if entry.kind != "sheet-done"]
    assert judge(left, 0, failed=False) is Verdict.WAIT


@pytest.mark.parametrize(
    "code", ("child.dying", "child.silent", "document.glyphs", "attestation.build")
)
def test_what_only_a_program_does_wrong_ends_the_trial(code: str) -> None:
    entries = [*journeys(JOURNEYS), case("print.failed"), case(code)]
    assert judge(entries, 0, failed=False) is Verdict.BAD
    assert fault(entries, 0, failed=False) == f"case.{code}"


@pytest.mark.parametrize("code", ("print.failed", "coins.silent", "power.sheet-unknown", "claim"))
def test_what_a_device_does_wrong_does_not(code: str) -> None:
    assert judge([*journeys(JOURNEYS), case(code)], 0, failed=False) is Verdict.GOOD


def test_a_service_that_keeps_ending_ends_the_trial() -> None:
    assert judge(journeys(JOURNEYS), STARTS, failed=False) is Verdict.BAD
    assert judge([], 0, failed=True) is Verdict.BAD
    assert judge([], STARTS - 1, failed=False) is Verdict.WAIT


# --- what a boot means


def test_the_first_boot_of_a_new_build_begins_its_trial() -> None:
    known = command.at_start(UpdateState(floor="20", staged="21"), "21", 7)
    assert known == UpdateState(floor="20", on_trial="21", since=7)
    assert command.at_start(known, "21", 9) == known  # a power cut: the trial goes on


def test_a_new_build_that_nobody_noted_is_on_trial_too() -> None:
    """The power was cut between the boot loader's entry and the note."""
    assert command.at_start(UpdateState(floor="20"), "21", 7).on_trial == "21"


@pytest.mark.parametrize("known", ({"staged": "21"}, {"on_trial": "21"}))
def test_the_old_build_at_a_boot_means_that_the_new_one_did_not_come_up(
    known: dict[str, str],
) -> None:
    before = UpdateState(floor="20", **known)  # type: ignore[arg-type]
    after = command.at_start(before, "20", 7)
    assert after == UpdateState(floor="20", rejected={"21": "no-start"})
    told = command.at_start(replace_in(before, failing="no-screen"), "20", 7)
    assert told.rejected == {"21": "no-screen"}


def test_a_trusted_build_is_not_tried_again() -> None:
    assert command.at_start(UpdateState(floor="20"), "20", 7) == UpdateState(floor="20")


def test_a_build_that_kills_who_it_serves_ends_the_trial() -> None:
    """Most deaths open no case: nobody's money was inside."""
    assert judge(journeys(JOURNEYS), 0, failed=False, deaths=DEATHS) is Verdict.BAD
    assert fault([], 0, failed=False, deaths=DEATHS) == "visits-died"
    assert judge([], 0, failed=False, deaths=DEATHS - 1) is Verdict.WAIT
    assert judge(journeys(JOURNEYS), 0, failed=False, deaths=DEATHS - 1) is Verdict.GOOD


# --- on a board


@pytest.fixture
def kiosk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board with a journal; systemd and RAUC do as they are told, and what they were told is in
    `told`.
    """
    create_journal(tmp_path / "state")
    monkeypatch.setattr(board, "load", lambda _: FakeConfig(tmp_path / "state"))
    monkeypatch.setattr(board, "service", lambda: board.Service("active", 0))
    monkeypatch.setattr(board, "wrong_checks", lambda _: ())
    monkeypatch.setattr(board, "wanted", lambda _: None)
    monkeypatch.setattr(
        board,
        "run",
        lambda *words: bool((tmp_path / "told").open("a").write(" ".join(words) + "\n")),
    )
    (tmp_path / "image.json").write_text(json.dumps(asdict(RUNNING)))
    (tmp_path / "build.json").write_text(json.dumps(asdict(OFFERED)))
    return tmp_path


class FakeConfig:
    """As much of a configuration as is asked for."""

    def __init__(self, state_folder: Path) -> None:
        self.kiosk = self
        self.state = self.runtime = state_folder


def update(kiosk: Path, *words: str) -> int:
    places = ("--config", "kiosk.toml", "--state", str(kiosk), "--image", str(kiosk / "image.json"))
    return command.main([words[0], *places, *words[1:]])


def told(kiosk: Path) -> list[str]:
    path = kiosk / "told"
    return path.read_text().splitlines() if path.exists() else []


def write(kiosk: Path, entries: list[NewEntry]) -> None:
    journal = Journal(journal_path(kiosk / "state"))
    journal.append(entries)
    journal.close()


def test_from_the_bundle_to_trust(kiosk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "shows_its_screen", lambda _: True)
    assert update(kiosk, "may-install", str(kiosk)) == 0
    assert update(kiosk, "installed", str(kiosk)) == 0
    assert update(kiosk, "restart") == 0
    assert told(kiosk) == [f"systemctl stop {board.KIOSK}", "systemctl reboot"]
    (kiosk / "image.json").write_text(json.dumps(asdict(OFFERED)))
    assert update(kiosk, "started") == 0
    assert update(kiosk, "trial") == 0
    assert state.load(kiosk, "21").on_trial == "21"
    write(kiosk, journeys(JOURNEYS))
    assert update(kiosk, "trial") == 0
    assert state.load(kiosk, "21") == UpdateState(floor="21")


def test_money_that_came_after_the_first_look_stops_the_restart(
    kiosk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*words: str) -> bool:
        if "stop" in words:
            write(
                kiosk,
                [new_entry("5" * 32, "begun"), new_entry("5" * 32, "coin", value=100, counter=1)],
            )
        (kiosk / "told").open("a").write(" ".join(words) + "\n")
        return True

    monkeypatch.setattr(board, "run", stop)
    assert update(kiosk, "installed", str(kiosk)) == 0
    assert update(kiosk, "restart") == 1
    assert told(kiosk)[-1] == f"systemctl start {board.KIOSK}"
    assert {"being-served", "money-inside"} <= set(capsys.readouterr().err.replace(":", "").split())


def test_a_build_that_dies_is_marked_and_left(kiosk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state.save(kiosk, UpdateState(floor="19", on_trial="20"))
    monkeypatch.setattr(board, "service", lambda: board.Service("failed", 0))
    assert update(kiosk, "trial") == 0
    assert told(kiosk) == ["rauc status mark-bad booted", "systemctl reboot"]
    (kiosk / "image.json").write_text(json.dumps(asdict(replace_in(RUNNING, version="19"))))
    assert update(kiosk, "started") == 0
    assert state.load(kiosk, "19").rejected == {"20": "service-ended"}


@pytest.mark.parametrize("died", range(DEATHS + 2))
def test_a_build_that_kills_its_visits_is_left(kiosk: Path, died: int) -> None:
    """As the supervisor writes it: without an entry in the journal."""
    state.save(kiosk, UpdateState(floor="19", on_trial="20"))
    tally = status.Tally()
    for _ in range(died):
        tally.count_visit(status.End.DIED)
    written = status.Status(
        kiosk="kiosk-1", build="20", pid=1, at=0.0, report=status.Report(), tally=tally
    )
    status.write(kiosk / "state", written)
    assert update(kiosk, "trial") == 0
    left = ["rauc status mark-bad booted", "systemctl reboot"]
    assert told(kiosk) == (left if died >= DEATHS else [])
    assert state.load(kiosk, "19").failing == ("visits-died" if died >= DEATHS else "")


def test_the_gate_judges_a_build_on_trial_only(
    kiosk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "shows_its_screen", lambda _: False)
    monkeypatch.setattr(board, "LOOK_S", 0.0)
    state.save(kiosk, UpdateState(floor="20"))
    assert update(kiosk, "started", "--ready", "0") == 0
    state.save(kiosk, UpdateState(floor="19"))
    assert update(kiosk, "started", "--ready", "0") == 1
    assert state.load(kiosk, "20").failing == "no-screen"


def test_a_disk_that_takes_nothing_does_not_start_the_board_again_and_again(
    kiosk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: Path, __: UpdateState) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(state, "save", full)
    monkeypatch.setattr(board, "shows_its_screen", lambda _: True)
    assert update(kiosk, "started") == 0
    assert "No space left" in capsys.readouterr().err


@pytest.mark.parametrize("verdict", Verdicts)
def test_only_what_is_wrong_counts_against_a_build(
    verdict: Verdicts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def diagnose(_: Path, names: Sequence[str]) -> list[Finding]:
        asked.extend(names)
        return [Finding("recordings", verdict, "")]

    monkeypatch.setattr(board.diagnose, "diagnose", diagnose)
    wrong = board.wrong_checks(tmp_path)
    assert wrong == (("recordings",) if verdict is Verdicts.NG else ())
    assert set(asked) <= set(TITLES)


def test_what_was_wrong_before_is_no_fault_of_the_new_build(
    kiosk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board, "shows_its_screen", lambda _: True)
    monkeypatch.setattr(board, "wrong_checks", lambda _: ("recordings",))
    state.save(kiosk, UpdateState(floor="19", wrong_before=("recordings",)))
    assert update(kiosk, "started") == 0
    state.save(kiosk, UpdateState(floor="19"))
    assert update(kiosk, "started") == 1
    assert state.load(kiosk, "20").failing == "check.recordings"


def test_a_bundle_that_does_not_say_what_it_is_is_refused(
    kiosk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (kiosk / "build.json").write_text('{"board": "x86-64"}')
    assert update(kiosk, "may-install", str(kiosk)) == 1
    assert "build.json" in capsys.readouterr().err


@pytest.mark.parametrize("text", ("", "{", '{"floor": 3}', '{"floor": "\xff"}'))
def test_a_state_that_cannot_be_read_lets_nothing_older_in(tmp_path: Path, text: str) -> None:
    (tmp_path / state.FILE).write_text(text, "latin-1")
    assert state.load(tmp_path, "20") == UpdateState(floor="20")


def test_the_city_is_not_told_of_trust_that_cannot_be_read(tmp_path: Path) -> None:
    """A report without a trial counts as trust, and the next ring would begin."""
    (tmp_path / image.FILE).write_text(json.dumps(asdict(RUNNING)))
    report = state.for_the_city(tmp_path, tmp_path / image.FILE)
    assert report and not report.on_trial, "as delivered: there is no note yet"
    (tmp_path / state.FILE).write_text("{")
    assert state.for_the_city(tmp_path, tmp_path / image.FILE) is None
    (tmp_path / state.FILE).unlink()
    (tmp_path / state.FILE).mkdir()
    assert state.for_the_city(tmp_path, tmp_path / image.FILE) is None


def test_the_city_is_told_of_the_fall_back_that_came_last(tmp_path: Path) -> None:
    """Its rollout is of that version, whatever fell back before."""
    (tmp_path / image.FILE).write_text(json.dumps(asdict(RUNNING)))
    rejected = {"23": "no-start", "22": "no-screen", "19": "no-start"}
    state.save(tmp_path, UpdateState(floor="20", rejected=rejected))
    report = state.for_the_city(tmp_path, tmp_path / image.FILE)
    assert report and (report.fell_back, report.why) == ("22", "no-screen")


def test_what_a_newer_build_has_written_is_no_reason_to_forget_what_fell_back(
    tmp_path: Path,
) -> None:
    (tmp_path / state.FILE).write_text('{"later": 1, "rejected": {"21": "no-screen"}}')
    assert state.load(tmp_path, "20").rejected == {"21": "no-screen"}


def test_the_notes_of_a_build_that_kept_no_reasons_are_read(tmp_path: Path) -> None:
    """That build has installed this one: without its notes this one would never be on trial."""
    (tmp_path / state.FILE).write_text('{"floor": "19", "staged": "20", "rejected": ["18"]}')
    known = state.load(tmp_path, "20")
    assert known == UpdateState(floor="19", staged="20", rejected={"18": "unknown"})
    assert command.at_start(known, "20", 0).on_trial == "20"


def test_an_image_without_its_description_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BuildUnreadable):
        image.read(tmp_path / "none")


def test_what_systemd_says_of_the_service() -> None:
    assert read_service({"ActiveState": "activating", "NRestarts": "2"}) == board.Service(
        "activating", 2
    )
    assert not read_service({"ActiveState": "failed"}).runs


def test_the_image_names_the_journal_that_the_build_reads() -> None:
    """`scripts/image` reads the number from the file, without importing the kiosk."""
    source = (Path(command.__file__).parents[2] / "service/journal_file.py").read_text()
    assert f"\nVERSION = {VERSION}  #" in source
