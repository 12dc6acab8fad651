"""What holds for all tests: modules that start whole systems say so; folders show their time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# A busy machine is slow: no example has a limit of time. Hangs are ended by pytest's own limit.
hypothesis.settings.register_profile("madoguchi", deadline=None)
hypothesis.settings.load_profile("madoguchi")

# Whoever imports one of these names starts programs of the whole system.
STARTS_A_SYSTEM = {"testbed.system": "System", "testbed.customer": "run_errand"}
# Folders, files and tests that take long by nature: searches, fuzzing, servers, many documents.
SLOW = (
    "tests/attacks",
    "tests/city",
    "tests/flow/test_flow_walks.py",
    "tests/hal/card",
    "tests/hal/cash",
    "tests/hal/test_conformance.py",
    "tests/service/test_bad_input.py",
    "tests/hal/printer",
    "tests/ledger/test_many_journeys.py",
    "tests/model_check",
    "tests/packaging",
    "tests/panel/test_render.py::test_every_screen_renders",
    "tests/panel/test_watch.py",
    "tests/power_cut",
    "tests/service/test_service_supervisor.py",
    "tests/service/test_damaged_journals.py",
    "tests/service/test_journal_lost.py",
    "tests/service/test_pin_memory.py",
    "tests/service/test_room.py",
    "tests/service/test_service_replay.py",
    "tests/sheets/test_calibration.py",
    "tests/sheets/test_code_rate.py",
    "tests/sheets/test_damaged_files.py",
    "tests/sheets/test_every_mutation.py",
    "tests/sheets/test_sheet_dots.py",
    "tests/test_scenarios_model.py",
    "tests/testbed",
    "tests/texts/test_texts.py::test_no_text_is_idle",
    "tests/tools",
    "tests/verification",
)
# Modules whose tests share something that takes long to make: one process runs all of a module.
TOGETHER = (
    "tests/attacks/test_every_reason.py",
    "tests/attacks/test_generated.py",
    "tests/attacks/test_paper_judge.py",
    "tests/city/test_fuzz.py",
    "tests/packaging/test_wheels.py",
    "tests/hal/test_conformance.py",
    "tests/tools/test_browser.py",
    "tests/tools/test_diagnose.py",
)


# Tests that are many, alike and slow: of each kind the suite runs one in so many, and
# `scripts/test --all` runs all.
SAMPLED = {
    "tests/attacks/test_paper_judge.py::test_a_file_that_was_edited_is_seen": 2,
    "tests/attacks/test_paper_judge.py::test_a_sheet_of_another_content_is_seen": 2,
    "tests/city/test_city_sheets.py::test_the_kiosk_takes_every_certificate": 4,
    "tests/city/test_failover.py": 2,
    "tests/city/test_gateway.py::test_main_ends_with_one_line_that_says_why": 2,
    "tests/city/test_hard_sheets.py::test_the_kiosk_takes_people_who_are_hard_to_print": 8,
    "tests/docs/test_pictures.py::test_the_reference_set_was_drawn_from_the_screens_as_they_are": 2,
    "tests/flow/test_flight_replay.py::test_a_kiosk_that_does_as_its_table_says_is_told_so": 2,
    "tests/model_check/test_interlock.py::test_a_wrong_machine_gets_nothing_forbidden_out": 3,
    "tests/model_check/test_model_check.py::test_nothing_forbidden_goes_out_of_a_wrong_machine": 3,
    "tests/model_check/test_model_check.py::test_the_defect_is_found": 3,
    "tests/panel/test_drawing.py::test_axe_finds_nothing": 2,
    "tests/panel/test_render.py::test_every_screen_renders": 6,
    "tests/power_cut/test_power_cut.py::test_a_product_that_is_wrong_is_found": 2,
    "tests/power_cut/test_power_cut.py::test_points": 2,
    "tests/service/test_coin_crash.py": 3,
    "tests/service/test_crash.py": 3,
    "tests/service/test_journal_lost.py::test_the_kiosk_does_not_start_on_it": 2,
    "tests/service/test_site_files.py::test_a_wrong_item": 15,
    "tests/sheets/test_every_mutation.py::test_no_changed_manifest_passes": 2,
    "tests/test_scenarios_wires.py::test_on_the_wires": 5,
    "tests/test_trouble.py": 3,
    "tests/testbed/test_inspection.py::test_what_is_wrong_on_purpose_is_found": 7,
    "tests/verification/test_page_for_everybody.py": 3,
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also what is otherwise only sampled")


def _wants_all(config: pytest.Config) -> bool:
    """Whether all tests of these kinds are wanted: by option, or because files were named."""
    named = [each for each in config.args if "::" in each or each.endswith(".py")]
    return bool(config.getoption("--all") or named)


@pytest.fixture(scope="session")
def all_wanted(pytestconfig: pytest.Config) -> bool:
    """For a test that draws its cases itself: all of them, or a sample."""
    return _wants_all(pytestconfig)


def _sample(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not in the sample, unless all are wanted."""
    if _wants_all(config):
        return
    seen: Counter[str] = Counter()
    kept, left_out = [], []
    for item in items:
        of = next((each for each in SAMPLED if item.nodeid.startswith(each)), "")
        (left_out if of and seen[of] % SAMPLED[of] else kept).append(item)
        seen[of] += 1
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(tryfirst=True)  # before the groups are read
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A module that starts whole systems is marked `wires`, so that `--quick` leaves it out."""
    _sample(config, items)
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker("slow")
        if item.nodeid.startswith(TOGETHER):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))
    unmarked = sorted(
        {
            str(item.path)
            for item in items
            if _starts_a_system(item) and item.get_closest_marker("wires") is None
        }
    )
    if unmarked:
        raise pytest.UsageError(f"these start whole systems and lack the marker: {unmarked}")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Groups are kept together by the ending of a test's id. Some versions of pytest and
    pytest-xdist do not agree on it, and only the time that a run takes would tell.
    """
    if not getattr(session.config.option, "loadgroup", False):
        return
    for item in session.items:
        if item.nodeid.startswith(TOGETHER) and "@" not in item.nodeid:
            raise pytest.UsageError(f"pytest-xdist does not know the group of {item.nodeid}")


def _starts_a_system(item: pytest.Item) -> bool:
    """By what its module has imported."""
    module: Any = getattr(item, "module", None)
    for home, name in STARTS_A_SYSTEM.items():
        if getattr(getattr(module, name, None), "__module__", "") == home:
            return True
    return False


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Seconds in each folder: set-up, call and tear-down of its tests, over all processes."""
    seconds: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for report in (one for some in terminalreporter.stats.values() for one in some):
        if isinstance(report, pytest.TestReport):
            folder = _folder(report.nodeid)
            seconds[folder] += report.duration
            count[folder] += report.when == "call"
    if sum(count.values()) < 500:
        return
    terminalreporter.section("seconds by folder")
    for folder, spent in seconds.most_common():
        terminalreporter.line(f"{spent:8.1f}  {count[folder]:6}  {folder}")


def _folder(nodeid: str) -> str:
    path = Path(nodeid.partition("::")[0])
    return str(path.parent if path.parent != Path("tests") else path)
