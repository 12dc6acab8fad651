"""`kiosk walks [--minutes N | --walks N] [--steps N] [--seed S] [--json]`: a night of customers and
disturbances.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from testbed.demo import FOLDER
from testbed.model_check import wrong
from testbed.random_walk import judge
from testbed.random_walk.drive import INCIDENT, Failure, SharedSystem, Tally, attempt, run_walks
from testbed.system import KIOSK

ENOUGH = 10  # failures, then somebody must look
ROUND = 10  # walks between two seeds, where minutes are asked for
FIGURES = ("walks", "steps", "journeys", "sheets", "faults", "kills", "cases")


def main(argv: Sequence[str] | None = None) -> int:
    """0: everything held; 1: something did not."""
    given = _parser().parse_args(argv)
    began = time.monotonic()
    kiosk = wrong.program(given.defect) if given.defect else KIOSK
    failed = given.folder / "failed-walk"
    with SharedSystem(given.folder, failed, kiosk) as shared:
        shared.incident = given.incident
        if given.numbers:
            tally = _one_walk(shared, given)
        elif given.minutes:
            tally = _walks_for_minutes(shared, given)
        else:
            tally = run_walks(
                shared, given.walks, given.steps, given.seed, enough=ENOUGH, report=_print_progress
            )
    tally.seconds = time.monotonic() - began
    figures = report(tally)
    if given.json:
        print(json.dumps(figures, ensure_ascii=False))
    else:
        print("\n".join(_lines(figures, tally.failures)))
        if tally.failures:
            print(f"    kiosk replay {failed / INCIDENT}")
    return 1 if tally.failures else 0


def _one_walk(shared: SharedSystem, given: argparse.Namespace) -> Tally:
    tally = Tally()
    failure = attempt(shared, given.numbers, tally)
    if failure is not None:
        tally.failures.append(failure)
    return tally


def _walks_for_minutes(shared: SharedSystem, given: argparse.Namespace) -> Tally:
    tally = Tally()
    until = time.monotonic() + 60 * given.minutes
    seed = given.seed
    while time.monotonic() < until and len(tally.failures) < ENOUGH:
        more = run_walks(shared, ROUND, given.steps, seed, until, ENOUGH, _print_progress)
        tally.counts += more.counts
        tally.failures += more.failures
        tally.states |= more.states
        seed += 1
    return tally


def report(tally: Tally) -> dict[str, Any]:
    """Figures, and what did not hold."""
    figures = {name: tally.counts[name] for name in FIGURES}
    return {
        **figures,
        "states": len(tally.states),
        "seconds": round(tally.seconds, 1),
        "steps_per_second": round(tally.counts["steps"] / tally.seconds, 1),
        "violations": [_violation(failure) for failure in tally.failures],
    }


def _lines(figures: dict[str, Any], failures: Sequence[Failure]) -> Iterator[str]:
    """For a person at the terminal."""
    yield ", ".join(f"{value} {name}" for name, value in figures.items() if name != "violations")
    yield f"{len(failures)} violations"
    for failure in failures:
        yield f"NG  ({failure.letter}) {judge.PROPERTIES[failure.letter]}"
        yield f"    {failure.what}: {', '.join(failure.did)}"
        yield f"    {failure.replay}"


def _violation(failure: Failure) -> dict[str, object]:
    return {
        "property": failure.letter,
        "what": failure.what,
        "did": failure.did,
        "replay": failure.replay,
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk walks", description=__doc__)
    much = parser.add_mutually_exclusive_group()
    much.add_argument(
        "--minutes", type=float, metavar="N", help="walk until so many minutes are over"
    )
    much.add_argument(
        "--walks", type=int, default=20, metavar="N", help="so many walks (default: %(default)s)"
    )
    much.add_argument(
        "--numbers", type=_numbers, metavar="N,N,…", help="one walk again, as a failure tells it"
    )
    parser.add_argument(
        "--steps", type=int, default=200, metavar="N", help="of each walk (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="the same seed, the same walks"
    )
    parser.add_argument(
        "--defect", metavar="NAME", help="a kiosk that is wrong on purpose, as model-check names it"
    )
    parser.add_argument(
        "--incident", type=Path, metavar="FILE", help="the last walk's incident, for `kiosk replay`"
    )
    parser.add_argument("--json", action="store_true", help="figures and violations as JSON")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="keys, cards and voice (default: %(default)s)"
    )
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def _print_progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
