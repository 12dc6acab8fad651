"""What can go wrong with an ESC/POS printer, by name; may be done from any thread."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from hal.sim.fault import Argument, Fault, moment, setting
from hal.sim.printer.server import PrinterSim

LINES_OF_A4: Final = 2339  # at 203 dpi
# Where in the next pages the paper ends.
PLACES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "first-lines": 40,
        "last-lines": LINES_OF_A4 - 5,  # nobody can tell whether the sheet is whole
        "second-sheet": LINES_OF_A4 + 800,
    }
)
LATE = Argument("seconds", usual=1.1, most=600)
HELD = Argument("seconds", usual=30.0, most=600)
LINES = Argument("lines", usual=PLACES["second-sheet"], words=PLACES, least=1)


def _take_all_out(sim: PrinterSim, _: object) -> None:
    sim.load_paper(0)


def _load(sim: PrinterSim) -> None:
    sim.load_paper(sim.full)


def _end_behind_next(sim: PrinterSim, _: object) -> None:
    sim.stops_behind_last = True
    sim.load_paper(1)


def _go_on_behind_next(sim: PrinterSim) -> None:
    sim.stops_behind_last = False
    _load(sim)


def _report(sim: PrinterSim, on: bool) -> None:
    sim.auto_status = on
    sim.power_cycle()


FAULTS: Mapping[str, Fault[PrinterSim]] = MappingProxyType(
    {
        "paper-out": Fault(
            "no sheet is left", _take_all_out, _load, lambda sim: sim.paper_left == 0
        ),
        "paper-ends-in": setting(
            "the paper ends after so many more lines", "fail_after_lines", well=None, argument=LINES
        ),
        "paper-out-behind-next": Fault(
            "the paper ends behind the next sheet, which the printer does not confirm",
            _end_behind_next,
            _go_on_behind_next,
            lambda sim: sim.stops_behind_last,
        ),
        "printer-mute": setting("it answers nothing, and prints all the same", "mute"),
        "printer-cover": setting("its cover is open", "cover_open"),
        "printer-jam": setting("paper is stuck in it", "jam"),
        "printer-gone": setting("its line is cut, and every new one too", "drop_connection"),
        "printer-slow": setting(
            "its motor stands, so that a sheet takes longer than anybody waits", "stands"
        ),
        "printer-reports": Fault(
            "it tells its state by itself at any moment",
            lambda sim, _: _report(sim, True),
            lambda sim: _report(sim, False),
            lambda sim: sim.auto_status,
        ),
        "printer-late": setting(
            "each answer comes so much later", "manners.late_s", well=0.0, argument=LATE
        ),
        "printer-hangs-up": setting("it ends the connection behind each cut", "manners.hangs_up"),
        "printer-holds-port": setting(
            "it refuses others for so long after a connection has ended",
            "manners.hold_s",
            well=0.0,
            argument=HELD,
        ),
        "printer-restart": moment(
            "it loses power for a moment, and what it holds with it", PrinterSim.power_cycle
        ),
    }
)
# The receipts' printer has the same faults, under names of its own.
OF_RECEIPTS: Mapping[str, Fault[PrinterSim]] = MappingProxyType(
    {f"receipt-{name.removeprefix('printer-')}": fault for name, fault in FAULTS.items()}
)
