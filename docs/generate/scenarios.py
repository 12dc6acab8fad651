"""docs/scenarios.md, written from the tables of the scenario files, of the far ends' faults and of
the hands' acts: `python -m docs.generate.scenarios`.

The sentences about keys are the comments above them in testbed/scenario_file.py.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from hal.sim.breakage import FAR_ENDS
from hal.sim.commands import COMMANDS
from hal.sim.console import COMMANDS as TYPED
from hal.sim.fault import Fault
from testbed.scenario.command import EXITS
from testbed.scenario.far_ends import known_to_machine
from testbed.scenario.hands import ACTS
from testbed.scenario_file import SCREENS, VERBS, Expect, Script, Step, Variant

PAGE: Final = Path(__file__).parents[1] / "scenarios.md"
COMMENTED: Final = re.compile(r"((?:^ {4}# .*\n)+) {4}(\w+):", re.MULTILINE)
HEAD: Final = """# Scenarios

Written by `python -m docs.generate.scenarios` from the tables in `testbed/scenario_file.py`,
`testbed/scenario/hands.py` and `hal/sim`. A test compares them.

A scenario is one journey in a TOML file. The same file runs on the pure state machine in virtual
time, on the whole system with simulated far ends, and on the real devices of a bench:

```sh
./scripts/scenario FILE...                    # on the machine
./scripts/scenario FILE... --on wires         # on the whole system
./scripts/scenario FILE... --on bench --config kiosk.toml [--hands CMD]
```

This is a whole one:

```toml
title = "The paper is filled up, and the journey goes on"
steps = [
  { see = "menu" },
  { fault = "paper-out" },
  { see = "fault", facts = { problem = "paper-out" } },
  { heal = "paper-out" },
  { see = "menu" },
]
```

A mistake in a file is told in one line with the file, the line, the step counted from one, and the
words that would be right, the nearest of them first.
"""
STEPS: Final = """## Steps

Each step is a table with one of these verbs. `see` may have `facts` and `says` beside it.
"""
BENCH: Final = """## On the bench

The kiosk of `kiosk.toml` must be running, and the scenario must run as a user who may read its
journal and its panel's key. It takes the place of the panel's browser: what is touched and what is
seen goes over the panel's wire. Everything else is an act of somebody's hands. `CMD` is called for
each act, with the act's name and its words as arguments, when it is due; it returns when the act is
done. Another exit status than 0 ends the run with one line that names the step. What it writes goes
to standard error. Without `--hands` a person is asked on the terminal: Enter means done, and `n`
that it cannot be done.

Sheets, money, outcomes and cases are compared as on the wires. Receipts, what the terminal charged
by its own account, and what the city still holds stand in no journal: they are not compared.
`wait = "noticed"` waits two seconds, since nobody reads the kiosk's log here. The kiosk keeps its
own pace, so that `wait = "limit"` takes as long as it takes a resident.

The simulated far ends can stand in for any device that is missing: started with `--control PATH`,
each takes its commands from a program with `kiosk sim tell PATH WORD...`, which ends with 0 when it
was done, 1 when the far end refused, and 2 when nobody listens there.

| act | words | what is to be done |
|---|---|---|
"""
FAULTS: Final = """## Faults

A fault is written `NAME`, or `NAME:ARGUMENT` where it takes one. All of them can be steps of a
scenario on the wires and on the bench, and be typed to the far end that has them, on the standard
input of `kiosk sim ...` or on its control socket:

| typed | what it does |
|---|---|
"""
MACHINE: Final = """
The pure machine has no wires. It knows the faults that are marked with ●; a step with another one
says so.
"""


class MissingSentence(LookupError):
    """A key of the format that nobody has explained."""


def page() -> str:
    """The whole page, Markdown. Raises MissingSentence."""
    parts = [
        HEAD,
        STEPS,
        "| verb | |",
        "|---|---|",
        *(f"| `{verb}` | {_cell(says)} |" for verb, says in VERBS.items()),
        *_rows(Step, skip=VERBS),
        "",
        f"The screens are {', '.join(f'`{name}`' for name in SCREENS)}.",
        "",
        "## The file",
        "",
        *_table(Script),
        "### `[expect]`",
        "",
        "What it must have come to. Money is in yen; every session must balance besides.",
        "",
        *_table(Expect),
        "### `[[variants]]`",
        "",
        "Other ends of the same journey: the file's own steps up to and with the first `see` of one"
        " screen, and then their own.",
        "",
        *_table(Variant),
        "## Exit status",
        "",
        "| | |",
        "|---|---|",
        *(f"| {code} | {says} |" for code, says in EXITS.items()),
        "",
        BENCH
        + "\n".join(f"| `{name}` | {a.takes} | {_cell(a.says)} |" for name, a in ACTS.items()),
        "",
        FAULTS + "\n".join(f"| `{one.line}` | {one.says} |" for one in TYPED.values()),
        MACHINE,
        *_fault_tables(),
    ]
    return "\n".join(parts).rstrip() + "\n"


def _table(kind: type[msgspec.Struct]) -> Iterator[str]:
    yield "| key | default | |"
    yield "|---|---|---|"
    for field in msgspec.structs.fields(kind):
        yield f"| `{field.name}` | {_default(field)} | {_cell(_sentence(kind, field.name))} |"
    yield ""


def _rows(kind: type[msgspec.Struct], skip: Iterable[str]) -> Iterator[str]:
    for name in kind.__struct_fields__:
        if name not in skip:
            yield f"| ... `{name}` | {_cell(_sentence(kind, name))} |"


def _sentence(kind: type[msgspec.Struct], key: str) -> str:
    told = {
        name: re.sub(r"\s*\n? {4}# ", " ", comment).strip()
        for comment, name in COMMENTED.findall(inspect.getsource(kind))
    }
    if key not in told:
        raise MissingSentence(f"{kind.__name__}.{key} has no comment")
    return told[key]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if isinstance(field.default, Expect):
        return "nothing came of it"
    if not isinstance(field.default, str | int):
        return "none"
    return f"`{json.dumps(field.default)}`"


def _fault_tables() -> Iterator[str]:
    known = {name.partition(":")[0] for name in known_to_machine()}
    for far_end, table in FAR_ENDS.items():
        yield f"### `kiosk sim {far_end}`: {COMMANDS[('sim', far_end)][1]}"
        yield ""
        yield "| fault | | argument | what it does |"
        yield "|---|---|---|---|"
        yield from _fault_rows(table, known)
        yield ""
    yield (
        "The printer of receipts has all of the printer's faults on a bench, with `receipt-` in the"
        " place of `printer-` or before the name: `receipt-mute`, `receipt-paper-out`."
    )


def _fault_rows(table: Mapping[str, Fault[Any]], known: set[str]) -> Iterator[str]:
    for name, fault in table.items():
        argument = fault.argument
        takes = f"{argument.takes} (usually {argument.default})" if argument else ""
        mark = "●" if name in known else ""
        yield f"| `{name}` | {mark} | {_cell(takes)} | {_cell(_capital(fault.says))}. |"


def _capital(says: str) -> str:
    return says[0].upper() + says[1:]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
