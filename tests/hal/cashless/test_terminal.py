"""The driver against a strict terminal: what it says of money is what the terminal's own account
says.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from terminal_rig import AMOUNT, REFERENCE, Rig

from hal.cashless.contract import ChargeReport, ChargeResult, Decline
from hal.faults import DeviceFault, Reason
from hal.sim.cashless.faults import FAULTS, mend

APPROVED, DECLINED, UNCERTAIN = "approved", "declined", "uncertain"
# What the driver must say when this is wrong before the charge is asked for, and while the terminal
# waits.
CHARGES = {
    "terminal-declines": (DECLINED, DECLINED),
    "terminal-forgets": (UNCERTAIN, UNCERTAIN),
    "terminal-answers-lost": (UNCERTAIN, UNCERTAIN),
    "charge-answer-lost": (APPROVED, APPROVED),
    "charge-lost": (DECLINED, APPROVED),
    "double-answer": (APPROVED, APPROVED),
    "late-approval": (UNCERTAIN, UNCERTAIN),
    "nak-storm": (DECLINED, UNCERTAIN),
    "terminal-garbled": (APPROVED, APPROVED),
    "another-reference": (UNCERTAIN, UNCERTAIN),
    "wrong-amount": (UNCERTAIN, UNCERTAIN),
    "terminal-restart": (APPROVED, DECLINED),
    "terminal-restart-without-memory": (APPROVED, UNCERTAIN),
    "terminal-busy": (DECLINED, APPROVED),
    "terminal-mute": (DECLINED, UNCERTAIN),
    "reversal-refused": (APPROVED, APPROVED),
    "reversal-unknown": (APPROVED, APPROVED),
    "reversal-unknown-and-done": (APPROVED, APPROVED),
    "reversal-answer-lost": (APPROVED, APPROVED),
}
REVERSALS = {
    "nak-storm": Reason.UNCERTAIN,
    "terminal-mute": Reason.UNCERTAIN,
    "reversal-refused": Reason.REFUSED,
    "reversal-unknown": Reason.UNCERTAIN,
    "reversal-unknown-and-done": Reason.UNCERTAIN,
    "reversal-answer-lost": Reason.UNCERTAIN,
}


def said(found: ChargeReport | DeviceFault) -> str:
    """A fault that is not "uncertain" means that nothing was taken."""
    if isinstance(found, DeviceFault):
        return UNCERTAIN if found.reason is Reason.UNCERTAIN else DECLINED
    return found.result.value


def agrees(rig: Rig, word: str) -> bool:
    """Whether the terminal's own account is what was said."""
    taken = rig.at(lambda: rig.sim.terminal.balance)
    return {APPROVED: taken == AMOUNT, DECLINED: taken == 0, UNCERTAIN: taken in (0, AMOUNT)}[word]


def test_every_fault_has_its_row() -> None:
    assert CHARGES.keys() == FAULTS.keys()
    assert REVERSALS.keys() <= FAULTS.keys()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_before_the_charge(terminal: Rig, name: str) -> None:
    driver = terminal.driver()
    assert driver.is_ready()
    terminal.at(lambda: FAULTS[name].apply(terminal.sim))

    word = said(terminal.charging(driver))

    assert word == CHARGES[name][0]
    assert agrees(terminal, word)
    assert terminal.sim.violations == []
    assert terminal.at(lambda: terminal.sim.terminal.asked.count("C")) <= 1


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_while_it_waits(terminal: Rig, name: str) -> None:
    driver = terminal.driver()

    def happen() -> None:
        FAULTS[name].apply(terminal.sim)
        terminal.sim.present()

    word = said(terminal.charging(driver, happen))

    assert word == CHARGES[name][1]
    assert agrees(terminal, word)
    assert terminal.sim.violations == []
    assert terminal.at(lambda: terminal.sim.terminal.asked.count("C")) == 1


@pytest.mark.parametrize("name", FAULTS)
def test_what_was_uncertain_is_asked_again_by_the_next_process(terminal: Rig, name: str) -> None:
    def happen() -> None:
        FAULTS[name].apply(terminal.sim)
        terminal.sim.present()

    first = said(terminal.charging(terminal.driver(), happen))
    terminal.at(lambda: (mend(terminal.sim), terminal.sim.terminal.settle()))

    again = terminal.driver(decide_s=3.0).query(REFERENCE, AMOUNT)

    assert again.result is not ChargeResult.UNKNOWN or name == "terminal-restart-without-memory"
    assert first in (UNCERTAIN, again.result.value) or again.result is ChargeResult.UNKNOWN
    if again.result is not ChargeResult.UNKNOWN:
        assert agrees(terminal, again.result.value)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_before_the_reversal(terminal: Rig, name: str) -> None:
    driver = terminal.driver()
    charge = terminal.charging(driver)
    assert isinstance(charge, ChargeReport)
    terminal.at(lambda: FAULTS[name].apply(terminal.sim))

    try:
        driver.reverse(charge.transaction, AMOUNT)
        reason = None
    except DeviceFault as fault:
        reason = fault.reason

    assert reason == REVERSALS.get(name)
    balance = terminal.at(lambda: terminal.sim.terminal.balance)
    assert balance in {None: (0,), Reason.UNCERTAIN: (0, AMOUNT)}.get(reason, (AMOUNT,))
    assert terminal.sim.violations == []


def test_a_charge_that_nobody_presents_for_is_cancelled(terminal: Rig) -> None:
    driver = terminal.driver(wait_s=0.2, decide_s=2.0)
    found = terminal.charging(driver, lambda: None)
    assert found == ChargeReport(ChargeResult.DECLINED, decline=Decline.CANCELLED)
    assert not terminal.at(terminal.sim.present)


def test_cancelling_before_somebody_presents(terminal: Rig) -> None:
    driver = terminal.driver()
    found = terminal.charging(driver, lambda: driver.cancel(REFERENCE))
    assert found == ChargeReport(ChargeResult.DECLINED, decline=Decline.CANCELLED)
    assert terminal.sim.terminal.balance == 0


def test_cancelling_comes_too_late(terminal: Rig) -> None:
    driver = terminal.driver(decide_s=3.0)

    def both() -> None:
        terminal.sim.terminal.slow_s = 0.1
        terminal.sim.present()
        driver.cancel(REFERENCE)

    found = terminal.charging(driver, both)
    assert isinstance(found, ChargeReport)
    assert found.result is ChargeResult.APPROVED
    assert agrees(terminal, APPROVED)


def test_cancelling_one_charge_is_not_cancelling_another(terminal: Rig) -> None:
    driver = terminal.driver()
    driver.cancel("b2" * 16)
    assert said(terminal.charging(driver)) == APPROVED


def test_a_cancelled_charge_is_not_begun(terminal: Rig) -> None:
    driver = terminal.driver()
    driver.cancel(REFERENCE)
    assert said(terminal.charging(driver)) == DECLINED
    assert "C" not in terminal.sim.terminal.asked


def test_the_same_reference_is_charged_once(terminal: Rig) -> None:
    first, again = terminal.charging(terminal.driver()), terminal.driver().charge(AMOUNT, REFERENCE)
    assert first == again
    assert terminal.sim.terminal.balance == AMOUNT


def test_a_charge_that_waits_ends_when_the_next_process_asks(terminal: Rig) -> None:
    """The process was killed: whoever comes next must not pay for the one before."""
    found = terminal.charging(
        terminal.driver(decide_s=0.2), lambda: FAULTS["terminal-answers-lost"].apply(terminal.sim)
    )
    assert said(found) == UNCERTAIN
    terminal.at(lambda: mend(terminal.sim))
    assert terminal.at(lambda: terminal.sim.terminal.waiting)

    assert terminal.driver().query(REFERENCE, AMOUNT).result is ChargeResult.DECLINED
    assert not terminal.at(terminal.sim.present)


def test_a_charge_that_was_never_heard_of_is_unknown_to_the_next_process(terminal: Rig) -> None:
    """Its memory may be lost; only the process that asked can know better."""
    assert terminal.driver().query(REFERENCE, AMOUNT).result is ChargeResult.UNKNOWN


@pytest.mark.parametrize("transaction", ["000000000007", "1"])
def test_a_reversal_of_what_was_never_taken(terminal: Rig, transaction: str) -> None:
    with pytest.raises(DeviceFault) as failed:
        terminal.driver().reverse(transaction, AMOUNT)
    assert failed.value.reason in (Reason.REFUSED, Reason.CONFIGURATION)


def test_a_reversal_asked_again_is_done_once(terminal: Rig) -> None:
    driver = terminal.driver()
    charge = terminal.charging(driver)
    assert isinstance(charge, ChargeReport)
    for _ in range(2):
        driver.reverse(charge.transaction, AMOUNT)
    assert terminal.sim.terminal.balance == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda d: d.is_ready(),
        lambda d: d.query(REFERENCE, AMOUNT),
        lambda d: d.reverse("0" * 12, AMOUNT),
    ],
)
def test_nobody_there(terminal: Rig, ask: Callable[..., object]) -> None:
    terminal.sim.mute = True
    with pytest.raises(DeviceFault) as failed:
        ask(terminal.driver())
    assert failed.value.reason is Reason.NOT_CONNECTED
