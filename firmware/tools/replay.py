"""`kiosk replay BUNDLE` explains an incident that `kiosk incident` wrote.

The recorded events are given to the model, the kiosk's own flow, and printed as a timeline in plain
English, with the first step at which something was not as it should be: a device or the city that
failed, an event without an answer in the table, a state that the table does not lead to, a command
that nobody answered in time, a case, or a process that ended in the middle. What a device left
without an answer on its wire stands between the steps. It needs no kiosk and no configuration.
0: all was as it should be; 1: something was not; 2: the bundle cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from firmware.service.build import build
from firmware.tools.cli import CommandError
from firmware.tools.incident import BundleError, Incident, read
from firmware.tools.replay_judge import Process, judge
from firmware.tools.replay_model import Unreadable
from firmware.tools.replay_timeline import moment, silences, timeline

FEW: Final = 3  # processes with something grave that are shown unless one is asked for


def main(argv: Sequence[str]) -> int:
    """Raises CommandError, BundleError."""
    parser = argparse.ArgumentParser(prog="kiosk replay", description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="of `kiosk incident`")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--case", metavar="ID", help="the process in which this case was opened")
    which.add_argument("--process", type=int, metavar="PID", help="this process, as the log has it")
    which.add_argument("--all", action="store_true", help="every process of the record")
    given = parser.parse_args(argv)
    incident = read(given.bundle)
    try:
        processes = judge(incident.steps)
    except Unreadable as error:
        raise BundleError(
            f"{given.bundle}: {error}: use the build that wrote it, {incident.manifest.build}"
        ) from None
    if not processes:
        raise BundleError(
            f"{given.bundle}: its flight record is empty: the kiosk has served nobody yet"
        )
    found = _choose(processes, incident, given.case, given.process)
    chosen = processes if given.all else found
    sys.stdout.writelines(f"{line}\n" for line in _report(incident, processes, chosen))
    return int(any(process.first_wrong is not None for process in chosen))


def _choose(
    processes: Sequence[Process], incident: Incident, case: str | None, number: int | None
) -> Sequence[Process]:
    """Unless one is asked for: the newest few in which something grave happened; else the newest in
    which something was wrong, else in which a wire was silent, else the newest.
    """
    if case is not None:
        found = [each for each in processes if _has_case(each, case)]
        missing = f"no case {case!r} in the flight record: its steps were overwritten, or --all"
    elif number is not None:
        found = [each for each in processes if each.number == number]
        missing = f"no process {number} in the flight record"
    else:
        wrong = [each for each in processes if each.first_wrong is not None]
        silent = [each for each in processes if silences(each, incident.exchanges)]
        if grave := [each for each in wrong if each.grave]:
            return grave[-FEW:]
        found = wrong or silent or [*processes]
        missing = ""
    if not found:
        raise CommandError(missing)
    return found[-1:]


def _in_a_line(process: Process) -> str:
    """What was grave in it; else what was wrong first."""
    told = [process.turns[index].wrong for index in process.grave]
    if not told and process.first_wrong is not None:
        told = [process.turns[process.first_wrong].wrong]
    return "; ".join(dict.fromkeys(wrong for turn in told for wrong in turn))


def _has_case(process: Process, case: str) -> bool:
    return any(f"case={case}" in words for turn in process.turns for words in turn.cases)


def _report(
    incident: Incident, processes: Sequence[Process], chosen: Sequence[Process]
) -> Iterator[str]:
    manifest = incident.manifest
    yield f"Incident of {manifest.kiosk}, written {moment(manifest.made)} by {manifest.build}"
    if manifest.build != build():
        yield f"This build is {build()}: where its table is another, the model may differ."
    wrong = [each for each in processes if each.first_wrong is not None]
    yield f"Processes in the record: {len(processes)}; with something wrong: {len(wrong)}"
    yield from (f"  {each.number}: {_in_a_line(each)}" for each in wrong)
    if wrong:
        yield "  (--process shows one, --all every one)"
    for process in chosen:
        yield ""
        yield from timeline(process, incident.exchanges)
