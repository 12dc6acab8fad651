"""The panel's browser ends with each resident, whatever it is and however the resident's process
ended.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from board_browser import KEEPER, kiosk_config

from firmware.service.panel_key import key_file, require_folder
from firmware.tools import browser
from hal.panel import web

RESIDENT = """
import asyncio, signal, socket, sys
from pathlib import Path
from firmware.service.panel_key import hand_over
from hal.panel.web import WebPanel
async def serve():
    listener, key = socket.socket(fileno=int(sys.argv[1])), hand_over(Path(sys.argv[2]))
    panel = WebPanel(listener, "<p>shell</p>", {}, key=key)
    stop = asyncio.Event()
    await panel.start(lambda _: None)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await panel.close()
asyncio.run(serve())
"""
# Writes down who it is, leaves a child in its group and one that has left the group; none minds
# SIGTERM.
FAKE = """
trap '' TERM
touch "$TMPDIR/keeps"
sleep 60 & setsid sleep 60 &
echo "$$ $MADOGUCHI_PROFILE $1 $2" >> "$3"
wait
"""


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def config(listener: socket.socket, tmp_path: Path) -> Path:
    return kiosk_config(tmp_path, listener)


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    require_folder(tmp_path / "runtime")
    return tmp_path / "runtime"


class Keeper:
    """`kiosk browser` as a process, and what the browsers it started wrote down."""

    def __init__(self, config: Path, *command: str) -> None:
        self.notes = config.parent / "notes"
        self.temporary = config.parent / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-c", KEEPER, "--config", str(config), "--", *command],
            env=os.environ | {"TMPDIR": str(self.temporary)},
            stderr=subprocess.DEVNULL,
        )

    def started(self, count: int) -> list[list[str]]:
        until(lambda: len(self._lines()) >= count)
        assert len(self._lines()) == count
        return [text.split() for text in self._lines()]

    def _lines(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def listens(self) -> bool:
        """Whether it would hear a SIGTERM by now."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def left(self) -> list[str]:
        """Profiles, and whatever else lies beside them."""
        return [path.name for path in self.temporary.iterdir()]

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)


@pytest.fixture
def keeper(config: Path) -> Iterator[Keeper]:
    made = Keeper(
        config, "bash", "-c", FAKE, "fake", "{url}", "{profile}", str(config.parent / "notes")
    )
    yield made
    if made.process.poll() is None:
        made.stop()


@pytest.fixture
def resident(
    listener: socket.socket, runtime: Path
) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    people: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        fd = listener.fileno()
        words = [sys.executable, "-c", RESIDENT, str(fd), str(runtime)]
        people.append(subprocess.Popen(words, pass_fds=[fd]))
        return people[-1]

    yield start
    for person in people:
        person.kill()
        person.wait(10)


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(word: str) -> list[int]:
    """Processes with this word in their command line or environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (path / "environ").read_bytes() + (path / "cmdline").read_bytes():
                found.append(int(path.name))
        except OSError:
            continue
    return found


Start = Callable[[], "subprocess.Popen[bytes]"]


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_each_resident(
    listener: socket.socket,
    runtime: Path,
    resident: Start,
    keeper: Keeper,
    end: signal.Signals,
) -> None:
    first = resident()
    ((_, profile, url, given),) = keeper.started(1)
    assert url == f"file://{profile}/start.html"
    panel = f"http://127.0.0.1:{listener.getsockname()[1]}/panel"
    key = key_file(runtime).read_text()
    assert f"url={panel}#{key}" in Path(profile, "start.html").read_text()
    assert Path(profile).stat().st_mode & 0o077 == 0
    assert not running(key)  # every user may read a command line
    assert given == profile
    until(lambda: len(running(profile)) == 3)
    resident()  # waits for the port, and takes over when the first is gone
    first.send_signal(end)
    first.wait(10)
    fresh = keeper.started(2)[1][1]
    assert fresh != profile
    assert not running(profile)
    assert keeper.left() == [Path(fresh).name]
    assert keeper.stop() == 0
    assert not running(fresh)
    assert not keeper.left()


def test_a_browser_that_crashes_is_started_again(resident: Start, keeper: Keeper) -> None:
    resident()
    ((pid, profile, *_),) = keeper.started(1)
    os.kill(int(pid), signal.SIGKILL)
    keeper.started(2)
    assert not running(profile)


def test_no_resident_no_browser(keeper: Keeper) -> None:
    """Somebody listens and nobody answers: the supervisor, between two residents."""
    until(keeper.listens)
    with pytest.raises(AssertionError):
        until(lambda: bool(keeper.left()), 0.5)
    assert keeper.stop() == 0


def test_what_cannot_be_started_is_one_line(config: Path, resident: Start) -> None:
    resident()
    command = [sys.executable, "-c", KEEPER, "--config", str(config), "--", "/no/such/browser"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("browser: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.browser
def test_nothing_of_chromium_is_left(config: Path, resident: Start) -> None:
    """Its crash handlers leave its process group, and its temporary files are not in
    its profile.
    """
    if not (chromium := shutil.which("chromium")):
        pytest.skip("chromium is not installed")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--user-data-dir={profile}", "{url}"]
    keeper, person = Keeper(config, chromium, *options), resident()
    try:
        until(lambda: bool(keeper.left()) and len(running(keeper.left()[0])) >= 4)
        profile = keeper.left()[0]
        person.terminate()
        person.wait(10)
        until(lambda: not keeper.left())
        assert not running(profile)
    finally:
        assert keeper.stop() == 0


def test_the_panel_says_nothing_until_it_ends(listener: socket.socket) -> None:
    async def story() -> None:
        panel = web.WebPanel(listener, "", {}, key="k")
        await panel.start(lambda _: None)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(f"GET {browser.ALIVE}?key=k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
        began = time.monotonic()
        await panel.close()
        await asyncio.wait_for(reader.read(), 5)
        assert time.monotonic() - began < web.CLOSING_S
        writer.close()

    asyncio.run(story())


def test_systemd_hears_of_it_now_and_then_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    now = 100.0
    monkeypatch.setattr("firmware.service.notify.send", said.append)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    told = browser._beat(-math.inf)
    for _ in range(100):
        now += browser.RETRY_S
        told = browser._beat(told)
    assert 2 <= len(said) <= 1 + 10 / browser.BEAT_S
