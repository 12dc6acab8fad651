"""A counter-example as a scenario file, and its replay: the same steps on the flow and the permits of today.

The file's `happens` steps name what happens in the words of world.py; the world answers nothing by itself. The replay
fails where a property does not hold: on the kiosk as it is, a counter-example of a defect passes.
"""

from __future__ import annotations

from collections.abc import Sequence

from madoguchi.proof.defects import named
from madoguchi.proof.kiosk import Kiosk
from madoguchi.proof.properties import Fault
from madoguchi.proof.search import Search
from madoguchi.proof.world import happenings
from madoguchi.scenario.script import Failed, Script


def scenario(title: str, steps: Sequence[str]) -> str:
    """TOML, as madoguchi.scenario.script reads it."""
    lines = (f'  {{ happens = "{step}" }},\n' for step in steps)
    return f'title = "{title}"\nsteps = [\n{"".join(lines)}]\n'


def run(script: Script) -> None:
    """Raises Failed, with the step's number, at the first property that does not hold.

    It ends in peace where a step can no longer happen: the defect that made it possible is not there.
    """
    search = Search(named(script.defect).kiosk() if script.defect else Kiosk(), first=True)
    number = search.begin()
    for count, step in enumerate(script.steps, 1):
        node = search.nodes[number]
        moment = search.kiosk.moments[node.moment]
        happening = next((h for h in happenings(node.world, moment) if h.label == step.happens), None)
        if happening is None:
            return
        met = search.follow(number, happening)
        for fault in search.found.counterexamples:
            raise Failed(f"step {count} ({step.happens}): {_told(fault)}")
        if met is None:
            return
        number = met


def _told(fault: Fault) -> str:
    return f"property ({fault.letter}): {fault.what}"
