"""`kiosk field-day [--residents N] [--trouble P] [--seed S] [--json]`: a simulated day with passing
trouble on every device, judged from outside.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from testbed.demo import FOLDER
from testbed.field_day.day import Day, play_day
from testbed.field_day.judge import Stay
from testbed.process import ProcessDead
from testbed.rehearsal_error import RehearsalError


def main(argv: Sequence[str] | None = None) -> int:
    """0: everything held; 1: something did not."""
    given = _parser().parse_args(argv)
    try:
        day = asyncio.run(
            play_day(given.folder, given.residents, given.trouble, given.seed, _print_progress)
        )
    except (ProcessDead, RehearsalError) as error:
        sys.stderr.write(f"field-day: {error}\n")
        return 1
    figures = report(day)
    if given.json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        print("\n".join(_lines(figures)))
    return 1 if day.findings or len(day.stays) < given.residents else 0


def report(day: Day) -> dict[str, Any]:
    """Figures, and what did not hold."""
    stays = day.stays
    served = [stay for stay in stays if stay.served]
    away = [stay for stay in stays if not stay.served and not _told_rightly(stay)]
    turned_away = Counter(_where(stay) for stay in away)
    operator: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for stay in stays:
        operator += stay.operator
        reasons += stay.reasons
    seconds = sorted(stay.seconds for stay in stays) or [0.0]
    return {
        "residents": len(stays),
        "served": len(served),
        "served_after_trouble": sum(stay.troubles > 0 for stay in served),
        "told_rightly": sum(_told_rightly(stay) for stay in stays),
        "turned_away": dict(turned_away.most_common()),
        "out_of_service": dict(reasons.most_common()),
        "operator": dict(operator.most_common()),
        "cases": dict(day.cases.most_common()),
        "troubles": {f"{device}: {kind}": n for (device, kind), n in sorted(day.injected.items())},
        "troubles_in_all": day.injected.total(),
        "seconds": round(day.seconds, 1),
        "seconds_per_resident": round(sum(seconds) / len(seconds), 2),
        "median_seconds": round(seconds[len(seconds) // 2], 2),
        "findings": [finding._asdict() for finding in day.findings],
    }


def _told_rightly(stay: Stay) -> bool:
    return bool(stay.right) and any(told.code == stay.right for told in stay.told)


def _where(stay: Stay) -> str:
    if stay.told:
        return f"{stay.told[-1].screen}: {stay.told[-1].code}"
    return f"fault: {next(iter(stay.reasons), 'left')}"


def _lines(figures: dict[str, Any]) -> Iterator[str]:
    """For a person at the terminal."""
    for name, value in figures.items():
        if name == "findings":
            continue
        words = name.replace("_", " ")
        if not isinstance(value, dict):
            yield f"{words:>22}  {value}"
            continue
        yield f"{words:>22}  {sum(value.values())}"
        for what, count in value.items():
            yield f"{count:>26}  {what}"
    yield f"{len(figures['findings'])} findings"
    for finding in figures["findings"]:
        yield f"NG  resident {finding['number']}: {finding['what']}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk field-day", description=__doc__)
    parser.add_argument(
        "--residents", type=int, default=1000, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--trouble",
        type=float,
        default=5.0,
        metavar="P",
        help="of a hundred exchanges with every device, so many go wrong (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="the same seed, the same troubles"
    )
    parser.add_argument("--json", action="store_true", help="figures and findings as JSON")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="keys, cards and voice (default: %(default)s)"
    )
    return parser


def _print_progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
