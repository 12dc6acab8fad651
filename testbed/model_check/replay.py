"""A counter-example as a scenario file, and its replay: the same steps on the flow and the permits
of today.

The file's `happens` steps name what happens in the words of `testbed.world`; the world
answers nothing by itself. The replay fails where a property does not hold: on the kiosk as it is, a
counter-example of a defect passes.
"""

from __future__ import annotations

from collections.abc import Sequence

from testbed.model_check.defects import find_defect
from testbed.model_check.kiosk import Kiosk
from testbed.model_check.properties import Breach
from testbed.model_check.search import Search
from testbed.scenario_file import Failed, Script
from testbed.world.happenings import list_happenings


def scenario(title: str, steps: Sequence[str]) -> str:
    """TOML, as testbed.scenario_file reads it."""
    lines = (f'  {{ happens = "{step}" }},\n' for step in steps)
    return f'title = "{title}"\nsteps = [\n{"".join(lines)}]\n'


def run(script: Script) -> None:
    """Raises Failed, with the step's number, at the first property that does not hold.

    It ends without an error where a step can no longer happen: the defect that made it possible is
    not there.
    """
    search = Search(find_defect(script.defect).kiosk() if script.defect else Kiosk(), first=True)
    number = search.begin()
    for count, step in enumerate(script.steps, 1):
        node = search.nodes[number]
        moment = search.kiosk.moments[node.moment]
        happening = next(
            (h for h in list_happenings(node.world, moment) if h.label == step.happens), None
        )
        if happening is None:
            return
        met = search.follow(number, happening)
        for fault in search.found.counterexamples:
            raise Failed(f"step {count} ({step.happens}): {_described(fault)}")
        if met is None:
            return
        number = met


def _described(fault: Breach) -> str:
    return f"property ({fault.letter}): {fault.what}"
