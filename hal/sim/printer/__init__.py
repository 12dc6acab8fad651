"""The far end of the printer's wire: an ESC/POS printer that draws what it gets."""

from hal.sim.printer.server import PrinterSim, main

__all__ = ["PrinterSim", "main"]
