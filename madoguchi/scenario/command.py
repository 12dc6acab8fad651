"""`kiosk scenario FILE… [--on model|wires] [--defect NAME] [--json]`: run journeys from files.

A counter-example is replayed as far as a bench can do its steps; the verdict says which step it cannot do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import msgspec

from madoguchi.part import PartDead
from madoguchi.proof import bench, replay
from madoguchi.proof.defects import DEFECTS
from madoguchi.rehearsal import RehearsalError
from madoguchi.scenario import wires
from madoguchi.scenario.model import ModelRun
from madoguchi.scenario.script import BadScript, Failed, Script, load
from madoguchi.system import System


@dataclass(frozen=True)
class Verdict:
    file: str
    title: str
    on: str
    passed: bool
    why: str
    seconds: float


Job = tuple[Path, Script]


def on_model(jobs: Iterable[Job]) -> list[Verdict]:
    return [_on_model(path, script) for path, script in jobs]


def _on_model(path: Path, script: Script) -> Verdict:
    began, why = time.monotonic(), ""
    try:
        if script.proof:
            replay.run(script)
        else:
            ModelRun(script).run()
    except Failed as failed:
        why = str(failed)
    return Verdict(path.name, script.title, "model", not why, why, round(time.monotonic() - began, 2))


async def on_wires(jobs: Iterable[Job], folder: Path) -> list[Verdict]:
    """Scripts of one setting share a system, one after the other."""
    verdicts = []
    told = [(path, bench.told(script) if script.proof else bench.Told(script, "")) for path, script in jobs]
    ordered = sorted(told, key=lambda job: str(wires.setting(job[1].script)))
    for _, group in groupby(ordered, key=lambda job: wires.setting(job[1].script)):
        some = list(group)
        with tempfile.TemporaryDirectory(prefix="madoguchi-") as run:
            async with wires.system_for(some[0][1].script, folder, Path(run)) as system:
                for path, (script, short) in some:
                    verdicts.append(await _on_system(path, script, short, system))
    return verdicts


async def _on_system(path: Path, script: Script, short: str, system: System) -> Verdict:
    """`short`: what of the file is not in the script."""
    began, why = time.monotonic(), ""
    try:
        await wires.run(script, system)
    except Failed as failed:
        why = str(failed)
    done = f"not done: {short}" if short else ""
    return Verdict(path.name, script.title, "wires", not why, why or done, round(time.monotonic() - began, 2))


def main(argv: Sequence[str] | None = None) -> int:
    """0: all passed; 1: some did not; 2: a file is wrong, or the system did not start."""
    parser = argparse.ArgumentParser(prog="kiosk scenario", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--on", choices=("model", "wires"), default="model")
    parser.add_argument("--defect", choices=[d.name for d in DEFECTS], metavar="NAME", help="on a machine so wrong")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path("var/demo"), help="keeps keys, cards and voice")
    options = parser.parse_args(argv)
    try:
        jobs = [(path, script) for path in options.files for script in load(path)]
        if options.defect:
            jobs = [(path, msgspec.structs.replace(script, defect=options.defect)) for path, script in jobs]
        verdicts = on_model(jobs) if options.on == "model" else asyncio.run(on_wires(jobs, options.folder))
    except (BadScript, RehearsalError, PartDead) as error:
        print(f"kiosk scenario: {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], ensure_ascii=False, indent=1))
    else:
        for verdict in verdicts:
            print(f"{'OK' if verdict.passed else 'NG'}  {verdict.file}: {verdict.title}  {verdict.why}".rstrip())
        failed = sum(not verdict.passed for verdict in verdicts)
        print(f"{len(verdicts) - failed} passed, {failed} failed on the {options.on}")
    return 0 if all(verdict.passed for verdict in verdicts) else 1
