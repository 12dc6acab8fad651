"""`kiosk model-check [--json] [--depth N] [--defects] [--save FOLDER]`: the whole journey, and what
holds in it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from firmware.flow.machine import build
from firmware.flow.states import State
from testbed.model_check import replay
from testbed.model_check.defects import DEFECTS, Defect
from testbed.model_check.hunt import find_fault
from testbed.model_check.kiosk import Kiosk
from testbed.model_check.search import Search, SearchResult, verdicts

BARE_EVENTS = 5_000


def main(argv: Sequence[str] | None = None) -> int:
    """0: everything holds, over a closed space; 1: something does not, or a defect was
    not found.
    """
    parser = argparse.ArgumentParser(prog="kiosk model-check", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--depth", type=int, metavar="N", help="stop after so many steps (nothing is proven then)"
    )
    parser.add_argument(
        "--defects", action="store_true", help="seed every known defect: each must be found"
    )
    parser.add_argument(
        "--save", type=Path, metavar="FOLDER", help="write each counter-example as a scenario file"
    )
    given = parser.parse_args(argv)
    result = Search(Kiosk()).run(given.depth)
    defects = search_defects() if given.defects else {}
    report = {**figures(result), "properties": verdicts(result), "defects": defects}
    if given.save:
        save(given.save, report)
    if given.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        print("\n".join(_lines(report)))
    missed = any(not defect["found"] for defect in defects.values())
    holds = result.closed and not result.counterexamples
    return 0 if holds and not missed else 1


def figures(result: SearchResult) -> dict[str, object]:
    bare = bare_dispatch()
    return {
        "states": result.states,
        "transitions": result.transitions,
        "depth": result.depth,
        "closed": result.closed,
        "seconds": round(result.seconds, 2),
        "states_per_second": round(result.states / result.seconds),
        "transitions_per_second": round(result.transitions / result.seconds),
        "dispatched": result.dispatched,
        "bare_dispatches_per_second": round(bare),
        "violations": len(result.counterexamples),
    }


def bare_dispatch() -> float:
    """Events a second of the production table's machine alone, in a loop that does nothing else."""
    position = SimpleNamespace(session=None, event=None, row=None)
    machine = build(position)
    position.state = State.CARDLEFT.value
    began = time.perf_counter()
    for _ in range(BARE_EVENTS):
        machine.trigger_event(position, "card-present")
    return BARE_EVENTS / (time.perf_counter() - began)


def search_defects() -> dict[str, dict[str, object]]:
    """Each defect: whether one of its properties broke, which, and how one gets there."""
    return {defect.name: _search_defect(defect) for defect in DEFECTS}


def _search_defect(defect: Defect) -> dict[str, object]:
    result = find_fault(defect)
    for fault, path in result.counterexamples.items():
        return {
            "found": fault.letter in defect.letters,
            "property": fault.letter,
            "what": fault.what,
            "steps": list(path),
        }
    return {"found": False, "property": "", "what": "", "steps": []}


def save(folder: Path, report: dict[str, Any]) -> None:
    """One scenario file for each way in which a property does not hold, and for each defect."""
    folder.mkdir(parents=True, exist_ok=True)
    for letter, verdict in report["properties"].items():
        for number, example in enumerate(verdict["counterexamples"], 1):
            title = f"({letter}) {example['what']}"
            (folder / f"{letter}{number}.toml").write_text(replay.scenario(title, example["steps"]))
    for number, (name, defect) in enumerate(report["defects"].items(), 1):
        (folder / f"defect{number:02}.toml").write_text(replay.scenario(name, defect["steps"]))


def _lines(report: dict[str, Any]) -> Iterator[str]:
    """For a person at the terminal."""
    closed = "closed" if report["closed"] else "cut: nothing is proven"
    yield (
        f"{report['states']} states, {report['transitions']} transitions, "
        f"{report['seconds']} s, {closed}"
    )
    yield (
        f"{report['states_per_second']} states/s, "
        f"{report['transitions_per_second']} transitions/s; "
        f"a bare dispatch loop: {report['bare_dispatches_per_second']}/s"
    )
    for letter, verdict in report["properties"].items():
        yield f"{_mark(verdict)}  ({letter}) {verdict['words']}"
        for example in verdict["counterexamples"]:
            yield f"      {example['what']}: {', '.join(example['steps'])}"
    for name, defect in report["defects"].items():
        found = "found" if defect["found"] else "MISSED"
        yield f"{found}  {name}: ({defect['property']}) {defect['what']}"


def _mark(verdict: dict[str, Any]) -> str:
    """`--` where the search was cut, so that nothing is known."""
    if verdict["counterexamples"]:
        return "NG"
    return "OK" if verdict["holds"] else "--"
