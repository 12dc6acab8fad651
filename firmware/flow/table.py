"""Every state and every transition of the journey: the one place.

Read a row as: on this trigger, in this state (or any state of this phase), when the guard holds, do
these actions and go there. `STAY` keeps the state. Rows of one state and trigger are tried from top
to bottom, then those of its phase. `lint.py` proves at import that every state answers every event.
"""

from __future__ import annotations

from dataclasses import dataclass

from firmware.flow import actions as a
from firmware.flow import cashless as cl
from firmware.flow import guards as g
from firmware.flow import money as m
from firmware.flow import screens as v
from firmware.flow.actions import Action
from firmware.flow.events import Event
from firmware.flow.guards import Guard
from firmware.flow.session import Session
from firmware.flow.states import CardPolicy, Phase, Spec, State

S, P = State, Phase
MUST_STAY, MAY_LEAVE = CardPolicy.MUST_STAY, CardPolicy.MAY_LEAVE
MUST_LEAVE, MUST_BE_ABSENT = CardPolicy.MUST_LEAVE, CardPolicy.MUST_BE_ABSENT
STAY = None
# What happens when a person's time runs out: all ends and nothing is charged; all ends and the
# coins go back; this screen goes.
ENDS, RETURNS, CLOSES = "ends", "returns", "closes"

# What the idle states decide anew at.
NEWS_OF_THE_WORLD = ("terms", "line-lost", "health", "service-key", "card-absent", "card-unknown")

# What may still arrive while HOLD waits for a card to go: kept in order, handled when the journey
# goes on.
LATCHED = frozenset(
    "session-opened city-refused document-checked printers-ready printers-not-ready released "
    "coin-returned coins-stopped sheet-printed sheet-failed "
    "charged charge-declined charge-unknown".split()
)

SPECS: dict[State, Spec] = {
    # The card's policy, what is shown, and what a person may do.
    S.STARTING: Spec(MAY_LEAVE, v.nothing, limit_s=4, device=True, remind_s=1, settings=False),
    S.FAULT: Spec(MAY_LEAVE, v.out, remind_s=3),
    S.CLOSED: Spec(MAY_LEAVE, v.closed, remind_s=30),
    S.MENU: Spec(MAY_LEAVE, v.menu, ("start",), remind_s=15),
    S.PLACE: Spec(
        MAY_LEAVE, v.notice, ("cancel",), limit_s=60, remind_s=15, patient=True, runs_out=ENDS
    ),
    S.READING: Spec(MUST_STAY, v.nothing, limit_s=15, device=True, settings=False),
    S.PIN: Spec(
        MUST_STAY, v.pin, ("enter", "clear", "cancel"), limit_s=60, patient=True, runs_out=ENDS
    ),
    S.LASTTRY: Spec(MUST_STAY, v.pin, ("try", "stop"), limit_s=60, patient=True, runs_out=ENDS),
    S.VERIFYING: Spec(MUST_STAY, v.nothing, limit_s=20, device=True, settings=False),
    S.REMOVE: Spec(MUST_LEAVE, v.notice, limit_s=30, remind_s=6),
    S.REMOVEALARM: Spec(MUST_LEAVE, v.notice, limit_s=60, remind_s=4, urgent=True),
    S.OPENING: Spec(MUST_BE_ABSENT, v.nothing, limit_s=20, device=True),
    S.CERTIFICATES: Spec(
        MUST_BE_ABSENT,
        v.certificates,
        ("choose", "cancel"),
        limit_s=90,
        patient=True,
        runs_out=ENDS,
    ),
    S.NOTOFFERED: Spec(
        MUST_BE_ABSENT, v.not_offered, ("back", "cancel"), limit_s=90, patient=True, runs_out=ENDS
    ),
    S.OPTIONS: Spec(
        MUST_BE_ABSENT,
        v.options,
        ("pick", "next", "back", "cancel"),
        limit_s=90,
        patient=True,
        runs_out=ENDS,
    ),
    S.CONFIRM: Spec(
        MUST_BE_ABSENT,
        v.confirm,
        ("confirm", "back", "cancel"),
        limit_s=120,
        patient=True,
        runs_out=ENDS,
    ),
    S.ORDERING: Spec(MUST_BE_ABSENT, v.preparing, ("cancel",), limit_s=60, device=True),
    S.READYING: Spec(MUST_BE_ABSENT, v.preparing, ("cancel",), limit_s=20, device=True),
    S.PAYING: Spec(
        MUST_BE_ABSENT,
        v.paying,
        ("cancel",),
        limit_s=90,
        remind_s=30,
        patient=True,
        runs_out=RETURNS,
    ),
    S.SETTLING: Spec(MUST_BE_ABSENT, v.paying, limit_s=15, device=True),
    S.PAYWAY: Spec(
        MUST_BE_ABSENT,
        v.payway,
        ("cash", "cashless", "cancel"),
        limit_s=60,
        patient=True,
        runs_out=ENDS,
    ),
    S.CHARGING: Spec(
        MUST_BE_ABSENT, v.charging, ("cancel",), limit_s=120, device=True, remind_s=20
    ),
    S.RELEASING: Spec(MUST_BE_ABSENT, v.preparing, limit_s=30, device=True),
    S.PRINTING: Spec(MUST_BE_ABSENT, v.printing, limit_s=180, device=True, remind_s=20),
    S.HOLD: Spec(MUST_LEAVE, v.notice, limit_s=60, remind_s=5, urgent=True, latches=LATCHED),
    S.STOPPING: Spec(MAY_LEAVE, v.refunding, limit_s=15, device=True),
    S.REFUNDING: Spec(MAY_LEAVE, v.refunding, limit_s=120, device=True),
    S.WITHDRAWING: Spec(MAY_LEAVE, v.refunding, limit_s=45, device=True),
    S.REVERSING: Spec(MAY_LEAVE, v.reversing, limit_s=60, device=True),
    S.CHANGE: Spec(MAY_LEAVE, v.receipt, limit_s=120, device=True),
    S.RECEIPTING: Spec(MAY_LEAVE, v.receipt, limit_s=60, device=True),
    S.SHEETS: Spec(MAY_LEAVE, v.sheets, ("taken",), limit_s=120, remind_s=8),
    S.UNCOLLECTED: Spec(MAY_LEAVE, v.sheets, ("taken",), remind_s=6, urgent=True),
    S.RECEIPT: Spec(MAY_LEAVE, v.receipt, ("ok",), limit_s=20, remind_s=8),
    S.THANKS: Spec(MAY_LEAVE, v.receipt, ("ok",), limit_s=30),
    S.REFUSED: Spec(MAY_LEAVE, v.refused, ("ok",), limit_s=60, patient=True, runs_out=CLOSES),
    S.TROUBLE: Spec(MAY_LEAVE, v.trouble, ("ok",), limit_s=120, patient=True, runs_out=CLOSES),
    S.TAKECARD: Spec(MUST_LEAVE, v.notice, limit_s=60, remind_s=6),
    S.CARDLEFT: Spec(MUST_LEAVE, v.notice, remind_s=10, urgent=True),
    S.ENDING: Spec(MAY_LEAVE, v.nothing, settings=False),
}


@dataclass(frozen=True)
class Row:
    source: State | Phase
    trigger: str
    target: State | None
    do: Action = a.keep_going
    when: Guard | None = None


def leave(
    source: State | Phase, trigger: str, do: Action = a.keep_going, when: Guard | None = None
) -> list[Row]:
    """End the journey, by way of the card if one is, or may be, still there."""

    def gone(session: Session, event: Event) -> bool:
        return g.card_absent(session, event) and (when is None or when(session, event))

    return [
        Row(source, trigger, S.ENDING, a.then(do, a.end), gone),
        Row(source, trigger, S.TAKECARD, do, when),
    ]


def time_is_up(source: State | Phase) -> list[Row]:
    """Before money: nothing was charged, and that is told; where a card may lie there, with the
    words that ask for it.
    """
    return [
        Row(source, "time-up", S.REFUSED, a.refuse("too-slow"), g.card_absent),
        Row(source, "time-up", S.TAKECARD, a.then(a.void, a.note_time_is_up)),
    ]


def idle(source: State, *triggers: str) -> list[Row]:
    """Waiting for a person, or unable to: one rule for what is shown, asked at every piece
    of news. Here alone the technician's key opens anything.
    """
    return [
        row
        for trigger in triggers
        for row in (
            Row(source, trigger, S.ENDING, a.end, g.for_the_technician_beside_coins),
            Row(source, trigger, S.ENDING, a.hand_over, g.for_the_technician),
            Row(source, trigger, S.ENDING, a.end, g.fit_with_coins_of_nobody),
            Row(source, trigger, STAY if source is S.MENU else S.MENU, when=g.fit),
            Row(source, trigger, S.CLOSED if source is not S.CLOSED else STAY, when=g.shut),
            Row(source, trigger, STAY if source in (S.STARTING, S.FAULT) else S.FAULT),
        )
    ]


# States where a card, or not knowing, holds everything; True where coins must be stopped first.
HELD = {state: state is S.PAYING for state, spec in SPECS.items() if spec.card is MUST_BE_ABSENT}

ROWS: list[Row] = [
    # -- out of service, closed, waiting
    *idle(S.STARTING, *NEWS_OF_THE_WORLD, "card-present"),
    *idle(S.FAULT, *NEWS_OF_THE_WORLD, "card-present"),
    *idle(S.CLOSED, *NEWS_OF_THE_WORLD, "card-present"),
    *idle(S.MENU, *NEWS_OF_THE_WORLD),
    Row(S.STARTING, "time-up", S.FAULT),  # devices need a moment; what is not well by now is told
    Row(P.OUT, "remind", STAY, a.ask_terms),
    Row(P.OUT, "shutdown", S.ENDING, a.end),
    Row(S.MENU, "remind", STAY, a.ask_terms),
    Row(S.MENU, "touch.start", S.PLACE),
    Row(S.MENU, "card-present", S.READING, a.read_card),
    Row(S.MENU, "shutdown", S.ENDING, a.end),
    Row(S.MENU, "coin-inserted", S.FAULT, m.unexpected_coin),
    Row(S.MENU, "coins-failed", S.FAULT, m.coins_failed),
    # -- card and PIN: the card must stay
    Row(S.PLACE, "card-present", S.READING, a.read_card),
    Row(S.PLACE, "card-absent", STAY),
    Row(S.PLACE, "card-unknown", S.REFUSED, a.refuse("card-reader")),
    *leave(S.PLACE, "touch.cancel", a.void),
    *time_is_up(S.PLACE),
    *leave(S.PLACE, "shutdown", a.void),
    Row(
        S.READING,
        "card-read",
        S.REFUSED,
        a.then(a.note_token, a.refuse("phone-not-accepted")),
        g.phone_not_accepted,
    ),
    Row(S.READING, "card-read", S.REFUSED, a.then(a.note_token, a.refuse("pin-locked")), g.locked),
    Row(S.READING, "card-read", S.LASTTRY, a.note_tries, g.last_try),
    Row(S.READING, "card-read", S.PIN, a.note_tries),
    Row(S.READING, "time-up", S.REFUSED, a.refuse("card-unreadable")),
    Row(S.PIN, "pin-digit", STAY, a.note_digit),
    Row(S.PIN, "touch.clear", STAY, a.forget_pin),
    Row(S.PIN, "touch.enter", S.VERIFYING, a.authenticate, g.pin_complete),
    Row(S.PIN, "touch.enter", STAY, a.pin_too_short),
    *leave(S.PIN, "touch.cancel", a.void),
    *time_is_up(S.PIN),
    Row(S.LASTTRY, "touch.try", S.PIN, a.forget_pin),
    Row(S.LASTTRY, "touch.stop", S.REFUSED, a.refuse("pin-kept")),
    *time_is_up(S.LASTTRY),
    Row(S.VERIFYING, "card-authenticated", S.REMOVE, a.note_authenticated),
    Row(S.VERIFYING, "pin-wrong", S.LASTTRY, a.pin_wrong, g.last_try),
    Row(S.VERIFYING, "pin-wrong", S.PIN, a.pin_wrong),
    # the answer to the PIN was lost: the card was asked for the tries, and the person types again
    Row(S.VERIFYING, "card-read", S.REFUSED, a.refuse("pin-locked"), g.locked),
    Row(S.VERIFYING, "card-read", S.LASTTRY, a.pin_again, g.last_try),
    Row(S.VERIFYING, "card-read", S.PIN, a.pin_again),
    Row(S.VERIFYING, "time-up", S.REFUSED, a.refuse("card-unreadable")),
    Row(P.CARD, "card-failed", S.PLACE, a.card_taken_early, g.removed),
    Row(P.CARD, "card-failed", S.PLACE, a.card_mute, g.mute),
    Row(P.CARD, "card-failed", S.REFUSED, a.refuse()),
    Row(P.CARD, "card-absent", S.PLACE, a.card_taken_early),
    Row(P.CARD, "card-present", S.READING, a.then(a.card_taken_early, a.read_card)),  # another stay
    Row(P.CARD, "card-unknown", S.REFUSED, a.refuse("card-reader")),
    # -- take the card off: nothing else happens until it is gone
    Row(S.REMOVE, "card-absent", S.OPENING, a.open_session),
    Row(S.REMOVE, "time-up", S.REMOVEALARM, a.call_staff),
    Row(S.REMOVEALARM, "card-absent", S.OPENING, a.open_session),
    Row(S.REMOVEALARM, "time-up", S.CARDLEFT, a.then(a.void, a.call_staff)),
    Row(S.TAKECARD, "card-absent", S.ENDING, a.end),
    Row(S.TAKECARD, "time-up", S.CARDLEFT, a.then(a.void, a.call_staff)),
    Row(S.CARDLEFT, "card-absent", S.ENDING, a.end),
    Row(P.TAKE, "card-present", STAY),
    Row(P.TAKE, "card-unknown", STAY),
    # -- a card where none may be
    *(
        Row(state, trigger, S.HOLD, a.hold(state, coins=coins))
        for state, coins in HELD.items()
        for trigger in ("card-present", "card-unknown")
    ),
    *(Row(state, "card-absent", STAY) for state in HELD),
    # Back to the till by way of SETTLING: the slot opens again only when it is known to be shut.
    Row(S.HOLD, "card-absent", S.SETTLING, a.resume, g.resumes(S.PAYING)),
    *(
        Row(S.HOLD, "card-absent", state, a.resume, g.resumes(state))
        for state in HELD
        if state is not S.PAYING
    ),
    *leave(S.HOLD, "card-absent", a.void),  # nowhere to go back to
    Row(S.HOLD, "coin-inserted", STAY, when=g.resumes_in(S.PAYING, S.SETTLING)),
    Row(S.HOLD, "coin-inserted", STAY, m.coin_too_many, g.resumes_in(S.RELEASING, S.PRINTING)),
    Row(S.HOLD, "coin-inserted", STAY, m.unexpected_coin),
    Row(
        S.HOLD,
        "coins-failed",
        S.STOPPING,
        a.then(m.coins_failed, a.unwind("coins")),
        g.resumes_in(S.PAYING, S.SETTLING, S.PAYWAY),
    ),
    Row(S.HOLD, "coins-failed", STAY, m.coins_failed),
    # An anomaly does not wait for the card: its case would be lost with the time.
    Row(S.HOLD, "document-rejected", S.REFUSED, a.reject_document),
    # the last sheet came out meanwhile
    Row(S.HOLD, "time-up", S.CHANGE, m.pay_change, g.change_due),
    Row(S.HOLD, "time-up", S.RECEIPTING, a.print_receipt, g.last_sheet_out),
    Row(S.HOLD, "time-up", S.STOPPING, a.print_failed, g.resumes_in(S.PRINTING)),
    Row(S.HOLD, "time-up", S.WITHDRAWING, cl.withdraw("card-left"), g.resumes_in(S.CHARGING)),
    Row(S.HOLD, "time-up", S.STOPPING, a.unwind("card-left"), g.at_stake),
    Row(S.HOLD, "time-up", S.CARDLEFT, a.then(a.void, a.call_staff)),
    # -- choosing
    Row(S.OPENING, "session-opened", S.CERTIFICATES, a.note_offers),
    Row(S.OPENING, "time-up", S.REFUSED, a.refuse("line-down")),
    Row(S.CERTIFICATES, "touch.choose", S.OPTIONS, a.choose, g.offered_with_options),
    Row(S.CERTIFICATES, "touch.choose", S.CONFIRM, a.choose, g.offered),
    Row(S.CERTIFICATES, "touch.choose", S.NOTOFFERED, a.explain_offer, g.not_offered),
    Row(S.CERTIFICATES, "touch.choose", STAY),
    Row(S.NOTOFFERED, "touch.back", S.CERTIFICATES, a.forget_choice),
    Row(S.OPTIONS, "touch.pick", STAY, a.answer),
    Row(S.OPTIONS, "touch.next", S.CONFIRM, when=g.answered_last),
    Row(S.OPTIONS, "touch.next", STAY, a.next_question, g.answered),
    Row(S.OPTIONS, "touch.next", STAY, a.answer_missing),
    Row(S.OPTIONS, "touch.back", S.CERTIFICATES, a.forget_choice, g.first_question),
    Row(S.OPTIONS, "touch.back", STAY, a.previous_question),
    Row(S.CONFIRM, "touch.confirm", S.ORDERING, a.place_order),
    Row(S.CONFIRM, "touch.back", S.CERTIFICATES, a.forget_choice, g.no_questions),
    Row(S.CONFIRM, "touch.back", S.OPTIONS, a.last_question),
    Row(P.CHOOSE, "city-refused", S.REFUSED, a.refuse()),
    *leave(P.CHOOSE, "touch.cancel", a.void),
    *time_is_up(P.CHOOSE),
    # -- ordering: the document comes, and is checked, before money
    Row(S.ORDERING, "document-checked", S.READYING, a.hold_document),
    Row(S.ORDERING, "document-rejected", S.REFUSED, a.reject_document),
    Row(S.READYING, "printers-ready", S.RELEASING, a.then(a.note_outlet, a.release), g.free),
    Row(S.READYING, "printers-ready", S.TROUBLE, a.refuse("coins"), g.distrusted_and_owed),
    Row(S.READYING, "printers-ready", S.REFUSED, a.refuse("coins"), g.distrusted),
    Row(S.READYING, "printers-ready", S.PAYWAY, a.note_outlet, cl.offered),
    Row(S.READYING, "printers-ready", S.PAYING, a.then(a.note_outlet, m.accept_coins)),
    Row(S.READYING, "printers-not-ready", S.REFUSED, a.refuse("printer")),
    Row(P.ORDER, "city-refused", S.REFUSED, a.refuse()),
    Row(S.ORDERING, "time-up", S.REFUSED, a.refuse("line-down")),
    Row(S.READYING, "time-up", S.REFUSED, a.refuse("printer")),
    *leave(P.ORDER, "touch.cancel", a.void),
    # -- paying
    Row(S.PAYING, "coin-inserted", S.SETTLING, m.stop_coins, g.paid),
    Row(S.PAYING, "coin-inserted", STAY, m.coin_counted),
    Row(S.PAYING, "coin-returned", STAY, m.coin_back),
    Row(S.PAYING, "touch.cancel", S.STOPPING, a.unwind("cancelled")),
    Row(S.PAYING, "time-up", S.STOPPING, a.unwind("too-slow")),
    Row(S.SETTLING, "coin-inserted", STAY),
    Row(S.SETTLING, "coins-stopped", S.RELEASING, a.release, g.paid),
    Row(S.SETTLING, "coins-stopped", S.PAYING, m.accept_coins),
    Row(S.SETTLING, "time-up", S.STOPPING, a.unwind("coins")),
    Row(P.PAY, "coins-failed", S.STOPPING, a.then(m.coins_failed, a.unwind("coins"))),
    # -- paying at the terminal: its answer is waited for, and no coin is asked for meanwhile
    Row(S.PAYWAY, "touch.cash", S.STOPPING, a.unwind("coins"), g.distrusted),
    Row(S.PAYWAY, "touch.cash", S.PAYING, m.accept_coins),
    Row(S.PAYWAY, "touch.cashless", S.CHARGING, cl.charge),
    Row(S.PAYWAY, "touch.cancel", S.STOPPING, a.unwind("cancelled")),
    Row(S.PAYWAY, "time-up", S.STOPPING, a.unwind("too-slow")),
    Row(S.CHARGING, "charged", S.RELEASING, a.release),
    Row(S.CHARGING, "charge-declined", S.PAYWAY, cl.declined),
    Row(S.CHARGING, "charge-unknown", S.STOPPING, a.then(a.unwind("charge-held"), cl.doubt_charge)),
    Row(S.CHARGING, "touch.cancel", S.WITHDRAWING, cl.withdraw("cancelled")),
    Row(S.CHARGING, "time-up", S.WITHDRAWING, cl.withdraw("too-slow")),
    # the charge goes on: what it comes to decides
    Row(S.CHARGING, "coins-failed", STAY, m.coins_failed),
    Row(S.WITHDRAWING, "charged", S.STOPPING, m.stop_coins),
    Row(S.WITHDRAWING, "charge-declined", S.STOPPING, m.stop_coins),
    Row(S.WITHDRAWING, "charge-unknown", S.STOPPING, a.then(cl.doubt_charge, m.stop_coins)),
    Row(S.WITHDRAWING, "time-up", S.STOPPING, a.then(cl.doubt_charge, m.stop_coins)),
    Row(S.REVERSING, "reversed", S.REFUNDING, m.refund, g.money_held),
    Row(S.REVERSING, "reversed", S.TROUBLE, a.report_failure, g.money_owed),
    Row(S.REVERSING, "reversed", S.REFUSED, a.report_failure),
    *(
        row
        for trigger in ("reverse-failed", "time-up")
        for row in (
            Row(
                S.REVERSING, trigger, S.REFUNDING, a.then(cl.doubt_reversal, m.refund), g.money_held
            ),
            Row(S.REVERSING, trigger, S.TROUBLE, a.then(cl.doubt_reversal, a.report_failure)),
        )
    ),
    # -- releasing and printing: paper only after the city's word
    Row(S.RELEASING, "released", S.PRINTING, a.print_next, g.releases_this),
    Row(S.RELEASING, "released", S.STOPPING, a.unwind("line-down")),
    Row(S.RELEASING, "city-refused", S.STOPPING, a.unwind("line-down")),
    Row(S.RELEASING, "time-up", S.STOPPING, a.unwind("line-down")),
    Row(S.PRINTING, "sheet-printed", S.CHANGE, m.pay_change, g.change_due),
    Row(S.PRINTING, "sheet-printed", S.RECEIPTING, a.print_receipt, g.last_sheet_out),
    Row(S.PRINTING, "sheet-printed", STAY, a.print_next),
    Row(S.PRINTING, "sheet-failed", S.STOPPING, a.print_failed),
    Row(S.PRINTING, "time-up", S.STOPPING, a.print_failed),
    # -- unwinding: stop the coins, give everything back, say why
    Row(S.STOPPING, "coin-inserted", STAY),
    Row(S.STOPPING, "coins-stopped", S.REVERSING, cl.reverse, cl.to_reverse),
    Row(S.STOPPING, "coins-stopped", S.REFUNDING, m.refund, g.money_held),
    Row(S.STOPPING, "coins-stopped", S.TROUBLE, a.report_failure, g.money_owed),
    Row(S.STOPPING, "coins-stopped", S.REFUSED, a.report_failure),
    # The acceptor does not say that it is shut: nothing can be paid while a coin may still fall in.
    Row(
        S.STOPPING, "time-up", S.REVERSING, a.then(m.owe_rest, cl.reverse), cl.to_reverse_and_coins
    ),
    Row(S.STOPPING, "time-up", S.REVERSING, a.then(m.coins_silent, cl.reverse), cl.to_reverse),
    Row(
        S.STOPPING,
        "time-up",
        S.TROUBLE,
        a.then(m.owe_rest, a.report_failure),
        g.money_held,
    ),
    Row(S.STOPPING, "time-up", S.TROUBLE, a.then(m.coins_silent, a.report_failure), g.money_owed),
    Row(S.STOPPING, "time-up", S.REFUSED, a.then(m.coins_silent, a.report_failure)),
    Row(S.REFUNDING, "paid-out", S.TROUBLE, a.report_failure, g.money_owed),
    Row(S.REFUNDING, "paid-out", S.REFUSED, a.report_failure),
    Row(S.REFUNDING, "payout-failed", S.TROUBLE, a.then(m.owe, a.report_failure)),
    Row(S.REFUNDING, "time-up", S.TROUBLE, a.then(m.hold_rest(keep_fee=False), a.report_failure)),
    # -- collecting
    Row(S.CHANGE, "paid-out", S.RECEIPTING, a.print_receipt),
    Row(S.CHANGE, "payout-failed", S.RECEIPTING, a.then(m.owe, a.print_receipt)),
    Row(S.CHANGE, "time-up", S.RECEIPTING, a.then(m.hold_rest(keep_fee=True), a.print_receipt)),
    Row(S.RECEIPTING, "receipt-done", S.SHEETS, a.watch_outlet),
    Row(S.RECEIPTING, "time-up", S.SHEETS, a.watch_outlet),
    Row(S.SHEETS, "paper-taken", S.RECEIPT),
    Row(S.SHEETS, "touch.taken", S.RECEIPT, when=g.no_sensor),
    Row(S.SHEETS, "touch.taken", STAY),
    Row(S.SHEETS, "time-up", S.RECEIPT, when=g.no_sensor),
    Row(S.SHEETS, "time-up", S.UNCOLLECTED, a.sheets_left),
    Row(S.UNCOLLECTED, "paper-taken", S.TROUBLE, when=g.money_owed),
    *leave(S.UNCOLLECTED, "paper-taken"),
    # the sheets keep the next process out of service until they are gone
    *leave(S.UNCOLLECTED, "shutdown"),
    Row(S.UNCOLLECTED, "touch.taken", STAY),
    *(
        row
        for trigger in ("touch.ok", "time-up")
        for row in (
            Row(S.RECEIPT, trigger, S.TROUBLE, when=g.money_owed),
            Row(S.RECEIPT, trigger, S.THANKS),
        )
    ),
    *leave(S.THANKS, "touch.ok"),
    *leave(S.THANKS, "time-up"),
    Row(S.THANKS, "card-present", S.TAKECARD),  # the next person is there already
    *leave(S.REFUSED, "touch.ok"),
    *leave(S.REFUSED, "time-up"),
    *leave(S.TROUBLE, "touch.ok"),
    *leave(S.TROUBLE, "time-up"),
    # -- what every state answers
    *(Row(state, "touch.more-time", STAY) for state, spec in SPECS.items() if spec.patient),
    *(
        Row(state, f"touch.{setting}", STAY, do)
        for state, spec in SPECS.items()
        if spec.settings
        for setting, do in (("mode", a.switch_mode), ("language", a.change_language))
    ),
    *(
        Row(phase, trigger, STAY)
        for phase in (P.UNWIND, P.COLLECT, P.END)
        for trigger in ("card-present", "card-absent", "card-unknown")
    ),
    *(Row(phase, "paid-out", STAY, m.paid_late) for phase in P),
    *(Row(phase, "payout-failed", STAY, m.paid_late) for phase in P),
    *(
        Row(phase, trigger, STAY, action)
        for phase in P
        for trigger, action in (
            ("charged", cl.charged_late),
            ("charge-declined", cl.declined_late),
            ("charge-unknown", a.keep_going),
            ("reversed", cl.reversed_late),
            ("reverse-failed", a.keep_going),
        )
    ),
    Row(P.ISSUE, "coin-inserted", STAY, m.coin_too_many),
    *(Row(phase, "coin-inserted", STAY, m.unexpected_coin) for phase in P if phase is not P.ISSUE),
    *(Row(phase, "coins-failed", STAY, m.coins_failed) for phase in P if phase is not P.PAY),
]

# What a state may pass over, because what it says is remembered anyway or no longer matters.
# Everything else must be answered by a row or latched. A card, a coin or a fault can never be
# passed over.
NEWS = frozenset(
    {"terms", "line-lost", "health", "headphones", "service-key", "shutdown", "remind", "warn"}
)
ANSWERS = frozenset(
    "card-read card-failed card-authenticated pin-wrong pin-digit session-opened city-refused "
    "document-checked document-rejected released printers-ready printers-not-ready sheet-printed "
    "sheet-failed receipt-done coin-returned coins-stopped paper-taken".split()
)
IGNORED = NEWS | ANSWERS | {"time-up"}
NEVER_IGNORED = frozenset(
    "card-present card-absent card-unknown coin-inserted coins-failed paid-out payout-failed "
    "charged charge-declined charge-unknown reversed reverse-failed".split()
)
