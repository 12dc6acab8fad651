"""Room on the disk: what must be there before money is taken, and whether there is enough for going
on.

SQLite appends to the write-ahead log what a transaction changes, and nothing else grows while a
process holds the journal open. So space for entries to come is reserved by making that log longer
in advance: the file system gives the blocks now (posix_fallocate), SQLite overwrites them later,
and nobody else can have them meanwhile. Behind the last valid frame SQLite reads the log as ended,
whatever stands there.
"""

from __future__ import annotations

import os
from pathlib import Path

PAGE = 4096  # bytes of a page of the journal
FRAME = PAGE + 24  # bytes of a page in the log
FRAMES_AN_ENTRY = 6  # on average, with every index; a test measures it
FRAMES_TO_SPARE = 64  # for the rare entry that splits several pages

FREE_BYTES = 32 * 2**20  # less than this is too little to let anybody begin
FREE_FILES = 64


def journey_entries(fee: int, sheets: int) -> int:
    """How many entries a journey can still write before it ends, its settlement after a cut
    included.

    `fee` in yen: nobody needs more coins than it takes in tens, and a few may fall in while the
    slot is being shut.
    """
    # two entries a coin: some hoppers pay it back coin by coin, each journalled
    coins = 2 * (fee // 10 + 16)
    steps_of_a_sheet = 2
    # release, payouts, slips, outcome, cases, ends, and what is sent to the city meanwhile
    others = 40
    return coins + steps_of_a_sheet * sheets + others


def reserve(log: Path, used_frames: int, entries: int) -> None:
    """Make the write-ahead log long enough for `entries` more behind `used_frames`. Raises OSError:
    no room.
    """
    frames = used_frames + entries * FRAMES_AN_ENTRY + FRAMES_TO_SPARE
    # SQLite holds no lock on this file that closing it could drop
    file = os.open(log, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.posix_fallocate(file, 0, 32 + frames * FRAME)
        os.fsync(file)
    finally:
        os.close(file)


def storage_trouble(state: Path) -> str:
    """Why nothing more should be begun on the disk of the state folder, or ""."""
    try:
        disk = os.statvfs(state)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if disk.f_flag & os.ST_RDONLY:
        return "read-only"
    if disk.f_bavail * disk.f_frsize < FREE_BYTES:
        return "full"
    if disk.f_files and disk.f_favail < FREE_FILES:
        return "no inodes"
    return ""
