"""`kiosk run`: the kiosk itself, in the foreground."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str]) -> int:
    """0 after an orderly stop, 2 with one line when it cannot start."""
    parser = argparse.ArgumentParser(prog="kiosk run", description=__doc__)
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
    )
    given = parser.parse_args(argv)

    from firmware.service.supervisor import (
        main as run,
    )  # wrong words are answered without waiting for this

    return run(given.config)
