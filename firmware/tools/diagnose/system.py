"""The machine itself: who serves the panel's port, what the kernel grants, the panel's browser, and
whether the clock is synchronised.
"""

from __future__ import annotations

import errno
import re
import resource
import shutil
import socket
import subprocess
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from firmware.service.config import Config
from firmware.service.harden import ask_kernel
from firmware.tools.diagnose.errors import said
from firmware.tools.diagnose.finding import Verdict, wrong
from hal.panel.web import PAGE

ANSWER_S: Final = 3.0
MARK: Final = b"<title>madoguchi</title>"
SWAPS: Final = Path("/proc/swaps")
MEMORY: Final = Path("/proc/meminfo")
NEEDED_KB: Final = 600 * 1024  # MemoryHigh of the unit
SYSTEMD: Final = Path("/run/systemd/system")  # sd_booted(3)
BROWSERS: Final = ("cog", "chromium")


class Listener(StrEnum):
    """Who has the panel's port."""

    NOBODY = "free"
    KIOSK = "served by a running kiosk"
    SILENT = "something listens and does not answer"
    STRANGER = "used by another program"


def who_listens(config: Config) -> Listener:
    host, _, port = config.panel.listen.rpartition(":")
    asked = HTTPConnection(host, int(port), timeout=ANSWER_S)
    try:
        asked.request("GET", PAGE)
        answer = asked.getresponse()
        return Listener.KIOSK if MARK in answer.read(1 << 16) else Listener.STRANGER
    except ConnectionRefusedError:
        return Listener.NOBODY
    except TimeoutError:
        return Listener.SILENT
    except (OSError, HTTPException):
        return Listener.STRANGER
    finally:
        asked.close()


def panel(config: Config) -> str:
    who = who_listens(config)
    detail = f"{config.panel.listen}: {who.value}"
    if who is Listener.KIOSK:
        return detail
    _take(config.panel.listen)
    if who is Listener.SILENT:
        raise wrong("panel.hung", detail)
    if who is Listener.STRANGER:
        raise wrong("panel.port-used", detail)
    return detail


TAKEN: Final = {
    errno.EACCES: "panel.privileged",
    errno.EPERM: "panel.privileged",
    errno.EADDRNOTAVAIL: "panel.not-ours",
}


def _take(address: str) -> None:
    """Whether the kiosk may have this port. Raises Wrong where nobody could, whoever is there."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_server((host, int(port))).close()
    except socket.gaierror as error:
        raise wrong("panel.not-ours", f"{address}: {said(error)}") from None
    except OverflowError as error:
        raise wrong("panel.not-ours", f"{address}: {error}") from None
    except OSError as error:
        if code := TAKEN.get(error.errno or 0):
            raise wrong(code, f"{address}: {said(error)}") from None


def browser(_: Config) -> str:
    """One of those that the panel's unit and its drop-in name."""
    found = next(filter(None, map(shutil.which, BROWSERS)), "")
    if not found:
        raise wrong("panel.no-browser", f"neither {' nor '.join(BROWSERS)} is installed")
    return found


def memory(_: Config) -> str:
    """What a child asks of the kernel before it holds anybody's data, and what it gets."""
    missing, limit = harden()
    if "dumpable" in missing or limit != "0 0":
        raise wrong("memory.dumps", f"core limit {limit}{', dumpable' * ('dumpable' in missing)}")
    on = [line.split()[0] for line in SWAPS.read_text().splitlines()[1:]]
    if "mlockall" in missing:
        if on:
            raise wrong("memory.swap", f"swap on {', '.join(on)}, and memory cannot be locked")
        raise wrong("memory.not-locked", "mlockall is refused (no swap now)")
    free = available_kb()
    if free < NEEDED_KB:
        raise wrong("memory.low", f"{free // 1024} MiB available")
    return f"no core dumps, locked, {free // 1024} MiB available"


def available_kb() -> int:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", MEMORY.read_text(), re.M)
    return int(found[1]) if found else NEEDED_KB


def harden() -> tuple[set[str], str]:
    """What could not be had, and the core limits (soft and hard). This process, which is the
    check's own, stays so.
    """
    missing = set(ask_kernel())
    return missing, " ".join(map(str, resource.getrlimit(resource.RLIMIT_CORE)))


def clock(_: Config) -> str:
    if not SYSTEMD.is_dir():
        raise wrong("clock.no-systemd", "systemd does not run here", verdict=Verdict.NOT_CHECKED)
    show = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    try:
        answer = subprocess.run(show, capture_output=True, text=True, timeout=5, check=False)
    except FileNotFoundError:
        raise wrong("clock.no-service", "no timedatectl") from None
    if (told := answer.stdout.strip()) != "yes":
        raise wrong("clock.not-synchronised", f"synchronised: {told or 'unknown'}")
    return "synchronised"
