"""`kiosk exchanges` shows the newest exchanges with each device: kinds, lengths, results, times.

Nothing of what was said is recorded. It may be asked beside a running kiosk.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from firmware.service.config import load
from firmware.service.exchange_record import DEVICES, Recorded, read_exchanges

LAST = 60


def main(argv: Sequence[str]) -> int:
    """0. Raises ConfigError."""
    parser = argparse.ArgumentParser(prog="kiosk exchanges", description=__doc__)
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
    )
    parser.add_argument("--device", choices=DEVICES, help="one device only")
    parser.add_argument("--process", type=int, metavar="PID", help="one process, as the log has it")
    parser.add_argument(
        "--last", type=int, default=LAST, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="all of them, one JSON object a line")
    given = parser.parse_args(argv)
    found = [
        each
        for each in read_exchanges(load(given.config).kiosk.state)
        if given.device in (None, each.exchange.device) and given.process in (None, each.process)
    ]
    if given.json:
        lines = [json.dumps(_facts(each)) for each in found]
    else:
        lines = [_line(each) for each in found[-max(given.last, 0) :]] or ["no exchange recorded"]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _facts(each: Recorded) -> dict[str, str | int]:
    facts = {"first": _time(each.first), "last": _time(each.last), "process": each.process}
    return {**facts, "times": each.times, **asdict(each.exchange)}


def _line(each: Recorded) -> str:
    made = each.exchange
    times = f"x{each.times}" if each.times > 1 else ""
    return (
        f"{_time(each.last)}  {each.process:>7}  {made.device:<8}  {made.kind:<22} {times:>7}"
        f"  {made.sent:>8} > {made.got:<8} {made.ms:>6} ms  {made.result}"
    )


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):  # a slot that was half written
        return "?"
