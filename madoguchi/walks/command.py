"""`kiosk walks [--minutes N | --walks N] [--steps N] [--seed S] [--json]`: a night of people and bad luck."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from madoguchi.demo import FOLDER
from madoguchi.proof import wrong
from madoguchi.system import KIOSK
from madoguchi.walks import judge
from madoguchi.walks.drive import Found, House, Tally, attempt, walks

ENOUGH = 10  # failures, then somebody must look
ROUND = 10  # walks between two seeds, where minutes are asked for
FIGURES = ("walks", "steps", "journeys", "sheets", "faults", "kills", "cases")


def main(argv: Sequence[str] | None = None) -> int:
    """0: everything held; 1: something did not."""
    given = _parser().parse_args(argv)
    began = time.monotonic()
    tally = Tally()
    kiosk = wrong.program(given.defect) if given.defect else KIOSK
    with House(given.folder, kiosk) as house:
        if given.numbers:
            found = attempt(house, given.numbers, tally)
            tally.found += [found] if found else []
        elif given.minutes:
            until, seed = began + 60 * given.minutes, given.seed
            while time.monotonic() < until and len(tally.found) < ENOUGH:
                _add(tally, walks(house, ROUND, given.steps, seed, until, ENOUGH, _tell))
                seed += 1
        else:
            tally = walks(house, given.walks, given.steps, given.seed, enough=ENOUGH, tell=_tell)
    tally.seconds = time.monotonic() - began
    told = report(tally)
    print(json.dumps(told, ensure_ascii=False) if given.json else "\n".join(_lines(told, tally.found)))
    return 1 if tally.found else 0


def report(tally: Tally) -> dict[str, Any]:
    """Figures, and what did not hold."""
    figures = {name: tally.counts[name] for name in FIGURES}
    return {
        **figures,
        "states": len(tally.states),
        "seconds": round(tally.seconds, 1),
        "steps_per_second": round(tally.counts["steps"] / tally.seconds, 1),
        "violations": [_told(found) for found in tally.found],
    }


def _lines(told: dict[str, Any], found: Sequence[Found]) -> Iterator[str]:
    """For a person at the terminal."""
    yield ", ".join(f"{value} {name}" for name, value in told.items() if name != "violations")
    yield f"{len(found)} violations"
    for one in found:
        yield f"NG  ({one.letter}) {judge.PROPERTIES[one.letter]}"
        yield f"    {one.what}: {', '.join(one.did)}"
        yield f"    {one.replay}"


def _told(found: Found) -> dict[str, object]:
    return {"property": found.letter, "what": found.what, "did": found.did, "replay": found.replay}


def _add(tally: Tally, more: Tally) -> None:
    tally.counts += more.counts
    tally.found += more.found
    tally.states |= more.states


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk walks", description=__doc__)
    much = parser.add_mutually_exclusive_group()
    much.add_argument("--minutes", type=float, metavar="N", help="walk until so many minutes are over")
    much.add_argument("--walks", type=int, default=20, metavar="N", help="so many walks (default: %(default)s)")
    much.add_argument("--numbers", type=_numbers, metavar="N,N,…", help="one walk again, as a failure tells it")
    parser.add_argument("--steps", type=int, default=200, metavar="N", help="of each walk (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed, the same walks")
    parser.add_argument("--defect", metavar="NAME", help="a kiosk that is wrong on purpose, as model-check names it")
    parser.add_argument("--json", action="store_true", help="figures and violations as JSON")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="keys, cards and voice (default: %(default)s)")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
