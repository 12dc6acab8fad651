"""`kiosk status` says how a running kiosk is, and touches neither its devices nor its journal.

It reads what the supervisor wrote (docs/telemetry.md). 0: it can serve, or the city's service is
closed now. 1: it cannot, or it does not run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from firmware.service.config import Config, load
from firmware.service.status import WELL, Status, is_silent, read
from firmware.service.update_state import for_the_city

NOT_RUNNING, SILENT = "not-running", "silent"
UNIT, ASKED_S = "madoguchi-kiosk.service", 10.0


def main(argv: Sequence[str]) -> int:
    """Raises ConfigError, PermissionError."""
    parser = argparse.ArgumentParser(prog="kiosk status", description=__doc__)
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
    )
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")
    given = parser.parse_args(argv)
    config = load(given.config)
    status = read(config.kiosk.runtime)
    now = time.time()
    if given.json:
        sys.stdout.write(msgspec.json.encode(as_json(config, status, now)).decode() + "\n")
    else:
        sys.stdout.writelines(f"{name:14}{value}\n" for name, value in lines(config, status, now))
    return 0 if state(status, now) in WELL else 1


def state(status: Status | None, now: float) -> str:
    """An availability, or that nobody says one."""
    if status is None:
        return NOT_RUNNING
    return SILENT if is_silent(status, now) else status.report.availability.value


def unit() -> str:
    """What systemd says of a kiosk that says nothing itself; "" where it does not run under it. A
    status from 200 on is systemd's own, such as 243 for the key of the line: systemd.exec(5).
    """
    show = ("systemctl", "show", UNIT, "--property=ActiveState,Result,ExecMainStatus")
    try:
        done = subprocess.run(show, capture_output=True, text=True, timeout=ASKED_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return " ".join(done.stdout.split()) if done.returncode == 0 else ""


def as_json(config: Config, status: Status | None, now: float) -> dict[str, Any]:
    found = {"kiosk": config.kiosk.id, "state": state(status, now)}
    if status is None:
        return found
    told: dict[str, Any] = msgspec.to_builtins(status)
    report = msgspec.structs.asdict(status.report)  # what is as usual is said too
    return {**told, "report": msgspec.to_builtins(report), **found}


def lines(config: Config, status: Status | None, now: float) -> Iterator[tuple[str, str]]:
    yield "kiosk", config.kiosk.id
    yield "state", state(status, now)
    if said := unit() if state(status, now) in (NOT_RUNNING, SILENT) else "":
        yield "unit", said
    if status is None:
        return
    report = status.report
    yield "build", status.build
    written = datetime.fromtimestamp(status.at).astimezone()
    yield "told", f"{written.isoformat(timespec='seconds')}, {now - status.at:.0f} s ago"
    for name, value in (
        ("why", status.why),
        ("problem", report.problem),
        ("case", status.case),
        ("wanted", f"image {report.wanted}" if report.wanted else ""),
    ):
        if value:
            yield name, value
    if updates := for_the_city():
        yield "image", ", ".join(updates.words())
    for device, trouble in report.devices.items():
        paper = report.paper.get(device)
        yield device, (trouble or "ready") + (f", paper {paper}" if paper else "")
    if report.change:
        coins = "  ".join(f"{value} yen x {count}" for value, count in report.change.items())
        yield "change", coins + ("  (exact amounts only)" if report.exact_only else "")
    if report.devices:  # else nobody has looked since it was started, closed or stopped
        waiting = f"{report.waiting} outcomes waiting" if report.waiting else "has every outcome"
        yield "cases", f"{report.cases} open"
        yield "city", waiting
    yield "disk", f"{status.disk_free / 2**20:.0f} MiB free"
    visits = ", ".join(f"{count} {end}" for end, count in sorted(status.tally.visits.items()))
    yield "visits", visits or "none yet"
