"""The journal's files: how they are made, whose they are, and how SQLite opens them."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from firmware.link.messages import JournalHead
from firmware.service.head import HeadFile
from firmware.service.journal_check import SCHEMA

VERSION = 1  # of the tables below, in the file's user_version


def head_path(path: Path) -> Path:
    return path.with_suffix(".head")


def readable_by_others(path: Path) -> list[str]:
    """Those of the journal's files that somebody else than their owner may read or write."""
    files = (
        path,
        head_path(path),
        path.with_name(f"{path.name}-wal"),
        path.with_name(f"{path.name}-shm"),
    )
    return [str(file) for file in files if file.exists() and file.stat().st_mode & 0o077]


def connect(path: Path) -> sqlite3.Connection:
    """Never makes the file. Raises sqlite3.Error."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=10
    )
    try:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "temp_store=MEMORY",
            "journal_size_limit=-1",
        ):
            db.execute(f"PRAGMA {pragma}")
    except BaseException:
        # one left open would be carried into every forked child, and its locks would not
        db.close()
        raise
    return db


def create_files(path: Path, identity: str) -> None:
    """The journal and its head, owned by the folder's owner, whose kiosk it is.

    A power cut at any moment leaves files with other names only, or the head alone: the next call
    takes the first away and finishes the second. Raises FileExistsError when a journal is, or was,
    there; OSError, HeadUnreadable, sqlite3.Error.
    """
    head, new, new_head = head_path(path), _unfinished(path), _unfinished(head_path(path))
    if path.exists() or (head.exists() and not _is_interrupted(new, head)):
        there = path if path.exists() else head
        raise FileExistsError(f"{there} is there already: nothing was made")
    if not head.exists():
        for left in (new_head, *new.parent.glob(f"{new.name}*")):
            left.unlink(missing_ok=True)
        _make(new, identity)
        HeadFile(new_head).create(JournalHead(identity, 0, identity))
        for file in (new, new_head):
            _give_to_the_owner(file)
        new_head.rename(head)
        sync_folder(path.parent)
    new.rename(path)
    sync_folder(path.parent)


def _unfinished(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")


def _is_interrupted(new: Path, head: Path) -> bool:
    """Whether the journal of this head was made and never got its name: nothing wrote to it."""
    known = HeadFile(head).read()
    if known.seq or not new.exists():
        return False
    db = connect(new)
    try:
        return list(db.execute("SELECT id FROM identity")) == [(known.journal,)]
    finally:
        db.close()


def _make(path: Path, identity: str) -> None:
    # SQLite's other files get the same mode
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = connect(path)
    try:
        db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT")
        db.execute("INSERT INTO identity (id) VALUES (?)", (identity,))
    finally:
        db.close()


def _give_to_the_owner(file: Path) -> None:
    """Whoever makes it as root makes it for the folder's owner."""
    owner = file.parent.stat()
    if os.geteuid() == 0:
        os.chown(file, owner.st_uid, owner.st_gid)


def sync_folder(path: Path) -> None:
    """Names that were given or taken in it are on the disk. Raises OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
