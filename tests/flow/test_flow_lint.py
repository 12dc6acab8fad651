"""A table with a mistake never starts: each mistake is told with the state's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from firmware.flow import actions, lint
from firmware.flow.states import CardPolicy, Phase, Spec, State
from firmware.flow.table import IGNORED, ROWS, SPECS, STAY, Row

S, P = State, Phase


@dataclass
class Table:
    """A copy to break."""

    specs: dict[State, Spec]
    rows: list[Row]
    ignored: set[str]

    def spec(self, state: State, **changes: Any) -> None:
        self.specs[state] = replace(self.specs[state], **changes)

    def drop(self, source: State | Phase, trigger: str) -> None:
        self.rows = [row for row in self.rows if (row.source, row.trigger) != (source, trigger)]

    def redirect(self, source: State | Phase, trigger: str, target: State | None) -> None:
        self.rows = [
            replace(row, target=target) if (row.source, row.trigger) == (source, trigger) else row
            for row in self.rows
        ]


def never(session: object, event: object) -> bool:
    return False


BROKEN: dict[str, tuple[Callable[[Table], object], str, str]] = {
    "no spec": (lambda t: t.specs.pop(S.PAYING), "pay/paying", "no spec"),
    "unreachable": (
        lambda t: t.redirect(S.REMOVE, "time-up", S.CARDLEFT),
        "take/removealarm",
        "unreachable",
    ),
    "unknown trigger": (
        lambda t: t.rows.append(Row(S.MENU, "cardpresent", STAY)),
        "welcome/menu",
        "unknown trigger",
    ),
    "unknown target": (
        lambda t: t.rows.append(Row(S.MENU, "remind", "menu")),
        "welcome/menu",
        "unknown target",
    ),  # type: ignore[arg-type]
    "action without answer": (
        lambda t: t.spec(S.PLACE, actions=("cancel", "pay")),
        "card/place",
        "offers 'pay'",
    ),
    "answer without action": (
        lambda t: t.rows.append(Row(S.PLACE, "touch.pay", STAY)),
        "card/place",
        "answers 'touch.pay'",
    ),
    "two compete": (
        lambda t: t.rows.insert(0, Row(S.MENU, "card-present", S.PLACE)),
        "welcome/menu",
        "compete",
    ),
    "two of the phase compete": (
        lambda t: t.rows.insert(0, Row(P.CARD, "card-absent", S.PLACE, actions.void)),
        "card/",
        "compete",
    ),
    "every guard fails": (
        lambda t: (
            t.drop(S.PAYING, "coin-inserted"),
            t.rows.insert(0, Row(S.PAYING, "coin-inserted", STAY, when=never)),
        ),
        "pay/paying",
        "no transition when every guard fails",
    ),
    "unanswered event": (
        lambda t: t.ignored.discard("released"),
        "out/starting",
        "does not answer 'released'",
    ),
    "card-removed not answered": (
        lambda t: t.drop(P.CARD, "card-absent"),
        "card/",
        "does not answer 'card-absent'",
    ),
    "card-removed ignored": (
        lambda t: t.ignored.add("card-absent"),
        "every state",
        "may not ignore ['card-absent']",
    ),
    "a fault ignored": (
        lambda t: t.ignored.add("coins-failed"),
        "every state",
        "may not ignore ['coins-failed']",
    ),
    "limit not answered": (lambda t: t.drop(S.SETTLING, "time-up"), "pay/settling", "has a limit"),
    "the card leaves and the step stays": (
        lambda t: t.rows.insert(0, Row(S.PIN, "card-absent", STAY)),
        "card/pin",
        "must end this step",
    ),
    "the reader is lost and the step stays": (
        lambda t: t.rows.insert(0, Row(S.PIN, "card-unknown", STAY)),
        "card/pin",
        "must end this step",
    ),
    "a card does not hold": (
        lambda t: t.redirect(S.PAYING, "card-present", S.SETTLING),
        "pay/paying",
        "'card-present' must hold",
    ),
    "a card holds only sometimes": (
        lambda t: (
            t.drop(S.PAYING, "card-present"),
            t.rows.extend(
                (
                    Row(S.PAYING, "card-present", S.HOLD, when=never),
                    Row(S.PAYING, "card-present", S.SETTLING),
                )
            ),
        ),
        "pay/paying",
        "'card-present' must hold",
    ),
    "an unknown reader goes on": (
        lambda t: t.redirect(P.TAKE, "card-unknown", S.OPENING),
        "take/",
        "only the card's absence may go on",
    ),
    "time goes on with the card there": (
        lambda t: t.redirect(S.REMOVE, "time-up", S.OPENING),
        "take/remove",
        "only the card's absence",
    ),
    "into a room without cards by a touch": (
        lambda t: t.redirect(S.MENU, "touch.start", S.CERTIFICATES),
        "welcome/menu",
        "only the card's absence",
    ),
    "policy that the rows do not keep": (
        lambda t: t.spec(S.THANKS, card=CardPolicy.MUST_STAY),
        "end/thanks",
        "must end this step",
    ),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_mistake_is_told(mistake: str) -> None:
    breaks, state, words = BROKEN[mistake]
    table = Table(dict(SPECS), list(ROWS), set(IGNORED))
    breaks(table)
    with pytest.raises(lint.BadTable) as told:
        lint.check(table.specs, table.rows, frozenset(table.ignored))
    assert state in str(told.value)
    assert words in str(told.value)


def test_the_table_itself_holds() -> None:
    lint.check()


def test_every_state_declares_its_card_policy() -> None:
    with pytest.raises(TypeError, match="card"):
        Spec()  # type: ignore[call-arg]
    assert all(isinstance(SPECS[state].card, CardPolicy) for state in State)
