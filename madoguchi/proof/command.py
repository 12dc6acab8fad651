"""`kiosk model-check [--json] [--depth N] [--defects] [--save FOLDER]`: the whole journey, and what holds in it."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from firmware.flow.machine import build
from firmware.flow.states import State
from madoguchi.proof import replay
from madoguchi.proof.defects import DEFECTS
from madoguchi.proof.kiosk import Kiosk
from madoguchi.proof.search import Found, Search, verdicts

BARE_EVENTS = 5_000


def main(argv: Sequence[str] | None = None) -> int:
    """0: everything holds, over a closed space; 1: something does not, or a defect was not found."""
    parser = argparse.ArgumentParser(prog="kiosk model-check", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--depth", type=int, metavar="N", help="stop after so many steps (nothing is proven then)")
    parser.add_argument("--defects", action="store_true", help="seed every known defect: each must be found")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="write each counter-example as a scenario file")
    given = parser.parse_args(argv)
    found = Search(Kiosk()).run(given.depth)
    defects = seeded() if given.defects else {}
    report = {**figures(found), "properties": verdicts(found), "defects": defects}
    if given.save:
        save(given.save, report)
    if given.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        tell(report)
    missed = any(not what["found"] for what in defects.values())
    return 0 if found.closed and not found.counterexamples and not missed else 1


def figures(found: Found) -> dict[str, object]:
    bare = bare_dispatch()
    return {
        "states": found.states,
        "transitions": found.transitions,
        "depth": found.depth,
        "closed": found.closed,
        "seconds": round(found.seconds, 2),
        "states_per_second": round(found.states / found.seconds),
        "transitions_per_second": round(found.transitions / found.seconds),
        "dispatched": found.dispatched,
        "bare_dispatches_per_second": round(bare),
        "violations": len(found.counterexamples),
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


def seeded() -> dict[str, dict[str, object]]:
    """Each defect: whether one of its properties broke, which, and how one gets there."""
    result: dict[str, dict[str, object]] = {}
    for defect in DEFECTS:
        found = Search(defect.kiosk(), first=True).run()
        fault, path = next(iter(found.counterexamples.items()), (None, ()))
        known = fault is not None and fault.letter in defect.letters
        result[defect.name] = {
            "found": known,
            "property": fault.letter if fault else "",
            "what": fault.what if fault else "",
            "steps": list(path),
        }
    return result


def save(folder: Path, report: dict[str, Any]) -> None:
    """One scenario file for each way in which a property does not hold, and for each defect."""
    folder.mkdir(parents=True, exist_ok=True)
    for letter, verdict in report["properties"].items():
        for number, example in enumerate(verdict["counterexamples"], 1):
            title = f"({letter}) {example['what']}"
            (folder / f"{letter}{number}.toml").write_text(replay.scenario(title, example["steps"]))
    for number, (name, what) in enumerate(report["defects"].items(), 1):
        (folder / f"defect{number:02}.toml").write_text(replay.scenario(name, what["steps"]))


def tell(report: dict[str, object]) -> None:
    """For a person at the terminal."""
    closed = "closed" if report["closed"] else "cut: nothing is proven"
    print(f"{report['states']} states, {report['transitions']} transitions, {report['seconds']} s, {closed}")
    print(
        f"{report['states_per_second']} states/s, {report['transitions_per_second']} transitions/s; "
        f"a bare dispatch loop: {report['bare_dispatches_per_second']}/s"
    )
    properties: dict[str, dict[str, object]] = report["properties"]  # type: ignore[assignment]
    for letter, verdict in properties.items():
        mark = "NG" if verdict["counterexamples"] else "OK" if verdict["holds"] else "--"  # --: cut, so neither
        print(f"{mark}  ({letter}) {verdict['words']}")
        for example in verdict["counterexamples"]:  # type: ignore[attr-defined]
            print(f"      {example['what']}: {', '.join(example['steps'])}")
    defects: dict[str, dict[str, object]] = report["defects"]  # type: ignore[assignment]
    for name, what in defects.items():
        print(f"{'found' if what['found'] else 'MISSED'}  {name}: ({what['property']}) {what['what']}")
