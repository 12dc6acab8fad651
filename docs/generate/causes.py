"""docs/diagnose-codes.md, written from the table of causes: `python -m docs.generate.causes`."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import Final

from firmware.tools.diagnose.finding import Cause, causes

PAGE: Final = Path(__file__).parents[1] / "diagnose-codes.md"
HEAD: Final = """# What diagnose can name

Written by `python -m docs.generate.causes` from `firmware/tools/diagnose/causes.toml`. A test
compares them.

Each line of `kiosk diagnose` that is not OK bears one of these codes. A code keeps its meaning from
one release to the next: tickets and scripts may refer to it.
"""


def page() -> str:
    """The whole page, Markdown."""
    parts = [HEAD]
    for area, rows in groupby(causes().values(), lambda cause: cause.code.partition(".")[0]):
        parts += [
            f"## {area}",
            "",
            "| code | what should be so | what to do | 対処 |",
            "|---|---|---|---|",
        ]
        parts += [_row(cause) for cause in rows]
        parts.append("")
    return "\n".join(parts)


def _row(cause: Cause) -> str:
    cells = (f"`{cause.code}`", cause.expected, cause.remedy.en, cause.remedy.ja)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
