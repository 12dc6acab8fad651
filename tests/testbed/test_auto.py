"""The whole system on simulated wires, as programs: `demo --auto`, and what happens when a part
dies.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from testbed.demo import FOLDER
from testbed.process import ProcessDead
from testbed.rehearsal import prepare
from testbed.rehearsal_error import RehearsalError
from testbed.system import System

pytestmark = pytest.mark.wires
ERRANDS = [("taro", "juminhyo"), ("hanako", "inkan"), ("yoshiko", "kazei")]


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "firmware.tools", "demo", *words),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(("resident", "certificate"), ERRANDS)
def test_a_journey_leaves_paper_a_number_and_the_right_change(
    resident: str, certificate: str, tmp_path: Path
) -> None:
    done = demo(
        "--auto",
        "--json",
        "--resident",
        resident,
        "--certificate",
        certificate,
        "--out",
        str(tmp_path),
    )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["certificate"] == certificate
    assert found["paid"] - found["returned"] == 100
    assert len(found["unique_number"]) >= 8
    assert 0 < found["apdus"] <= 13
    assert found["bytes_printed"] > 400_000
    assert {"pin", "confirm", "paying", "printing", "thanks"} <= set(found["seconds"])
    for path in found["pages"]:
        with Image.open(path) as page:
            assert page.width == 1654 and page.height >= 2300 and page.mode == "1"
    assert len(found["pages"]) == len(found["receipt"]) == 1


@pytest.mark.parametrize(
    ("resident", "says"), [("sakura", "15歳以上"), ("nobody", "no resident 'nobody'")]
)
def test_a_journey_that_fails_says_why_in_one_line(
    resident: str, says: str, tmp_path: Path
) -> None:
    done = demo("--auto", "--json", "--resident", resident, "--out", str(tmp_path))
    assert done.returncode != 0 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and says in done.stderr


def test_a_docks_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = demo("--port", port, "--run", str(tmp_path))
    assert done.returncode == 1
    assert (
        done.stderr
        == f"demo: port {port} is in use: end what uses it, or choose another with --port\n"
    )


def test_interrupted_it_ends_everything(tmp_path: Path) -> None:
    command = (
        sys.executable,
        "-m",
        "firmware.tools",
        "demo",
        "--port",
        "0",
        "--run",
        str(tmp_path),
    )
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert "http://127.0.0.1:" in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        assert running.wait(20) == 0
        assert running.communicate()[1] == ""
    assert not _mentioned(str(tmp_path))


def test_a_part_that_dies_is_told_and_the_rest_ends(tmp_path: Path) -> None:
    async def run() -> None:
        async with System(prepare(FOLDER, tmp_path)) as system:
            failed = asyncio.create_task(system.failed())
            assert system.city.pid is not None
            os.kill(system.city.pid, signal.SIGKILL)
            assert "the city ended with -9" in await asyncio.wait_for(failed, 10)

    asyncio.run(run())
    assert not _mentioned(str(tmp_path))


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    async def run() -> None:
        made = prepare(FOLDER, tmp_path)
        async with System(made):
            with pytest.raises(RehearsalError, match="running in"):
                await System(made).__aenter__()

    asyncio.run(run())


def test_a_kiosk_that_cannot_start_is_told(tmp_path: Path) -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            made = prepare(FOLDER, tmp_path, ports={"panel": taken.getsockname()[1]})
            with pytest.raises(
                ProcessDead, match=r"the kiosk ended with 2: 127.0.0.1:\d+: Address already in use"
            ):
                await System(made).__aenter__()

    asyncio.run(run())
    assert not _mentioned(str(tmp_path))


def _mentioned(words: str) -> list[int]:
    """Processes whose command line holds these words."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
