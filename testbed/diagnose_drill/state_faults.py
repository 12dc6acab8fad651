"""The state folder, its disk, and the journal."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from firmware.service.cases import journal_path
from firmware.service.journal import Journal
from firmware.service.journal_file import head_path
from testbed.diagnose_drill.fault import Change, Fault, Put, made, needs_root, says
from testbed.diagnose_drill.site import Site

ENTRIES: Final = 60  # so many that the entries' pages can be spoilt and the first one not
PAGE: Final = 4096


def _journal(spoil: Callable[[Path], object]) -> Change:
    """A journal of its own, spoilt when it is closed."""

    def build(site: Site) -> Put:
        folder = site.scratch("state")
        folder.mkdir()
        with contextlib.closing(Journal.create(journal_path(folder))) as book:
            for number in range(ENTRIES):
                session = f"{number:032x}"
                book.write(session, "begun")
                book.write(session, "ended", kept=0, returned=0, owed=0, held=0)
        spoil(journal_path(folder))
        site.give(folder)
        return Put({"kiosk": {"state": folder}})

    return made(build)


def _corrupt(path: Path) -> None:
    """A page in the middle of the file holds noise."""
    content = bytearray(path.read_bytes())
    middle = len(content) // PAGE // 2 * PAGE
    content[middle + 8 : middle + PAGE] = b"\xa5" * (PAGE - 8)
    path.write_bytes(content)


def _rewrite(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as book, book:
        book.execute("UPDATE entry SET kind='ended' WHERE seq=7")


def _older(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as book, book:
        book.execute("DELETE FROM entry WHERE seq > 100")


def _another(path: Path) -> None:
    other = path.parent / "other"
    other.mkdir()
    Journal.create(journal_path(other)).close()
    shutil.copy(journal_path(other), path)
    shutil.rmtree(other)


def _case(path: Path) -> None:
    with contextlib.closing(Journal(path)) as book:
        book.open_case("", "child.silent", pauses=True)


def _not_ours(site: Site) -> Put:
    """Somebody has made it as root."""
    folder = site.scratch("state")
    folder.mkdir()
    Journal.create(journal_path(folder)).close()
    site.give(folder)
    for each in folder.iterdir():
        shutil.chown(each, "root")
    return Put({"kiosk": {"state": folder}})


def _shut_folder(site: Site) -> Put:
    """Somebody has made the whole folder root's."""
    folder = site.scratch("state")
    folder.mkdir()
    Journal.create(journal_path(folder)).close()
    folder.chmod(0o700)
    return Put({"kiosk": {"state": folder}})


def _mounted(options: str, fill: bool = False) -> Change:
    """The state folder on a small disk of its own."""

    @asynccontextmanager
    async def put(site: Site) -> AsyncIterator[Put]:
        folder = site.scratch("disk")
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "drill", folder], check=True)
        try:
            site.give(folder)
            if fill:
                with contextlib.suppress(OSError), (folder / "rest").open("wb") as rest:
                    while True:
                        rest.write(bytes(1 << 20))
            if options:
                subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)
            yield Put({"kiosk": {"state": folder}})
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)

    return put


def _cannot_mount(site: Site) -> str:
    if not site.by_root:
        return needs_root(site)
    place = site.scratch("mount")
    place.mkdir()
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "drill", place], capture_output=True, check=False
    )
    if tried.returncode:
        return "mounting is not allowed here"
    subprocess.run(["umount", place], check=True)
    return ""


def _not_writable(site: Site) -> Put:
    folder = site.scratch("state")
    folder.mkdir(mode=0o755)
    return Put({"kiosk": {"state": folder}})


def _file(site: Site) -> Put:
    return Put({"kiosk": {"state": site.write("state", b"a file")}})


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: PAGE * 2])


FAULTS: Final = (
    Fault("state: no folder", "state", "state.missing", says("kiosk", state="/nowhere/state")),
    Fault("state: a file", "state", "state.not-a-folder", made(_file)),
    Fault("state: not writable", "state", "state.not-permitted", made(_not_writable), needs_root),
    Fault("state: disk full", "state", "state.full", _mounted("", fill=True), _cannot_mount),
    Fault("state: no inodes", "state", "state.full", _mounted("nr_inodes=8"), _cannot_mount),
    Fault("state: read-only", "state", "state.read-only", _mounted("ro"), _cannot_mount),
    Fault("journal: none yet", "journal", "journal.missing", says("kiosk", state="/nowhere/state")),
    Fault("journal: gone", "journal", "journal.gone", _journal(Path.unlink)),
    Fault(
        "journal: no head",
        "journal",
        "journal.another",
        _journal(lambda path: head_path(path).unlink()),
    ),
    Fault(
        "journal: no database",
        "journal",
        "journal.not-a-database",
        _journal(lambda path: path.write_bytes(b"nothing of the kind" * 999)),
    ),
    Fault("journal: a page is noise", "journal", "journal.damaged", _journal(_corrupt)),
    Fault("journal: cut short", "journal", "journal.damaged", _journal(_truncated)),
    Fault("journal: an entry was rewritten", "journal", "journal.chain", _journal(_rewrite)),
    Fault("journal: an older one", "journal", "journal.another", _journal(_older)),
    Fault("journal: another one", "journal", "journal.another", _journal(_another)),
    Fault(
        "journal: others may read it",
        "journal",
        "journal.open",
        _journal(lambda path: path.chmod(0o644)),
    ),
    Fault("journal: root's", "journal", "journal.unreadable", made(_not_ours), needs_root),
    Fault(
        "journal: its folder is root's",
        "journal",
        "journal.unreadable",
        made(_shut_folder),
        needs_root,
    ),
    Fault(
        "journal: an empty head",
        "journal",
        "journal.another",
        _journal(lambda path: head_path(path).write_bytes(b"")),
    ),
    Fault("journal: an open case", "journal", "journal.cases", _journal(_case)),
)
