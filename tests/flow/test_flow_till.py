"""Money and paper when things cross each other: late sheets, late coins, a card left lying."""

from __future__ import annotations

import pytest
from flow_rig import OPEN, Ended, Rig, at_certificates, at_menu, at_ordering, at_paying, at_printing

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.session import Session
from firmware.flow.states import State


def balanced(session: Session, kept: int) -> bool:
    return session.inserted == session.returned + session.owed + kept


def test_a_sheet_that_came_out_while_a_card_lay_there_is_kept_and_paid() -> None:
    rig = at_printing(coin=500)
    rig.put_card()
    rig.answer("sheets")
    assert rig.flow.state is State.HOLD
    rig.fire("limit")
    rig.settle()
    assert rig.flow.state is State.SHEETS
    assert balanced(rig.flow.session, kept=100)
    assert [k.result for k in rig.all(c.ReportOutcome)] == ["printed"]


def test_a_sheet_after_its_time_earns_nothing_and_stops_no_refund() -> None:
    rig = at_printing()
    rig.fire("limit")
    rig.answer("sheets")
    rig.settle()
    assert rig.flow.state is State.REFUSED
    assert balanced(rig.flow.session, kept=0)


@pytest.mark.parametrize(
    ("fail", "result"),
    [
        (lambda rig: rig.answer("sheets", "bad"), "failed"),
        (lambda rig: rig.answer("sheets", "worse"), "unknown"),
        (lambda rig: rig.fire("limit"), "unknown"),
    ],
    ids=["jam", "uncertain", "silent"],
)
def test_what_nobody_can_tell_is_reported_as_unknown(fail, result: str) -> None:  # type: ignore[no-untyped-def]
    rig = at_printing(sheets=2)
    rig.answer("sheets")
    fail(rig)
    rig.settle()
    assert [(k.result, k.sheets, k.kept, k.returned) for k in rig.all(c.ReportOutcome)] == [(result, 1, 0, 100)]


def test_a_coin_after_the_slot_was_shut_comes_back_as_change() -> None:
    rig = at_paying()
    rig.coin(100)
    rig.answer("cash")
    rig.send(e.CoinInserted(value=50))
    rig.settle()
    assert balanced(rig.flow.session, kept=100)
    assert rig.flow.session.returned == 50
    assert [k.code for k in rig.all(c.OpenCase)] == ["coins.unexpected"]


def test_a_coin_during_the_refund_is_owed_and_said() -> None:
    rig = at_paying()
    rig.coin(50)
    rig.touch("cancel")
    rig.answer("cash")
    assert rig.flow.state is State.REFUNDING
    rig.send(e.CoinInserted(value=10))
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
    assert [k.result for k in rig.all(c.ReportOutcome)] == ["failed"]


def test_after_a_card_the_slot_opens_only_when_it_is_known_to_be_shut() -> None:
    rig = at_paying()
    rig.put_card()
    rig.send(e.CardAbsent())
    rig.coin(50)  # swallowed while the slot was shutting
    assert [type(k) for k in rig.lanes["cash"]] == [c.StopCoins]
    rig.settle()
    assert rig.flow.state is State.PAYING
    assert rig.all(c.AcceptCoins)[-1].due == 50
    rig.coin(50)
    rig.settle()
    assert rig.flow.session.printed == 1


def test_a_broken_coin_unit_is_not_opened_again_after_a_card() -> None:
    rig = at_paying()
    rig.coin(50)
    rig.put_card()
    rig.answer("cash", "bad")
    assert rig.flow.state is State.STOPPING
    assert len(rig.all(c.AcceptCoins)) == 1


def pay_late(rig: Rig) -> None:
    rig.coin(50)
    rig.touch("cancel")
    rig.answer("cash")
    rig.fire("limit")
    assert (rig.flow.state, rig.flow.session.owed) == (State.TROUBLE, 50)
    rig.answer("cash")


def test_a_payout_after_its_time_is_owed_no_more_but_looked_at() -> None:
    rig = at_paying()
    pay_late(rig)
    assert (rig.flow.session.owed, rig.flow.session.returned) == (0, 50)
    assert [k.code for k in rig.all(c.OpenCase)] == ["payout.unknown", "payout.late"]
    with pytest.raises(Ended):
        rig.touch("ok")


def test_sheets_taken_late_by_somebody_to_whom_money_is_owed() -> None:
    rig = at_printing(coin=500)
    rig.answer("sheets")
    rig.answer("cash", "bad")
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
    rig.send(e.PayoutFailed(amount=10, paid=10, reason="uncertain"))
    assert not rig.all(c.PrintClaim)
    assert [k.code for k in rig.all(c.OpenCase)] == ["payout.short"]


@pytest.mark.parametrize("heal", ["limit", "off"])
def test_a_coin_while_a_card_holds_the_till_counts_once(heal: str) -> None:
    rig = at_paying()
    rig.put_card()
    rig.coin(50)
    rig.settle()
    rig.fire("limit") if heal == "limit" else rig.send(e.CardAbsent())
    rig.settle()
    assert rig.flow.session.owed == 0
    assert rig.flow.session.returned == (50 if heal == "limit" else 0)


@pytest.mark.parametrize("trouble", [e.CoinInserted(value=50), e.CoinsFailed(reason="jam")], ids=["stray", "jam"])
def test_a_coin_unit_in_trouble_is_not_opened_in_this_session(trouble: e.Event) -> None:
    rig = at_certificates()
    rig.send(trouble)
    rig.touch("choose", "inkan")
    rig.touch("confirm")
    rig.settle()
    assert rig.flow.session.refusal == "coins"
    assert rig.flow.state is (State.TROUBLE if rig.flow.session.owed else State.REFUSED)
    assert not rig.all(c.AcceptCoins)
    assert balanced(rig.flow.session, kept=0)


@pytest.mark.parametrize("trouble", [e.CoinInserted(value=50), e.CoinsFailed(reason="jam")], ids=["stray", "jam"])
def test_nobody_is_served_after_trouble_until_the_kiosk_is_found_well(trouble: e.Event) -> None:
    rig = at_menu()
    rig.send(trouble)
    assert rig.flow.state is State.FAULT
    assert rig.flow.screen.facts["problem"] == "coins"
    rig.send(e.TermsReceived(terms=OPEN))
    assert rig.flow.state is State.FAULT
    rig.send(e.Health(problem=""))
    assert rig.flow.state is State.MENU


def test_a_document_of_somebody_else_opens_its_case_though_a_card_lies_there() -> None:
    rig = at_ordering()
    rig.put_card()
    rig.answer("city", "worse")
    assert [k.code for k in rig.all(c.OpenCase)] == ["document.holder"]
    assert rig.flow.state is State.REFUSED


def test_a_card_left_after_the_sheets_cancels_nothing() -> None:
    rig = at_printing()
    rig.settle()
    rig.put_card()
    rig.send(e.PaperTaken())
    for _ in range(3):
        rig.fire("limit")
    assert rig.flow.state is State.CARDLEFT
    assert not rig.all(c.CancelAtCity)
