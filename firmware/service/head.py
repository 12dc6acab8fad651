"""The journal's identity and its newest entry, in a small file beside the journal.

An SQLite file that is empty, older or another one is in itself without a fault: only something
outside of it can say that entries are missing. This file is that witness against everything that
happens to the journal's own files: a lost write-ahead log, a copy put back, an exchange. Whoever
puts back the whole folder puts back the witness as well: that is noticed by the city's word, which
keeps the head that came with the newest outcome.

In a journal without an entry `seq` is 0 and `hash` is its identity.

The file has two slots of one block each and never changes its size: writing needs no space on the
disk, and a power cut in the middle of a write leaves the other slot. It is written behind each
commit, so it may be one commit behind the journal and is never ahead of it.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from firmware.link.messages import JournalHead

SLOT = 4096  # bytes: one block, so that a torn write spoils one slot
SLOTS = 2


class HeadUnreadable(Exception):
    """It may not be read, or neither slot is whole."""


def _encode(head: JournalHead) -> bytes:
    text = f"{head.journal} {head.seq} {head.hash}"
    return f"{text} {hashlib.sha256(text.encode()).hexdigest()}\n".encode()


def _decode(slot: bytes) -> JournalHead | None:
    """None when the slot was never written, or is damaged."""
    line, newline, _ = slot.partition(b"\n")
    text, _, checksum = line.decode("ascii", "replace").rpartition(" ")
    parts = text.split(" ")
    if not newline or len(parts) != 3 or hashlib.sha256(text.encode()).hexdigest() != checksum:
        return None
    return JournalHead(journal=parts[0], seq=int(parts[1]), hash=parts[2])


class HeadFile:
    """Reads and writes the file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def create(self, head: JournalHead) -> None:
        """Make the file. Raises FileExistsError, OSError."""
        file = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(file, _encode(head).ljust(SLOT * SLOTS, b"\0"), 0)
            os.fsync(file)
        finally:
            os.close(file)

    def read(self) -> JournalHead:
        """The newest that was written. Raises HeadUnreadable, FileNotFoundError."""
        try:
            slots = self._slots(self._path.read_bytes())
        except FileNotFoundError:
            raise
        except OSError as error:
            raise HeadUnreadable(f"{self._path}: {error.strerror}") from None
        found = [head for head in slots if head is not None]
        if not found:
            raise HeadUnreadable(f"{self._path}: neither slot can be read")
        return max(found, key=lambda head: head.seq)

    def write(self, head: JournalHead) -> None:
        """Over the older slot; on the disk when this returns. Raises OSError."""
        file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            slots = self._slots(os.pread(file, SLOT * SLOTS, 0))
            older = min(range(SLOTS), key=lambda number: _age(slots[number]))
            os.pwrite(file, _encode(head).ljust(SLOT, b"\0"), older * SLOT)
            os.fdatasync(file)
        finally:
            os.close(file)

    @staticmethod
    def _slots(data: bytes) -> list[JournalHead | None]:
        return [_decode(data[number * SLOT : (number + 1) * SLOT]) for number in range(SLOTS)]


def _age(head: JournalHead | None) -> int:
    return -1 if head is None else head.seq
