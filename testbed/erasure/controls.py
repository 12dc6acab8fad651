"""Proof that the search finds what is there: a process and files that keep everything."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from testbed.erasure.people import Needle
from testbed.erasure.search import Searched, search_files, search_process

# Keeps what it is given in memory, and in a file that has no name any more.
CARELESS: Final = """
import sys, tempfile
kept = sys.stdin.buffer.read(int(sys.argv[1]))
if sys.argv[2] == "memory":
    held = [kept]
else:
    file = tempfile.TemporaryFile()
    file.write(kept)
    file.flush()
    kept = None
print("ready", flush=True)
sys.stdin.read()
"""
WAYS: Final = ("memory", "a file without a name", "a file")


def missed(needles: Sequence[Needle]) -> dict[str, list[str]]:
    """For each way: the needles that the search did not find although they are there."""
    found: dict[str, list[str]] = {}
    for way in WAYS:
        searched = _searched(way, needles)
        seen = {hit.needle.name for hit in searched.hits}
        found[way] = [needle.name for needle in needles if needle.name not in seen]
    return found


def _searched(way: str, needles: Sequence[Needle]) -> Searched:
    content = b"\0\xff\0".join(needle.content for needle in needles)
    if way == "a file":
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "kept"
            path.write_bytes(content)
            return search_files(way, [path], needles)
    with _careless(way, content) as pid:
        return search_process(pid, needles, set())


@contextmanager
def _careless(way: str, content: bytes) -> Iterator[int]:
    words = [sys.executable, "-c", CARELESS, str(len(content)), way]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout  # noqa: S101 - they were asked for
        process.stdin.write(content)
        process.stdin.flush()
        process.stdout.readline()
        yield process.pid
        process.stdin.close()
