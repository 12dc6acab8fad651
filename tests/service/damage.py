"""Damages copies of one journal in every way, and looks whether any is served with other entries
than it had.

`python tests/service/damage.py --all --json` tries every page and every length; without --all, a
sample.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from firmware.service.entry import JournalBroken, new_id
from firmware.service.journal import Journal

PAGE = 4096
FILES = ("journal.sqlite", "journal.sqlite-wal", "journal.head")
Damage = Callable[[Path], None]


def make(folder: Path, sessions: int) -> list[object]:
    """A journal as a killed process leaves it: half in the file, half in the log. Its entries."""
    work = folder / "work"
    work.mkdir()
    journal = Journal.create(work / "journal.sqlite")
    for number in range(sessions):
        session = new_id()
        journal.write(session, "begun")
        journal.write(session, "coin", value=100, counter=0)
        journal.open_case(session, "claim", pauses=bool(number % 2))
        if number == sessions // 2:
            journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    entries: list[object] = journal.rows()
    (folder / "sound").mkdir()
    for name in FILES:
        shutil.copy(work / name, folder / "sound" / name)
    journal.close()
    return entries


def overwritten(name: str, at: int, page: bytes) -> Damage:
    def damage(folder: Path) -> None:
        with (folder / name).open("r+b") as file:
            file.seek(at)
            file.write(page)

    return damage


def truncated(name: str, length: int) -> Damage:
    return lambda folder: (folder / name).open("r+b").truncate(length) and None


def damages(sound: Path, chance: random.Random, every: bool) -> Iterator[tuple[str, Damage]]:
    """(kind, what to do to a copy)."""
    for name in FILES:
        data = (sound / name).read_bytes()
        pages = range(0, len(data), PAGE)
        for at in pages if every else chance.sample(pages, min(len(pages), 12)):
            length = min(PAGE, len(data) - at)
            elsewhere = chance.choice(pages)
            yield f"{name}: zeros", overwritten(name, at, bytes(length))
            yield f"{name}: random bytes", overwritten(name, at, chance.randbytes(length))
            yield (
                f"{name}: another page",
                overwritten(name, at, data[elsewhere : elsewhere + length]),
            )
            byte = chance.randrange(at, at + length)
            yield (
                f"{name}: one bit",
                overwritten(name, byte, bytes([data[byte] ^ 1 << chance.randrange(8)])),
            )
        step = 64 if name == "journal.head" else 512  # a sector
        lengths = range(0, len(data), step)
        for length in lengths if every else chance.sample(lengths, min(len(lengths), 24)):
            yield f"{name}: truncated", truncated(name, length)
            yield (
                f"{name}: truncated",
                truncated(name, min(length + chance.randrange(1, step), len(data))),
            )


def outcome(folder: Path, entries: list[object]) -> str:
    try:
        with contextlib.closing(Journal(folder / "journal.sqlite")) as journal:
            journal.verify()
            return "unharmed" if journal.rows() == entries else "served wrongly"
    except JournalBroken:
        return "refused"


def campaign(sessions: int, seed: int, every: bool) -> dict[str, Counter[str]]:
    """Outcomes by kind of damage."""
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        entries = make(folder, sessions)
        assert outcome_of_copy(folder, entries, lambda _: None) == "unharmed"
        for kind, damage in damages(folder / "sound", random.Random(seed), every):
            found.setdefault(kind, Counter())[outcome_of_copy(folder, entries, damage)] += 1
    return found


def outcome_of_copy(folder: Path, entries: list[object], damage: Damage) -> str:
    copy = folder / "copy"
    shutil.copytree(folder / "sound", copy)
    try:
        damage(copy)
        return outcome(copy, entries)
    finally:
        shutil.rmtree(copy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every page and every sector's length")
    parser.add_argument("--sessions", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = campaign(given.sessions, given.seed, given.all)
    total = sum(found.values(), Counter())
    if given.json:
        print(json.dumps({"tried": total.total(), **total, "by_kind": found}))
    else:
        for kind, counted in found.items():
            print(f"{kind:40}", dict(counted))
        print(total.total(), "tried:", dict(total))


if __name__ == "__main__":
    main()
