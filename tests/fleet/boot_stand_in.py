"""In the place of a board's firmware and of systemd-boot: which kernel is started next.

It reads what they read, the names of the files in `EFI/Linux` and the sections `.osrel` and
`.cmdline` of each, and shares no code with the product. As systemd-boot 252 does it: a name that
ends in `+LEFT-DONE` counts; one with no start left comes after all others; then the newest
`IMAGE_VERSION` is first. The counter is written before the kernel is started.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r"(?P<stem>.+?)(?:\+(?P<left>\d+)(?:-(?P<done>\d+))?)?\.efi")


class NothingToStart(Exception):
    """The folder has no kernel at all."""


@dataclass(frozen=True)
class Entry:
    """One kernel. `left` is None where its starts are not counted."""

    path: Path
    left: int | None
    done: int
    version: str
    cmdline: str

    @property
    def slot(self) -> str:
        return re.search(r"rauc\.slot=(\w+)", self.cmdline)[1]  # type: ignore[index]

    @property
    def root_hash(self) -> str:
        return re.search(r"roothash=([0-9a-f]+)", self.cmdline)[1]  # type: ignore[index]


def sections(path: Path) -> dict[str, bytes]:
    """`.osrel` and `.cmdline` of a file in the PE format. Raises ValueError."""
    with path.open("rb") as file:
        head = file.read(4096)
        at = struct.unpack_from("<I", head, 0x3C)[0]
        if head[at : at + 4] != b"PE\0\0":
            raise ValueError(f"{path.name}: no PE file")
        count, optional = (struct.unpack_from("<H", head, at + n)[0] for n in (6, 20))
        found = {}
        for number in range(count):
            row = at + 24 + optional + 40 * number
            name = head[row : row + 8].rstrip(b"\0").decode()
            size, _, stored, begin = struct.unpack_from("<IIII", head, row + 8)
            if name in (".osrel", ".cmdline"):
                file.seek(begin)
                found[name] = file.read(min(size, stored)).rstrip(b"\0")
    return found


def entries(folder: Path) -> list[Entry]:
    """In the order in which systemd-boot would start them."""
    found = [_entry(path) for path in folder.glob("*.efi")]
    return sorted(found, key=lambda one: (one.left != 0, numbers(one.version)), reverse=True)


def _entry(path: Path) -> Entry:
    named = NAME.fullmatch(path.name)
    assert named is not None
    parts = sections(path)
    release = dict(line.split("=", 1) for line in parts[".osrel"].decode().splitlines() if line)
    return Entry(
        path,
        None if named["left"] is None else int(named["left"]),
        int(named["done"] or 0),
        release["IMAGE_VERSION"],
        parts[".cmdline"].decode(),
    )


def numbers(version: str) -> Sequence[int]:
    return [int(part) for part in re.findall(r"\d+", version)]


def start(folder: Path) -> Entry:
    """The kernel that is started now, with one start fewer. Raises NothingToStart."""
    known = entries(folder)
    if not known:
        raise NothingToStart(str(folder))
    first = known[0]
    if first.left:
        stem = NAME.fullmatch(first.path.name)["stem"]  # type: ignore[index]
        first.path.rename(first.path.with_name(f"{stem}+{first.left - 1}-{first.done + 1}.efi"))
    return first
