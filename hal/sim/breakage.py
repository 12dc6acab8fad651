"""What can be broken at a bench, by name, and put right again: the tables of all its far ends."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from hal.sim.card.faults import FAULTS as CARD
from hal.sim.cashless.faults import FAULTS as TERMINAL
from hal.sim.coins.faults import FAULTS as COINS
from hal.sim.coins.faults import FULL_HOPPER as FULL_HOPPER
from hal.sim.fault import Fault
from hal.sim.line_faults import FAULTS as LINE
from hal.sim.line_faults import OF_READER as READER
from hal.sim.printer.faults import FAULTS as PRINTER
from hal.sim.printer.faults import OF_RECEIPTS as RECEIPTS
from hal.sim.service_key.faults import FAULTS as KEY
from hal.sim.speaker_faults import FAULTS as SPEAKER

if TYPE_CHECKING:
    from hal.sim.bench import Bench

FULL_TRAY = 200
FULL_ROLL = 100

# The far ends by the name of their command (`kiosk sim NAME`), and the table of each.
FAR_ENDS: Final[Mapping[str, Mapping[str, Fault[Any]]]] = MappingProxyType(
    {
        "card": CARD,
        "reader": READER,
        "line": LINE,
        "printer": PRINTER,
        "coins": COINS,
        "cashless": TERMINAL,
        "key": KEY,
        "speaker": SPEAKER,
    }
)
FAULTS: Final[Mapping[str, Fault[Bench]]] = MappingProxyType(
    {
        **{name: fault.at(lambda bench: bench.cable) for name, fault in READER.items()},
        **{name: fault.at(lambda bench: bench) for name, fault in CARD.items()},
        **{name: fault.at(lambda bench: bench.line) for name, fault in LINE.items()},
        **{name: fault.at(lambda bench: bench.sheets) for name, fault in PRINTER.items()},
        **{name: fault.at(lambda bench: bench.receipts) for name, fault in RECEIPTS.items()},
        **{name: fault.at(lambda bench: bench.coins) for name, fault in COINS.items()},
        **{name: fault.at(lambda bench: bench.terminal) for name, fault in TERMINAL.items()},
        **{name: fault.at(lambda bench: bench.key) for name, fault in KEY.items()},
        **{name: fault.at(lambda bench: bench.speaker) for name, fault in SPEAKER.items()},
    }
)
# Those that the dock has a switch for, and that the random walks put in.
DOCKED: Final = (
    "reader-lost",
    "phone-sleeps",
    "line-cut",
    "line-stall",
    "paper-out",
    "printer-mute",
    "printer-cover",
    "printer-jam",
    "printer-gone",
    "printer-reports",
    "printer-late",
    "printer-hangs-up",
    "printer-holds-port",
    "paper-out-behind-next",
    "receipt-paper-out",
    "receipt-mute",
    "coin-jam",
    "coins-mute",
    "terminal-mute",
    "terminal-declines",
    "terminal-forgets",
    "reversal-unknown",
    "hoppers-empty",
)
