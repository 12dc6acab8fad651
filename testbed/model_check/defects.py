"""Mistakes of the kind people make in table, fences, actions and permits. The search must find
every one of them.

Each is a copy of the kiosk with one thing wrong; nothing of it reaches the kiosk's own table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from firmware.flow import actions, commands, guards, money
from firmware.flow.machine import Flow
from firmware.flow.permits import Permits
from firmware.flow.states import Phase, State
from firmware.flow.table import Row
from testbed.model_check import mistakes
from testbed.model_check.kiosk import Kiosk
from testbed.model_check.mistakes import BuildFlow


@dataclass(frozen=True)
class Defect:
    """`letters`: the properties one of which it must break."""

    name: str
    letters: str
    flow: BuildFlow = Flow
    permits: Callable[[], Permits] = Permits

    def kiosk(self) -> Kiosk:
        return Kiosk(self.flow, self.permits)


ABSENT = "the card is not known to be absent"
DEFECTS: Sequence[Defect] = (
    # card
    Defect(
        "paying goes on with a card",
        "a",
        mistakes.edited_table(*mistakes.go_on_beside_a_card(State.PAYING, "card-present")),
    ),
    Defect(
        "printing goes on while nobody knows",
        "a",
        mistakes.edited_table(*mistakes.go_on_beside_a_card(State.PRINTING, "card-unknown")),
    ),
    Defect(
        "choosing goes on with a card",
        "a",
        mistakes.edited_table(*mistakes.go_on_beside_a_card(State.CERTIFICATES, "card-present")),
    ),
    Defect(
        "the card need not be taken",
        "a",
        mistakes.edited_table(
            mistakes.change(State.VERIFYING, "card-authenticated", target=State.CERTIFICATES)
        ),
    ),
    Defect(
        "unknown counts as taken",
        "al",
        mistakes.edited_table(
            mistakes.add(Row(State.REMOVE, "card-unknown", State.OPENING, actions.open_session))
        ),
    ),
    Defect(
        "hold gives up and goes on",
        "aj",
        mistakes.edited_table(mistakes.add(Row(State.HOLD, "time-up", State.CONFIRM))),
    ),
    Defect(
        "a card pulled at the PIN is swallowed",
        "ghl",
        mistakes.edited_table(
            mistakes.change(Phase.CARD, "card-absent", target=None, do=actions.keep_going)
        ),
    ),
    # Whoever reads at that moment is told first that the card is gone: neither is answered.
    Defect(
        "nobody answers a card that is taken",
        "g",
        mistakes.edited_table(
            mistakes.drop(Phase.CARD, "card-absent"), mistakes.drop(Phase.CARD, "card-failed")
        ),
    ),
    Defect(
        "a swapped card keeps the PIN",
        "hl",
        mistakes.edited_table(
            mistakes.change(Phase.CARD, "card-present", target=None, do=actions.keep_going)
        ),
    ),
    # fences
    Defect("late answers count", "f", mistakes.without_fence("older epoch")),
    Defect("older screens count", "f", mistakes.without_fence("older screen")),
    Defect("older timers count", "f", mistakes.without_fence("older timer")),
    Defect("what is not offered counts", "fg", mistakes.without_fence("not offered")),
    Defect("the same card is a new one", "f", mistakes.without_fence("known already")),
    Defect(
        "the epoch stays after the end",
        "j",
        mistakes.edited_table(
            mistakes.change(State.ORDERING, "time-up", do=mistakes.keep_the_epoch)
        ),
    ),
    # time
    Defect(
        "half of a transaction outlives its time",
        "j",
        mistakes.edited_table(mistakes.change(State.PAYING, "time-up", do=mistakes.keep_document)),
    ),
    Defect(
        "choosing leaves its data behind",
        "j",
        mistakes.edited_table(
            mistakes.change(Phase.CHOOSE, "time-up", do=mistakes.only_tell("too-slow"))
        ),
    ),
    Defect(
        "the PIN outlives its time",
        "h",
        mistakes.edited_table(
            mistakes.change(
                State.PIN, "time-up", do=mistakes.silent(actions.void, commands.ForgetPin)
            )
        ),
    ),
    # money
    Defect(
        "a refund is forgotten",
        "c",
        mistakes.edited_table(mistakes.drop(State.STOPPING, "coins-stopped", 1)),
    ),
    Defect(
        "change is forgotten",
        "c",
        mistakes.edited_table(mistakes.drop(State.PRINTING, "sheet-printed", 0)),
    ),
    Defect(
        "change that could not be paid is forgotten",
        "ck",
        mistakes.edited_table(
            mistakes.change(State.CHANGE, "payout-failed", do=actions.print_receipt)
        ),
    ),
    Defect(
        "a silent hopper has paid",
        "c",
        mistakes.edited_table(
            mistakes.change(State.REFUNDING, "time-up", do=actions.report_failure)
        ),
    ),
    Defect("coins are not counted", "c", mistakes.miscounting(0)),
    Defect("coins are counted twice", "c", mistakes.miscounting(2)),
    Defect(
        "the fee of a failed print is kept",
        "c",
        mistakes.edited_table(
            mistakes.change(State.REFUNDING, "paid-out", do=mistakes.keep_the_fee)
        ),
    ),
    Defect(
        "a late payout is paid from the owed",
        "c",
        mistakes.edited_table(mistakes.change(Phase.END, "paid-out", do=actions.keep_going)),
    ),
    Defect(
        "a sheet that may be out is paid back",
        "cl",
        mistakes.edited_table(
            mistakes.exchange_action(actions.print_failed, mistakes.pay_all_back)
        ),
    ),
    Defect(
        "an uncertain payout is owed",
        "c",
        mistakes.edited_table(
            mistakes.change(
                State.REFUNDING,
                "payout-failed",
                do=actions.then(mistakes.owe_the_uncertain, actions.report_failure),
            )
        ),
    ),
    Defect(
        "the slot stays open after cancel",
        "ig",
        mistakes.edited_table(
            mistakes.change(
                State.PAYING,
                "touch.cancel",
                do=mistakes.silent(actions.unwind("cancelled"), commands.StopCoins),
            )
        ),
    ),
    Defect(
        "the slot stays open under a card",
        "ai",
        mistakes.edited_table(
            mistakes.change(
                State.PAYING, "card-present", do=actions.hold(State.PAYING, coins=False)
            )
        ),
    ),
    # the payment terminal
    Defect(
        "what nobody knows is paid",
        "cl",
        mistakes.edited_table(
            mistakes.change(
                State.CHARGING, "charge-unknown", target=State.RELEASING, do=actions.release
            )
        ),
    ),
    Defect(
        "what nobody knows was not taken",
        "ck",
        mistakes.edited_table(
            mistakes.change(State.CHARGING, "charge-unknown", do=actions.unwind("cancelled"))
        ),
    ),
    Defect(
        "a charge is not given back",
        "c",
        mistakes.edited_table(mistakes.drop(State.STOPPING, "coins-stopped", 0)),
    ),
    Defect(
        "a reversal that failed is forgotten",
        "ck",
        mistakes.edited_table(
            mistakes.change(State.REVERSING, "reverse-failed", do=actions.report_failure)
        ),
    ),
    Defect(
        "a silent terminal took nothing",
        "ck",
        mistakes.edited_table(mistakes.change(State.WITHDRAWING, "time-up", do=money.stop_coins)),
    ),
    Defect(
        "a late refusal stays held",
        "c",
        mistakes.edited_table(mistakes.change(Phase.END, "charge-declined", do=actions.keep_going)),
    ),
    Defect(
        "cancelling does not wait for the terminal",
        "cgk",
        mistakes.edited_table(
            mistakes.change(State.CHARGING, "touch.cancel", target=State.STOPPING)
        ),
    ),
    Defect(
        "permits: charge another amount", "l", permits=mistakes.lax(commands.Charge, "not the fee")
    ),
    Defect("permits: charge with a card", "l", permits=mistakes.lax(commands.Charge, ABSENT)),
    Defect(
        "permits: reverse what is not held",
        "l",
        permits=mistakes.lax(commands.Reverse, "more than is held", "more than was charged"),
    ),
    # paper
    Defect(
        "printing does not wait for the city",
        "l",
        mistakes.edited_table(
            mistakes.change(
                State.SETTLING, "coins-stopped", 0, target=State.PRINTING, do=actions.print_next
            )
        ),
    ),
    Defect(
        "printing does not wait for money",
        "l",
        mistakes.edited_table(mistakes.exchange_guard(guards.paid, mistakes.always)),
    ),
    Defect(
        "any release will do",
        "l",
        mistakes.edited_table(mistakes.exchange_guard(guards.releases_this, mistakes.always)),
    ),
    Defect(
        "the same sheet comes again",
        "l",
        mistakes.edited_table(
            mistakes.change(State.PRINTING, "sheet-printed", 2, do=mistakes.print_first_sheet_again)
        ),
    ),
    Defect(
        "an outcome is forgotten",
        "c",
        mistakes.edited_table(
            mistakes.exchange_action(
                actions.print_receipt,
                mistakes.silent(actions.print_receipt, commands.ReportOutcome),
            )
        ),
    ),
    # dead ends and leftovers
    Defect("ordering waits for ever", "e", mistakes.unlimited(State.ORDERING)),
    Defect("giving back waits for ever", "e", mistakes.unlimited(State.REFUNDING)),
    Defect(
        "sheets taken change nothing",
        "e",
        mistakes.edited_table(mistakes.add(Row(State.UNCOLLECTED, "paper-taken", None))),
    ),
    Defect(
        "the alarm gives up",
        "e",
        mistakes.edited_table(
            mistakes.add(Row(State.CARDLEFT, "remind", State.ENDING, actions.end))
        ),
    ),
    Defect(
        "a card is left behind",
        "e",
        mistakes.edited_table(
            mistakes.change(State.TAKECARD, "time-up", target=State.ENDING, do=actions.end)
        ),
    ),
    Defect(
        "the next person gets this session",
        "d",
        mistakes.edited_table(
            mistakes.change(State.CERTIFICATES, "touch.choose", 2, target=State.MENU)
        ),
    ),
    Defect(
        "the city is not told of a cancel",
        "d",
        mistakes.edited_table(
            mistakes.change(
                Phase.CHOOSE,
                "touch.cancel",
                0,
                do=mistakes.silent(actions.then(actions.void, actions.end), commands.CancelAtCity),
            )
        ),
    ),
    # anomalies
    Defect(
        "a wrong document is only refused",
        "k",
        mistakes.edited_table(
            mistakes.change(State.ORDERING, "document-rejected", do=actions.refuse("line-down"))
        ),
    ),
    Defect(
        "a jam is only told",
        "k",
        mistakes.edited_table(
            mistakes.change(Phase.PAY, "coins-failed", do=actions.unwind("coins"))
        ),
    ),
    Defect(
        "somebody is served after a jam",
        "k",
        mistakes.edited_table(mistakes.exchange_guard(guards.fit, mistakes.fit_but_distrusted)),
    ),
    # the technician
    Defect(
        "the key opens in the middle of a journey",
        "lm",
        mistakes.edited_table(
            mistakes.add(
                Row(State.CERTIFICATES, "service-key", State.ENDING, actions.hand_over),
            )
        ),
    ),
    Defect(
        "the key opens beside a card",
        "lm",
        mistakes.edited_table(
            mistakes.exchange_guard(guards.for_the_technician, mistakes.key_is_turned)
        ),
    ),
    Defect(
        "the key opens and a person can still come",
        "m",
        mistakes.edited_table(
            mistakes.add(Row(State.MENU, "service-key", State.PLACE, actions.hand_over))
        ),
    ),
    # permits
    Defect(
        "permits: the technician's screens beside a person",
        "l",
        permits=mistakes.lax(commands.OpenTechnician, "somebody is, or was, served here"),
    ),
    Defect(
        "permits: any card may be read",
        "l",
        permits=mistakes.lax(commands.ReadCard, "not the card that lies there"),
    ),
    Defect("permits: print with a card", "l", permits=mistakes.lax(commands.PrintSheet, ABSENT)),
    Defect(
        "permits: print any document",
        "l",
        permits=mistakes.lax(
            commands.PrintSheet, "not the checked document", "not released by the city"
        ),
    ),
    Defect(
        "permits: print any sheet",
        "l",
        permits=mistakes.lax(commands.PrintSheet, "not the next sheet"),
    ),
    Defect("permits: coins with a card", "l", permits=mistakes.lax(commands.AcceptCoins, ABSENT)),
    Defect(
        "permits: coins for nothing",
        "l",
        permits=mistakes.lax(commands.AcceptCoins, "no checked document"),
    ),
    Defect("permits: release unpaid", "l", permits=mistakes.lax(commands.ReleaseOrder, "not paid")),
    Defect(
        "permits: pay out what is not there",
        "l",
        permits=mistakes.lax(commands.PayOut, "more than is held"),
    ),
    Defect(
        "permits: open a session for nobody",
        "l",
        permits=mistakes.lax(commands.OpenSession, "nobody is authenticated"),
    ),
)


def find_defect(name: str) -> Defect:
    """Raises KeyError."""
    return {defect.name: defect for defect in DEFECTS}[name]
