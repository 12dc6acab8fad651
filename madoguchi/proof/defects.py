"""Mistakes of the kind people make in table, fences, actions and permits. The search must find every one of them.

Each is a copy of the kiosk with one thing wrong; nothing of it reaches the kiosk's own table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from firmware.flow import actions as a
from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow import guards as g
from firmware.flow.actions import Action, Step
from firmware.flow.machine import Flow
from firmware.flow.permits import RULES, Permits
from firmware.flow.session import Session
from firmware.flow.states import Phase, State
from firmware.flow.table import ROWS, SPECS, Row
from madoguchi.proof.kiosk import Kiosk

S, P = State, Phase


@dataclass(frozen=True)
class Defect:
    """`letters`: the properties one of which it must break."""

    name: str
    letters: str
    flow: Callable[..., Flow] = Flow  # takes the number of the first screen
    permits: Callable[[], Permits] = Permits

    def kiosk(self) -> Kiosk:
        return Kiosk(self.flow, self.permits)


# -- ways to be wrong


def table(*edits: Callable[[list[Row]], list[Row]]) -> Callable[..., Flow]:
    """A flow on a table that was edited."""

    def build(first_screen: int = 0) -> Flow:
        rows = list(ROWS)
        for edit in edits:
            rows = edit(rows)
        return Flow(first_screen, rows)

    return build


def change(source: State | Phase, trigger: str, number: int | None = None, **values: Any) -> Callable[..., list[Row]]:
    """Change the rows of this source and trigger, or the one of that number."""

    def edit(rows: list[Row]) -> list[Row]:
        of = [row for row in rows if row.source is source and row.trigger == trigger]
        wrong = of if number is None else [of[number]]
        assert wrong  # noqa: S101 - a defect that changes nothing proves nothing
        return [replace(row, **values) if row in wrong else row for row in rows]

    return edit


def drop(source: State | Phase, trigger: str, number: int | None = None) -> Callable[..., list[Row]]:
    def edit(rows: list[Row]) -> list[Row]:
        of = [row for row in rows if row.source is source and row.trigger == trigger]
        wrong = of if number is None else [of[number]]
        assert wrong  # noqa: S101 - as above
        return [row for row in rows if row not in wrong]

    return edit


def add(*new: Row) -> Callable[..., list[Row]]:
    """Rows that are tried before all others."""
    return lambda rows: [*new, *rows]


def silent(action: Action, *kinds: type[c.Command]) -> Action:
    """The action, without what it should have asked for."""

    def act(session: Session, event: e.Event) -> Step:
        session, commands = action(session, event)
        return session, tuple(k for k in commands if not isinstance(k, kinds))

    return act


def always(_: Session, __: e.Event) -> bool:
    return True


def unlimited(state: State) -> Callable[..., Flow]:
    return partial(Flow, specs={**SPECS, state: replace(SPECS[state], limit_s=None)})


def deaf(reason: str) -> Callable[..., Flow]:
    """A fence that is not there."""

    class Deaf(Flow):
        def _stale(self, event: e.Event) -> str:
            found = super()._stale(event)
            return "" if found == reason else found

    return Deaf


def miscounting(times: int) -> Callable[..., Flow]:
    class Miscounting(Flow):
        def _step(self, event: e.Event, session: Session) -> c.Commands:
            if isinstance(event, e.CoinInserted):
                session = replace(session, inserted=session.inserted + (times - 1) * event.value)
            return super()._step(event, session)

    return Miscounting


def lax(kind: type[c.Command], *words: str) -> Callable[[], Permits]:
    """Permits that do not ask for these reasons to refuse a command."""

    class Lax(Permits):
        def refuse(self, command: c.Command) -> str:
            if not isinstance(command, kind):
                return super().refuse(command)
            rules = [rule for rule in RULES[kind] if rule[0] not in words]
            assert len(rules) == len(RULES[kind]) - len(words)  # noqa: S101 - as above
            return next((reason for reason, test in rules if not test(self.facts, command)), "")

    return Lax


# -- wrong actions


def keep_document(session: Session, _: e.Event) -> Step:
    """As in Yokohama: the time is up, and what was on its way stays valid."""
    return replace(session, accepting=False, refusal="too-slow"), (c.StopCoins(),)


def same_sheet(session: Session, event: e.Event) -> Step:
    session, commands = a.print_next(session, event)
    return session, tuple(replace(k, sheet=1) if isinstance(k, c.PrintSheet) else k for k in commands)


def keep_the_fee(session: Session, event: e.Event) -> Step:
    session, commands = a.report_failure(session, event)
    return session, tuple(replace(k, kept=100) if isinstance(k, c.ReportOutcome) else k for k in commands)


def own_epoch(session: Session, event: e.Event) -> Step:
    """Void, but the fence stays where it was."""
    ended, commands = a.void(session, event)
    return replace(ended, epoch=session.epoch), commands


def fit_but_distrusted(session: Session, event: e.Event) -> bool:
    return g.fit(replace(session, distrusted=False), event)


def _guards(old: g.Guard, new: g.Guard) -> Callable[..., list[Row]]:
    return lambda rows: [replace(row, when=new) if row.when is old else row for row in rows]


def _does(old: Action, new: Action) -> Callable[..., list[Row]]:
    return lambda rows: [replace(row, do=new) if row.do is old else row for row in rows]


def _presence(source: State, *triggers: str) -> Iterable[Callable[..., list[Row]]]:
    return (change(source, trigger, target=None, do=a.keep_going) for trigger in triggers)


ABSENT = "the card is not known to be absent"
DEFECTS: Sequence[Defect] = (
    # card
    Defect("paying goes on with a card", "a", table(*_presence(S.PAYING, "card-present"))),
    Defect("printing goes on while nobody knows", "a", table(*_presence(S.PRINTING, "card-unknown"))),
    Defect("choosing goes on with a card", "a", table(*_presence(S.CERTIFICATES, "card-present"))),
    Defect("the card need not be taken", "a", table(change(S.VERIFYING, "card-authenticated", target=S.CERTIFICATES))),
    Defect("unknown counts as taken", "al", table(add(Row(S.REMOVE, "card-unknown", S.OPENING, a.open_session)))),
    Defect("hold gives up and goes on", "aj", table(add(Row(S.HOLD, "time-up", S.CONFIRM)))),
    Defect(
        "a card pulled at the PIN is swallowed",
        "ghl",
        table(change(P.CARD, "card-absent", target=None, do=a.keep_going)),
    ),
    Defect("nobody answers a card that is taken", "g", table(drop(P.CARD, "card-absent"))),
    Defect("a swapped card keeps the PIN", "hl", table(change(P.CARD, "card-present", target=None, do=a.keep_going))),
    # fences
    Defect("late answers count", "f", deaf("older epoch")),
    Defect("older screens count", "f", deaf("older screen")),
    Defect("older timers count", "f", deaf("older timer")),
    Defect("what is not offered counts", "fg", deaf("not offered")),
    Defect("the same card is a new one", "f", deaf("known already")),
    Defect("the epoch stays after the end", "j", table(change(S.ORDERING, "time-up", do=own_epoch))),
    # time
    Defect("half of a transaction outlives its time", "j", table(change(S.PAYING, "time-up", do=keep_document))),
    Defect("choosing leaves its data behind", "j", table(change(P.CHOOSE, "time-up", do=a.keep_going))),
    Defect("the PIN outlives its time", "h", table(change(S.PIN, "time-up", do=silent(a.void, c.ForgetPin)))),
    # money
    Defect("a refund is forgotten", "c", table(drop(S.STOPPING, "coins-stopped", 0))),
    Defect("change is forgotten", "c", table(drop(S.PRINTING, "sheet-printed", 0))),
    Defect(
        "change that could not be paid is forgotten", "ck", table(change(S.CHANGE, "payout-failed", do=a.print_receipt))
    ),
    Defect("a silent hopper has paid", "c", table(change(S.REFUNDING, "time-up", do=a.report_failure))),
    Defect("coins are not counted", "c", miscounting(0)),
    Defect("coins are counted twice", "c", miscounting(2)),
    Defect("the fee of a failed print is kept", "c", table(change(S.REFUNDING, "paid-out", do=keep_the_fee))),
    Defect("a late payout is paid from the owed", "c", table(change(P.END, "paid-out", do=a.keep_going))),
    Defect(
        "the slot stays open after cancel",
        "ig",
        table(change(S.PAYING, "touch.cancel", do=silent(a.unwind("cancelled"), c.StopCoins))),
    ),
    Defect(
        "the slot stays open under a card",
        "ai",
        table(change(S.PAYING, "card-present", do=a.hold(S.PAYING, coins=False))),
    ),
    # paper
    Defect(
        "printing does not wait for the city",
        "l",
        table(change(S.SETTLING, "coins-stopped", 0, target=S.PRINTING, do=a.print_next)),
    ),
    Defect("printing does not wait for money", "l", table(_guards(g.paid, always))),
    Defect("any release will do", "l", table(_guards(g.releases_this, always))),
    Defect("the same sheet comes again", "l", table(change(S.PRINTING, "sheet-printed", 2, do=same_sheet))),
    Defect("an outcome is forgotten", "c", table(_does(a.print_receipt, silent(a.print_receipt, c.ReportOutcome)))),
    # dead ends and leftovers
    Defect("ordering waits for ever", "e", unlimited(S.ORDERING)),
    Defect("giving back waits for ever", "e", unlimited(S.REFUNDING)),
    Defect("sheets taken change nothing", "e", table(add(Row(S.UNCOLLECTED, "paper-taken", None)))),
    Defect("the alarm gives up", "e", table(add(Row(S.CARDLEFT, "remind", S.ENDING, a.end)))),
    Defect("a card is left behind", "e", table(change(S.TAKECARD, "time-up", target=S.ENDING, do=a.end))),
    Defect("the next person gets this session", "d", table(change(S.CERTIFICATES, "touch.choose", 2, target=S.MENU))),
    Defect(
        "the city is not told of a cancel",
        "d",
        table(change(P.CHOOSE, "touch.cancel", 0, do=silent(a.then(a.void, a.end), c.CancelAtCity))),
    ),
    # anomalies
    Defect(
        "a wrong document is only refused",
        "k",
        table(change(S.ORDERING, "document-rejected", do=a.refuse("line-down"))),
    ),
    Defect("a jam is only told", "k", table(change(P.PAY, "coins-failed", do=a.unwind("coins")))),
    Defect("somebody is served after a jam", "k", table(_guards(g.fit, fit_but_distrusted))),
    # permits
    Defect("permits: any card may be read", "l", permits=lax(c.ReadCard, "not the card that lies there")),
    Defect("permits: print with a card", "l", permits=lax(c.PrintSheet, ABSENT)),
    Defect(
        "permits: print any document",
        "l",
        permits=lax(c.PrintSheet, "not the checked document", "not released by the city"),
    ),
    Defect("permits: print any sheet", "l", permits=lax(c.PrintSheet, "not the next sheet")),
    Defect("permits: coins with a card", "l", permits=lax(c.AcceptCoins, ABSENT)),
    Defect("permits: coins for nothing", "l", permits=lax(c.AcceptCoins, "no checked document")),
    Defect("permits: release unpaid", "l", permits=lax(c.ReleaseOrder, "not paid")),
    Defect("permits: pay out what is not there", "l", permits=lax(c.PayOut, "more than is held")),
    Defect("permits: open a session for nobody", "l", permits=lax(c.OpenSession, "nobody is authenticated")),
)


def named(name: str) -> Defect:
    """Raises KeyError."""
    return {defect.name: defect for defect in DEFECTS}[name]
