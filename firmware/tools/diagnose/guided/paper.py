"""Does a sheet come out as it should look? The calibration sheet, judged by a person."""

from __future__ import annotations

from typing import Final

from firmware.service.calibration_print import print_calibration
from firmware.service.config import Config
from firmware.tools.diagnose.finding import wrong
from firmware.tools.diagnose.guided.human import Asking, Request

WELL: Final = Request(
    "取り出し口の用紙を取ってください。欠け・かすれ・縞がなく、罫線と文字が鮮明ですか。",
    "Take the sheet from the outlet. Is it sharp, with no missing dots, faint parts or stripes?",
)


def sheet(config: Config, asking: Asking) -> str:
    """The printer itself confirms that the sheet is out. Raises Wrong, DeviceFault, Gone."""
    print_calibration(config)
    if not asking.ask(WELL):
        raise wrong("guided.sheet", "printed and confirmed, but it does not look right")
    return "printed, confirmed by the printer, looks right"
