"""`kiosk diagnose-drill`: how many of the faults does `kiosk diagnose` name?"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from testbed.diagnose_drill.drill import Judged, Outcome, drill, sample
from testbed.diagnose_drill.fault import Fault
from testbed.diagnose_drill.faults import FAULTS
from testbed.diagnose_drill.site import READABLE, Site

EXIT_CODES = "exit codes: 0 every fault that was put in is named; 1 some are not; 2 wrong usage"


def main(argv: Sequence[str] | None = None) -> int:
    """See `EXIT_CODES`."""
    given = _parser().parse_args(argv)
    faults = [each for each in FAULTS if not given.only or each.name in given.only]
    if given.list:
        print(*(f"{each.check:<14} {each.code:<28} {each.name}" for each in faults), sep="\n")
        return 0
    if given.sample:
        faults = sample(faults, given.sample, given.seed)
    with tempfile.TemporaryDirectory(prefix="madoguchi-drill-") as folder:
        Path(folder).chmod(READABLE)
        judged = asyncio.run(_run(Path(folder) / "site", faults, quiet=given.json))
    counted = Counter(each.outcome for each in judged)
    if given.json:
        print(json.dumps(report(judged), ensure_ascii=False, indent=1))
    else:
        listed = ", ".join(f"{counted[outcome]} {outcome.value}" for outcome in Outcome)
        print(f"{len(judged)} faults: {listed}")
    well = counted[Outcome.NAMED] + counted[Outcome.NOT_PUT] == len(judged)
    return 0 if well else 1


async def _run(folder: Path, faults: Sequence[Fault], *, quiet: bool) -> list[Judged]:
    judged = []
    async with Site(folder) as site:
        async for each in drill(site, faults):
            judged.append(each)
            if not quiet:
                _tell(each)
    return judged


def _tell(each: Judged) -> None:
    code = each.code if each.outcome is not Outcome.SEEN else f"{each.code}, not {each.fault.code}"
    detail = each.detail[:110]
    sys.stdout.write(f"{each.outcome.value:<8} {each.fault.name:<36} {code}: {detail}\n")
    sys.stdout.flush()


def report(judged: Sequence[Judged]) -> dict[str, object]:
    counted = Counter(each.outcome.value for each in judged)
    return {
        "faults": len(judged),
        **{outcome.value: counted[outcome.value] for outcome in Outcome},
        "each": [each.as_json() for each in judged],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiosk diagnose-drill", description=__doc__, epilog=EXIT_CODES
    )
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="only so many")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which ones")
    parser.add_argument("--only", nargs="+", default=[], metavar="FAULT")
    parser.add_argument("--list", action="store_true", help="the faults and their codes")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser
