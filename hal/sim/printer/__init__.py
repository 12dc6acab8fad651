"""The far end of the printer's wire: an ESC/POS printer that draws what it gets."""

from hal.sim.printer.program import main
from hal.sim.printer.server import PrinterSim

__all__ = ["PrinterSim", "main"]
