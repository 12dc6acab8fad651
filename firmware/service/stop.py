"""Out of service by a technician's word: two entries of the journal, of which the newer holds.

It outlives every restart, and is lifted in the same way as it was made.
"""

from __future__ import annotations

from typing import Final

from firmware.service.journal import Journal

STOPPED, RESUMED = "service-stopped", "service-resumed"  # kinds of entries
SUSPENDED: Final = "suspended"  # the key of the texts
TECHNICIAN: Final = "technician"  # of the status, while the technician's screens are open


def is_stopped(journal: Journal) -> bool:
    """Raises JournalBroken."""
    newest = journal.newest(STOPPED, RESUMED)
    return newest is not None and newest.kind == STOPPED


def stop(journal: Journal, *, stopped: bool) -> bool:
    """False: it is so already. Raises JournalBroken, and then it stays as it was."""
    if is_stopped(journal) == stopped:
        return False
    journal.write("", STOPPED if stopped else RESUMED)
    return True
