"""Looking for needles: in all that a process can read, and in files. It never says the needle."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from testbed.erasure.people import Needle

PIECE: Final = 1 << 18  # bytes read at once
OVERLAP: Final = 1 << 10  # a needle that lies across two pieces
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
IS_THERE: Final = np.uint64(3 << 62)  # of a page: in memory, or swapped out
MOST_FILE: Final = 1 << 28  # bytes of a file
# Not the kernel's own, and not programs and libraries, which nobody can have written to.
REGION: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (r...) \S+ \S+ (\d+)\s*(.*)")
KERNELS: Final = ("[vvar", "[vdso", "[vsyscall", "/dev/dri", "/dev/snd", "anon_inode:")


class Unsearchable(Exception):
    """One line: what nobody may look into."""


@dataclass(frozen=True)
class Hit:
    where: str
    needle: Needle


@dataclass
class Searched:
    """One process, or one set of files."""

    name: str
    bytes: int = 0
    files: int = 0
    hits: list[Hit] = field(default_factory=list)


def family(pid: int) -> list[int]:
    """The process and all its descendants that are there now."""
    try:
        listed = [
            child
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return [pid, *(member for child in listed for member in family(int(child)))]


def search_process(pid: int, needles: Sequence[Needle], clean: set[int]) -> Searched:
    """Its memory, and the files that it has open, those without a name included. One that has
    ended has nothing. `clean`: marks of what was searched already, for much of it is shared. Raises
    Unsearchable.
    """
    found = Searched(f"{_name(pid)} ({pid})")
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for begin, end in _pages(pid):
                pieces = _pieces(memory.fileno(), begin, end)
                found.bytes += _search(pieces, found, needles, clean=clean)
    except (FileNotFoundError, ProcessLookupError):
        return found
    except PermissionError:
        raise Unsearchable(f"{found.name}: only root may look into its memory") from None
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if stat.S_ISREG(link.stat().st_mode):
                    _search_file(link, found, needles)
    return found


def search_files(name: str, paths: Iterable[Path], needles: Sequence[Needle]) -> Searched:
    found = Searched(name)
    for path in paths:
        with suppress(OSError):
            _search_file(path, found, needles)
    return found


def written_since(folders: Iterable[Path], since: float, but: Iterable[Path]) -> Iterator[Path]:
    """Regular files that were made, changed or renamed since then (seconds since 1970)."""
    others = {path.resolve() for path in but}
    for folder in folders:
        for root, inner, names in os.walk(folder):
            inner[:] = [one for one in inner if (Path(root) / one).resolve() not in others]
            for name in names:
                path = Path(root) / name
                with suppress(OSError):
                    seen = path.lstat()
                    fresh = max(seen.st_mtime, seen.st_ctime) >= since
                    if stat.S_ISREG(seen.st_mode) and fresh and path.resolve() not in others:
                        yield path


def _search_file(path: Path, found: Searched, needles: Sequence[Needle]) -> None:
    with path.open("rb") as file:
        size = min(os.fstat(file.fileno()).st_size, MOST_FILE)
        found.files += 1
        for needle in needles:  # a name is written down too
            if needle.content in os.fsencode(path.name):
                found.hits.append(Hit(f"the name of a file in {path.parent}", needle))
        found.bytes += _search(_pieces(file.fileno(), 0, size), found, needles, str(path))


def _search(
    pieces: Iterable[bytes],
    found: Searched,
    needles: Sequence[Needle],
    where: str = "",
    clean: set[int] | None = None,
) -> int:
    """How many bytes there were."""
    count = 0
    for piece in pieces:
        count += len(piece)
        mark = hash(piece)
        if clean is not None and mark in clean:
            continue
        hits = [Hit(where or found.name, one) for one in needles if one.content in piece]
        found.hits += [hit for hit in hits if hit not in found.hits]
        if clean is not None and not hits:
            clean.add(mark)
    return count


def _pieces(file: int, begin: int, end: int) -> Iterator[bytes]:
    for at in range(begin, end, PIECE):
        try:
            yield os.pread(file, min(PIECE + OVERLAP, end - at), at)
        except OSError:  # went away meanwhile, or guards a stack
            return


def _pages(pid: int) -> Iterator[tuple[int, int]]:
    """What was ever written or read, of each region: programs reserve far more."""
    with Path(f"/proc/{pid}/pagemap").open("rb", buffering=0) as pagemap:
        for begin, end in _regions(pid):
            told = os.pread(pagemap.fileno(), (end - begin) // PAGE * 8, begin // PAGE * 8)
            there = (np.frombuffer(told, np.uint64) & IS_THERE) != 0
            edges = np.flatnonzero(np.diff(np.concatenate(([False], there, [False]))))
            for first, last in edges.reshape(-1, 2).tolist():
                yield begin + first * PAGE, begin + last * PAGE


def _regions(pid: int) -> Iterator[tuple[int, int]]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        if not (found := REGION.match(line)):
            continue
        path = found[5]
        unchanged = path.startswith("/") and "w" not in found[3] and "(deleted)" not in path
        if not path.startswith(KERNELS) and not unchanged:
            yield int(found[1], 16), int(found[2], 16)


def _name(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "ended"
    kind = next((word for word in words if word.startswith(b"--type=")), b"")
    program = Path(os.fsdecode(words[0]).partition(" ")[0]).name
    rest = [word.decode() for word in words[1:4] if word in (b"run", b"browser")]
    return " ".join([program, *rest, *([kind.decode("utf-8", "replace")] if kind else [])])
