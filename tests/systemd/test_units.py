"""The units: systemd takes them without a word, and they give away as little as they can."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from out_of_service import screen

from firmware.service.supervisor import SILENT_S, TICK_S
from firmware.tools import browser
from firmware.tools.cli import commands

HERE = Path(__file__).parents[2] / "systemd"
UNITS = sorted(path.name for path in HERE.glob("*.service"))
# Tenths of systemd's exposure level, 0 to 100. The browser compiles scripts and builds its own
# sandbox; pcscd and seatd are root.
EXPOSURE = {
    "madoguchi-kiosk": 13,
    "madoguchi-city": 11,
    "madoguchi-verification": 11,
    "madoguchi-retention": 11,
    "madoguchi-metrics": 11,
    "madoguchi-screen@": 12,
    "madoguchi-panel": 27,
    "pcscd": 17,
    "seatd": 16,
}
DAEMONS = ("pcscd", "seatd")  # Debian's, with our drop-ins
PROGRAMS = ("/opt/madoguchi/current/bin/kiosk", "/opt/madoguchi-city/current/bin/kiosk")
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
    for name in DAEMONS:
        shutil.copytree(HERE / f"{name}.service.d", units / f"{name}.service.d")
        if not (SYSTEM / f"{name}.service").exists():
            (units / f"{name}.service").write_text(f"[Service]\nExecStart=/usr/sbin/{name}\n")
    for board in (HERE / "boards").glob("*/kiosk.conf"):
        shutil.copy(
            board, folder(units / "madoguchi-kiosk.service.d") / f"{board.parent.name}.conf"
        )
    for program in (
        "opt/madoguchi/current/bin/kiosk",
        "opt/madoguchi-city/current/bin/kiosk",
        "usr/bin/python3",
        *(f"usr/sbin/{name}" for name in DAEMONS),
    ):
        path = folder((made / program).parent) / Path(program).name
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    return made


def folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def analyze(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", words[0], f"--root={root}", "--no-pager", *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def named(unit: str) -> str:
    """As systemd is asked for it: an instance of a template."""
    return f"{unit}night.service" if unit.endswith("@") else f"{unit}.service"


@pytest.mark.parametrize("unit", EXPOSURE)
def test_systemd_takes_it_without_a_word(root: Path, unit: str) -> None:
    done = analyze(root, "verify", "--man=no", "--recursive-errors=one", named(unit))
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
    done = analyze(root, "security", "--offline=true", f"--threshold={threshold}", named(unit))
    assert done.returncode == 0, "\n".join(
        line for line in done.stdout.splitlines() if "✗" in line or "→" in line
    )


def test_every_unit_has_a_limit() -> None:
    assert {name.removesuffix(".service") for name in UNITS} == set(EXPOSURE) - set(DAEMONS)


def settings(name: str, section: str = "Service") -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((HERE / name).read_text())
    return parser[section]


@pytest.mark.parametrize(
    "name", [*UNITS, *(f"{name}.service.d/madoguchi.conf" for name in DAEMONS)]
)
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


@pytest.mark.parametrize("name", [name for name in UNITS if "@" not in name])
def test_the_commands_exist(name: str) -> None:
    program, command, *_ = settings(name)["ExecStart"].split()
    assert program in PROGRAMS
    assert (command,) in commands()


def test_users_of_the_units_are_made() -> None:
    made = {
        user
        for path in HERE.glob("*.sysusers")
        for user in re.findall(r"^u (\S+)", path.read_text(), re.M)
    }
    assert made == {
        settings(name)["User"]
        for name in UNITS
        if "@" not in name and "DynamicUser" not in settings(name)
    }


@pytest.mark.parametrize("name", UNITS)
def test_no_cause_ends_a_unit_for_good(name: str) -> None:
    """Either it is started again for ever, or its end brings the unit that starts it again."""
    unit = settings(name, "Unit")
    if unit["StartLimitIntervalSec"] == "0":
        return
    assert unit["OnFailure"] == "madoguchi-screen@out-of-service.service"
    assert name in screen.UNITS


def test_a_start_that_fails_reaches_the_limit_within_its_time() -> None:
    """Else it would be tried for ever with nothing on the screen."""
    for name in screen.UNITS:
        unit, service = settings(name, "Unit"), settings(name)
        assert unit["StartLimitIntervalSec"] == "10min"
        slowest_s = int(service.get("TimeoutStartSec", "30"))
        assert int(unit["StartLimitBurst"]) * (int(service["RestartSec"]) + slowest_s) < 600


def test_the_panels_program_is_watched() -> None:
    service = settings("madoguchi-panel.service")
    assert service["NotifyAccess"] == "main"
    assert int(service["WatchdogSec"]) >= 10 * browser.ANSWER_S
    assert int(service["WatchdogSec"]) >= 10 * browser.BEAT_S


def test_the_timers_start_what_the_program_can_do() -> None:
    for timer in HERE.glob("*.timer"):
        if (HERE / f"{timer.stem}.service").exists():
            continue  # that unit is what it starts
        [action] = re.findall(r"^Unit=madoguchi-screen@(\w+)\.service$", timer.read_text(), re.M)
        assert action in screen.ACTIONS and timer.stem == f"madoguchi-{action}"


def test_whatever_can_be_enabled_is_stopped_before_it_is_removed() -> None:
    script = (HERE.parent / "scripts/install").read_text()
    stopped = re.findall(r"units=\((.*)\)", script) + re.findall(r"disable --now (.*) 2>", script)
    units = [path for path in HERE.glob("madoguchi-*") if path.suffix in (".service", ".timer")]
    can = {path.name.removesuffix(".service") for path in units if "[Install]" in path.read_text()}
    assert can <= set(" ".join(stopped).split())


@pytest.mark.parametrize("name", UNITS)
def test_no_unit_waits_for_systemds_own_pam_helper(name: str) -> None:
    """With PAMName= and Type=exec, systemd 252 does not see that the program was started: its PAM
    helper keeps the pipe open. Whatever comes after the unit waits for its time limit.
    """
    unit = settings(name)
    assert not (unit.get("Type") == "exec" and unit.get("PAMName"))
