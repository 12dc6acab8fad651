"""What a kiosk tells of itself: from a resident's process to the file, and from there to whoever
asks.
"""

from __future__ import annotations

import json
import logging
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from firmware.flow.session import Document, Session
from firmware.flow.states import Phase, State
from firmware.service import journald, status
from firmware.service.log import CATALOGUE, log
from firmware.service.noticeboard import Noticeboard
from firmware.service.status import Availability, End, Report, Tally, availability
from firmware.service.teller import Teller, count_in, told_report
from firmware.tools import metrics
from firmware.tools import status as command
from firmware.tools.cli import CommandError
from firmware.tools.metrics import METRICS, PREFIX, Exporter, loopback

PIPE_BUF = 4096


def config(folder: Path) -> Any:
    return SimpleNamespace(kiosk=SimpleNamespace(state=folder, runtime=folder, id="kiosk-1"))


@pytest.fixture
def board(tmp_path: Path) -> Noticeboard:
    return Noticeboard(config(tmp_path))


def test_every_state_means_something_for_who_stands_in_front() -> None:
    for state in State:
        told = availability(state)
        assert (told is Availability.SERVING) == (state.phase not in (Phase.OUT, Phase.WELCOME))


def test_a_process_tells_what_changes_and_nothing_else(board: Noticeboard) -> None:
    now, words = [0.0], list[str]()
    teller = Teller(words.append, clock=lambda: now[0])
    for state, at in ((State.MENU, 0), (State.READING, 7), (State.PIN, 8), (State.REMOVE, 12)):
        now[0] = at
        teller.state(state)
    teller.looked(devices={"sheets": "paper-out"}, paper={"sheets": "out"}, problem="paper-out")
    teller.looked(devices={"sheets": "paper-out"}, paper={"sheets": "out"}, problem="paper-out")
    log("device.fault", device="sheets", reason="silent", detail="")
    teller.visit(Session(refusal="not-linked"))
    assert all(len(word) < PIPE_BUF for word in words)
    assert len([word for word in words if told_report(word)]) == 3
    for word in words:
        board.hear(word)
    board.write()
    found = status.read(board.config.kiosk.runtime)
    assert found
    assert found.report == teller.report
    assert found.report.availability is Availability.SERVING
    assert found.tally.visits == {"refused": 1}
    assert found.tally.faults == {"sheets": {"silent": 1}}
    assert found.tally.stages["welcome"].total_s == 7
    assert found.tally.stages["card"].total_s == 5


@pytest.mark.parametrize("word", ["S{", "C[]", 'C["visit","x",0]', 'C["stage","card","x"]', "R"])
def test_a_word_that_says_nothing_changes_nothing(board: Noticeboard, word: str) -> None:
    before = board.report
    board.hear(word)
    assert board.report is before
    assert not count_in(word, Tally())


@pytest.mark.parametrize(
    ("session", "end"),
    [
        (Session(), End.LEFT),
        (Session(refusal="locked"), End.REFUSED),
        (Session(document=Document("0", "1", 2, 300), printed=2), End.PRINTED),
        (Session(document=Document("0", "1", 2, 300), printed=1), End.LEFT),
        (Session(document=Document("0", "1", 2, 300), printed=2, uncertain=True), End.UNCLEAR),
        (Session(undecided=300), End.UNCLEAR),
    ],
)
def test_how_a_visit_ended(session: Session, end: End) -> None:
    words = list[str]()
    Teller(words.append).visit(session)
    assert json.loads(words[0][1:])[:2] == ["visit", end.value]


def test_counts_outlive_the_supervisor(tmp_path: Path) -> None:
    first = Noticeboard(config(tmp_path))
    first.died()
    first.stopped("journal: damaged")
    second = Noticeboard(config(tmp_path))
    second.died()
    second.write()
    found = status.read(tmp_path)
    assert found and found.tally.visits == {"died": 2}
    assert (found.why, found.report.availability) == ("", Availability.STARTING)


@pytest.mark.parametrize("content", [b"", b"{}", b"null", b'{"kiosk":"\xff"}', b"\xff\xfe"])
def test_a_damaged_file_holds_nobody_up(content: bytes, tmp_path: Path) -> None:
    status.status_file(tmp_path).write_bytes(content)
    assert status.read(tmp_path) is None
    Noticeboard(config(tmp_path)).write()
    assert status.read(tmp_path)


def test_one_that_cannot_be_read_holds_nobody_up_either(tmp_path: Path) -> None:
    status.status_file(tmp_path).mkdir()
    Noticeboard(config(tmp_path)).write()


def test_what_a_build_with_other_limits_counted_is_begun_anew() -> None:
    tally = Tally(stages={Phase.PAY.value: status.Histogram(counts=[1, 2])})
    tally.count_stage(Phase.PAY, 999.0)
    assert tally.stages[Phase.PAY.value].counts[-1] == 1


def test_a_folder_that_takes_nothing_is_one_line_and_no_end(
    board: Noticeboard, caplog: pytest.LogCaptureFixture
) -> None:
    board.config.kiosk.runtime = Path("/proc/nowhere")
    with caplog.at_level(logging.WARNING, "madoguchi"):
        board.write()
        board.write()
    assert len(caplog.records) == 1


def test_a_closed_kiosk_says_why_until_it_is_open_again(board: Noticeboard) -> None:
    board.closed("storage", "5" * 32, "/state: read-only")
    board.write()
    found = status.read(board.config.kiosk.runtime)
    assert found and (found.report.problem, found.case) == ("storage", "5" * 32)
    assert found.why == "/state: read-only"
    board.reopened()
    assert (board.report.problem, board.case, board.why) == ("", "", "")


@pytest.mark.parametrize(
    ("report", "age_s", "state", "code"),
    [
        (None, 0, "not-running", 1),
        (Availability.READY, 0, "ready", 0),
        (Availability.SERVING, 10, "serving", 0),
        (Availability.OFF_HOURS, 10, "off-hours", 0),
        (Availability.OUT_OF_SERVICE, 0, "out-of-service", 1),
        (Availability.READY, 100, "silent", 1),
        (Availability.READY, -100, "silent", 1),  # a clock that was put back
        (Availability.STOPPED, 10_000, "stopped", 1),
    ],
)
def test_the_command(
    board: Noticeboard,
    report: Availability | None,
    age_s: float,
    state: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "load", lambda _: board.config)
    if report:
        board.report = Report(availability=report, devices={"sheets": ""}, paper={"sheets": "out"})
        board.write()
    now = time.time() + age_s
    monkeypatch.setattr(command.time, "time", lambda: now)
    assert command.main(["--config", "x"]) == code
    assert f"state         {state}\n" in capsys.readouterr().out
    assert command.main(["--config", "x", "--json"]) == code
    found = json.loads(capsys.readouterr().out)
    assert (found["kiosk"], found["state"]) == ("kiosk-1", state)
    if report:
        assert found["report"]["exact_only"] is False


def families(board: Noticeboard) -> dict[str, Any]:
    registry = CollectorRegistry()
    registry.register(Exporter(board.config.kiosk.runtime))
    text = generate_latest(registry).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_metrics_are_those_of_the_table(board: Noticeboard) -> None:
    report = Report(
        availability=Availability.OUT_OF_SERVICE,
        problem="paper-out",
        devices={"sheets": "paper-out", "card": ""},
        paper={"sheets": "out"},
        change={"100": 9},
    )
    board.report = report
    for seconds in (0.4, 0.5, 7.0, 999.0):
        board._tally.count_stage(Phase.PAY, seconds)
    board._tally.count_fault("card", "silent")
    board.write()
    found = families(board)
    assert {name.removeprefix(PREFIX) for name in found} == set(METRICS)
    assert {name: family.type for name, family in found.items()} == {
        PREFIX + name: kind for name, (kind, _, _) in METRICS.items()
    }
    ready = {s.labels["device"]: s.value for s in found[PREFIX + "device_ready"].samples}
    assert ready == {"sheets": 0, "card": 1}
    stage = {s.labels.get("le"): s.value for s in found[PREFIX + "stage_seconds"].samples}
    assert (stage["0.5"], stage["10.0"], stage["320.0"], stage["+Inf"]) == (2, 3, 3, 4)


def test_what_nobody_has_looked_at_is_not_told_as_none(board: Noticeboard) -> None:
    board.closed("storage", "5" * 32)
    board.write()
    found = families(board)
    assert PREFIX + "problem" in found
    assert not {PREFIX + "cases_open", PREFIX + "outcomes_waiting"} & set(found)
    told = status.read(board.config.kiosk.runtime)
    said = dict(command.lines(board.config, told, time.time()))
    assert (said["case"], said.keys() & {"cases", "city"}) == ("5" * 32, set())


def test_of_a_kiosk_that_does_not_run_nothing_is_told_as_if_it_held(board: Noticeboard) -> None:
    assert [s.value for s in families(board)[PREFIX + "up"].samples] == [0]
    board.stopped()
    found = families(board)
    assert [s.value for s in found[PREFIX + "up"].samples] == [0]
    assert PREFIX + "device_ready" not in found
    assert PREFIX + "visits" in found


@pytest.mark.parametrize("listen", ["0.0.0.0:1", "10.0.0.1:9", "9464", "127.0.0.1:x", "host:1"])
def test_metrics_are_served_to_this_machine_alone(listen: str) -> None:
    with pytest.raises(CommandError):
        loopback(listen)


def test_a_client_that_says_nothing_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "SILENT_S", 0.05)
    server = metrics.serve("127.0.0.1", 0, CollectorRegistry())
    with server, socket.create_connection(server.server_address[:2], 60) as silent:
        assert silent.recv(1) == b""
        server.shutdown()


def test_journald_gets_a_field_for_each_fact(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(tmp_path / "journal"))
        handler = journald.JournaldHandler(str(tmp_path / "journal"))
        record = logging.LogRecord("madoguchi", logging.WARNING, "", 0, "case.opened", (), None)
        record.facts = {"case": "ab", "code": "claim\nx", "pauses": True}
        handler.emit(record)
        sent = journal.recv(65_536)
    assert b"\nPRIORITY=4\n" in sent
    assert b"\nMADOGUCHI_EVENT=case.opened\nMADOGUCHI_CASE=ab\n" in sent
    assert b"MADOGUCHI_CODE\n" + (7).to_bytes(8, "little") + b"claim\nx\n" in sent
    assert sent.endswith(b"MADOGUCHI_PAUSES=True\n")


def test_the_journal_is_used_where_standard_error_is_its(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "1:2")
    assert not journald.is_standard_error()
    monkeypatch.delenv("JOURNAL_STREAM")
    assert not journald.is_standard_error()


def test_no_fact_has_a_name_that_journald_refuses() -> None:
    for facts in CATALOGUE.values():
        assert all(name.replace("_", "").isalnum() and name.isascii() for name in facts)


@pytest.mark.parametrize(
    ("report", "age_s", "asked"),
    [(None, 0, True), (Availability.READY, 100, True), (Availability.READY, 0, False)],
)
def test_systemd_is_asked_about_a_kiosk_that_says_nothing(
    board: Noticeboard,
    report: Availability | None,
    age_s: float,
    asked: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = "ActiveState=failed Result=exit-code ExecMainStatus=243"
    monkeypatch.setattr(command, "unit", lambda: told)
    found = None
    if report is not None:
        board.report = Report(availability=report)
        board.write()
        found = status.read(board.config.kiosk.runtime)
        assert found is not None
    at = found.at + age_s if found else 0.0
    assert (("unit", told) in command.lines(board.config, found, at)) is asked
