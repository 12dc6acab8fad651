"""A card reader behind PC/SC (pcscd).

pyscard's CardMonitor and ReaderMonitor die silently with pcscd or with an observer's exception, so
the watch is our own (`monitor`, `reader`). A call into PC/SC cannot be interrupted, so each is made
by a thread that may be left waiting (`worker`, `channel`). pyscard is imported late: it is wanted
on boards with a PC/SC reader only.
"""

from __future__ import annotations

from hal.card.pcsc.reader import PcscReader

__all__ = ["PcscReader"]
