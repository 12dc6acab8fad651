"""The browsers of a board, as the panel's unit starts them, on a display that nobody sees.

cage takes no root, so a test that is root becomes somebody else in a user namespace of its own.
Somebody who looks at a page (`attach`) needs the browser's own door for that, which no board opens.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, sync_playwright

from firmware.service import toml

KEEPER = "import sys; from firmware.tools.browser import main; sys.exit(main(sys.argv[1:]))"
UNITS = Path(__file__).parents[2] / "systemd"
DISPLAY = {  # what stands for a display, its graphics processor and its touch screen
    "WLR_BACKENDS": "headless",
    "WLR_LIBINPUT_NO_DEVICES": "1",
    "WLR_RENDERER": "pixman",
    "LIBGL_ALWAYS_SOFTWARE": "1",
}
SOMEBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
START_S = 60
# WPEWebDriver never answers a question that is under way when its browser ends.
ANSWER_S = 15
READ = "return document.getElementById('stage').innerHTML"
# A door for WPEWebDriver, which only speaks to a browser that it has started itself.
RELAY = """#!{python}
import os, socket, threading
host, port = os.environ["WEBKIT_INSPECTOR_SERVER"].rsplit(":", 1)
with socket.create_server((host, int(port))) as server:
    driver, browser = server.accept()[0], socket.create_connection(("127.0.0.1", {port}))
def pump(one, other):
    while sent := one.recv(65536):
        other.sendall(sent)
    os._exit(0)
threading.Thread(target=pump, args=(driver, browser)).start()
pump(browser, driver)
"""


class Person(Protocol):
    """Somebody in front of one browser, from `attach` until it ends."""

    def read(self) -> str:
        """The screen that stands there."""

    def touch(self, action: str, value: str) -> None:
        """Whether it was still there or not."""

    def press(self, key: str) -> None: ...


@dataclass(frozen=True)
class Engine:
    """`command` is the unit's; `door` are the words that let somebody look at the page through a
    port; `drawing` is in the command line of the process that draws; `needs` are programs.
    """

    name: str
    unit: str
    door: tuple[str, ...]
    drawing: str
    needs: tuple[str, ...]

    def command(self, port: int | None = None) -> list[str]:
        words = _exec_start(self.unit).split(" -- ", 1)[1].split()
        more = [*self.door] if port else []
        if self.name == "chromium":
            # In a container neither its sandbox nor a graphics processor works.
            more = ["--no-sandbox", "--disable-gpu", *more]
        words[-1:-1] = [word.format(port=port) for word in more]
        return [*(SOMEBODY if os.geteuid() == 0 else ()), *words]

    def require(self) -> None:
        """Skip the test, or fail it where nothing may be missing."""
        if missing := [
            name for name in ("cage", "Xwayland", *self.needs) if not shutil.which(name)
        ]:
            (pytest.fail if os.environ.get("NOTHING_MISSING") else pytest.skip)(
                f"not installed: {' '.join(missing)}"
            )


COG = Engine(
    "cog", "madoguchi-panel.service", ("--automation",), "WPEWebProcess", ("cog", "WPEWebDriver")
)
CHROMIUM = Engine(
    "chromium",
    "madoguchi-panel.service.d/chromium.conf",
    ("--remote-debugging-port={port}",),
    "--type=renderer",
    ("chromium",),
)
ENGINES = (COG, CHROMIUM)


def _exec_start(unit: str) -> str:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / unit, encoding="utf-8")
    return parser["Service"]["ExecStart"]


def kiosk_config(folder: Path, panel: socket.socket) -> Path:
    """What `kiosk browser` reads, and no device in it."""
    path = folder / "kiosk.toml"
    sections = {
        "kiosk": {"id": "kiosk-1", "state": "state", "runtime": "runtime"},
        "panel": {"listen": f"127.0.0.1:{panel.getsockname()[1]}"},
        "card": {"driver": "vpcd", "listen": "127.0.0.1:0"},
        "sheets": {"address": "127.0.0.1:1", "width": 1654},
        "receipts": {"address": "127.0.0.1:1", "width": 576},
        "cash": {"port": "/dev/null", "hoppers": []},
        "speaker": {"driver": "network", "address": "127.0.0.1:1"},
        "line": {"city": "https://127.0.0.1:1", "city_ca": "a", "certificate": "b", "key": "c"},
        "trust": {"card_ca": ["d"], "issuing_keys": ["e"], "terms_keys": ["e"]},
        "voice": {"recordings": "f"},
    }
    path.write_text(toml.dumps(sections))
    return path


def display(folder: Path, port: int | None = None) -> Mapping[str, str]:
    """The environment of a board without a display. `folder` has a short name."""
    folder.chmod(stat.S_IRWXU)
    door = {"WEBKIT_INSPECTOR_SERVER": f"127.0.0.1:{port}"} if port else {}
    return os.environ | DISPLAY | door | {"XDG_RUNTIME_DIR": str(folder)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


def running(word: str, program: str = "") -> list[int]:
    """Processes with `word` in their command line or environment, and `program` in the former."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_bytes()
            mine = word.encode() in (path / "environ").read_bytes() + words
            if mine and program.encode() in words:
                found.append(int(path.name))
    return found


@contextmanager
def attach(engine: Engine, port: int, url: Callable[[], str], folder: Path) -> Iterator[Person]:
    """Somebody looks at the browser whose door is `port`, once it is open; `url` is asked then."""
    end = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        assert time.monotonic() < end, f"{engine.name} did not start"
        time.sleep(0.05)
    with (_at_cog if engine is COG else _at_chromium)(port, url(), folder) as person:
        yield person


# -- cog, through WPEWebDriver


class Driver:
    """One session of WebDriver."""

    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"
        self._session = ""

    def ask(self, method: str, path: str, body: object = None, timeout_s: float = ANSWER_S) -> Any:
        """OSError when the browser or the driver is gone."""
        request = urllib.request.Request(
            f"{self._root}{self._session}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return json.load(answer)["value"]

    def begin(self, binary: Path) -> None:
        options = {"wpe:browserOptions": {"binary": str(binary), "args": []}, "browserName": "cog"}
        wanted = {"capabilities": {"alwaysMatch": options}}
        made = self.ask("POST", "/session", wanted, START_S)
        self._session = f"/session/{made['sessionId']}"


class CogPerson:
    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def read(self) -> str:
        return str(self._driver.ask("POST", "/execute/sync", {"script": READ, "args": []}))

    def touch(self, action: str, value: str) -> None:
        wanted = {"using": "css selector", "value": _selector(action, value)}
        with contextlib.suppress(urllib.error.HTTPError):  # another screen came in between
            found = self._driver.ask("POST", "/element", wanted)
            self._driver.ask("POST", f"/element/{next(iter(found.values()))}/click", {})

    def press(self, key: str) -> None:
        code = {"Enter": "\ue007"}.get(key, key)
        keys = [{"type": "keyDown", "value": code}, {"type": "keyUp", "value": code}]
        actions = [{"type": "key", "id": "keys", "actions": keys}]
        self._driver.ask("POST", "/actions", {"actions": actions})


@contextmanager
def _at_cog(port: int, url: str, folder: Path) -> Iterator[Person]:
    """A cog that can be driven shows nothing until somebody drives it."""
    relay = folder / "relay"
    relay.write_text(RELAY.format(python=sys.executable, port=port))
    relay.chmod(0o700)
    own = free_port()
    with subprocess.Popen(["WPEWebDriver", f"--port={own}"], stderr=subprocess.DEVNULL) as process:
        try:
            driver = Driver(own)
            _until_it_answers(driver)
            driver.begin(relay)
            driver.ask("POST", "/url", {"url": url})
            yield CogPerson(driver)
        finally:
            process.kill()


def _until_it_answers(driver: Driver) -> None:
    end = time.monotonic() + START_S
    while True:
        with contextlib.suppress(urllib.error.URLError):
            driver.ask("GET", "/status")
            return
        assert time.monotonic() < end, "WPEWebDriver did not start"
        time.sleep(0.05)


# -- Chromium, through Playwright


class ChromiumPerson:
    def __init__(self, browser: Browser) -> None:
        self._page = browser.contexts[0].pages[0]
        self._wire = browser.contexts[0].new_cdp_session(self._page)

    def read(self) -> str:
        return str(self._page.evaluate(f"(() => {{ {READ} }})()"))

    def touch(self, action: str, value: str) -> None:
        """With a finger."""
        box = self._page.evaluate(
            "which => { const found = document.querySelector(which)?.getBoundingClientRect();"
            " return found && [found.x + found.width / 2, found.y + found.height / 2]; }",
            _selector(action, value),
        )
        if box:
            finger = {"x": box[0], "y": box[1]}
            for kind, points in (("touchStart", [finger]), ("touchEnd", [])):
                self._wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def press(self, key: str) -> None:
        self._page.keyboard.press(key)


@contextmanager
def _at_chromium(port: int, url: str, folder: Path) -> Iterator[Person]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(f"http://127.0.0.1:{port}")
        end = time.monotonic() + START_S
        while not any(
            page.url.partition("#")[0] == url.partition("#")[0]
            for page in browser.contexts[0].pages
        ):
            assert time.monotonic() < end, "Chromium shows another page"
            time.sleep(0.05)
        yield ChromiumPerson(browser)


def _selector(action: str, value: str) -> str:
    return f'#stage button[data-action="{action}"]' + (f'[data-value="{value}"]' if value else "")
