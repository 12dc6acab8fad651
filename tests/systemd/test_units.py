"""The units: systemd takes them without a word, and they give away as little as they can."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from firmware.service.supervisor import SILENT_S, TICK_S
from firmware.tools.cli import commands

HERE = Path(__file__).parents[2] / "systemd"
UNITS = sorted(path.name for path in HERE.glob("*.service"))
# Tenths of systemd's exposure level, 0 to 100. The browser compiles scripts and builds its own
# sandbox; pcscd is root.
EXPOSURE = {
    "madoguchi-kiosk": 15,
    "madoguchi-city": 15,
    "madoguchi-verification": 15,
    "madoguchi-metrics": 11,
    "madoguchi-panel": 27,
    "pcscd": 17,
}
SYSTEM = Path("/usr/lib/systemd/system")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system where our files lie where they belong, and every program a unit names is there."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    made = tmp_path_factory.mktemp("root")
    shutil.copytree(SYSTEM, made / "usr/lib/systemd/system", symlinks=True)
    units = made / "etc/systemd/system"
    units.mkdir(parents=True)
    for name in UNITS:
        shutil.copy(HERE / name, units)
    shutil.copytree(HERE / "pcscd.service.d", units / "pcscd.service.d")
    if not (SYSTEM / "pcscd.service").exists():
        (units / "pcscd.service").write_text("[Service]\nExecStart=/usr/sbin/pcscd\n")
    for board in (HERE / "boards").glob("*/kiosk.conf"):
        shutil.copy(
            board, folder(units / "madoguchi-kiosk.service.d") / f"{board.parent.name}.conf"
        )
    for program in ("opt/madoguchi/.venv/bin/kiosk", "usr/sbin/pcscd"):
        path = folder((made / program).parent) / Path(program).name
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return made


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def analyze(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", words[0], f"--root={root}", "--no-pager", *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("unit", EXPOSURE)
def test_systemd_takes_it_without_a_word(root: Path, unit: str) -> None:
    done = analyze(root, "verify", "--man=no", "--recursive-errors=one", f"{unit}.service")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_panel_with_chromium_is_taken_too(root: Path) -> None:
    """As it stands beside the unit, and with nothing else changed."""
    drop_in = HERE / "madoguchi-panel.service.d/chromium.conf"
    words = [line for line in drop_in.read_text().splitlines() if not line.startswith("#")]
    assert [line.partition("=")[0] for line in words] == ["[Service]", *["ExecStart"] * 2]
    place = folder(root / "etc/systemd/system/madoguchi-panel.service.d")
    try:
        shutil.copy(drop_in, place)
        done = analyze(
            root, "verify", "--man=no", "--recursive-errors=one", "madoguchi-panel.service"
        )
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        shutil.rmtree(place)


def test_a_mistake_would_be_found(root: Path) -> None:
    """A misspelt key is a warning and no error: that is why silence is asked for."""
    broken = root / "etc/systemd/system/broken.service"
    broken.write_text("[Service]\nExecStart=/usr/sbin/pcscd\nPrivateTemp=yes\n")
    try:
        assert "PrivateTemp" in analyze(root, "verify", "--man=no", "broken.service").stderr
    finally:
        broken.unlink()


@pytest.mark.parametrize(("unit", "threshold"), EXPOSURE.items())
def test_exposure(root: Path, unit: str, threshold: int) -> None:
    done = analyze(
        root, "security", "--offline=true", f"--threshold={threshold}", f"{unit}.service"
    )
    assert done.returncode == 0, "\n".join(
        line for line in done.stdout.splitlines() if "✗" in line or "→" in line
    )


def test_every_unit_has_a_limit() -> None:
    assert {name.removesuffix(".service") for name in UNITS} == set(EXPOSURE) - {"pcscd"}


def settings(name: str) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((HERE / name).read_text())
    return parser["Service"]


@pytest.mark.parametrize("name", [*UNITS, "pcscd.service.d/madoguchi.conf"])
def test_nothing_reaches_a_disk(name: str) -> None:
    service = settings(name)
    assert service["LimitCORE"] == service["MemorySwapMax"] == "0"


def test_what_faces_the_internet_opens_nothing_of_the_gateway() -> None:
    """Not the issuing key, not the records: neither by path nor by user."""
    text = (HERE / "madoguchi-verification.service").read_text()
    hidden = set(
        " ".join(re.findall(r"^InaccessiblePaths=(.*)$", text, re.M)).replace("-/", "/").split()
    )
    gateway = settings("madoguchi-city.service")
    config = Path(gateway["ExecStart"].split()[-1])
    assert {str(config.parent), f"/var/lib/{gateway['StateDirectory']}"} <= hidden
    assert settings("madoguchi-verification.service")["User"] != gateway["User"]
    assert not settings("madoguchi-verification.service")["ExecStart"].endswith(str(config))


def test_the_watchdog_is_fed_in_time() -> None:
    service = settings("madoguchi-kiosk.service")
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) >= 10 * TICK_S
    assert int(service["WatchdogSec"]) >= SILENT_S, (
        "a silent child is the supervisor's to end, not systemd's"
    )


@pytest.mark.parametrize("name", UNITS)
def test_the_commands_exist(name: str) -> None:
    program, command, *_ = settings(name)["ExecStart"].split()
    assert program == "/opt/madoguchi/.venv/bin/kiosk"
    assert (command,) in commands()


def test_users_of_the_units_are_made() -> None:
    made = set(re.findall(r"^u (\S+)", (HERE / "madoguchi.sysusers").read_text(), re.M))
    assert made == {settings(name)["User"] for name in UNITS if "DynamicUser" not in settings(name)}
