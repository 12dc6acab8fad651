"""Whether person after person goes away because of the reader, and not because of a card.

A person is one process, so the count is kept in memory that the supervisor shares with all of them.
The reader itself is asked besides (`CardReader.check`); this is for what no question finds: a
reader that answers us and never reads a card.
"""

from __future__ import annotations

import mmap
import struct
import time
from typing import Final

from hal.faults import Reason

# What a failed reading weighs. One person with a card that is broken may try it a few times.
WEIGHTS: Final = {
    Reason.NOT_CONNECTED: 3,
    Reason.CONFIGURATION: 3,
    Reason.DENIED: 3,
    Reason.SERVICE_DOWN: 3,
    Reason.IN_USE: 3,
    Reason.SILENT: 1,
    Reason.GARBLED: 1,
    Reason.MUTE: 1,  # once for each person, who lays the card down again and again
}
TOO_MUCH: Final = 6  # in a row
PAUSE_S: Final = 60.0  # then the next person may try; after each one more in vain twice as long
LONGEST_PAUSE_S: Final = 960.0
FORM: Final = struct.Struct("=Id")  # weight, monotonic seconds of the last failure


class CardOutcomes:
    """Made before the fork, it is one and the same in every process."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, FORM.size)

    def well(self) -> None:
        """A card did all that was asked of it, or is at fault itself."""
        FORM.pack_into(self._memory, 0, 0, 0.0)

    def failed(self, reason: Reason) -> None:
        weight, _ = FORM.unpack_from(self._memory)
        more = WEIGHTS.get(reason, 0)
        if more:
            FORM.pack_into(self._memory, 0, weight + more, time.monotonic())

    def pausing(self) -> bool:
        """Whether nobody shall be sent to the reader now."""
        weight, last = FORM.unpack_from(self._memory)
        if weight < TOO_MUCH:
            return False
        pause: float = min(PAUSE_S * 2.0 ** min(weight - TOO_MUCH, 8), LONGEST_PAUSE_S)
        return bool(time.monotonic() < last + pause)


OF_THIS_KIOSK: Final = CardOutcomes()
