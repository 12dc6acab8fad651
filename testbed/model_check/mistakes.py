"""Ways to be wrong: edits of the production table, fences and permits, and actions that do the
wrong thing. defects.py makes of them the defects that the search must find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from firmware.flow import actions, events, guards, money
from firmware.flow.actions import Action, Step
from firmware.flow.commands import Command, Commands, OpenCase, PrintSheet, ReportOutcome, StopCoins
from firmware.flow.guards import Guard
from firmware.flow.machine import Flow
from firmware.flow.permits import RULES, Permits
from firmware.flow.session import Session
from firmware.flow.states import Phase, State
from firmware.flow.table import ROWS, SPECS, Row

BuildFlow = Callable[..., Flow]  # takes the number of the first screen
Edit = Callable[[list[Row]], list[Row]]

# -- a wrong table


def edited_table(*edits: Edit) -> BuildFlow:
    """A flow on a table that was edited."""

    def build(first_screen: int = 0) -> Flow:
        rows = list(ROWS)
        for edit in edits:
            rows = edit(rows)
        return Flow(first_screen, rows)

    return build


def change(source: State | Phase, trigger: str, number: int | None = None, **values: Any) -> Edit:
    """Change the rows of this source and trigger, or the one of that number."""

    def edit(rows: list[Row]) -> list[Row]:
        wrong = _selected(rows, source, trigger, number)
        return [replace(row, **values) if row in wrong else row for row in rows]

    return edit


def drop(source: State | Phase, trigger: str, number: int | None = None) -> Edit:
    """Leave out the rows of this source and trigger, or the one of that number."""

    def edit(rows: list[Row]) -> list[Row]:
        wrong = _selected(rows, source, trigger, number)
        return [row for row in rows if row not in wrong]

    return edit


def _selected(
    rows: list[Row], source: State | Phase, trigger: str, number: int | None
) -> list[Row]:
    selected = [row for row in rows if row.source is source and row.trigger == trigger]
    if number is not None:
        selected = [selected[number]]
    assert selected  # noqa: S101 - a defect that changes nothing proves nothing
    return selected


def add(*new: Row) -> Edit:
    """Rows that are tried before all others."""

    def edit(rows: list[Row]) -> list[Row]:
        return [*new, *rows]

    return edit


def exchange_guard(old: Guard, new: Guard) -> Edit:
    """The new guard wherever the old one stands."""

    def edit(rows: list[Row]) -> list[Row]:
        return [replace(row, when=new) if row.when is old else row for row in rows]

    return edit


def exchange_action(old: Action, new: Action) -> Edit:
    """The new action wherever the old one stands."""

    def edit(rows: list[Row]) -> list[Row]:
        return [replace(row, do=new) if row.do is old else row for row in rows]

    return edit


def key_is_turned(session: Session, _: events.Event) -> bool:
    """Whatever lies there."""
    return session.service_key


def only_tell(reason: str) -> Action:
    """The person is told that it is over, and nothing ends."""
    return lambda session, _: (replace(session, refusal=reason), ())


def go_on_beside_a_card(source: State, *triggers: str) -> Iterable[Edit]:
    """The state stays where it is, whatever the reader says."""
    return (change(source, trigger, target=None, do=actions.keep_going) for trigger in triggers)


# -- a wrong flow


def unlimited(state: State) -> BuildFlow:
    """A flow in which this state has no time limit."""
    return partial(Flow, specs={**SPECS, state: replace(SPECS[state], limit_s=None)})


def without_fence(reason: str) -> BuildFlow:
    """A flow that takes events which should be passed over for this reason."""

    class WithoutFence(Flow):
        def _stale(self, event: events.Event) -> str:
            found = super()._stale(event)
            return "" if found == reason else found

    return WithoutFence


def miscounting(times: int) -> BuildFlow:
    """A flow that counts each coin so many times."""

    class Miscounting(Flow):
        def _step(self, event: events.Event, session: Session) -> Commands:
            if isinstance(event, events.CoinInserted):
                session = replace(session, inserted=session.inserted + (times - 1) * event.value)
            return super()._step(event, session)

    return Miscounting


# -- wrong permits


def lax(kind: type[Command], *words: str) -> Callable[[], Permits]:
    """Permits that do not ask for these reasons to refuse a command."""

    class Lax(Permits):
        def refuse(self, command: Command) -> str:
            if not isinstance(command, kind):
                return super().refuse(command)
            rules = [(reason, test) for reason, test in RULES[kind] if reason not in words]
            assert len(rules) == len(RULES[kind]) - len(words)  # noqa: S101 - as above
            return next((reason for reason, test in rules if not test(self.facts, command)), "")

    return Lax


# -- wrong guards


def always(_: Session, __: events.Event) -> bool:
    return True


def fit_but_distrusted(session: Session, event: events.Event) -> bool:
    return guards.fit(replace(session, distrusted=False), event)


# -- wrong actions


def silent(action: Action, *kinds: type[Command]) -> Action:
    """The action, without what it should have asked for."""

    def act(session: Session, event: events.Event) -> Step:
        session, commands = action(session, event)
        return session, tuple(command for command in commands if not isinstance(command, kinds))

    return act


def keep_document(session: Session, _: events.Event) -> Step:
    """As in Yokohama: the time is up, and what was on its way stays valid."""
    return replace(session, accepting=False, refusal="too-slow"), (StopCoins(),)


def print_first_sheet_again(session: Session, event: events.Event) -> Step:
    session, commands = actions.print_next(session, event)
    return session, tuple(
        replace(command, sheet=1) if isinstance(command, PrintSheet) else command
        for command in commands
    )


def keep_the_fee(session: Session, event: events.Event) -> Step:
    session, commands = actions.report_failure(session, event)
    return session, tuple(
        replace(command, kept=100) if isinstance(command, ReportOutcome) else command
        for command in commands
    )


def keep_the_epoch(session: Session, event: events.Event) -> Step:
    """The transaction is void, but its answers are still those of the present epoch."""
    ended, commands = actions.void(session, event)
    return replace(ended, epoch=session.epoch), commands


def pay_all_back(session: Session, event: events.Event) -> Step:
    """As if nothing had come out."""
    session, commands = actions.print_failed(session, event)
    paid = tuple(
        replace(command, held=0) if isinstance(command, OpenCase) else command
        for command in commands
    )
    return replace(session, earned=0, undecided=0), paid


def owe_the_uncertain(session: Session, event: events.Event) -> Step:
    """As if the hoppers had paid no more than they say."""
    failed = events.expect(event, events.PayoutFailed)
    return money.owe(session, replace(failed, reason="hopper-empty"))
