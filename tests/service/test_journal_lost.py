"""A journal is made once: one that is gone, empty, exchanged, older or of another build is named
and refused.
"""

from __future__ import annotations

import contextlib
import gc
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service.disk import small_disk

from firmware.link.messages import JournalHead
from firmware.service.books import Books
from firmware.service.cases import create_journal, journal_path
from firmware.service.entry import JournalMissing, new_entry
from firmware.service.head import SLOT, HeadFile, HeadUnreadable
from firmware.service.journal import Journal, JournalBroken, new_id
from firmware.service.journal_file import head_path
from testbed.demo import FOLDER
from testbed.rehearsal import prepare

SESSION = "5" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "journal.sqlite"
    with contextlib.closing(Journal.create(path)) as journal:
        journal.write(SESSION, "begun")
        journal.write(SESSION, "coin", value=100, counter=0)
        journal.open_case(SESSION, "payout.short", pauses=True)
    return path


def served(path: Path) -> int:
    """As a start does: open, and check everything. Raises JournalBroken."""
    with contextlib.closing(Journal(path)) as journal:
        return journal.verify()


def alter(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_it_is_made_once(tmp_path: Path, path: Path) -> None:
    assert served(path) == 3
    with pytest.raises(JournalBroken, match="is there already"):
        Journal.create(path)
    path.unlink()
    with pytest.raises(JournalBroken, match="is there already"):
        Journal.create(path)
    with pytest.raises(JournalMissing, match="kiosk journal create"):
        Journal(tmp_path / "other.sqlite")


STEPS = ("os.open", "os.pwrite", "os.fsync", "os.chown", "pathlib.Path.rename", "sqlite3.connect")


@pytest.mark.parametrize("after", [False, True], ids=["before", "behind"])
def test_a_power_cut_while_it_is_made_leaves_nothing_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """At each step: either it is there and whole, or the next call makes it."""
    cut_at = 0
    for cut_at in range(100):
        folder = tmp_path / str(cut_at)
        folder.mkdir()
        with monkeypatch.context() as patch:
            if _make_with_a_cut(folder / "journal.sqlite", patch, cut_at, after):
                break
        with contextlib.suppress(JournalBroken):  # it was made, all of it, before the cut
            Journal.create(folder / "journal.sqlite").close()
        with contextlib.closing(Journal(folder / "journal.sqlite")) as journal:
            assert not list(journal.entries())
        assert {file.name for file in folder.iterdir()} == {"journal.sqlite", "journal.head"}
    assert 10 < cut_at < 100


def _make_with_a_cut(path: Path, patch: pytest.MonkeyPatch, cut_at: int, after: bool) -> bool:
    """Whether it was made, because it takes fewer steps than that."""
    left = iter(range(cut_at, -1, -1))

    def cutting(step: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            cut = next(left, -1) == 0
            if cut and not after:
                raise KeyboardInterrupt
            result = step(*args, **named)
            if cut:
                raise KeyboardInterrupt
            return result

        return call

    for name in STEPS:
        home, _, attribute = name.rpartition(".")
        owner = Path if home == "pathlib.Path" else sys.modules[home]
        patch.setattr(name, cutting(getattr(owner, attribute)))
    try:
        Journal.create(path).close()
    except KeyboardInterrupt:
        return False
    return True


def test_nobody_else_may_read_it(path: Path) -> None:
    with contextlib.closing(Journal(path)) as journal:
        journal.write(SESSION, "coin", value=10, counter=0)
        modes = {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()}
    assert set(modes) == {
        "journal.sqlite",
        "journal.sqlite-wal",
        "journal.sqlite-shm",
        "journal.head",
    }
    assert set(modes.values()) == {"0o600"}


def other(path: Path) -> Path:
    """A sound journal of another kiosk, with as many entries."""
    with contextlib.closing(Journal.create(path.with_name("other.sqlite"))) as journal:
        journal.append([new_entry(SESSION, "coin", value=10, counter=0) for _ in range(3)])
    return path.with_name("other.sqlite")


def older(path: Path) -> Path:
    """A copy from before the newest entry."""
    copy = path.with_name("copy.sqlite")
    shutil.copy(path, copy)
    with contextlib.closing(Journal(path)) as journal:
        journal.write(SESSION, "ended", kept=0, returned=100, owed=0, held=0)
    return copy


def linked(path: Path) -> None:
    """It lies on another disk, as somebody may do who has run out of room."""
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    path.symlink_to(path.rename(elsewhere / path.name))


LOSSES: dict[str, tuple[Callable[[Path], object], str]] = {
    "deleted": (lambda p: p.unlink(), "is gone: 3 entries are missing"),
    "emptied": (lambda p: p.write_bytes(b""), "version 0"),
    "all entries removed": (
        lambda p: alter(p, "DELETE FROM entry", "DELETE FROM pending"),
        "older than it was",
    ),
    "the newest removed": (
        lambda p: alter(p, "DELETE FROM entry WHERE seq=3"),
        "older than it was",
    ),
    "exchanged": (lambda p: shutil.copy(other(p), p), "another journal"),
    "rolled back": (lambda p: shutil.copy(older(p), p), "entry 4 is not as it was written"),
    "a link": (linked, "is a link"),
    "its head gone": (lambda p: head_path(p).unlink(), "journal.head is gone"),
    "its head damaged": (lambda p: head_path(p).write_bytes(b"\0" * 2 * SLOT), "neither slot"),
    "a case taken out": (
        lambda p: alter(p, "DELETE FROM pending"),
        "does not follow from the entries",
    ),
    "a case put in": (
        lambda p: alter(p, "INSERT INTO pending VALUES (2)"),
        "does not follow from the entries",
    ),
    "of a later build": (lambda p: alter(p, "PRAGMA user_version=2"), "version 2"),
    "a column more": (lambda p: alter(p, "ALTER TABLE entry ADD COLUMN x"), "table 'entry'"),
    "an index less": (lambda p: alter(p, "DROP INDEX entry_kind"), "table 'entry_kind'"),
    "a strange table": (lambda p: alter(p, "CREATE TABLE outbox (id, body)"), "table 'outbox'"),
    "a strange cases table": (
        lambda p: alter(p, "DROP TABLE pending", "CREATE TABLE pending (id TEXT)"),
        "table 'pending'",
    ),
    "no table": (lambda p: alter(p, "DROP TABLE identity"), "identity"),
    "text for a number": (
        lambda p: alter(p, "UPDATE entry SET facts='garbage' WHERE seq=2"),
        "entry 2",
    ),
    "bytes for text": (
        lambda p: alter(p, "UPDATE entry SET kind=x'ff00' WHERE seq=2"),
        "entry 2: bytes",
    ),
}


@pytest.mark.parametrize("what", LOSSES)
def test_what_is_lost_or_strange_is_named_and_refused(what: str, path: Path) -> None:
    lose, said = LOSSES[what]
    lose(path)
    with pytest.raises(JournalBroken, match=said) as told:
        served(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "what", ["deleted", "emptied", "a case taken out", "of a later build", "a strange table"]
)
def test_the_kiosk_does_not_start_on_it(what: str, tmp_path: Path) -> None:
    made = prepare(FOLDER, tmp_path)
    path = made.state / "journal.sqlite"
    with contextlib.closing(Journal(path)) as journal:
        for code in "abc":
            journal.open_case("", code, pauses=True)
    lose, said = LOSSES[what]
    lose(path)
    words = [sys.executable, "-m", "firmware.tools", "run", "--config", str(made.kiosk_toml)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_entry_of_another_build_is_refused_though_its_hash_fits(path: Path) -> None:
    from firmware.service import entry

    kinds = dict(entry.KINDS)
    entry.KINDS = {**kinds, "cashless": frozenset({"amount"})}  # type: ignore[misc]
    try:
        with contextlib.closing(Journal(path)) as journal:
            journal.write(SESSION, "cashless", amount=100)
    finally:
        entry.KINDS = kinds  # type: ignore[misc]
    with pytest.raises(JournalBroken, match="'cashless' is no entry of this build's"):
        served(path)


def test_the_same_step_is_written_once(path: Path) -> None:
    """The disk may have taken it though it said no: whoever kept it writes it again."""
    coin, another = (
        new_entry(SESSION, "coin", value=100, counter=0),
        new_entry(SESSION, "coin", value=100, counter=0),
    )
    with contextlib.closing(Journal(path)) as journal:
        journal.append([coin])
        journal.append([coin, another])
        assert [entry.kind for entry in journal.entries()] == [
            "begun",
            "coin",
            "case",
            "coin",
            "coin",
        ]


def test_a_cut_between_the_entry_and_the_head_is_no_loss(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with contextlib.closing(Journal(path)) as journal:
        monkeypatch.setattr(
            HeadFile, "write", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error"))
        )
        with pytest.raises(JournalBroken, match="the head"):
            journal.write(SESSION, "coin", value=50, counter=0)
    assert served(path) == 4


# -- the head


@pytest.fixture
def head(tmp_path: Path) -> Iterator[HeadFile]:
    file = HeadFile(tmp_path / "head")
    file.create(JournalHead("a" * 32, 0, "a" * 32))
    yield file


@given(
    seqs=st.lists(st.integers(1, 10**9), min_size=1, max_size=6),
    torn=st.integers(0, SLOT),
    garbage=st.binary(min_size=1, max_size=64),
)
def test_a_torn_write_of_the_head_leaves_the_one_before(
    seqs: list[int], torn: int, garbage: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "head"
        file = HeadFile(path)
        file.create(JournalHead("a" * 32, 0, "a" * 32))
        known = [0]
        for seq in sorted(seqs):
            file.write(JournalHead("a" * 32, seq, new_id()))
            known.append(seq)
        assert file.read().seq == known[-1]
        before = path.read_bytes()
        file.write(JournalHead("a" * 32, known[-1] + 1, new_id()))
        after = path.read_bytes()
        changed = next(n for n in range(len(after)) if before[n] != after[n]) // SLOT * SLOT
        cut = (
            after[: changed + torn]
            + (garbage + before[changed + torn + len(garbage) :])[: len(after)]
        )
        path.write_bytes(cut[: len(after)])
        with contextlib.suppress(HeadUnreadable):
            assert file.read().seq in (*known[-2:], known[-1] + 1)


def test_the_head_needs_no_space(head: HeadFile, tmp_path: Path) -> None:
    size = (tmp_path / "head").stat().st_blocks
    for seq in range(1, 50):
        head.write(JournalHead("a" * 32, seq, new_id()))
        assert (tmp_path / "head").stat().st_blocks == size
        assert head.read().seq == seq


def open_files(folder: Path) -> list[str]:
    """Files of the journal that this process holds open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            target = entry.readlink()
            if target.is_relative_to(folder):
                found.append(target.name)
    return found


@pytest.mark.parametrize("trouble", ["full", "read-only", "gone"])
def test_what_cannot_be_opened_is_not_left_open(tmp_path: Path, trouble: str) -> None:
    """A connection that is left open is carried into each forked child; its locks are not: entries
    would be lost.
    """
    with small_disk(tmp_path / "disk", "4m") as disk:
        state = disk.folder / "state"
        create_journal(state)
        books = Books(state)
        books.settle()
        gc.disable()
        try:
            if trouble == "full":
                disk.fill()
            elif trouble == "read-only":
                disk.read_only(True)
            else:
                journal_path(state).unlink()
            with contextlib.suppress(JournalBroken):
                books.settle()
            books.open_case("journal.broken", pauses=False)
            books.undelivered()
            assert open_files(state) == []
        finally:
            gc.enable()
