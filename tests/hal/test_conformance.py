"""The conformance suite: our own drivers and the worked example pass it, and drivers that are wrong
do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance_bench import PrinterOptions

from firmware.service import toml
from hal import drivers
from hal.conformance import bench as benches
from hal.conformance.bench import BenchError, Hand, Hands, Table
from hal.drivers import DriverError, Kind
from hal.printer.contract import Capabilities, PaperSupply, PrinterState, PrinterStatus
from testbed.far_ends import FAULTS, FarEnds

pytest_plugins = ("pytester",)
ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/examples/small_printer.py"
WIDTH = 1654


@pytest.fixture(scope="module")
def far_ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnds]:
    with FarEnds(tmp_path_factory.mktemp("conformance")) as made:
        yield made


def tables(far: FarEnds, printer: str) -> dict[str, Any]:
    wiring = far.wiring
    hands = {
        device: {name: {"on": "put in by the test"} for name in names}
        for device, names in FAULTS.items()
    }
    return {
        "printer": {
            "driver": printer,
            "width": WIDTH,
            "options": {"address": far.addresses["sheets"], "width": WIDTH},
            "faults": hands["printer"],
        },
        "speaker": {
            "driver": "conformance_bench:Network",
            "options": {"address": far.addresses["speaker"]},
        },
        "cash": {
            "driver": "conformance_bench:Coins",
            "options": {"address": far.addresses["coins"]},
            "faults": hands["cash"],
        },
        "card": {
            "driver": "conformance_bench:Reader",
            "options": {"listen": wiring.reader[1], "cable": wiring.cable[1]},
            "faults": hands["card"],
        },
        "service_key": {
            "driver": "conformance_bench:Key",
            "options": {"address": str(wiring.key)},
            "faults": hands["service_key"],
        },
    }


class Verdicts:
    """What a run of the suite in this process says."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            name = report.nodeid.rpartition("::")[2]
            self.outcomes[name] = report.outcome


def run(far: FarEnds, folder: Path, document: dict[str, Any], *more: str) -> dict[str, str]:
    """Test to outcome. The far ends are the hands."""
    file = folder / "bench.toml"
    file.write_text(toml.dumps(document))
    told = Verdicts()
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    places = [str(ROOT / "hal/conformance"), "--rootdir", str(folder), "-c", "/dev/null"]

    def switch(_: Hands, device: str, fault: str, on: bool) -> None:
        far.switch(device, fault, on)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hands, "switch", switch)
        pytest.main([*options, "--bench", str(file), *places, *more], plugins=[told])
    return told.outcomes


@pytest.mark.parametrize(
    ("printer", "options"),
    [
        ("conformance_bench:Escpos", {}),
        ("docs.examples.small_printer:SmallPrinter", {"answer_s": 1.0, "page_s": 2.0}),
    ],
)
def test_a_printer_conforms(
    far_ends: FarEnds, tmp_path: Path, printer: str, options: dict[str, float]
) -> None:
    document = {"printer": tables(far_ends, printer)["printer"]}
    document["printer"]["options"] |= options
    outcomes = run(far_ends, tmp_path, document, "-k", "must_printer")
    assert [name for name, outcome in outcomes.items() if outcome == "failed"] == []
    assert [name for name, outcome in outcomes.items() if outcome == "skipped"] == [
        "test_a_sheet_in_the_outlet_is_seen"
    ]
    assert len(outcomes) > 25


def test_speaker_coins_card_and_key_conform(far_ends: FarEnds, tmp_path: Path) -> None:
    document = tables(far_ends, "conformance_bench:Escpos")
    del document["printer"]
    outcomes = run(far_ends, tmp_path, document, "-k", "not must_printer")
    assert [name for name, outcome in outcomes.items() if outcome == "failed"] == []
    assert {name for name, outcome in outcomes.items() if outcome == "skipped"} == {
        "test_a_speaker_that_is_gone_is_told"
    }


def test_a_driver_that_believes_anything_is_found(far_ends: FarEnds, tmp_path: Path) -> None:
    """It calls every printer ready, and every sheet printed."""
    document = {"printer": tables(far_ends, "test_conformance:Believer")["printer"]}
    outcomes = run(far_ends, tmp_path, document, "-k", "must_printer")
    failed = {name.partition("[")[0] for name, outcome in outcomes.items() if outcome == "failed"}
    assert {
        "test_a_printer_that_is_not_well_is_never_ready",
        "test_nothing_is_claimed_to_be_printed",
        "test_a_page_that_does_not_fit_is_refused_before_anything_is_sent",
        "test_paper_that_ends_in_the_middle_is_never_a_whole_sheet",
    } <= failed


class Believer:
    """A driver that is wrong in every way."""

    Options = PrinterOptions
    capabilities = Capabilities()
    bytes_sent = 0

    def __init__(self, name: str, options: object) -> None:
        """Takes anything."""

    def status(self) -> PrinterStatus:
        return PrinterStatus(PrinterState.READY, PaperSupply.ADEQUATE)

    def check(self) -> None:
        """All is well."""

    def print_page(self, front: object, back: object = None) -> None:
        self.bytes_sent += 1

    def purge(self) -> None:
        """All is well."""

    def close(self) -> None:
        """All is well."""


# -- the bench file


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[toaster]\n", "there are printer, speaker, cash, card, service_key"),
        ("board = 'another'\n", "board: the bench of 'another', and this machine is"),
        ("printer = 2\n", "[printer] Expected `object`, got `int`"),
        ("[printer]\n", "[printer] Object missing required field `driver`"),
        ("[card]\ndriver = 'x:Y'\nfaults.jam.on = 'a'", "[card] faults: no 'jam'; there are"),
        ("[cash]\ndriver = 'x:Y'\nfeatures = ['beep']", "[cash] features: no 'beep'; there are"),
        ("[printer]\ndriver = 'x:Y'\nwires = 2\n", "unknown field `wires`"),
        ("far_ends = 'yes'\n", "far_ends: true or false"),
        ("= =", "Invalid"),
    ],
)
def test_a_bench_that_is_wrong_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "bench.toml").write_text(text)
    with pytest.raises(BenchError, match=re.escape(told)):
        benches.read(tmp_path / "bench.toml")
        benches.uses_far_ends(tmp_path / "bench.toml")
    with pytest.raises(BenchError, match="No such file"):
        benches.read(tmp_path / "none.toml")


def test_a_hand_that_fails_is_told(tmp_path: Path) -> None:
    mark = tmp_path / "on"
    faults = {"gone": Hand(on=f"touch {mark}", off="false"), "slow": Hand()}
    hands = Hands({"printer": Table(driver="x:Y", faults=faults)})
    assert [hands.can("printer", each) for each in ("gone", "slow", "none")] == [True, False, False]
    hands.switch("printer", "gone", True)
    assert mark.exists()
    with pytest.raises(BenchError, match="ended with 1"):
        hands.switch("printer", "gone", False)


# -- from outside the clone

DRIVER = """
from dataclasses import dataclass
from hal.faults import DeviceFault, Reason

class Beeper:
    @dataclass
    class Options: pass
    def __init__(self, name, options): self.name = name
    def check(self): pass
    def play(self, recordings):
        if not all(each.startswith(b"RIFF") for each in recordings):
            raise DeviceFault(self.name, Reason.REFUSED)
    def stop(self): pass
    def set_volume(self, percent): pass
    def watch(self, plugged): plugged(None)
    def close(self): pass
"""


def test_a_driver_of_others_is_tried_by_one_option(pytester: pytest.Pytester) -> None:
    """The plugin is found where the project is installed; without the option it is not loaded."""
    pytester.makepyfile(beeper=DRIVER)
    bench = pytester.makefile(".toml", bench="[speaker]\ndriver = 'beeper:Beeper'\n")
    pytester.syspathinsert()
    quiet = ("-p", "no:cacheprovider", "-p", "no:xdist", "-rs")
    found = pytester.runpytest_inprocess("--bench", str(bench), *quiet)
    counts = found.parseoutcomes()
    assert (counts["passed"], "failed" in counts, "errors" in counts) == (6, False, False)
    said = found.stdout.str()
    assert "no [printer] in the bench file" in said
    assert "[speaker] nobody can put in gone" in said
    without = pytester.runpytest_inprocess("--markers", *quiet)
    assert "feature(name)" not in without.stdout.str()
    bench.write_text("board = 'another'\n")
    refused = pytester.runpytest_inprocess("--bench", str(bench), *quiet)
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*bench.toml: board: the bench of 'another'*"])


def test_far_ends_that_are_not_installed_are_named(pytester: pytest.Pytester) -> None:
    bench = pytester.makefile(".toml", bench="far_ends = true\n")
    refused = pytester.runpytest_inprocess("--bench", str(bench), "-p", "no:madoguchi_testbed")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["*far_ends: pip install 'madoguchi*testbed*' brings them"])


# -- drivers by name


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nonsense", "is none of escpos, ipp"),
        ("no.module:Class", "ModuleNotFoundError"),
        ("docs.examples.small_printer:Nothing", "AttributeError"),
        ("docs.examples.small_printer:NEVER", "is no class"),
        ("conformance_bench:AddressOptions", "has no check, close, print_page"),
    ],
)
def test_a_name_that_is_no_driver_says_what_there_is(name: str, told: str) -> None:
    with pytest.raises(DriverError, match=re.escape(told)):
        drivers.find(Kind.PRINTER, name, ("escpos", "ipp"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"address": "x:1", "width": 576, "colour": 1}, "no colour; "),
        ({"address": "x:1"}, "width"),
        ({"address": "x:1", "width": "wide"}, "Expected `int`, got `str` - at `$.width`"),
        ("x", "a table"),
    ],
)
def test_options_are_checked_by_the_drivers_own_types(given: object, told: str) -> None:
    name = "docs.examples.small_printer:SmallPrinter"
    with pytest.raises(DriverError, match=re.escape(told)):
        drivers.options(Kind.PRINTER, name, given)


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text("utf-8").splitlines()) < 100
