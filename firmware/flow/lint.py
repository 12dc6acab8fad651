"""What must be true of the table; checked when the machine is built, so a bad table never starts.

`transitions` itself takes the first of two competing rows without a word, accepts unknown sources, and swallows
unknown events when told to ignore invalid ones: so the table is checked before it sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from firmware.flow.events import TIMERS, TRIGGERS
from firmware.flow.states import CardPolicy, Phase, Spec, State
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


def _unconditional_last(state: State, trigger: str, rows: list[Row], ignored: frozenset[str]) -> None:
    own = [r for r in rows if r.source is rows[0].source]
    early = [r for r in own[:-1] if r.when is None]
    if early:
        raise BadTable(f"{state}: two transitions compete on {trigger!r}; the first always wins")
    if own[-1].when is not None and trigger not in ignored:
        raise BadTable(f"{state}: {trigger!r} has no transition when every guard fails")


def _card_policy(state: State, spec: Spec, rows: dict[str, list[Row]]) -> None:
    """The declared policy is what the rows really do."""

    def all_lead_to(trigger: str, *policies: CardPolicy) -> bool:
        return all(r.target is not None and SPECS[r.target].card in policies for r in rows[trigger][:1])

    if spec.card is CardPolicy.MUST_BE_ABSENT:
        for trigger in ("card-present", "card-unknown"):
            if not all_lead_to(trigger, CardPolicy.MUST_LEAVE):
                raise BadTable(f"{state}: {trigger!r} must hold the journey")
    if spec.card is CardPolicy.MUST_LEAVE:
        for trigger in ("card-present", "card-unknown"):
            if any(r.target is not None for r in rows[trigger]):
                raise BadTable(f"{state}: only the card's absence may go on, not {trigger!r}")
    if spec.card is CardPolicy.MUST_STAY and any(r.target in (None, state) for r in rows["card-absent"]):
        raise BadTable(f"{state}: the card's leaving must end this step")


def _reachable(rows: Iterable[Row], start: State) -> set[State]:
    seen, todo = {start}, [start]
    rows = list(rows)
    while todo:
        state = todo.pop()
        for row in rows:
            if row.source in (state, state.phase) and row.target is not None and row.target not in seen:
                seen.add(row.target)
                todo.append(row.target)
    return seen


def check(
    specs: Mapping[State, Spec] = SPECS,
    rows: Iterable[Row] = tuple(ROWS),
    ignored: Mapping[Phase, frozenset[str]] = IGNORED,
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
    for phase, names in ignored.items():
        if names & NEVER_IGNORED:
            raise BadTable(f"{phase}: may not ignore {sorted(names & NEVER_IGNORED)}")
    for state, spec in specs.items():
        answers = answering(state, rows)
        passed = ignored[state.phase] | spec.latches
        for trigger in sorted(KNOWN):
            if trigger not in answers and trigger not in passed:
                raise BadTable(f"{state}: does not answer {trigger!r}")
        for trigger, found in answers.items():
            _unconditional_last(state, trigger, found, passed)
        for action in spec.actions:
            if f"touch.{action}" not in answers:
                raise BadTable(f"{state}: offers {action!r} and does not answer it")
        if spec.limit_s is not None and "time-up" not in answers:
            raise BadTable(f"{state}: has a limit and does not answer it")
        _card_policy(state, spec, answers)
    lost = set(State) - _reachable(rows, State.STARTING)
    if lost:
        raise BadTable(f"{', '.join(sorted(lost))}: unreachable")
