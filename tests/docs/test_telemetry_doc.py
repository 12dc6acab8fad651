"""docs/telemetry.md is a contract: it and the code say the same."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from city.fleet import Seen
from firmware.flow.states import Phase
from firmware.service.log import CATALOGUE, DEBUG, WARNINGS
from firmware.service.status import BUCKETS_S, Availability, End, Report, Status, Tally
from firmware.tools.metrics import METRICS, PREFIX
from firmware.tools.status import NOT_RUNNING, SILENT
from hal.printer.contract import PaperSupply

PAGE = (Path(__file__).parents[2] / "docs" / "telemetry.md").read_text("utf-8")


def table(heading: str) -> list[list[str]]:
    """The rows below the heading row that begins so."""
    lines = PAGE.split(f"\n| {heading} |", 1)[1].split("\n")[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_events() -> None:
    told = {
        names(event)[0]: (level, frozenset(names(facts)))
        for event, level, facts, _ in table("event")
    }
    levels = {**dict.fromkeys(WARNINGS, "warning"), **dict.fromkeys(DEBUG, "debug")}
    assert told == {name: (levels.get(name, "info"), facts) for name, facts in CATALOGUE.items()}


def test_metrics() -> None:
    told = {
        names(name)[0]: (kind, tuple(names(labels)), what)
        for name, kind, labels, what in table("metric")
    }
    assert told == {PREFIX + name: told for name, told in METRICS.items()}


def test_values_of_labels() -> None:
    assert [names(row[0])[0] for row in table("`end`")] == [end.value for end in End]
    assert [names(row[0])[0] for row in table("`stage`")] == [phase.value for phase in Phase]
    states = {names(row[0])[0] for row in table("state")}
    assert states == {one.value for one in Availability} | {SILENT, NOT_RUNNING}
    [paper] = [row[1] for row in table("field") if row[0] == "`report.paper`"]
    assert set(names(paper)) == {one.value for one in PaperSupply}
    buckets = re.search(r"`madoguchi_stage_seconds` are (.*?) s\.", PAGE, re.DOTALL)
    assert buckets
    assert [float(n) for n in re.findall(r"[\d.]+", buckets[1])] == list(BUCKETS_S)


def test_fields_of_the_status() -> None:
    told = {name for row in table("field") for name in names(row[0])}
    known = {*Status.__struct_fields__, "state"} - {"report", "tally"}
    known |= {f"report.{name}" for name in Report.__struct_fields__}
    known |= {f"tally.{name}" for name in Tally.__struct_fields__}
    assert told == known


def test_fields_of_the_fleet() -> None:
    rows = PAGE.split("## The city's view", 1)[1]
    told = {name for line in rows.split("\n| ")[2:] for name in names(line.split(" | ")[0])}
    assert told == {field.name for field in fields(Seen)}


@pytest.mark.parametrize("command", ["kiosk status", "kiosk metrics", "kiosk city fleet"])
def test_commands(command: str) -> None:
    assert f"`{command} " in PAGE
