"""Money and paper when things cross each other: late sheets, late coins, a card left lying."""

from __future__ import annotations

import contextlib

import pytest
from flow_rig import Ended, Rig, at_certificates, at_menu, at_ordering, at_paying, at_printing

from firmware.flow import commands, events
from firmware.flow.session import Session
from firmware.flow.states import State
from testbed.world.samples import OPEN


def balanced(session: Session, kept: int) -> bool:
    return session.inserted == session.returned + session.owed + session.undecided + kept


def test_a_sheet_that_came_out_while_a_card_lay_there_is_kept_and_paid() -> None:
    rig = at_printing(coin=500)
    rig.put_card()
    rig.answer("sheets")
    assert rig.flow.state is State.HOLD
    rig.fire("limit")
    rig.settle()
    assert rig.flow.state is State.SHEETS
    assert balanced(rig.flow.session, kept=100)
    assert [k.result for k in rig.all(commands.ReportOutcome)] == ["printed"]


def test_a_sheet_after_its_time_earns_nothing_and_stops_no_refund() -> None:
    rig = at_printing()
    rig.fire("limit")
    rig.answer("sheets")
    rig.settle()
    assert rig.flow.state is State.TROUBLE
    assert rig.flow.session.undecided == rig.flow.session.inserted
    assert balanced(rig.flow.session, kept=0)


@pytest.mark.parametrize(
    ("fail", "result"),
    [
        (lambda rig: rig.answer("sheets", "sheet-failed"), "failed"),
        (lambda rig: rig.answer("sheets", "sheet-failed uncertain"), "unknown"),
        (lambda rig: rig.fire("limit"), "unknown"),
    ],
    ids=["jam", "uncertain", "silent"],
)
def test_what_nobody_can_tell_is_reported_as_unknown(fail, result: str) -> None:  # type: ignore[no-untyped-def]
    rig = at_printing(sheets=2)
    rig.answer("sheets")
    fail(rig)
    rig.settle()
    assert [
        (k.result, k.sheets, k.kept, k.returned, k.held) for k in rig.all(commands.ReportOutcome)
    ] == [(result, 1, 0, 0, 100)]


def test_a_coin_after_the_slot_was_shut_comes_back_as_change() -> None:
    rig = at_paying()
    rig.coin(100)
    rig.answer("cash")
    rig.send(events.CoinInserted(value=50))
    rig.settle()
    assert balanced(rig.flow.session, kept=100)
    assert rig.flow.session.returned == 50
    assert [k.code for k in rig.all(commands.OpenCase)] == ["coins.unexpected"]


def test_a_coin_during_the_refund_is_owed_and_said() -> None:
    rig = at_paying()
    rig.coin(50)
    rig.touch("cancel")
    rig.answer("cash")
    assert rig.flow.state is State.REFUNDING
    rig.send(events.CoinInserted(value=10))
    rig.settle()
    assert rig.flow.state is State.TROUBLE
    assert rig.flow.session.owed == 10
    assert balanced(rig.flow.session, kept=0)


def test_a_free_order_given_up_after_its_release_is_reported() -> None:
    rig = at_certificates()
    rig.touch("choose", "free")
    rig.touch("confirm")
    rig.answer("city")
    rig.answer("sheets")
    assert rig.flow.state is State.RELEASING
    rig.put_card()
    rig.fire("limit")
    rig.settle()
    assert [k.result for k in rig.all(commands.ReportOutcome)] == ["failed"]


def test_after_a_card_the_slot_opens_only_when_it_is_known_to_be_shut() -> None:
    rig = at_paying()
    rig.put_card()
    rig.send(events.CardAbsent())
    rig.coin(50)  # swallowed while the slot was shutting
    assert [ask.kind for ask in rig.waiting("cash")] == [commands.StopCoins]
    rig.settle()
    assert rig.flow.state is State.PAYING
    assert rig.all(commands.AcceptCoins)[-1].due == 50
    rig.coin(50)
    rig.settle()
    assert rig.flow.session.printed == 1


def test_a_broken_coin_unit_is_not_opened_again_after_a_card() -> None:
    rig = at_paying()
    rig.coin(50)
    rig.put_card()
    rig.answer("cash", "stop-failed")
    assert rig.flow.state is State.STOPPING
    assert len(rig.all(commands.AcceptCoins)) == 1


def pay_late(rig: Rig) -> None:
    rig.coin(50)
    rig.touch("cancel")
    rig.answer("cash")
    rig.fire("limit")
    assert (rig.flow.state, rig.flow.session.owed, rig.flow.session.undecided) == (
        State.TROUBLE,
        0,
        50,
    )
    rig.answer("cash")


def test_a_payout_after_its_time_is_owed_no_more_but_looked_at() -> None:
    rig = at_paying()
    pay_late(rig)
    assert (rig.flow.session.undecided, rig.flow.session.returned) == (0, 50)
    assert [k.code for k in rig.all(commands.OpenCase)] == ["payout.unknown", "payout.late"]
    with pytest.raises(Ended):
        rig.touch("ok")


def test_sheets_taken_late_by_somebody_to_whom_money_is_owed() -> None:
    rig = at_printing(coin=500)
    rig.answer("sheets")
    rig.answer("cash", "payout-failed 0")
    rig.answer("receipts")
    rig.fire("limit")
    assert rig.flow.state is State.UNCOLLECTED
    rig.answer("outlet")
    assert (rig.flow.state, rig.flow.session.owed) == (State.TROUBLE, 400)


def test_a_payout_that_failed_after_its_last_coin_needs_no_slip() -> None:
    rig = at_paying()
    rig.coin(10)
    rig.touch("cancel")
    rig.answer("cash")
    rig.send(events.PayoutFailed(amount=10, paid=10, reason="uncertain"))
    assert not rig.all(commands.PrintClaim)
    assert [k.code for k in rig.all(commands.OpenCase)] == ["payout.unknown"]


@pytest.mark.parametrize("heal", ["limit", "off"])
def test_a_coin_while_a_card_holds_the_till_counts_once(heal: str) -> None:
    rig = at_paying()
    rig.put_card()
    rig.coin(50)
    rig.settle()
    rig.fire("limit") if heal == "limit" else rig.send(events.CardAbsent())
    rig.settle()
    assert rig.flow.session.owed == 0
    assert rig.flow.session.returned == (50 if heal == "limit" else 0)


@pytest.mark.parametrize(
    "trouble",
    [events.CoinInserted(value=50), events.CoinsFailed(reason="jam")],
    ids=["stray", "jam"],
)
def test_a_coin_unit_in_trouble_is_not_opened_in_this_session(trouble: events.Event) -> None:
    rig = at_certificates()
    rig.send(trouble)
    rig.touch("choose", "inkan")
    rig.touch("confirm")
    rig.settle()
    assert rig.flow.session.refusal == "coins"
    assert rig.flow.state is (State.TROUBLE if rig.flow.session.owed else State.REFUSED)
    assert not rig.all(commands.AcceptCoins)
    assert balanced(rig.flow.session, kept=0)


@pytest.mark.parametrize(
    "trouble",
    [events.CoinInserted(value=50), events.CoinsFailed(reason="jam")],
    ids=["stray", "jam"],
)
def test_nobody_is_served_after_trouble_until_the_kiosk_is_found_well(
    trouble: events.Event,
) -> None:
    rig = at_menu()
    rig.send(trouble)
    assert rig.flow.state is State.FAULT
    assert rig.flow.screen.facts["problem"] == "coins"
    rig.send(events.TermsReceived(terms=OPEN))
    assert rig.flow.state is State.FAULT
    with pytest.raises(Ended) if rig.flow.session.owed else contextlib.nullcontext():
        rig.send(
            events.Health(problem="")
        )  # a process serves one person: stray money is not mixed with the next one's
    assert rig.flow.state is (State.ENDING if rig.flow.session.owed else State.MENU)


def test_a_document_of_somebody_else_opens_its_case_though_a_card_lies_there() -> None:
    rig = at_ordering()
    rig.put_card()
    rig.answer("city", "document-rejected")
    assert [k.code for k in rig.all(commands.OpenCase)] == ["document.holder"]
    assert rig.flow.state is State.REFUSED


def test_a_card_left_after_the_sheets_cancels_nothing() -> None:
    rig = at_printing()
    rig.settle()
    rig.put_card()
    rig.send(events.PaperTaken())
    for _ in range(3):
        rig.fire("limit")
    assert rig.flow.state is State.CARDLEFT
    assert not rig.all(commands.CancelAtCity)


def test_where_no_change_can_be_given_the_slot_is_narrowed_coin_by_coin() -> None:
    rig = at_ordering()
    rig.answer("city")
    rig.answer("sheets", "printers-ready exact")
    assert rig.flow.state is State.PAYING
    assert rig.flow.screen.facts["exact_only"]
    rig.coin(50)
    rig.coin(10)
    assert [k.due for k in rig.all(commands.AcceptCoins)] == [100, 50, 40]
    rig.send(events.CoinReturned())
    assert rig.flow.screen.facts["notice"] == "coin-needs-change"
    rig.settle()
    rig.coin(10)
    rig.coin(10)
    rig.coin(10)
    rig.coin(10)
    rig.settle()
    assert rig.flow.state is State.SHEETS
    assert rig.all(commands.PayOut) == []
    assert balanced(rig.flow.session, kept=100)


def test_where_change_can_be_given_the_slot_is_opened_once() -> None:
    rig = at_paying()
    rig.coin(50)
    rig.coin(10)
    assert [k.due for k in rig.all(commands.AcceptCoins)] == [100]
    rig.send(events.CoinReturned())
    assert rig.flow.screen.facts["notice"] == "coin-returned"


def test_the_menu_and_the_confirmation_say_so_before_anybody_begins() -> None:
    rig = at_menu()
    rig.send(events.Health(problem="", exact_only=True))
    assert rig.flow.screen.facts["exact_only"]
    rig.send(events.Health(problem=""))
    assert rig.flow.screen.facts["exact_only"], "who has not asked does not know better"
    rig.put_card()
    rig.settle()
    rig.pin()
    rig.settle()
    rig.send(events.CardAbsent())
    rig.settle()
    for kind, told in (("inkan", True), ("free", False)):
        rig.touch("choose", kind)
        assert rig.flow.screen.facts["exact_only"] is told
        rig.touch("back")


def test_a_free_certificate_never_meets_the_coin_unit() -> None:
    rig = at_certificates()
    rig.touch("choose", "free")
    rig.touch("confirm")
    rig.settle()
    assert rig.flow.state is State.SHEETS
    assert not [
        k
        for k in rig.issued
        if isinstance(k, (commands.AcceptCoins, commands.StopCoins, commands.PayOut))
    ]
    names = {k.screen.name for k in rig.all(commands.ShowScreen)}
    assert not names & {"paying", "settling", "change", "refunding"}
    [receipt] = rig.all(commands.PrintReceipt)
    assert (receipt.fee, receipt.inserted, receipt.change) == (0, 0, 0)
