"""What must be true of the table; checked when the machine is built, so a bad table never starts.

`transitions` itself takes the first of two competing rows without a word, accepts unknown sources,
and swallows unknown events when told to ignore invalid ones: so the table is checked before it sees
it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from firmware.flow.events import TIMERS, TRIGGERS
from firmware.flow.states import SETTINGS, CardPolicy, Spec, State
from firmware.flow.table import IGNORED, NEVER_IGNORED, ROWS, SPECS, Row

KNOWN = frozenset({*TRIGGERS.values(), *TIMERS.values()})


class BadTable(Exception):
    """The state and what is wrong with it."""


def answering(state: State, rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by trigger, in the order in which they are tried: the state's, then its phase's."""
    found: dict[str, list[Row]] = {}
    for source in (state, state.phase):
        for row in rows:
            if row.source is source:
                found.setdefault(row.trigger, []).append(row)
    return found


def _unconditional_last(
    state: State, trigger: str, rows: list[Row], ignored: frozenset[str]
) -> None:
    for source in (state, state.phase):
        of = [r for r in rows if r.source is source]
        if any(r.when is None for r in of[:-1]):
            raise BadTable(
                f"{state}: two transitions compete on {trigger!r}; the first always wins"
            )
    own = [r for r in rows if r.source is rows[0].source]
    if own[-1].when is not None and trigger not in ignored:
        raise BadTable(f"{state}: {trigger!r} has no transition when every guard fails")


def _effective(rows: list[Row]) -> list[Row]:
    """Those that can be taken: down to the first without a guard."""
    last = next((i for i, row in enumerate(rows) if row.when is None), len(rows))
    return rows[: last + 1]


def _card_policy(state: State, specs: Mapping[State, Spec], answers: dict[str, list[Row]]) -> None:
    """The declared policy is what the rows really do."""
    policy = specs[state].card
    rows = {trigger: _effective(found) for trigger, found in answers.items()}
    if policy is CardPolicy.MUST_BE_ABSENT:
        for trigger in ("card-present", "card-unknown"):
            if any(
                r.target is None or specs[r.target].card is not CardPolicy.MUST_LEAVE
                for r in rows[trigger]
            ):
                raise BadTable(f"{state}: {trigger!r} must hold the journey")
    if policy is CardPolicy.MUST_LEAVE:
        for trigger in ("card-present", "card-unknown"):
            if any(r.target is not None for r in rows[trigger]):
                raise BadTable(f"{state}: only the card's absence may go on, not {trigger!r}")
    if policy is CardPolicy.MUST_STAY:
        for trigger in ("card-absent", "card-unknown"):
            if any(r.target in (None, state) for r in rows[trigger]):
                raise BadTable(f"{state}: the card's leaving must end this step")
    if policy is not CardPolicy.MUST_BE_ABSENT:
        for trigger in sorted(rows.keys() - {"card-absent"}):
            if any(
                r.target and specs[r.target].card is CardPolicy.MUST_BE_ABSENT
                for r in rows[trigger]
            ):
                raise BadTable(f"{state}: only the card's absence may go on, not {trigger!r}")


def _offered(row: Row, specs: Mapping[State, Spec]) -> bool:
    action = row.trigger.removeprefix("touch.")
    return any(
        action in spec.offered
        for state, spec in specs.items()
        if row.source in (state, state.phase)
    )


def _reachable(rows: Iterable[Row], start: State) -> set[State]:
    seen, todo = {start}, [start]
    rows = list(rows)
    while todo:
        state = todo.pop()
        for row in rows:
            if (
                row.source in (state, state.phase)
                and row.target is not None
                and row.target not in seen
            ):
                seen.add(row.target)
                todo.append(row.target)
    return seen


def check(
    specs: Mapping[State, Spec] = SPECS,
    rows: Iterable[Row] = tuple(ROWS),
    ignored: frozenset[str] = IGNORED,
) -> None:
    """Raises BadTable with the state's name."""
    rows = list(rows)
    for state in State:
        if state not in specs:
            raise BadTable(f"{state}: no spec, so no card policy")
        if "_" in state.value:
            raise BadTable(f"{state}: an underscore in a name would be taken for nesting")
    for row in rows:
        if row.trigger not in KNOWN and not row.trigger.startswith("touch."):
            raise BadTable(f"{row.source}: unknown trigger {row.trigger!r}")
        if row.target is not None and row.target not in specs:
            raise BadTable(f"{row.source}: unknown target {row.target!r}")
        if row.trigger.startswith("touch.") and not _offered(row, specs):
            raise BadTable(f"{row.source}: answers {row.trigger!r} and does not offer it")
    if names := sorted(ignored & NEVER_IGNORED):
        raise BadTable(f"every state: may not ignore {names}")
    for state, spec in specs.items():
        answers = answering(state, rows)
        passed = ignored | spec.latches
        for trigger in sorted(KNOWN):
            if trigger not in answers and trigger not in passed:
                raise BadTable(f"{state}: does not answer {trigger!r}")
        for trigger, found in answers.items():
            _unconditional_last(state, trigger, found, passed)
        for action in spec.offered:
            if f"touch.{action}" not in answers:
                raise BadTable(f"{state}: offers {action!r} and does not answer it")
        for setting in SETTINGS:
            if any(row.target is not None for row in answers.get(f"touch.{setting}", [])):
                raise BadTable(f"{state}: {setting!r} leads away from it")
        if spec.patient and not spec.runs_out:
            raise BadTable(f"{state}: does not say what happens when its time runs out")
        if spec.limit_s is not None and "time-up" not in answers:
            raise BadTable(f"{state}: has a limit and does not answer it")
        _card_policy(state, specs, answers)
    lost = set(State) - _reachable(rows, State.STARTING)
    if lost:
        raise BadTable(f"{', '.join(sorted(lost))}: unreachable")
