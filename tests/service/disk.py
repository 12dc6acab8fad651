"""A small disk of its own for a journal: it can be filled to the last block, and its reserve taken
away.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

BLOCK = 4096
HEADER, FRAME = 32, BLOCK + 24  # of a write-ahead log


class Disk:
    """`folder` is where it is mounted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self) -> None:
        with self._filler.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(BLOCK))
            except OSError:
                pass
        assert os.statvfs(self.folder).f_bavail == 0

    def free(self) -> None:
        self._filler.unlink(missing_ok=True)

    def rob(self, log: Path, *, begun: bool = True) -> None:
        """Take away what was reserved in the write-ahead log, as a file system that breaks its
        promise would.

        What was written behind the reservation stays. What the log held before was put into the
        journal itself.
        """
        used = _frames(log.read_bytes()) if begun else 0
        begin = -(-(HEADER + used * FRAME) // BLOCK) * BLOCK if used else 0
        length = log.stat().st_size - begin
        assert length > 100 * BLOCK, "nothing was reserved"
        subprocess.run(["fallocate", "-p", "-o", str(begin), "-l", str(length), log], check=True)

    def read_only(self, on: bool) -> None:
        options = f"remount,{'ro' if on else 'rw'}"
        subprocess.run(["mount", "-o", options, self.folder], check=True)


def _frames(log: bytes) -> int:
    """Those written since the log was last begun anew: they carry its salt."""
    salt = log[16:24]
    found = range((len(log) - HEADER) // FRAME)
    return next(n for n in found if log[HEADER + n * FRAME + 8 :][:8] != salt)


@contextmanager
def small_disk(folder: Path, size: str = "64m") -> Iterator[Disk]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", folder],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        if os.environ.get("NOTHING_MISSING"):
            pytest.fail(f"no disk can be mounted here: {mounted.stderr}")
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
