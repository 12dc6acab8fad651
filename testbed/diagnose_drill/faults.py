"""The table of faults: where each is put in, and the code that must be named."""

from __future__ import annotations

from typing import Final

from testbed.diagnose_drill import (
    chosen_faults,
    configuration_faults,
    device_faults,
    file_faults,
    line_faults,
    machine_faults,
    state_faults,
)
from testbed.diagnose_drill.fault import Fault

FAULTS: Final[tuple[Fault, ...]] = (
    *configuration_faults.FAULTS,
    *file_faults.FAULTS,
    *state_faults.FAULTS,
    *device_faults.FAULTS,
    *line_faults.FAULTS,
    *machine_faults.FAULTS,
    *chosen_faults.FAULTS,
)
