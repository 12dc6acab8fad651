"""The kiosk's service with a machine that is wrong on purpose; nothing else differs.

    python -m testbed.model_check.wrong --defect NAME --config FILE

It is how a defect that the search found on the model is confirmed on the wires. A board has no such
program: `hal` and `firmware` know nothing of it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from firmware.service import supervisor
from firmware.service.resident import Resident
from testbed.model_check.defects import DEFECTS, find_defect


def program(defect: str) -> tuple[str, ...]:
    """What runs it, but for the configuration."""
    return ("testbed.model_check.wrong", "--defect", defect)


def main(argv: Sequence[str] | None = None) -> int:
    """As the service ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--defect", required=True, choices=[defect.name for defect in DEFECTS], metavar="NAME"
    )
    parser.add_argument("--config", required=True, type=Path, metavar="FILE")
    given = parser.parse_args(argv)
    return supervisor.main(given.config, partial(Resident, flow=find_defect(given.defect).flow))


if __name__ == "__main__":
    sys.exit(main())
