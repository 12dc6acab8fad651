"""`kiosk scenario FILE… [--on model|wires|bench] [--json]`: run journeys from files.

A counter-example is replayed as far as a bench can do its steps; the verdict says which step it
cannot do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from testbed.model_check import replay
from testbed.model_check.defects import DEFECTS
from testbed.model_check.on_wires import translate
from testbed.process import ProcessDead
from testbed.rehearsal_error import RehearsalError
from testbed.scenario import wires
from testbed.scenario.hands import HandsGaveUp, PersonHands, ProgramHands
from testbed.scenario.model import ModelRun
from testbed.scenario.real_bench import NoBench, RealBench, find_bench
from testbed.scenario_file import BadScript, Failed, Script, load
from testbed.system import System

EXITS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "all passed",
        1: "some did not: the lines with NG name file and step",
        2: "nothing was run to its end: a file is wrong, or the system or the bench is not there",
        3: "--on bench: the hands gave up at the step that is named, and the run ended there",
    }
)


@dataclass(frozen=True)
class Verdict:
    file: str
    title: str
    on: str
    passed: bool
    why: str
    seconds: float


Job = tuple[Path, Script]


@dataclass(frozen=True)
class WiresJob:
    """`short`: what of the file is not in the script."""

    path: Path
    script: Script
    short: str = ""


def on_model(jobs: Iterable[Job]) -> list[Verdict]:
    return [_on_model(path, script) for path, script in jobs]


def _on_model(path: Path, script: Script) -> Verdict:
    began = time.monotonic()
    why = ""
    try:
        if script.is_counter_example:
            replay.run(script)
        else:
            ModelRun(script).run()
    except Failed as failed:
        why = str(failed)
    return Verdict(
        file=path.name,
        title=script.title,
        on="model",
        passed=not why,
        why=why,
        seconds=round(time.monotonic() - began, 2),
    )


async def on_wires(jobs: Iterable[Job], folder: Path) -> list[Verdict]:
    """Scripts of one setting share a system, one after the other."""
    verdicts = []
    prepared = sorted((_prepared(job) for job in jobs), key=lambda job: str(_setting(job)))
    for _, group in groupby(prepared, key=_setting):
        same_setting = list(group)
        first = same_setting[0].script
        with tempfile.TemporaryDirectory(prefix="madoguchi-") as run:
            async with wires.system_for(first, folder, Path(run)) as system:
                for job in same_setting:
                    verdicts.append(await _on_system(job, system))
    return verdicts


async def on_bench(jobs: Iterable[Job], bench: RealBench) -> list[Verdict]:
    """One after the other. Raises NoBench, HandsGaveUp, which name the file."""
    verdicts = []
    for path, script in jobs:
        began = time.monotonic()
        why = ""
        try:
            await bench.play(script)
        except Failed as failed:
            why = str(failed)
        except (NoBench, HandsGaveUp) as stopped:
            raise type(stopped)(f"{path.name}: {stopped}") from None
        verdicts.append(
            Verdict(
                file=path.name,
                title=script.title,
                on="bench",
                passed=not why,
                why=why,
                seconds=round(time.monotonic() - began, 2),
            )
        )
    return verdicts


def _prepared(job: Job) -> WiresJob:
    path, script = job
    if not script.is_counter_example:
        return WiresJob(path, script)
    translated = translate(script)
    return WiresJob(path, translated.script, translated.short)


def _setting(job: WiresJob) -> object:
    return wires.setting(job.script)


async def _on_system(job: WiresJob, system: System) -> Verdict:
    began = time.monotonic()
    why = ""
    try:
        await wires.run(job.script, system)
    except Failed as failed:
        why = str(failed)
    not_done = f"not done: {job.short}" if job.short else ""
    return Verdict(
        file=job.path.name,
        title=job.script.title,
        on="wires",
        passed=not why,
        why=why or not_done,
        seconds=round(time.monotonic() - began, 2),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status, one of `EXITS`."""
    parser = argparse.ArgumentParser(
        prog="kiosk scenario",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="exit status:\n" + "\n".join(f"  {code}  {says}" for code, says in EXITS.items()),
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--on", choices=("model", "wires", "bench"), default="model")
    parser.add_argument(
        "--defect", choices=[d.name for d in DEFECTS], metavar="NAME", help="on a machine so wrong"
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--folder", type=Path, default=Path("var/demo"), help="keeps keys, cards and voice"
    )
    parser.add_argument(
        "--config", type=Path, metavar="kiosk.toml", help="of the running kiosk, --on bench"
    )
    parser.add_argument(
        "--hands",
        metavar="CMD",
        help="--on bench: the program that does each act; without it a person is asked",
    )
    options = parser.parse_args(argv)
    if (options.on == "bench") != (options.config is not None):
        parser.error("--config kiosk.toml goes with --on bench, and --on bench needs it")
    if options.hands is not None and options.on != "bench":
        parser.error("--hands goes with --on bench")
    try:
        jobs = [(path, script) for path in options.files for script in load(path)]
        if options.defect:
            jobs = [
                (path, msgspec.structs.replace(script, defect=options.defect))
                for path, script in jobs
            ]
        verdicts = _run(options, jobs)
    except HandsGaveUp as gave_up:
        print(f"kiosk scenario: {gave_up}", file=sys.stderr)
        return 3
    except (BadScript, RehearsalError, ProcessDead, NoBench) as error:
        print(f"kiosk scenario: {error}", file=sys.stderr)
        return 2
    _print(verdicts, options)
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def _run(options: argparse.Namespace, jobs: list[Job]) -> list[Verdict]:
    if options.on == "model":
        return on_model(jobs)
    if options.on == "wires":
        return asyncio.run(on_wires(jobs, options.folder))
    hands = ProgramHands(options.hands) if options.hands else PersonHands()
    return asyncio.run(on_bench(jobs, find_bench(options.config, hands)))


def _print(verdicts: list[Verdict], options: argparse.Namespace) -> None:
    if options.json:
        print(json.dumps([asdict(verdict) for verdict in verdicts], ensure_ascii=False, indent=1))
        return
    for verdict in verdicts:
        print(
            f"{'OK' if verdict.passed else 'NG'}  {verdict.file}: {verdict.title}  "
            f"{verdict.why}".rstrip()
        )
    failed = sum(not verdict.passed for verdict in verdicts)
    print(f"{len(verdicts) - failed} passed, {failed} failed on the {options.on}")
