"""Charges in the journal: a cut behind any entry balances, and the next life asks the terminal what
it can tell.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture
from stand_ins import stand_in

from firmware.flow import events
from firmware.service.cashless_desk import CashlessDesk, reference
from firmware.service.charge_recovery import is_due, recover
from firmware.service.charges import charges
from firmware.service.journal import Journal
from firmware.service.recovery import balance, settle
from firmware.texts.texts import Texts
from hal.cashless.contract import ChargeReport, ChargeResult, Decline, PaymentTerminal
from hal.cashless.terminal import SerialTerminal
from hal.faults import DeviceFault, Reason
from hal.sim.cashless.device import TerminalSim
from hal.sim.cashless.terminal import TerminalDevice

SESSION, ORDER = "5" * 32, "0" * 32
DOCUMENT = {"order": ORDER, "document": "d" * 64}
Entries = list[tuple[str, dict[str, Any]]]
HEAD: Entries = [("begun", {}), ("checked", {**DOCUMENT, "sheets": 1, "copies": 1, "fee": 100})]
BEGUN, DONE = (
    ("charge-begun", {"amount": 100}),
    ("charge-done", {"amount": 100, "reference": "000000000001"}),
)
DECLINED = ("charge-failed", {"amount": 100, "result": "declined"})
UNKNOWN = ("charge-failed", {"amount": 100, "result": "unknown"})
REVERSAL = ("reversal-begun", {"amount": 100, "reference": "000000000001"})
REVERSED = ("reversal-done", {"amount": 100})
NOT_REVERSED = ("reversal-failed", {"amount": 100, "result": "unknown"})
SHEET, PRINTED = ("sheet-begun", {"sheet": 1}), ("sheet-done", {"sheet": 1})
OWED, IN_DOUBT, SHEET_IN_DOUBT = (
    ["power.money-owed"],
    ["power.charge-unknown"],
    ["power.sheet-unknown"],
)

# What is written: kept, returned, owed, held, and the cases of a cut behind it.
CUTS: list[tuple[Entries, tuple[int, int, int, int], list[str]]] = [
    ([BEGUN], (0, 0, 0, 100), IN_DOUBT),
    ([BEGUN, UNKNOWN], (0, 0, 0, 100), IN_DOUBT),
    ([BEGUN, DECLINED], (0, 0, 0, 0), []),
    ([BEGUN, DECLINED, BEGUN], (0, 0, 0, 100), IN_DOUBT),
    ([BEGUN, DONE], (0, 0, 100, 0), OWED),
    ([BEGUN, DONE, SHEET], (0, 0, 0, 100), SHEET_IN_DOUBT),
    ([BEGUN, DONE, SHEET, PRINTED], (100, 0, 0, 0), []),
    ([BEGUN, DONE, REVERSAL], (0, 0, 0, 100), IN_DOUBT),
    ([BEGUN, DONE, REVERSAL, REVERSED], (0, 100, 0, 0), []),
    ([BEGUN, DONE, REVERSAL, NOT_REVERSED], (0, 0, 0, 100), IN_DOUBT),
    ([BEGUN, DECLINED, ("coin", {"value": 100, "counter": 0})], (0, 0, 100, 0), OWED),
    ([("coin", {"value": 50, "counter": 0}), BEGUN, DONE, SHEET, PRINTED], (100, 0, 50, 0), OWED),
]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal.create(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


def write(journal: Journal, entries: Entries) -> None:
    for kind, facts in HEAD + entries:
        journal.write(SESSION, kind, **facts)


def ended(journal: Journal) -> tuple[int, int, int, int]:
    facts = journal.entries(SESSION)[-1].facts
    return tuple(facts[name] for name in ("kept", "returned", "owed", "held"))  # type: ignore[return-value]


@pytest.mark.parametrize(("entries", "sums", "codes"), CUTS)
def test_a_cut_balances(
    journal: Journal, entries: Entries, sums: tuple[int, ...], codes: list[str]
) -> None:
    write(journal, entries)
    assert settle(journal) == codes
    assert ended(journal) == sums
    assert balance(journal.entries(SESSION)).missing == 0


def test_what_is_held_already_is_not_held_twice(journal: Journal) -> None:
    write(
        journal,
        [BEGUN, UNKNOWN, ("case", {"case": "c" * 32, "code": "cashless.unknown", "pauses": True})],
    )
    journal.write(SESSION, "held", amount=100, case="c" * 32)
    assert settle(journal) == []
    assert ended(journal) == (0, 0, 0, 100)


def test_money_at_the_terminal_is_not_paid_out_in_coins(journal: Journal) -> None:
    write(journal, [("coin", {"value": 50, "counter": 0}), BEGUN, DONE])
    left = balance(journal.entries(SESSION))
    assert (left.missing, left.coins_missing, left.charge_missing) == (150, 50, 100)


# -- the next life


class FarEnd:
    """A strict terminal on a pty, in a loop of its own thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.sim = TerminalSim(TerminalDevice(wait_s=30))
        asyncio.run_coroutine_threadsafe(self.sim.start(), self.loop).result(5)
        self.driver = SerialTerminal(self.sim.port, wait_s=5, decide_s=1, poll_s=0.01, reply_s=0.2)

    def charge(self) -> None:
        """What an earlier process asked for, and was killed before it heard the answer."""
        asking = threading.Thread(target=self._ask)
        asking.start()
        while not self.sim.terminal.waiting:
            time.sleep(0.002)
        self.loop.call_soon_threadsafe(self.sim.present)
        asking.join(5)

    def _ask(self) -> None:
        try:
            self.driver.charge(100, reference(SESSION, 1))
        except DeviceFault:
            return

    def close(self) -> None:
        self.driver.close()
        asyncio.run_coroutine_threadsafe(self.sim.close(), self.loop).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(5)
        self.loop.close()


@pytest.fixture
def far() -> Iterator[FarEnd]:
    far = FarEnd()
    yield far
    far.close()


def test_a_charge_that_was_taken_is_given_back_where_nothing_came_out(
    journal: Journal, far: FarEnd
) -> None:
    write(journal, [BEGUN])
    far.charge()
    assert is_due(journal)
    recover(journal, far.driver)
    assert not is_due(journal)
    assert settle(journal) == []
    assert ended(journal) == (0, 100, 0, 0)
    assert far.sim.terminal.balance == 0


def test_a_charge_for_a_sheet_that_is_out_is_kept(journal: Journal, far: FarEnd) -> None:
    far.charge()
    write(journal, [BEGUN, DONE, SHEET, PRINTED])
    assert not is_due(journal)
    recover(journal, far.driver)
    settle(journal)
    assert ended(journal) == (100, 0, 0, 0)
    assert far.sim.terminal.balance == 100


def test_a_charge_for_a_sheet_in_doubt_is_not_given_back(journal: Journal, far: FarEnd) -> None:
    far.charge()
    write(journal, [BEGUN, DONE, SHEET])
    recover(journal, far.driver)
    assert settle(journal) == SHEET_IN_DOUBT
    assert ended(journal) == (0, 0, 0, 100)
    assert far.sim.terminal.balance == 100


def test_a_reversal_that_was_begun_is_made_once(journal: Journal, far: FarEnd) -> None:
    far.charge()
    far.driver.reverse("000000000001", 100)
    write(journal, [BEGUN, DONE, REVERSAL])
    recover(journal, far.driver)
    settle(journal)
    assert ended(journal) == (0, 100, 0, 0)
    assert far.sim.terminal.given_back == {"000000000001": 100}


def test_a_terminal_that_does_not_answer_leaves_it_held(journal: Journal, far: FarEnd) -> None:
    write(journal, [BEGUN])
    far.sim.mute = True
    recover(journal, far.driver)
    assert settle(journal) == IN_DOUBT
    assert ended(journal) == (0, 0, 0, 100)


def test_what_the_terminal_never_heard_of_is_held(journal: Journal, far: FarEnd) -> None:
    """Its memory may be lost: that it knows nothing proves nothing to another process."""
    write(journal, [BEGUN])
    recover(journal, far.driver)
    assert charges(journal.entries(SESSION)).doubted == 100
    assert settle(journal) == IN_DOUBT


# -- the desk


def desk(mocker: MockerFixture, **terminal: Any) -> CashlessDesk:
    return CashlessDesk(stand_in(mocker, PaymentTerminal, **terminal))


def raising(reason: Reason) -> Any:
    def call(*_: object) -> None:
        raise DeviceFault("cashless", reason)

    return call


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_of_a_charge_is_an_event(mocker: MockerFixture, reason: Reason) -> None:
    """Only "uncertain" leaves open whether it was taken."""
    event = desk(mocker, charge=raising(reason)).charge(100, "a" * 32)
    uncertain = reason is Reason.UNCERTAIN
    assert event == (
        events.ChargeUnknown(amount=100)
        if uncertain
        else events.ChargeDeclined(amount=100, reason="terminal")
    )


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_of_a_reversal_is_an_event(mocker: MockerFixture, reason: Reason) -> None:
    event = desk(mocker, reverse=raising(reason)).reverse("1", 100)
    assert event == events.ReverseFailed(amount=100, certain=reason is not Reason.UNCERTAIN)


@pytest.mark.parametrize("decline", Decline)
def test_every_reason_has_its_words(mocker: MockerFixture, decline: Decline) -> None:
    event = desk(
        mocker, charge=lambda *_: ChargeReport(ChargeResult.DECLINED, decline=decline)
    ).charge(100, "a" * 32)
    assert isinstance(event, events.ChargeDeclined)
    for language in ("ja", "en"):
        assert Texts.load(language).has(f"notice.charge-{event.reason}")


def test_without_a_terminal_nothing_is_offered() -> None:
    assert not CashlessDesk(None).is_ready()
    assert isinstance(CashlessDesk(None).charge(100, "a" * 32), events.ChargeDeclined)


def test_a_reference_tells_nothing_and_is_found_again() -> None:
    names = {reference(SESSION, count) for count in range(1, 50)} | {reference("6" * 32, 1)}
    assert len(names) == 50
    assert all(len(name) == 32 and SESSION[:8] not in name for name in names)
