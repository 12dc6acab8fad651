"""Room before money: what is reserved is there, whoever fills the disk; too little is noticed in
time.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service.disk import Disk, small_disk

from firmware.service import room
from firmware.service.entry import JournalFull
from firmware.service.journal import Journal, new_id


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", "24m") as disk:
        yield disk


def a_journey(journal: Journal, fee: int) -> int:
    """The most that one may write: every coin in tens, with as many entries again for the unit's
    counter.
    """
    session = new_id()
    count = 0
    for _ in range(2 * (fee // 10)):
        journal.write(session, "coin", value=10, counter=0)
        count += 1
    for sheet in range(1, 3):
        journal.write(session, "sheet-begun", sheet=sheet)
        journal.write(session, "sheet-done", sheet=sheet)
        count += 2
    while count < room.journey_entries(fee, 2):
        journal.open_case(session, "coins.jam", pauses=False)
        count += 1
    return count


@pytest.mark.parametrize("before", [0, 50, 3_000])
def test_what_was_reserved_is_there_on_a_full_disk(disk: Disk, before: int) -> None:
    with contextlib.closing(Journal.create(disk.folder / "journal.sqlite")) as journal:
        for _ in range(before):
            journal.write(new_id(), "begun")
        journal.reserve(room.journey_entries(300, 2))
        disk.fill()
        written = a_journey(journal, 300)
        with contextlib.closing(
            Journal(disk.folder / "journal.sqlite")
        ) as again:  # another process, as full
            assert again.verify() == before + written


def test_a_reservation_survives_a_kill_for_the_settlement(disk: Disk) -> None:
    journal = Journal.create(disk.folder / "journal.sqlite")
    journal.reserve(room.journey_entries(100, 1))
    disk.fill()
    pid = os.fork()
    if pid == 0:
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    with contextlib.closing(Journal(disk.folder / "journal.sqlite")) as supervisor:
        supervisor.write(new_id(), "ended", kept=0, returned=0, owed=100, held=0)
    journal.close()


def test_no_room_is_told_before_money(disk: Disk) -> None:
    with contextlib.closing(Journal.create(disk.folder / "journal.sqlite")) as journal:
        disk.fill()
        with pytest.raises(JournalFull, match="no room for"):
            journal.reserve(room.journey_entries(300, 2))
        disk.free()
        journal.reserve(room.journey_entries(300, 2))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.integers(20, 400), before=st.integers(0, 2_000))
def test_an_entry_needs_no_more_pages_than_are_reserved_for_it(
    tmp_path_factory: pytest.TempPathFactory, entries: int, before: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with contextlib.closing(Journal.create(folder / "journal.sqlite")) as journal:
        journal._db.execute("PRAGMA synchronous=OFF")
        with journal.transaction():
            for _ in range(before):
                journal.write(new_id(), "begun")
        journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        session = new_id()
        for number in range(entries):
            if number % 5:
                journal.write(session, "coin", value=10, counter=0)
            else:
                journal.open_case(new_id(), "coins.jam", pauses=False)
        frames = (folder / "journal.sqlite-wal").stat().st_size // room.FRAME
    assert frames <= entries * room.FRAMES_AN_ENTRY + room.FRAMES_TO_SPARE


def test_too_little_is_noticed(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "FREE_BYTES", 2**20)
    assert room.storage_trouble(disk.folder) == ""
    disk.fill()
    assert room.storage_trouble(disk.folder) == "full"
    disk.free()
    disk.read_only(True)
    assert room.storage_trouble(disk.folder) == "read-only"
    disk.read_only(False)
    assert room.storage_trouble(disk.folder) == ""
    assert room.storage_trouble(disk.folder / "gone").startswith("cannot be read")


def test_no_inode_left_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer: Any = SimpleNamespace(f_flag=0, f_bavail=2**20, f_frsize=4096, f_files=1000, f_favail=3)
    monkeypatch.setattr(os, "statvfs", lambda _: answer)
    assert room.storage_trouble(tmp_path) == "no inodes"
    answer.f_files = answer.f_favail = 0  # a file system that counts none
    assert room.storage_trouble(tmp_path) == ""
