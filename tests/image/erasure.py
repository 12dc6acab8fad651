"""Whether anything of a resident stays in the memory of the whole board: of its kernel, too.

QEMU writes down all of the machine's memory; nothing in the machine has to be asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from machine import MEMORY_MIB, Machine

from testbed.erasure.people import Needle
from testbed.erasure.search import MOST_FILE, search_files

PIECE_MIB = MOST_FILE >> 20


def remembered(machine: Machine, folder: Path, needles: Sequence[Needle]) -> list[str]:
    """Whose what is in the memory now, without saying it. The machine stands still meanwhile."""
    found: set[str] = set()
    machine.qmp("stop")
    try:
        for begin in range(0, MEMORY_MIB, PIECE_MIB):
            piece = folder / "memory"
            size = min(PIECE_MIB, MEMORY_MIB - begin) << 20
            machine.qmp("pmemsave", val=begin << 20, size=size, filename=str(piece.absolute()))
            found |= {hit.needle.name for hit in search_files("memory", [piece], needles).hits}
            piece.unlink()
    finally:
        machine.qmp("cont")
    return sorted(found)
