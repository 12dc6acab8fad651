"""How diagnose runs its checks: side by side, each with a deadline and the service's rights."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware.tools.diagnose import runner
from firmware.tools.diagnose.account import Account, account
from firmware.tools.diagnose.finding import Finding, Remedy, Verdict
from firmware.tools.diagnose.runner import Task

ROOT = Path(__file__).parents[2]
NOBODY = Account()


def finding_of(look: Callable[[], Finding], deadline_s: float = 60.0) -> Finding:
    [found] = runner.run([Task("x", look, deadline_s)], NOBODY)
    return found


def well() -> Finding:
    return Finding("x", Verdict.OK, "well")


def test_a_finding_comes_back_whole() -> None:
    told = Finding("x", Verdict.NG, "詳細", Remedy("直す", "mend"), "a.b", "expected")
    found = finding_of(lambda: told)
    assert (found.name, found.verdict, found.detail, found.remedy) == (
        told.name,
        told.verdict,
        told.detail,
        told.remedy,
    )
    assert (found.code, found.expected) == (told.code, told.expected)


def test_a_check_that_hangs_is_ended_with_everything_it_started(tmp_path: Path) -> None:
    """What it has started would hold its device for ever."""
    mark = tmp_path / "pid"

    def hang() -> Finding:
        child = subprocess.Popen(["sleep", "600"])
        mark.write_text(str(child.pid))
        while True:
            time.sleep(60)

    found = finding_of(hang, deadline_s=3.0)
    assert (found.verdict, found.code) == (Verdict.UNKNOWN, "check.timeout")
    assert ended(int(mark.read_text()))


def ended(pid: int) -> bool:
    """Within a generous time."""
    for _ in range(600):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.1)
    return False


def test_a_check_that_dies_is_told_and_the_others_go_on() -> None:
    def die() -> Finding:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    tasks = [Task("dies", die, 60), Task("x", well, 60)]
    found = {each.name: each for each in runner.run(tasks, NOBODY)}
    assert found["dies"].code == "check.failed"
    assert found["x"].ok


def test_the_quick_one_is_told_first() -> None:
    def slow() -> Finding:
        time.sleep(2)
        return well()

    tasks = [Task("slow", slow, 60), Task("x", well, 60)]
    seconds = [each.seconds for each in runner.run(tasks, NOBODY)]
    assert seconds == sorted(seconds)


def test_a_mistake_of_ours_is_a_line_too() -> None:
    def fail() -> str:
        raise ZeroDivisionError("oops")

    found = runner.examined("x", fail)
    assert (found.verdict, found.code) == (Verdict.UNKNOWN, "check.failed")
    assert "ZeroDivisionError" in found.detail


# -- whose rights


def test_the_units_own_user_and_limits(tmp_path: Path) -> None:
    unit = tmp_path / "x.service"
    shutil.copy(ROOT / "systemd/madoguchi-kiosk.service", unit)
    found = account(units=(tmp_path / "none", unit))
    assert found.name == "madoguchi"
    assert found.groups == ("dialout", "lp", "audio")
    assert dict(found.limits) == {4: 0, 8: -1}  # RLIMIT_CORE, RLIMIT_MEMLOCK: infinity
    assert account("lp", units=(unit,)).name == "lp"
    assert account(units=()).name == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take another's rights")
def test_a_check_has_the_rights_of_the_service(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    tasks = [Task("x", lambda: runner.examined("x", secret.read_text), 60)]
    [found] = runner.run(tasks, Account("nobody"))
    assert "PermissionError" in found.detail
    [found] = runner.run(tasks, NOBODY)
    assert found.ok
    [found] = runner.run(tasks, Account("no-such-user"))
    assert found.code == "check.failed"
