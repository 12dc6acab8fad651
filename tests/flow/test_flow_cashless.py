"""Paying at the terminal: whatever it answers, and whenever, nobody has both paper and money, and
nothing is lost.
"""

from __future__ import annotations

import pytest
from flow_rig import SHA, Ended, Rig, at_charging, at_payway

from firmware.flow import commands, events
from firmware.flow.states import SETTINGS, State


def codes(rig: Rig) -> list[str]:
    return [k.code for k in rig.all(commands.OpenCase)]


def books(rig: Rig) -> tuple[int, int, int, int]:
    """Charged, reversed, held, owed."""
    session = rig.flow.session
    return session.charged, session.reversed, session.undecided, session.owed


def test_without_a_terminal_coins_are_asked_for_at_once() -> None:
    rig = at_payway()
    assert set(rig.flow.screen.actions) == {"cash", "cashless", "cancel", "more-time", *SETTINGS}
    rig.touch("cash")
    assert rig.flow.state is State.PAYING


def test_approved_prints_and_asks_for_no_coin() -> None:
    rig = at_charging()
    rig.settle()
    assert rig.flow.state is State.SHEETS
    assert books(rig) == (100, 0, 0, 0)
    assert not rig.all(commands.AcceptCoins)
    assert not rig.all(commands.PayOut)
    (receipt,) = rig.all(commands.PrintReceipt)
    assert (receipt.charged, receipt.inserted, receipt.change) == (100, 0, 0)
    assert [k.paid for k in rig.all(commands.ReleaseOrder)] == [100]
    assert [(k.result, k.kept, k.returned) for k in rig.all(commands.ReportOutcome)] == [
        ("printed", 100, 0)
    ]


def test_declined_asks_again_and_cash_is_taken() -> None:
    rig = at_charging()
    rig.answer("cashless", "charge-declined")
    assert rig.flow.state is State.PAYWAY
    assert rig.flow.screen.facts["notice"] == "charge-refused"
    rig.touch("cash")
    rig.coin(100)
    rig.settle()
    assert rig.flow.state is State.SHEETS
    assert books(rig) == (0, 0, 0, 0)


def test_declined_twice_and_then_approved() -> None:
    rig = at_charging()
    for _ in range(2):
        rig.answer("cashless", "charge-declined")
        rig.touch("cashless")
    rig.settle()
    assert rig.flow.state is State.SHEETS
    assert len(rig.all(commands.Charge)) == 3


def test_unknown_is_held_and_nothing_is_printed() -> None:
    rig = at_charging()
    rig.answer("cashless", "charge-unknown")
    rig.settle()
    assert rig.flow.state is State.TROUBLE
    assert (rig.flow.screen.facts["code"], rig.flow.screen.facts["held"]) == ("charge-held", 100)
    assert books(rig) == (0, 0, 100, 0)
    assert [(k.code, k.held) for k in rig.all(commands.OpenCase)] == [("cashless.unknown", 100)]
    assert not rig.all(commands.ReleaseOrder)
    assert not rig.all(commands.Reverse)
    with pytest.raises(Ended):
        rig.touch("ok")


@pytest.mark.parametrize("leave", [lambda rig: rig.touch("cancel"), lambda rig: rig.fire("limit")])
def test_who_leaves_before_presenting_pays_nothing(leave) -> None:  # type: ignore[no-untyped-def]
    rig = at_charging()
    leave(rig)
    assert rig.flow.state is State.WITHDRAWING
    assert rig.all(commands.CancelCharge)
    rig.answer("cashless", "charge-declined")
    rig.settle()
    assert rig.flow.state is State.REFUSED
    assert books(rig) == (0, 0, 0, 0)
    assert not codes(rig)


@pytest.mark.parametrize("leave", [lambda rig: rig.touch("cancel"), lambda rig: rig.fire("limit")])
def test_who_leaves_too_late_gets_it_back(leave) -> None:  # type: ignore[no-untyped-def]
    rig = at_charging()
    leave(rig)
    rig.settle()
    assert rig.flow.state is State.REFUSED
    assert books(rig) == (100, 100, 0, 0)
    assert not rig.all(commands.ReleaseOrder)


def test_a_terminal_that_never_answers_is_held() -> None:
    rig = at_charging()
    rig.fire("limit")
    rig.fire("limit")
    rig.answer("cash")
    assert rig.flow.state is State.TROUBLE
    assert books(rig) == (0, 0, 100, 0)


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("charged", (100, 0, 100, 0)),
        ("charge-declined", (0, 0, 0, 0)),
        ("charge-unknown", (0, 0, 100, 0)),
    ],
)
def test_an_answer_that_comes_late(outcome: str, expected: tuple[int, int, int, int]) -> None:
    rig = at_charging()
    rig.fire("limit")
    rig.fire("limit")
    rig.answer("cash")
    rig.answer("cashless", outcome)
    assert books(rig) == expected
    assert sum(k.held for k in rig.all(commands.OpenCase)) == expected[2]


@pytest.mark.parametrize("outcome", ["city-refused", "released another"])
def test_not_released_is_reversed(outcome: str) -> None:
    rig = at_charging()
    rig.answer("cashless")
    rig.answer("city", outcome)
    rig.settle()
    assert rig.flow.state is State.REFUSED
    assert books(rig) == (100, 100, 0, 0)
    assert rig.flow.screen.facts["returned"] == 100
    assert not rig.all(commands.PayOut)
    assert [(k.result, k.kept, k.returned) for k in rig.all(commands.ReportOutcome)] == [
        ("failed", 0, 100)
    ]


@pytest.mark.parametrize(
    ("sheet", "expected", "state"),
    [
        ("sheet-failed", (100, 100, 0, 0), "refused"),
        ("sheet-failed uncertain", (100, 0, 100, 0), "trouble"),
    ],
)
def test_a_sheet_that_fails(sheet: str, expected: tuple[int, int, int, int], state: str) -> None:
    """Certainly not out: reversed. Nobody can tell: held, and not reversed."""
    rig = at_charging()
    rig.answer("cashless")
    rig.answer("city")
    rig.answer("sheets", sheet)
    rig.settle()
    assert rig.flow.state.screen == state
    assert books(rig) == expected


@pytest.mark.parametrize(
    ("outcome", "code"),
    [("reverse-failed", "reversal.refused"), ("reverse-failed uncertain", "reversal.unknown")],
)
def test_a_reversal_that_fails_is_held(outcome: str, code: str) -> None:
    rig = at_charging()
    rig.answer("cashless")
    rig.answer("city", "city-refused")
    rig.answer("cash")
    rig.answer("cashless", outcome)
    assert rig.flow.state is State.TROUBLE
    assert books(rig) == (100, 0, 100, 0)
    assert codes(rig) == [code]
    assert [(k.kept, k.returned, k.held) for k in rig.all(commands.ReportOutcome)] == [(0, 0, 100)]


@pytest.mark.parametrize(
    ("outcome", "held"),
    [("reversed", 0), ("reverse-failed", 100), ("reverse-failed uncertain", 100)],
)
def test_a_reversal_that_is_answered_late(outcome: str, held: int) -> None:
    rig = at_charging()
    rig.answer("cashless")
    rig.answer("city", "city-refused")
    rig.answer("cash")
    rig.fire("limit")
    rig.answer("cashless", outcome)
    assert rig.flow.state is State.TROUBLE
    assert rig.flow.session.undecided == held
    assert sum(k.held for k in rig.all(commands.OpenCase)) == held


@pytest.mark.parametrize("outcome", ["charged", "charge-declined", "charge-unknown"])
def test_a_card_holds_the_answer_until_it_is_gone(outcome: str) -> None:
    rig = at_charging()
    rig.put_card()
    rig.answer("cashless", outcome)
    assert rig.flow.state is State.HOLD
    assert not rig.all(commands.ReleaseOrder)
    rig.send(events.CardAbsent())
    expected = {
        "charged": State.RELEASING,
        "charge-declined": State.PAYWAY,
        "charge-unknown": State.STOPPING,
    }
    assert rig.flow.state is expected[outcome]


@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("charged", (100, 100, 0, 0)),
        ("charge-declined", (0, 0, 0, 0)),
        ("charge-unknown", (0, 0, 100, 0)),
    ],
)
def test_a_card_that_stays(
    answered: bool, outcome: str, expected: tuple[int, int, int, int]
) -> None:
    rig = at_charging()
    rig.put_card()
    if answered:
        rig.answer("cashless", outcome)
    rig.fire("limit")
    if not answered:
        rig.answer("cashless", outcome)
    rig.settle()
    assert books(rig) == expected
    assert rig.all(commands.CancelCharge)


@pytest.mark.parametrize("outcome", ["charged", "charge-declined", "charge-unknown"])
def test_a_coin_out_of_nowhere_is_owed_whatever_the_terminal_says(outcome: str) -> None:
    rig = at_charging()
    rig.send(events.CoinInserted(value=50))
    rig.answer("cashless", outcome)
    if outcome == "charge-declined":
        rig.touch("cash")
    rig.settle()
    assert rig.flow.session.owed == 50
    assert [k.owed for k in rig.all(commands.PrintClaim)] == [50]
    assert not rig.all(commands.AcceptCoins), "no coin is asked of a unit that is not what it says"


def test_a_silent_acceptor_does_not_keep_the_reversal_up() -> None:
    rig = at_charging()
    rig.answer("cashless")
    rig.answer("city", "city-refused")
    rig.fire("limit")
    rig.answer("cashless")
    assert rig.flow.state is State.REFUSED
    assert books(rig) == (100, 100, 0, 0)


def test_coins_that_fail_do_not_end_a_charge() -> None:
    rig = at_charging()
    rig.send(events.CoinsFailed(reason="silent"))
    assert rig.flow.state is State.CHARGING
    rig.answer("cashless", "charge-declined")
    rig.touch("cash")
    assert rig.flow.state is State.STOPPING, "no coin is asked of a unit that failed"


def test_the_charge_is_of_this_document_and_all_of_its_fee() -> None:
    (charge,) = at_charging().all(commands.Charge)
    assert (charge.document, charge.amount) == (SHA, 100)
