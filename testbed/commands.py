"""The words of the testbed's commands: the module whose `main(argv)` each is, and what it does."""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS: Mapping[tuple[str, ...], tuple[str, str]] = {
    ("demo",): ("testbed.demo", "the whole rehearsal, with the dock or with --auto"),
    ("dock",): ("testbed.dock", "try a board with a virtual device in place of a missing one"),
    ("scenario",): ("testbed.scenario.command", "run journeys from files"),
    ("model-check",): (
        "testbed.model_check.command",
        "explore the whole journey, and say what holds",
    ),
    ("walks",): (
        "testbed.random_walk.command",
        "long random walks over the whole system, and what does not hold",
    ),
    ("field-day",): (
        "testbed.field_day.command",
        "a day of residents with passing trouble on every device, and what does not hold",
    ),
    ("inspect",): (
        "testbed.inspection.command",
        "an inspection with test cards: each sheet read back, and a signed report",
    ),
    ("erasure-check",): (
        "testbed.erasure.command",
        "whether anything of a person stays, in memory or in files",
    ),
    ("soak",): ("testbed.soak", "many residents, and what grows with them"),
    ("diagnose-drill",): (
        "testbed.diagnose_drill.command",
        "faults are put in one by one, and diagnose must name each",
    ),
    ("load",): (
        "testbed.load.command",
        "many kiosks at once on the line, and a judge of what they hold",
    ),
    ("measure",): ("testbed.measure", "start-up, idling, memory, lines of code"),
    ("measure", "sheets"): (
        "testbed.measure_sheets",
        "milliseconds and memory of one sheet by stage, beside other programs",
    ),
    ("measure-line",): (
        "testbed.measure_line",
        "round trips, bytes and times of the line, beside curl",
    ),
    ("measure-ipp",): ("testbed.measure_ipp", "a sheet on an IPP printer, beside ipptool"),
    ("bench-card",): (
        "testbed.bench_card",
        "what a session with a card costs, beside other programs",
    ),
}
