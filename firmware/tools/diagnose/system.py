"""The machine itself: who serves the panel's port, what the kernel grants, and whether the clock is
synchronised.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from enum import StrEnum
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from firmware.service.config import Config
from firmware.tools.diagnose.finding import Remedy, Wrong
from hal.panel.web import PAGE

ANSWER_S: Final = 3.0
MARK: Final = b"<title>madoguchi</title>"
SWAPS: Final = Path("/proc/swaps")
SYSTEMD: Final = Path("/run/systemd/system")  # sd_booted(3)
# What a child does before it holds anybody's data, done here to see what the kernel says.
HARDEN: Final = (
    "import resource; from firmware.service import harden, log; "
    "log.configure('info'); harden.harden(); "
    "print(*resource.getrlimit(resource.RLIMIT_CORE))"
)

OTHER: Final = Remedy(
    "このポートを使う他のプログラムを終了してください。", "end the program that uses this port"
)
HUNG: Final = Remedy(
    "サービスを再起動してください: systemctl restart madoguchi-kiosk", "restart madoguchi-kiosk"
)
CORES: Final = Remedy(
    "systemd のユニットで起動してください (LimitCORE=0)。", "start the kiosk by its systemd unit"
)
SWAP: Final = Remedy(
    "スワップを無効にするか、systemd のユニットで起動してください。",
    "swapoff -a, or start by the systemd unit (LimitMEMLOCK=infinity, MemorySwapMax=0)",
)
TIME: Final = Remedy(
    "timedatectl set-ntp true を実行してください。",
    "timedatectl set-ntp true; is a time server reached?",
)


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
    if who in (Listener.NOBODY, Listener.KIOSK):
        _bindable(config, who)
        return detail
    raise Wrong(detail, HUNG if who is Listener.SILENT else OTHER)


def _bindable(config: Config, who: Listener) -> None:
    """Nobody answers, yet it may not be ours to take: another machine's address, a
    privileged port.
    """
    host, _, port = config.panel.listen.rpartition(":")
    if who is Listener.NOBODY:
        try:
            socket.create_server((host, int(port))).close()
        except (OSError, OverflowError) as error:
            raise Wrong(
                f"{config.panel.listen}: {getattr(error, 'strerror', None) or error}", OTHER
            ) from None


def core(_: Config) -> str:
    missing, limit = _harden()
    if "dumpable" in missing or limit != "0 0":
        raise Wrong(f"core limit {limit}{', dumpable' * ('dumpable' in missing)}", CORES)
    return "no core dumps, not dumpable"


def swap(_: Config) -> str:
    on = [line.split()[0] for line in SWAPS.read_text().splitlines()[1:]]
    locked = "mlockall" not in _harden()[0]
    if on and not locked:
        raise Wrong(f"swap on {', '.join(on)}, and memory cannot be locked", SWAP)
    return f"{'swap on, ' if on else 'no swap, '}memory {'is' if locked else 'is not'} locked"


def _harden() -> tuple[set[str], str]:
    """What could not be had, and the core limits (soft and hard)."""
    done = subprocess.run(
        [sys.executable, "-c", HARDEN], capture_output=True, text=True, timeout=30, check=True
    )
    return {
        json.loads(line)["what"] for line in done.stderr.splitlines() if "harden.missing" in line
    }, done.stdout.strip()


def clock(_: Config) -> str:
    if not SYSTEMD.is_dir():
        return "not checked: systemd does not run here"
    show = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
    answer = subprocess.run(
        show, capture_output=True, text=True, timeout=10, check=False
    ).stdout.strip()
    if answer != "yes":
        raise Wrong(f"synchronised: {answer or 'unknown'}", TIME)
    return "synchronised"
