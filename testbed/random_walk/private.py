"""Whether anything of a person is where nothing of a person may be: in logs, in the journal, in
memory at idle.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from city import sample
from firmware.link import era

LEAST = 4  # characters of a name: shorter ones are words too
# Counts and times of a log line, which may look like a PIN.
COUNTS = frozenset({"at", "pid", "child", "ms", "apdus"})
PRIVATE = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw.p \S+ \S+ 0\s*(?:\[(?:heap|stack|anon.*)\])?$")
PIECE = 1 << 16  # bytes read at once


def shown() -> dict[str, frozenset[str]]:
    """Card or phone of a sample resident to what the screen shows of them before they pay: name,
    birth date and address.
    """
    return {
        one.id + token: frozenset((one.name, _born(one), household.address))
        for household in sample.read()
        for one in household.members
        for token in ("", "-phone")
    }


def _born(member: sample.SampleMember) -> str:
    """As printed."""
    return era.western(member.birth) if member.nationality else era.written(member.birth)


def words() -> frozenset[str]:
    """Names, readings, birth dates, addresses and numbers of all sample residents."""
    found: set[str] = set()
    for household in sample.read():
        found |= {household.address, household.previous_address, household.domicile}
        for one in household.members:
            found |= {
                one.name,
                one.name.replace("　", ""),
                one.kana,
                one.alias,
                _born(one),
                one.mynumber,
            }
    return frozenset(word for word in found if len(word) >= LEAST)


def leaks(text: str, words: Iterable[str], pins: Iterable[str]) -> Iterator[str]:
    """What is reported of each line that holds one of the words, or a PIN by itself. Never
    the word.
    """
    alone = re.compile(rf"(?<![0-9A-Za-z])({'|'.join(pins)})(?![0-9A-Za-z])")
    for number, line in enumerate(text.splitlines(), 1):
        if any(word in line for word in words):
            yield f"line {number} holds a name, a birth date, an address or a number of a person"
        if alone.search(_without_counts(line)):
            yield f"line {number} holds a PIN"


def _without_counts(line: str) -> str:
    try:
        logged: Any = json.loads(line)
    except ValueError:
        return line
    if not isinstance(logged, dict):
        return line
    return str({key: value for key, value in logged.items() if key not in COUNTS})


class Memory:
    """What a process has in memory of its own. Children share most of it, so only what changed is
    searched.
    """

    def __init__(self, pid: int) -> None:
        self._known = {hash(piece) for piece in _pieces(pid)}

    def holds(self, pid: int, wanted: Iterable[str]) -> bool:
        """Whether one of these words has come in since, there or in a child; False too where nobody
        may look.
        """
        patterns = [
            word.encode(code) for word in wanted for code in ("utf-8", "utf-16-le", "utf-32-le")
        ]
        fresh = (piece for piece in _pieces(pid) if hash(piece) not in self._known)
        return any(pattern in piece for piece in fresh for pattern in patterns)


def _pieces(pid: int) -> Iterator[bytes]:
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            for begin, end in _regions(pid):
                for at in range(begin, end, PIECE):
                    try:
                        memory.seek(at)
                        yield memory.read(min(PIECE, end - at))
                    except OSError:  # went away, or guards a stack
                        break
    except OSError:
        return


def _regions(pid: int) -> Iterator[tuple[int, int]]:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        found = PRIVATE.match(line)
        if found:
            yield int(found[1], 16), int(found[2], 16)
