"""docs/journey.md, written from the journey's own table: `python -m docs.generate.journey`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from firmware.flow.states import SETTINGS, CardPolicy, Phase, Spec, State
from firmware.flow.table import IGNORED, NEVER_IGNORED, ROWS, SPECS, Row
from testbed.model_check.properties import PROPERTIES

PAGE = Path(__file__).parents[1] / "journey.md"
ROOMS = {
    Phase.OUT: "Out of service, or closed",
    Phase.WELCOME: "Waiting for a person",
    Phase.CARD: "Card and PIN",
    Phase.TAKE: "The card must go",
    Phase.CHOOSE: "Choosing",
    Phase.ORDER: "The document comes and is checked, before money",
    Phase.PAY: "Paying",
    Phase.ISSUE: "Releasing and printing",
    Phase.UNWIND: "Giving back",
    Phase.COLLECT: "Collecting",
    Phase.END: "The end",
}

HEAD = """# The journey

Written by `python -m docs.generate.journey` from `firmware/flow/table.py`. A test compares them.

The journey is one hierarchical state machine: eleven phases, {states} states, {rows} transitions.
It takes an event and returns commands. Nothing in it waits, reads a clock or touches a device. The
executor checks every command against the permits, which keep their own facts, before it carries the
command out.

- **Card policy.** *must stay*: when the card leaves, the step ends. *may leave*: the card does not
  matter. *must leave*: the state waits until the reader says "absent". *must be absent*: a card, or
  a reader that does not know, stops everything (`hold`) until it is gone, and then the journey goes
  on where it was. A reader that does not know is never taken for an absent card.
- **Every state answers every event**: by a row, by latching it (it is kept in order until the state
  is left), or by passing over it with a line in the log. These are never passed over:
  {never}.
- **Old events do nothing**: an answer of an older epoch, a touch on an older screen, a timer of an
  older generation.
- **Limits** are in seconds. Those that wait for a person start anew with every act, and are
  stretched where the person asked for more time. Those that wait for a device are not. Each state
  with a limit says where it leads.

## What always holds

`./scripts/model-check` explores every state in which the journey, the permits and a small world
around them can be. It goes breadth first, on the very object that runs in production, until it
meets nothing new. The world answers well, badly, late or never. The card comes, goes, is swapped or
unknown; coins fall, jam, or appear where none can; time runs out anywhere.

| | property | checked |
|---|---|---|
{properties}

## The phases

```mermaid
flowchart LR
{rooms}
```
"""


def _name(state: State) -> str:
    return state.screen


def _sources(row: Row) -> list[State]:
    return (
        [row.source]
        if isinstance(row.source, State)
        else [s for s in State if s.phase is row.source]
    )


def _guard(row: Row) -> str:
    """The guard in words. One that a function made is named by what it was made of."""
    if row.when is None:
        return ""
    maker = row.when.__qualname__.partition(".")[0]
    if maker == "resumes_in":
        (states,) = inspect.getclosurevars(row.when).nonlocals.values()
        return "held in " + " or ".join(_name(State(state)) for state in states)
    return {"leave": "card absent", "resumes": "held there"}.get(maker, maker.replace("_", " "))


def _drawn(phase: Phase) -> Iterable[tuple[State, State, Row]]:
    """Arrows that leave a state of this room; that a card leads to HOLD is told in words."""
    for row in ROWS:
        for source in _sources(row):
            if source.phase is phase and row.target not in (None, source, State.HOLD):
                yield source, row.target, row


def _rooms() -> str:
    """Which room leads to which."""
    arrows = {
        (source.phase, target.phase)
        for phase in Phase
        for source, target, _ in _drawn(phase)
        if source.phase is not target.phase and source is not State.HOLD
    }
    lines = [f'  {phase.value}_["{ROOMS[phase]}"]' for phase in Phase]
    order = list(Phase)
    ordered = sorted(arrows, key=lambda arrow: (order.index(arrow[0]), order.index(arrow[1])))
    return "\n".join(lines + [f"  {one.value}_ --> {other.value}_" for one, other in ordered])


def _properties() -> str:
    return "\n".join(
        f"| {letter} | {held.words} | {held.checked} |" for letter, held in PROPERTIES.items()
    )


def _labels(guards: Mapping[str, list[str]]) -> str:
    """What leads along one arrow: "start, card-present [fit]", a line for each guard."""
    return "<br/>".join(
        ", ".join(dict.fromkeys(triggers)) + (f" [{guard}]" if guard else "")
        for guard, triggers in guards.items()
    )


def _diagram(phase: Phase) -> str:
    arrows: dict[tuple[State, State], dict[str, list[str]]] = {}
    for source, target, row in _drawn(phase):
        triggers = arrows.setdefault((source, target), {}).setdefault(_guard(row), [])
        triggers.append(row.trigger.removeprefix("touch."))
    inside = [s for s in State if s.phase is phase]
    outside = [
        s for s in State if s.phase is not phase and any(target is s for _, target in arrows)
    ]
    lines = ["stateDiagram-v2", f'  state "{ROOMS[phase]}" as room {{']
    lines += [f"    {_name(state)}" for state in inside]
    lines += ["  }"]
    lines += [
        f'  state "{state.phase.value}: {_name(state)}" as {_name(state)}' for state in outside
    ]
    lines += [
        f"  {_name(a)} --> {_name(b)}: {_labels(guards)}" for (a, b), guards in arrows.items()
    ]
    return "\n".join(lines)


def _limit(spec: Spec) -> str:
    if spec.limit_s is None:
        return "–"
    return (
        f"{spec.limit_s:g} "
        f"s{' (device)' if spec.device else ''}{', more time' if spec.patient else ''}"
    )


def _after_limit(state: State) -> str:
    targets = [
        row.target or state for row in ROWS if row.trigger == "time-up" and state in _sources(row)
    ]
    return ", ".join(dict.fromkeys(_name(target) for target in targets)) or "–"


def _answered(state: State) -> frozenset[str]:
    return frozenset(row.trigger for row in ROWS if state in _sources(row))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def _table(phase: Phase) -> str:
    head = "| state | card | limit | then | again every | a person may | shows |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for state in State:
        if state.phase is phase:
            spec = SPECS[state]
            again = f"{spec.remind_s:g} s" if spec.remind_s else "–"
            shows = spec.view.__name__.replace("_", " ") + (", urgently" if spec.urgent else "")
            cells = (
                _limit(spec),
                _after_limit(state),
                again,
                _listed((*spec.actions, *(SETTINGS if spec.settings else ()))),
                shows,
            )
            lines.append(f"| **{_name(state)}** | {spec.card.value} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _impossible(spec: Spec) -> frozenset[str]:
    """Timers that never run in this state."""
    return frozenset({"time-up"} if spec.limit_s is None else ()) | frozenset(
        {"remind"} if not spec.remind_s else ()
    )


def _passed(phase: Phase) -> str:
    """What is latched or passed over, state by state; what all states of the room pass over is told
    once.
    """
    states = [s for s in State if s.phase is phase]
    passed = {s: IGNORED - _answered(s) - SPECS[s].latches - _impossible(SPECS[s]) for s in states}
    common = frozenset.intersection(*passed.values())
    lines = [f"Passed over in every state here: {_listed(sorted(common))}."]
    for state in states:
        if extra := passed[state] - common:
            lines.append(f"- **{_name(state)}** passes over {_listed(sorted(extra))} too.")
        if latched := SPECS[state].latches:
            lines.append(f"- **{_name(state)}** latches {_listed(sorted(latched))}.")
    if SPECS[states[0]].card is CardPolicy.MUST_BE_ABSENT:
        lines.append(
            "- A card, or a reader that does not know, leads from every state here to **hold** "
            "and back."
        )
    return "\n".join([lines[0], "", *lines[1:]]).rstrip()


def page() -> str:
    """The whole page, Markdown."""
    head = HEAD.format(
        states=len(State),
        rows=len(ROWS),
        never=_listed(sorted(NEVER_IGNORED)),
        rooms=_rooms(),
        properties=_properties(),
    )
    return "\n".join([head, *(_room(phase) for phase in Phase)])


def _room(phase: Phase) -> str:
    return f"""## {phase.value}: {ROOMS[phase]}

```mermaid
{_diagram(phase)}
```

{_table(phase)}

{_passed(phase)}
"""


def main() -> int:
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
