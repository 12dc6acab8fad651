"""The campaign as a command, `./scripts/power-cut`: 1 when something was lost, doubled, given
twice, or stuck.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from power_cut.campaign import Played
from power_cut.cuts import CUTS
from power_cut.judge import WRONG
from power_cut.points import Point, draw
from power_cut.shared_kiosk import side_by_side

FIGURES = ("exact", "with_case", "lost", "doubled", "both_given", "stuck", "unreadable", "skipped")


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    points = _chosen(given)
    if given.list:
        print("\n".join(map(str, points)))
        return 0
    began, played = time.monotonic(), []
    for one in side_by_side(points, given.keep):
        played.append(one)
        if not given.json:
            print(line(one), flush=True)
        elif not given.quiet:
            print(line(one), file=sys.stderr, flush=True)
    told = report(played, seed=given.seed, seconds=round(time.monotonic() - began, 1))
    print(json.dumps(told, ensure_ascii=False, indent=2) if given.json else table(told))
    return 1 if any(one.verdict.outcome in WRONG for one in played) or not played else 0


def report(played: Sequence[Played], **more: Any) -> dict[str, Any]:
    """Figures, by kind of cut too, and what went wrong."""
    count = Counter(one.verdict.outcome.value for one in played)
    by_kind: dict[str, Counter[str]] = {name: Counter() for name in CUTS}
    for one in played:
        by_kind[one.point.cut]["points"] += 1
        by_kind[one.point.cut][one.verdict.outcome.value] += 1
    return {
        "points": len(played),
        **{name: count[name] for name in FIGURES},
        "number_told": sum(
            bool(one.evidence.get("numbered")) for one in played if one.evidence.get("cases")
        ),
        "dark": sum(one.evidence.get("shown") == "dark" for one in played),
        "not_reached": sum(not one.reached for one in played),
        **more,
        "by_kind": {name: dict(found) for name, found in by_kind.items() if found},
        "failures": [
            described(one) for one in sorted(played, key=_number) if one.verdict.outcome in WRONG
        ],
    }


def described(one: Played) -> dict[str, Any]:
    verdict = one.verdict
    return {
        "point": str(one.point),
        "outcome": verdict.outcome.value,
        "why": verdict.why,
        "evidence": one.evidence,
    }


def line(one: Played) -> str:
    reached = "" if one.reached else " (cut at the end)"
    return f"{one.verdict.outcome:10} {one.seconds:5.1f} s  {one.point}{reached}  {one.verdict.why}"


def table(report: dict[str, Any]) -> str:
    columns = ("points", *FIGURES)
    rows = [("all", report), *report["by_kind"].items()]
    lines = [f"{'':34}" + "".join(f"{name:>11}" for name in columns)]
    lines += [
        f"{name:34}" + "".join(f"{row.get(column, 0):11}" for column in columns)
        for name, row in rows
    ]
    for one in report["failures"]:
        lines += [
            f"{one['outcome'].upper()}: {one['point']}",
            f"    {one['why']}",
            f"    {one['evidence']}",
        ]
    again = f"seed {report['seed']}: a point again with --seed {report['seed']} --point K"
    return "\n".join([*lines, f"{report['points']} points in {report['seconds']} s, {again}"])


def _number(one: Played) -> int:
    return one.point.number


def _chosen(given: argparse.Namespace) -> list[Point]:
    """`--point K` is the K-th of the same seed, whatever `--points` says."""
    wanted = given.point or ()
    drawn = draw(max([given.points, *(number + 1 for number in wanted)]), given.seed)
    chosen = [drawn[number] for number in wanted] if wanted else drawn
    return [point for point in chosen if not given.cut or point.cut in given.cut]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/power-cut",
        description="Power cuts, kills and full disks in the middle of journeys: is every yen "
        "accounted for?",
        epilog="The same seed makes the same points; a point is repeated with --seed S --point K.",
    )
    parser.add_argument(
        "--points", type=int, default=300, metavar="N", help="how many (%(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="S", help="of what is drawn (%(default)s)"
    )
    parser.add_argument(
        "--point", type=int, action="append", metavar="K", help="only this one; may be repeated"
    )
    parser.add_argument(
        "--cut", choices=CUTS, action="append", help="only points of this kind; may be repeated"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="log and journal of what went wrong go there"
    )
    parser.add_argument("--list", action="store_true", help="show the points, and end")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument("--quiet", action="store_true", help="with --json: no line for each point")
    return parser


if __name__ == "__main__":
    sys.exit(main())
