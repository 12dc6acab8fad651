"""What is installed: a board gets the kiosk and its drivers, a gateway the city.

Neither gets anything that is made for tests.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = (".css", ".html", ".jinja", ".js", ".json", ".svg", ".toml", ".txt", ".typ", ".c")
RUN = """
import sys
sys.path[:0] = sys.argv[1:3]
from firmware.tools.cli import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheels")
    subprocess.run([ROOT / "scripts" / "build", out], check=True, capture_output=True, timeout=300)
    return out


def names(wheels: Path, pattern: str) -> set[str]:
    [wheel] = wheels.glob(pattern)
    with zipfile.ZipFile(wheel) as packed:
        return {name for name in packed.namelist() if ".dist-info/" not in name}


def committed(*folders: str) -> set[str]:
    """Programs and the data they read, of these folders."""
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "--name-only", "HEAD", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in listed.stdout.splitlines() if name.endswith((".py", *DATA))}


def test_a_board_gets_the_kiosk_its_drivers_and_nothing_else(wheels: Path) -> None:
    wanted = {name for name in committed("firmware", "hal") if not name.startswith("hal/sim/")}
    assert names(wheels, "madoguchi-*.whl") == wanted


def test_a_gateway_gets_the_city_and_nothing_else(wheels: Path) -> None:
    found = {
        name for name in names(wheels, "madoguchi_city-*.whl") if name != "city/pyproject.toml"
    }
    assert found == committed("city") - {"city/pyproject.toml"}


def test_the_far_ends_have_a_wheel_of_their_own(wheels: Path) -> None:
    found = names(wheels, "madoguchi_testbed-*.whl") - {"testbed/pyproject.toml"}
    assert found == committed("hal/sim", "testbed") - {"testbed/pyproject.toml"}


DRIVERS = """
from dataclasses import dataclass
from hal.printer.escpos import EscposPrinter

class Mine(EscposPrinter):
    @dataclass
    class Options:
        address: str

    def __init__(self, name, options):
        super().__init__(name, "tcp:" + options.address, 1654, connect_s=1.0, answer_s=1.0)
"""
BENCH = """
far_ends = true
[printer]
driver = "mine:Mine"
width = 1654
options = { address = "{sheets}" }
"""
FAULT = """
def test_a_fault(far_ends, scenario):
    with far_ends.fault("paper-out"):
        assert far_ends.bench.sheets.paper_left == 0
    assert scenario
"""


@pytest.mark.wires
@pytest.mark.slow
def test_a_driver_is_tried_from_an_empty_folder(wheels: Path, tmp_path: Path) -> None:
    """With what `pip install madoguchi[testbed]` unpacks, and nothing of a clone."""
    packages = tmp_path / "packages"
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(packages)
    folder = tmp_path / "empty"
    folder.mkdir()
    (folder / "mine.py").write_text(DRIVERS)
    (folder / "bench.toml").write_text(BENCH)
    (folder / "test_fault.py").write_text(FAULT)
    program = "import sys; sys.path[:0] = sys.argv.pop(1).split(':'); import pytest; pytest.main()"
    python = [sys.executable, "-I", "-S", "-c", program]
    paths = f"{folder}:{packages}:{sysconfig.get_path('purelib')}"
    options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider"]

    # The whole suite takes longer and is tried elsewhere.
    words = ["--bench", "bench.toml", str(packages / "hal/conformance"), "test_fault.py"]
    few = ["-k", "well_says_so or paper_out_is_named or test_a_fault"]
    command = [*python, paths, *options, *words, *few]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert "3 passed" in done.stdout, done.stdout + done.stderr


def test_every_byte_is_pinned(wheels: Path) -> None:
    for requirements, ours in (("board.txt", 1), ("city.txt", 2)):
        lines = (wheels / requirements).read_text().splitlines()
        assert sum(" @ file://" in line for line in lines) == ours
        packages = [line for line in lines if line and not line.startswith((" ", "#"))]
        assert all("==" in line or "--hash=sha256:" in line for line in packages)


@pytest.fixture(scope="module")
def board(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs the `kiosk` command as a board has it: the wheel, and the packages of the lock."""
    folder = tmp_path_factory.mktemp("board")
    [wheel] = wheels.glob("madoguchi-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)

    def run(*words: str) -> str:
        packages = sysconfig.get_path("purelib")
        command = [sys.executable, "-I", "-S", "-c", RUN, str(folder), packages, *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
        return done.stdout + done.stderr

    return run


def test_a_board_has_the_technicians_commands_only(board: Callable[..., str]) -> None:
    said = board("--help")
    assert all(word in said for word in ("run", "diagnose", "cash", "journal", "browser"))
    assert not any(f" {word} " in said for word in ("demo", "sim", "city", "walks", "model-check"))


def test_a_wheel_says_of_which_commit_it_is(wheels: Path) -> None:
    words = ["git", "rev-parse", "--short=7", "HEAD"]
    commit = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    for wheel in wheels.glob("*.whl"):
        assert f"+g{commit.stdout.strip()}-" in wheel.name


@pytest.mark.parametrize(
    "command",
    [
        "cases",
        "cash",
        "card-check",
        "calibrate",
        "diagnose",
        "incident",
        "journal",
        "replay",
        "run",
        "verify-sheet",
        "voice",
    ],
)
def test_a_boards_commands_need_nothing_that_is_not_installed(
    command: str, board: Callable[..., str]
) -> None:
    said = board(command, "--help")
    assert said.startswith("usage:"), said
