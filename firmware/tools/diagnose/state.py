"""The state folder, its disk, and the journal in it."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from firmware.service.cases import journal_path
from firmware.service.config import Config
from firmware.service.entry import JournalBroken, JournalMissing
from firmware.service.journal import Journal
from firmware.service.journal_file import head_path, readable_by_others
from firmware.service.room import storage_trouble
from firmware.tools.diagnose.errors import said
from firmware.tools.diagnose.finding import Wrong, wrong

ERRORS: Final[Mapping[int, str]] = {
    errno.ENOENT: "state.missing",
    errno.ENOTDIR: "state.not-a-folder",
    errno.EACCES: "state.not-permitted",
    errno.EPERM: "state.not-permitted",
    errno.EROFS: "state.read-only",
    errno.ENOSPC: "state.full",
    errno.EDQUOT: "state.full",
    errno.EIO: "state.disk-fault",
}
TROUBLE: Final[Mapping[str, str]] = {
    "read-only": "state.read-only",
    "full": "state.full",
    "no inodes": "state.full",
}
# What the journal and SQLite say, and which cause that is. The first that fits counts.
WORDS: Final = (
    (r"head is gone", "journal.another"),
    (r"is gone", "journal.gone"),
    (r"not a database", "journal.not-a-database"),
    (r"database is locked", "journal.locked"),
    (r"unable to open|readonly|Permission denied", "journal.unreadable"),
    (r"another journal|older than it was|head", "journal.another"),
    (r"chain|closes what is not open|no facts|is no entry|pending|bytes where", "journal.chain"),
    (r"disk I/O", "state.disk-fault"),
)
BLOCK: Final = bytes(4096)


def state(config: Config) -> str:
    """What the service does there, without leaving anything: a file without a name is written."""
    folder = config.kiosk.state
    try:
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        file = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.write(file, BLOCK)
            os.fsync(file)
        finally:
            os.close(file)
        disk = os.statvfs(folder)
    except OSError as error:
        code = ERRORS.get(error.errno or 0, "state.disk-fault")
        if not folder.exists() and code == "state.not-a-folder":
            code = "state.missing"
        raise wrong(code, f"{folder}: {said(error)}") from None
    free = f"{disk.f_bavail * disk.f_frsize >> 20} MiB and {disk.f_favail} files free"
    if found := storage_trouble(folder):
        raise wrong(TROUBLE.get(found, "state.disk-fault"), f"{folder}: {found}, {free}")
    return free


def journal(config: Config) -> str:
    """Looking makes no file: it would be the technician's, and the kiosk could not write it."""
    path = journal_path(config.kiosk.state)
    _ours(path)
    if path.exists() and not path.stat().st_size:
        raise wrong("journal.not-a-database", f"{path} is empty")
    try:
        book = Journal(path)
    except JournalMissing:
        raise wrong("journal.missing", "none yet: the kiosk has never run here") from None
    except JournalBroken as error:
        raise _broken(error) from None
    try:
        entries, open_cases = book.verify(), book.cases()
        waiting, unfinished = len(book.undelivered()), len(book.unfinished())
    except Exception as error:  # a damaged file fails in any of these, and in ways of its own
        raise _broken(error) from None
    finally:
        book.close()
    if open_files := readable_by_others(path):
        raise wrong("journal.open", f"others may read {', '.join(open_files)}")
    detail = f"{entries} entries, {waiting} outcomes to deliver, {unfinished} unfinished sessions"
    if open_cases:
        listed = ", ".join(
            f"{case.code} {case.id}{' (out of service)' * case.pauses}" for case in open_cases
        )
        raise wrong("journal.cases", f"{detail}; open cases: {listed}")
    return detail


def _ours(path: Path) -> None:
    """Raises Wrong when this user may not read and write what is there."""
    files = (path, head_path(path))
    try:
        strange = [
            str(each) for each in files if each.exists() and not os.access(each, os.R_OK | os.W_OK)
        ]
    except PermissionError as error:
        raise wrong("journal.unreadable", f"{error.filename}: {said(error)}") from None
    if strange:
        raise wrong("journal.unreadable", f"not ours to read and write: {', '.join(strange)}")


def _broken(error: Exception) -> Wrong:
    told = str(error)
    code = next((code for words, code in WORDS if re.search(words, told)), "journal.damaged")
    return wrong(code, told)
