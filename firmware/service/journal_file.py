"""The journal's files: how they are made, whose they are, and how SQLite opens them."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

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


def make(path: Path, identity: str) -> None:
    """Raises OSError, sqlite3.Error."""
    # SQLite's other files get the same mode
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    db = connect(path)
    try:
        db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT")
        db.execute("INSERT INTO identity (id) VALUES (?)", (identity,))
    finally:
        db.close()


def own(path: Path) -> None:
    """Whoever makes it as root makes it for the folder's owner, whose kiosk it is.
    Raises OSError.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        owner = os.fstat(folder)
        if os.geteuid() == 0:
            for file in (path, head_path(path)):
                os.chown(file, owner.st_uid, owner.st_gid)
        os.fsync(folder)
    finally:
        os.close(folder)
