"""Which build this is: the project's version and the commit that its files are of.

The version stands in pyproject.toml alone. `scripts/build` adds the commit to the version of a
wheel. In a clone the commit is read from its git folder. Any other installation says "unknown".
"""

from __future__ import annotations

import re
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
UNKNOWN: Final = "unknown"
SHOWN: Final = 7  # digits of the commit
_COMMIT: Final = re.compile(r"[0-9a-f]{40,64}")


@cache
def build() -> str:
    """The version, a plus sign, and "g" with the commit: "1.2.3+g0123abc", or "1.2.3+unknown"."""
    try:
        version = metadata.version("madoguchi")
    except metadata.PackageNotFoundError:
        version = "0"
    if "+" in version:
        return version
    found = commit(ROOT)
    return f"{version}+g{found[:SHOWN]}" if found else f"{version}+{UNKNOWN}"


def commit(root: Path) -> str:
    """What git has checked out in this folder, or "". Never raises.

    Git itself is not asked: it may be missing on a board, and it refuses a clone of another owner.
    """
    try:
        folder = _git_folder(root)
        head = (folder / "HEAD").read_text("ascii").strip()
        name = head.removeprefix("ref: ")
        found = head if name == head else _branch(folder, name)
    except (OSError, ValueError):
        return ""
    return found if _COMMIT.fullmatch(found) else ""


def _git_folder(root: Path) -> Path:
    """In a second work tree `.git` is a file that names the folder."""
    place = root / ".git"
    if place.is_file():
        return root / place.read_text("utf-8").strip().removeprefix("gitdir: ")
    return place


def _branch(folder: Path, name: str) -> str:
    """The commit of a branch: in a file of its own, or in the list of those that were packed."""
    common = folder / "commondir"  # a second work tree shares the branches of the first one
    shared = folder / common.read_text("utf-8").strip() if common.is_file() else folder
    if (shared / name).is_file():
        return (shared / name).read_text("ascii").strip()
    for line in (shared / "packed-refs").read_text("utf-8").splitlines():
        found, _, branch = line.partition(" ")
        if branch == name:
            return found
    return ""
