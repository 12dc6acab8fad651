"""`kiosk version` says which build this is."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from firmware.service.build import build


def main(argv: Sequence[str]) -> int:
    """0."""
    argparse.ArgumentParser(prog="kiosk version", description=__doc__).parse_args(argv)
    sys.stdout.write(f"madoguchi {build()}\n")
    return 0
