"""What really happened, from the disks, the stand-in's list of starts and the city's database.

It shares no code with the product: SQL, JSON, and tools of Debian.
"""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

NOTES = "/lib/madoguchi-update/state.json"
KERNEL = re.compile(r"madoguchi-([\d.]+)-([ab])((?:\+[\d-]+)?)\.efi")


def fleet(city: Path) -> dict[str, dict[str, Any]]:
    """Each kiosk as the city has kept it."""
    found = _ask(city, "SELECT * FROM fleet ORDER BY kiosk")
    return {row["kiosk"]: row | {"update": json.loads(row["update"] or "null")} for row in found}


def rollout(city: Path) -> dict[str, Any]:
    return _ask(city, "SELECT * FROM rollouts")[0]


def log(city: Path, kind: str) -> list[dict[str, Any]]:
    """The entries of this kind in the audit log, oldest first."""
    columns = {row["name"] for row in _ask(city, "PRAGMA table_info(audit_log)")}
    assert columns, "the city has a log"
    return _ask(city, "SELECT * FROM audit_log WHERE kind = ?", kind)


def orders(city: Path) -> dict[str, int]:
    rows = _ask(city, "SELECT state, count(*) AS n FROM orders GROUP BY state")
    return {row["state"]: row["n"] for row in rows}


def _ask(city: Path, words: str, *values: object) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(f"file:{city}?mode=ro", uri=True, timeout=60)) as wire:
        wire.row_factory = sqlite3.Row
        return [dict(row) for row in wire.execute(words, values)]


def started(boots: Sequence[Mapping[str, Any]]) -> list[str]:
    """The versions in the order in which they came as far as systemd."""
    return [str(boot["version"]) for boot in boots if boot.get("root") == "whole"]


def refused_roots(boots: Iterable[Mapping[str, Any]]) -> int:
    """Starts that ended at a root whose hashes are not those that its kernel names."""
    return sum(boot.get("root") == "not whole" for boot in boots)


def kernels(boot_files: Path) -> dict[str, tuple[str, str]]:
    """Of a board that is off: version -> slot, and what is left of its starts ("" for trusted)."""
    said = _debugfs("ls -p /EFI/Linux", boot_files)
    return {found[1]: (found[2], found[3]) for found in KERNEL.finditer(said)}


def notes(data: Path) -> dict[str, Any]:
    """What `kiosk update` remembers on the data partition of a board that is off."""
    return dict(json.loads(_debugfs(f"cat {NOTES}", data)))


def _debugfs(command: str, device: Path) -> str:
    words = ("debugfs", "-R", command, str(device))
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def wrong(found: Mapping[str, object], expected: Mapping[str, object]) -> list[str]:
    """A line for each fact that is not as it must be."""
    return [
        f"{name}: {found.get(name)!r}, and must be {value!r}"
        for name, value in expected.items()
        if found.get(name) != value
    ]
