"""What devices and city answer, in the journey's words: every reason and cause has its event, and
nothing is raised.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture
from stand_ins import stand_in

from firmware.flow import events
from firmware.link import messages
from firmware.link.client import MIX_UPS, UNUSABLE, CityRefusal, Line, LineFault, LineReason
from firmware.link.clock import board_time
from firmware.link.refusals import ANOMALIES, LINE, UNFIT
from firmware.service import card_desk as card_work
from firmware.service import cash_desk as cash_work
from firmware.service import paper_desk as paper_work
from firmware.service import terms
from firmware.service.card_desk import CAUSES, FAULT_CAUSES, CardDesk, CardReading
from firmware.service.cash_desk import CashDesk, acceptable, as_journey_event
from firmware.service.city_desk import CityDesk
from firmware.service.coin_recovery import Known
from firmware.service.entry import JournalFull
from firmware.service.paper_desk import PaperDesk
from firmware.service.vault import Vault
from firmware.sheets.prepare import SheetImage
from firmware.texts.texts import Texts
from hal.card import jpki
from hal.card import session as card_session
from hal.card.contract import CardChannel, CardReader, Stay
from hal.card.jpki import CardCause, CardRefused
from hal.cash.contract import (
    CashEvent,
    CashStatus,
    CoinAccepted,
    CoinFault,
    CoinReturned,
    CoinUnit,
    Dispense,
    HopperLevel,
    Missed,
    PayoutFault,
)
from hal.faults import DeviceFault, Reason
from hal.printer.contract import (
    Bitmap,
    Outlet,
    PaperSupply,
    Printer,
    PrinterState,
    PrinterStatus,
)
from hal.printer.evidence import Out, PageFault

STAY = Stay("reader", 1)


def raising(error: Exception) -> Any:
    def call(*_: object) -> None:
        raise error

    return call


# -- card


def desk(mocker: MockerFixture, **reader: Any) -> CardDesk:
    return CardDesk(stand_in(mocker, CardReader, **reader), (), allow_test=False, now=board_time)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault stays at once."""
    monkeypatch.setattr(card_session, "LIMIT_S", 0.0)


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_of_the_reader_is_a_failed_card(
    mocker: MockerFixture, reason: Reason, impatient: None
) -> None:
    event = desk(mocker, connect=raising(DeviceFault("card", reason))).read(3, STAY)
    assert event == events.CardFailed(epoch=3, cause=FAULT_CAUSES.get(reason, "card-unreadable"))
    assert (event.cause == "removed") is (reason is Reason.REMOVED)  # type: ignore[attr-defined]


@pytest.mark.parametrize("cause", CardCause)
def test_every_cause_of_the_card_has_its_code(
    mocker: MockerFixture, cause: CardCause, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    released: list[bool] = []
    channel = stand_in(mocker, CardChannel, disconnect=lambda: released.append(True))
    monkeypatch.setattr(jpki, "begin", raising(CardRefused(cause, 0)))
    event = desk(mocker, connect=lambda _: channel).read(3, STAY)
    assert event == events.CardFailed(epoch=3, cause=CAUSES[cause])
    assert (event.cause == "pin-locked") is (cause is CardCause.PIN_LOCKED)
    assert released == [True]


def test_every_code_of_a_card_has_its_words() -> None:
    for language in ("ja", "en"):
        known = Texts.load(language).known
        for code in {*CAUSES.values(), *FAULT_CAUSES.values(), "card-unreadable"} - {
            "removed",
            "mute",
        }:
            assert any(key.startswith(f"refusal.{code}.") for key in known), (language, code)


@pytest.mark.parametrize(
    ("tries", "kind"),
    [(2, events.PinWrong), (1, events.PinWrong), (0, events.CardFailed), (None, events.CardFailed)],
)
def test_a_wrong_pin(
    mocker: MockerFixture,
    tries: int | None,
    kind: type[events.Event],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vault = Vault("5" * 32)
    for digit in (1, 2, 3, 4):
        vault.pin.add(digit)
    seen: list[bytearray] = []

    def verify(_: object, pin: bytearray, __: object) -> None:
        seen.append(pin)
        raise CardRefused(CardCause.PIN_WRONG, tries)

    monkeypatch.setattr(card_work.jpki, "verify", verify)
    work = desk(mocker)
    session = card_session.CardSession(work.reader, STAY)
    session._channel = stand_in(mocker, CardChannel)
    work.reading = CardReading(3, session)
    event = work.authenticate(3, vault, "kiosk", b"")
    assert isinstance(event, kind)
    assert seen == [bytearray(4)], "the digits are wiped whatever happens"
    assert len(vault.pin) == 0
    assert (work.reading is None) is (kind is events.CardFailed), (
        "the connection lasts for another try only"
    )


def test_a_counter_nobody_knows_is_not_one_to_spend(
    mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setattr(jpki, "begin", lambda _: SimpleNamespace(tries=None))
    event = desk(mocker, connect=lambda _: stand_in(mocker, CardChannel)).read(3, STAY)
    assert event == events.CardFailed(epoch=3, cause="card-invalid")


# -- paper


SHEET = SheetImage(page=1, pages=1, width=8, height=1, rows=b"\xff")


def paper(mocker: MockerFixture, **printer: Any) -> PaperDesk:
    both = stand_in(mocker, Printer, **printer)
    return PaperDesk(both, both)


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_of_a_printer(mocker: MockerFixture, reason: Reason) -> None:
    work = paper(
        mocker,
        print_page=raising(DeviceFault("sheets", reason)),
        purge=raising(DeviceFault("sheets", reason)),
    )
    event = work.print_sheet(3, 2, SHEET)
    assert event == events.SheetFailed(epoch=3, sheet=2, reason=reason.value, certain=True), (
        "nothing of it was sent"
    )
    assert work.purge() is False


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("proved", Out)
def test_a_page_that_was_begun(mocker: MockerFixture, reason: Reason, proved: Out) -> None:
    """What the evidence proves decides, whatever the fault is called."""
    event = paper(mocker, print_page=raising(PageFault("sheets", reason, proved))).print_sheet(
        3, 2, SHEET
    )
    if proved is Out.YES:
        assert event == events.SheetPrinted(epoch=3, sheet=2)
    else:
        certain = proved is Out.NO
        assert event == events.SheetFailed(epoch=3, sheet=2, reason=reason.value, certain=certain)


WELL = PrinterStatus(PrinterState.READY, PaperSupply.ADEQUATE, Outlet.CLEAR)
SILENT = PrinterStatus()


@pytest.mark.parametrize(("silences", "trouble"), [(1, ""), (2, ""), (3, "printer")])
def test_a_printer_that_is_silent_is_asked_again(
    mocker: MockerFixture, silences: int, trouble: str
) -> None:
    answers = [*[SILENT] * silences, WELL]
    assert paper(mocker, status=lambda: answers.pop(0)).sheets_trouble() == trouble


@pytest.mark.parametrize("fault", [raising(DeviceFault("sheets", Reason.SILENT)), None])
def test_a_page_of_which_nothing_was_sent_is_begun_once_more(
    mocker: MockerFixture, fault: Any
) -> None:
    """But for a printer that is not proven empty meanwhile."""
    printer = stand_in(mocker, Printer, purge=fault or (lambda: None))
    printer.print_page.side_effect = [DeviceFault("sheets", Reason.NOT_CONNECTED), None]
    event = PaperDesk(printer, printer).print_sheet(3, 2, SHEET)
    calls = [name for name, _, _ in printer.method_calls]
    if fault:
        assert isinstance(event, events.SheetFailed) and event.certain
        assert calls == ["print_page", "purge"]
    else:
        assert event == events.SheetPrinted(epoch=3, sheet=2)
        assert calls == ["print_page", "purge", "print_page"]


@pytest.mark.parametrize("reason", Reason)
def test_a_page_that_was_begun_is_never_printed_again(
    mocker: MockerFixture, reason: Reason
) -> None:
    printer = stand_in(mocker, Printer, print_page=raising(PageFault("sheets", reason, Out.NO)))
    PaperDesk(printer, printer).print_sheet(3, 2, SHEET)
    assert printer.print_page.call_count == 1


def test_an_outlet_that_is_not_told_once_is_asked_again(mocker: MockerFixture) -> None:
    answers = [SILENT, WELL]
    assert paper(mocker, status=lambda: answers.pop(0)).outlet() is Outlet.CLEAR


def test_a_sheet_that_came_out(mocker: MockerFixture) -> None:
    assert paper(mocker, print_page=lambda *_: None).print_sheet(
        3, 2, SHEET
    ) == events.SheetPrinted(epoch=3, sheet=2)


@pytest.mark.parametrize("back", [b"", b"\x0f"])
def test_the_back_is_printed_where_there_is_one(mocker: MockerFixture, back: bytes) -> None:
    printed: list[tuple[Bitmap, ...]] = []
    work = paper(mocker, print_page=lambda *sides: printed.append(sides))
    work.print_sheet(3, 2, replace(SHEET, back=back))
    assert [side.rows for side in printed[0]] == [b"\xff", back][: 1 + bool(back)]


@pytest.mark.parametrize("state", PrinterState)
@pytest.mark.parametrize("supply", PaperSupply)
@pytest.mark.parametrize("outlet", Outlet)
def test_only_a_printer_that_said_so_is_ready(
    state: PrinterState, supply: PaperSupply, outlet: Outlet
) -> None:
    free = paper_work.trouble(PrinterStatus(state, supply, outlet)) == ""
    assert free is (
        state is PrinterState.READY
        and supply in (PaperSupply.ADEQUATE, PaperSupply.NEAR_END)
        and outlet in (Outlet.CLEAR, Outlet.NOT_SUPPORTED)
    )


def test_a_printer_that_is_busy_is_not_broken() -> None:
    assert paper_work.trouble(PrinterStatus(PrinterState.BUSY)) == "printer-busy"


def test_paper_that_nears_its_end_is_logged_once(mocker: MockerFixture) -> None:
    logged = mocker.patch.object(paper_work, "log")
    status = PrinterStatus(PrinterState.READY, PaperSupply.NEAR_END, Outlet.CLEAR)
    device = stand_in(mocker, Printer, status=lambda: status)
    desk = paper_work.PaperDesk(device, device)
    assert [desk.sheets_trouble() for _ in range(3)] == [""] * 3
    logged.assert_called_once_with("paper", printer="sheets", supply="near-end")


def test_a_printer_that_told_nothing_is_not_ready() -> None:
    assert paper_work.trouble(PrinterStatus()) == "printer"


# -- money


def cash(mocker: MockerFixture, **unit: Any) -> CashDesk:
    return CashDesk(stand_in(mocker, CoinUnit, **unit), lambda _: None)


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_of_the_coin_unit(mocker: MockerFixture, reason: Reason) -> None:
    fault = DeviceFault("cash", reason)
    short = PayoutFault("cash", reason, 30)
    work = cash(
        mocker, status=CashStatus, accept=raising(fault), stop=raising(fault), pay=raising(short)
    )
    assert as_journey_event(CoinFault(reason)) == events.CoinsFailed(reason=reason.value)
    assert work.accept(100) == events.CoinsFailed(reason=reason.value)
    assert work.stop() == events.CoinsFailed(reason=reason.value)
    assert work.pay(50) == events.PayoutFailed(amount=50, paid=30, reason=reason.value)
    assert cash(mocker, pay=raising(fault)).pay(50) == events.PayoutFailed(
        amount=50, paid=0, reason=reason.value
    )


def test_coins(mocker: MockerFixture) -> None:
    assert as_journey_event(CoinAccepted(50, 7)) == events.CoinInserted(value=50, counter=7)
    assert as_journey_event(CoinReturned()) == events.CoinReturned()
    assert cash(mocker, stop=lambda: 9).stop() == events.CoinsStopped(counter=9)
    assert cash(mocker, pay=lambda *_: None).pay(50) == events.PaidOut(amount=50)


LEVELS = [(HopperLevel(10, 0), HopperLevel(100, 0)), (HopperLevel(10, 5), HopperLevel(100, 4)), ()]


@pytest.mark.parametrize("hoppers", LEVELS)
@pytest.mark.parametrize("due", range(10, 1000, 10))
def test_no_coin_is_let_in_for_which_there_is_no_change(
    mocker: MockerFixture, due: int, hoppers: tuple[HopperLevel, ...]
) -> None:
    status = CashStatus(True, hoppers)
    accepted: list[frozenset[int]] = []
    assert (
        cash(
            mocker, status=lambda: status, accept=lambda values, _: accepted.append(values)
        ).accept(due)
        is None
    )
    assert accepted == [acceptable(due, status)]
    for value in cash_work.COINS:
        assert (value in accepted[0]) is (value <= due or status.can_pay(value - due))
    assert 10 in accepted[0], "the fee can be paid, coin by coin"


def test_where_all_change_can_be_given_every_coin_is_let_in() -> None:
    hoppers = tuple(HopperLevel(value, 10) for value in (10, 50, 100))
    assert not CashStatus(True, hoppers).exact_only
    assert {acceptable(due, CashStatus(True, hoppers)) for due in range(10, 3000, 10)} == {
        cash_work.COINS
    }


def test_what_is_journalled_ahead_of_the_unit(mocker: MockerFixture) -> None:
    counters: list[int] = []
    orders: list[Dispense] = []
    order = Dispense(address=3, value=10, coins=5, events=7)
    unit = stand_in(
        mocker,
        CoinUnit,
        accept=lambda _, before: before(17),
        pay=lambda _, before: before(order),
    )
    desk = CashDesk(unit, lambda _: None, None, counters.append, orders.append)
    desk.accept(100)
    desk.pay(50)
    assert (counters, orders) == ([17], [order])


def test_a_journal_that_refuses_is_not_an_answer_of_the_unit(mocker: MockerFixture) -> None:
    unit = stand_in(mocker, CoinUnit, accept=lambda _, before: before(17))
    desk = CashDesk(unit, lambda _: None, None, raising(JournalFull("full")))
    with pytest.raises(JournalFull):
        desk.accept(100)


def test_a_unit_that_has_just_failed_to_start_is_not_started_at_once_again(
    mocker: MockerFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[None] = []

    def start(*_: object, **__: object) -> None:
        started.append(None)
        raise DeviceFault("cash", Reason.SILENT)

    desk = cash(mocker, start=start, status=CashStatus)
    desk.start()
    assert desk.trouble() == "coins"
    assert len(started) == 1
    monkeypatch.setattr(cash_work, "AGAIN_S", 0.0)
    assert desk.trouble() == "coins"
    assert len(started) == 2


@pytest.mark.parametrize(
    ("last", "told_lost"),
    [(Known(7, "s", open=True), True), (Known(7, "s", open=False), False), (None, True)],
    ids=["slot open", "slot shut", "nobody knows"],
)
def test_what_came_in_while_nobody_listened_is_told_like_any_coin(
    mocker: MockerFixture, last: Known | None, told_lost: bool
) -> None:
    """Coins that are refused while the slot is shut use up what the unit remembers; no money is
    missing for that.
    """
    heard: list[CashEvent] = []
    since: list[tuple[int | None, bool]] = []

    def start(_: object, last: int | None, *, left_open: bool) -> Missed:
        since.append((last, left_open))
        return Missed((CoinAccepted(100, 8), CoinReturned()), lost=True)

    stopped: list[int] = []
    unit = stand_in(mocker, CoinUnit, start=start, stop=lambda: 9)
    desk = CashDesk(unit, heard.append, last)
    desk.stopped = stopped.append
    desk.start()
    desk.start()
    assert stopped == ([9] if last and last.open else []), (
        "told once that it is shut, behind what fell in"
    )
    first = (last.counter, last.open) if last else (None, False)
    assert since == [first, (None, False)], "once it is started, the unit itself knows"
    fault = [CoinFault(Reason.EVENTS_LOST)] if told_lost else []
    again = [
        CoinAccepted(100, 8),
        CoinReturned(),
    ]  # the second time no slot was open: that was told, and shut
    assert heard == [CoinAccepted(100, 8), CoinReturned(), *fault, *again]


# -- city


def city(mocker: MockerFixture, **line: Any) -> CityDesk:
    paper = SimpleNamespace(certificate=Path("/nowhere"))
    config = SimpleNamespace(trust=SimpleNamespace(phone_policies=()), line=paper)
    work = CityDesk(config, stand_in(mocker, Line, **line), SimpleNamespace())  # type: ignore[arg-type]
    work.terms = SimpleNamespace(challenge=b"")  # type: ignore[assignment]
    return work


def opening(mocker: MockerFixture, error: Exception) -> events.Event:
    vault = Vault("5" * 32, key=SimpleNamespace(public=b""))  # type: ignore[arg-type]
    return asyncio.run(city(mocker, open_session=raising(error)).open_session(3, vault))


@pytest.mark.parametrize("reason", LineReason)
def test_every_fault_of_the_line_is_one_refusal(mocker: MockerFixture, reason: LineReason) -> None:
    assert opening(mocker, LineFault(reason)) == events.CityRefused(epoch=3, code="line-down")
    assert (
        asyncio.run(city(mocker, hello=raising(LineFault(reason))).fetch_terms())
        == events.LineLost()
    )
    done: list[str] = []
    deliver = city(mocker, outcome=raising(LineFault(reason))).deliver
    asyncio.run(
        deliver([SimpleNamespace()], done.append, lambda *_: pytest.fail("nobody denied it"))
    )  # type: ignore[list-item]
    assert done == []


@pytest.mark.parametrize("code", messages.RefusalCode)
def test_every_refusal_of_the_city_is_told_as_it_is(
    mocker: MockerFixture, code: messages.RefusalCode
) -> None:
    refusal = messages.Refusal(code=code, opens_at="2026-11-24T06:30:00+09:00")
    event = opening(mocker, CityRefusal(refusal))
    told = terms.refusal(code)
    assert event == events.CityRefused(epoch=3, code=told, opens_at="2026-11-24T06:30:00+09:00")
    assert told == code.value or code in LINE
    assert any(key.startswith(f"refusal.{told}.") for key in Texts.load("ja").known)


def test_a_city_that_does_not_know_the_status_is_asked_without_it(mocker: MockerFixture) -> None:
    told: list[bool] = []

    async def hello(message: messages.Hello) -> messages.Terms:
        told.append(message.status is not None)
        code = messages.RefusalCode.MALFORMED if message.status else messages.RefusalCode.BUSY
        raise CityRefusal(messages.Refusal(code=code))

    work = city(mocker, hello=hello)
    cases: list[str] = []
    work.alarm = cases.append
    work.status = lambda: messages.KioskStatus(availability="ready")
    for _ in range(2):
        assert asyncio.run(work.fetch_terms()) == events.LineLost()
    assert told == [True, False, False]
    assert (cases, work.trouble) == ([], "")


def test_what_a_silent_city_wanted_is_not_known_any_more(mocker: MockerFixture) -> None:
    """It may have stopped the rollout: what it wanted last is not started at night."""
    work = city(mocker, hello=raising(LineFault(LineReason.UNREACHABLE)))
    wanted: list[str | None] = []
    work.wants = wanted.append
    asyncio.run(work.fetch_terms())
    assert wanted == [None]


REFUSALS = [CityRefusal(messages.Refusal(code=code)) for code in messages.RefusalCode]


@pytest.mark.parametrize("error", [*map(LineFault, LineReason), *REFUSALS])
def test_every_reason_is_logged_as_it_is_and_what_nothing_innocent_explains_is_a_case(
    mocker: MockerFixture,
    error: LineFault | CityRefusal,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("madoguchi"), "propagate", True)
    caplog.set_level(logging.INFO, "madoguchi")
    cases: list[str] = []
    work = city(mocker, open_session=raising(error))
    work.alarm = cases.append
    asyncio.run(work.open_session(3, Vault("5" * 32, key=SimpleNamespace(public=b"k"))))
    [record] = [r for r in caplog.records if r.getMessage() in ("line.fault", "line.refused")]
    assert str(error) in record.facts.values()
    cause = error.reason if isinstance(error, LineFault) else error.refusal.code
    end = "line" if isinstance(error, LineFault) else "city"
    assert cases == ([f"{end}.{error}"] if cause in MIX_UPS | ANOMALIES else [])
    assert work.trouble == ("config" if cause in UNFIT | UNUSABLE else "")


def test_without_terms_or_key_nothing_is_asked() -> None:
    work = CityDesk(SimpleNamespace(), SimpleNamespace(), SimpleNamespace())  # type: ignore[arg-type]
    assert asyncio.run(work.open_session(3, Vault("5" * 32))) == events.CityRefused(
        epoch=3, code="line-down"
    )


# -- the city's words


CONTACT = messages.Contact(office={"ja": "市民課"}, phone="078", hours={"ja": "平日"})


def message(**changes: Any) -> messages.Terms:
    facts: dict[str, Any] = {
        "protocol": messages.PROTOCOL,
        "city": "282031",
        "city_name": {"ja": "明石市", "en": "Akashi"},
        "now": "2026-11-23T10:00:00+09:00",
        "open": True,
        "refusal": None,
        "closes_in_s": None,
        "certificates": (
            messages.CertificateNotice(kind="inkan", title={"ja": "印鑑"}, fee=100, open=False),
        ),
        "contacts": {"resident": CONTACT},
        "refusal_contacts": {"pin-locked": "resident", "moved-out": "nobody"},
        "form_terms": b"t",
        "form_terms_signature": bytes(64),
        "challenge": bytes(32),
        "challenge_expires_s": 900,
    }
    return messages.Terms(**(facts | changes))


@pytest.mark.parametrize(("closes", "told"), [("23:00", "23:00"), ("00:00", "24:00")])
def test_hours_end_at_the_end_of_the_day_and_not_at_its_beginning(closes: str, told: str) -> None:
    today = messages.Hours(opens="13:00", closes=closes)
    assert terms.terms(message(today=today), phones=False).today == ("13:00", told)


def test_terms_in_the_journey_s_words() -> None:
    found = terms.terms(message(), phones=False)
    assert (found.refusal, found.city_name[0]) == ("", ("ja", "明石市"))
    assert [(n.kind, n.fee, n.open) for n in found.notices] == [("inkan", 100, False)]
    assert [code for code, _ in found.contacts] == ["pin-locked"], (
        "a subject without a contact is left out"
    )


@pytest.mark.parametrize("city", [True, False])
@pytest.mark.parametrize("kiosk", [True, False])
def test_phones_are_taken_where_city_and_kiosk_can(city: bool, kiosk: bool) -> None:
    """A kiosk that cannot check their certificates asks nobody for a phone."""
    assert terms.terms(message(phones=city), phones=kiosk).phones is (city and kiosk)


def test_a_closed_city_is_never_open() -> None:
    refusal = messages.Refusal(
        code=messages.RefusalCode.MAINTENANCE, opens_at="2026-11-24T06:30:00+09:00"
    )
    found = terms.terms(message(open=False, refusal=refusal), phones=True)
    assert found.refusal == "maintenance"
    assert found.opens_at == "2026-11-24T06:30:00+09:00"
    assert (
        terms.terms(message(open=False), phones=True).refusal == messages.RefusalCode.CLOSED.value
    )


@pytest.mark.parametrize("code", messages.RefusalCode)
def test_whatever_the_city_closes_for_has_words(code: messages.RefusalCode) -> None:
    """A screen that cannot be drawn ends the process, and the next one, and the kiosk is out of
    service.
    """
    closed = message(open=False, refusal=messages.Refusal(code=code))
    found = terms.terms(closed, phones=False).refusal
    assert Texts.load("ja").has(f"refusal.{found}.cause")
