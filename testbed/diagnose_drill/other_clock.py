"""`python -m testbed.diagnose_drill.other_clock SECONDS ARGUMENT…`: `kiosk diagnose` on a board
whose clock is so many seconds ahead (negative: behind).
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from firmware.tools import diagnose
from firmware.tools.diagnose import moment


def main() -> int:
    ahead = timedelta(seconds=float(sys.argv[1]))
    moment.source = lambda: datetime.now(UTC) + ahead
    return diagnose.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
