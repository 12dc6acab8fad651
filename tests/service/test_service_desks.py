"""What devices and city answer, in the journey's words: every reason and cause has its event, and nothing is raised."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.flow import events as e
from firmware.link import messages as m
from firmware.link.client import MIX_UPS, CityRefusal, LineFault, LineReason
from firmware.link.refusals import ANOMALIES, LINE, UNFIT
from firmware.service import card_work, cash_work, paper_work, terms
from firmware.service.card_work import CAUSES, FAULT_CAUSES, CardDesk, Reading
from firmware.service.cash_work import CashDesk, told
from firmware.service.city_work import CityDesk
from firmware.service.paper_work import PaperDesk
from firmware.service.vault import Vault
from firmware.sheets.prepare import Sheet
from firmware.texts.texts import Texts
from hal.card import jpki
from hal.card.contract import Stay
from hal.card.jpki import CardCause, CardRefused
from hal.cash.contract import CoinAccepted, CoinFault, CoinReturned, PayoutFault
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Outlet, PaperSupply, PrinterState, PrinterStatus

STAY = Stay("reader", 1)


def raising(error: Exception) -> Any:
    def call(*_: object) -> None:
        raise error

    return call


# -- card


def desk(**reader: Any) -> CardDesk:
    return CardDesk(SimpleNamespace(**reader), (), allow_test=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_of_the_reader_is_a_failed_card(reason: Reason) -> None:
    event = desk(connect=raising(DeviceFault("card", reason))).read(3, STAY)
    assert event == e.CardFailed(epoch=3, cause=FAULT_CAUSES.get(reason, "card-unreadable"))
    assert (event.cause == "removed") is (reason is Reason.REMOVED)  # type: ignore[attr-defined]


@pytest.mark.parametrize("cause", CardCause)
def test_every_cause_of_the_card_has_its_code(cause: CardCause, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[bool] = []
    channel = SimpleNamespace(disconnect=lambda: released.append(True))
    monkeypatch.setattr(jpki, "begin", raising(CardRefused(cause, 0)))
    event = desk(connect=lambda _: channel).read(3, STAY)
    assert event == e.CardFailed(epoch=3, cause=CAUSES[cause])
    assert (event.cause == "pin-locked") is (cause is CardCause.PIN_LOCKED)
    assert released == [True]


def test_every_code_of_a_card_has_its_words() -> None:
    for language in ("ja", "en"):
        known = Texts.load(language).known
        for code in {*CAUSES.values(), *FAULT_CAUSES.values(), "card-unreadable"} - {"removed"}:
            assert any(key.startswith(f"refusal.{code}.") for key in known), (language, code)


@pytest.mark.parametrize(("tries", "kind"), [(2, e.PinWrong), (1, e.PinWrong), (0, e.CardFailed), (None, e.CardFailed)])
def test_a_wrong_pin(tries: int | None, kind: type[e.Event], monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault("5" * 32)
    for digit in (1, 2, 3, 4):
        vault.pin.add(digit)
    seen: list[bytearray] = []

    def verify(_: object, pin: bytearray, __: object) -> None:
        seen.append(pin)
        raise CardRefused(CardCause.PIN_WRONG, tries)

    monkeypatch.setattr(card_work.jpki, "verify", verify)
    work = desk()
    work.reading = Reading(3, SimpleNamespace(disconnect=lambda: None))  # type: ignore[arg-type]
    event = work.authenticate(3, vault, "kiosk", b"")
    assert isinstance(event, kind)
    assert seen == [bytearray(4)], "the digits are wiped whatever happens"
    assert len(vault.pin) == 0
    assert (work.reading is None) is (kind is e.CardFailed), "the connection lasts for another try only"


def test_a_counter_nobody_knows_is_not_one_to_spend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpki, "begin", lambda _: SimpleNamespace(tries=None))
    event = desk(connect=lambda _: SimpleNamespace(disconnect=lambda: None)).read(3, STAY)
    assert event == e.CardFailed(epoch=3, cause="card-unreadable")


# -- paper


SHEET = Sheet(page=1, pages=1, width=8, height=1, rows=b"\xff")


def paper(**printer: Any) -> PaperDesk:
    both = SimpleNamespace(**printer)
    return PaperDesk(both, both)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_of_a_printer(reason: Reason) -> None:
    work = paper(print_page=raising(DeviceFault("sheets", reason)), purge=raising(DeviceFault("sheets", reason)))
    event = work.print_sheet(3, 2, SHEET)
    known = reason in (Reason.NOT_CONNECTED, Reason.PAPER_OUT, Reason.COVER_OPEN, Reason.JAM, Reason.PRINTER_ERROR)
    assert event == e.SheetFailed(epoch=3, sheet=2, reason=reason.value, certain=known)
    assert work.purge() is False


def test_a_sheet_that_came_out() -> None:
    assert paper(print_page=lambda _: None).print_sheet(3, 2, SHEET) == e.SheetPrinted(epoch=3, sheet=2)


@pytest.mark.parametrize("state", PrinterState)
@pytest.mark.parametrize("supply", PaperSupply)
@pytest.mark.parametrize("outlet", Outlet)
def test_only_a_printer_that_said_so_is_ready(state: PrinterState, supply: PaperSupply, outlet: Outlet) -> None:
    free = paper_work.trouble(PrinterStatus(state, supply, outlet)) == ""
    assert free is (
        state is PrinterState.READY
        and supply in (PaperSupply.ADEQUATE, PaperSupply.NEAR_END)
        and outlet in (Outlet.CLEAR, Outlet.NOT_SUPPORTED)
    )


def test_a_printer_that_told_nothing_is_not_ready() -> None:
    assert paper_work.trouble(PrinterStatus()) == "printer"


# -- money


def cash(**unit: Any) -> CashDesk:
    return CashDesk(SimpleNamespace(**unit), lambda _: None)  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_of_the_coin_unit(reason: Reason) -> None:
    fault = DeviceFault("cash", reason)
    work = cash(accept=raising(fault), stop=raising(fault), pay=raising(PayoutFault("cash", reason, 30)))
    assert told(CoinFault(reason)) == e.CoinsFailed(reason=reason.value)
    assert work.accept() == e.CoinsFailed(reason=reason.value)
    assert work.stop() == e.CoinsFailed(reason=reason.value)
    assert work.pay(50) == e.PayoutFailed(amount=50, paid=30, reason=reason.value)
    assert cash(pay=raising(fault)).pay(50) == e.PayoutFailed(amount=50, paid=0, reason=reason.value)


def test_coins() -> None:
    assert told(CoinAccepted(50)) == e.CoinInserted(value=50)
    assert told(CoinReturned()) == e.CoinReturned()
    accepted: list[frozenset[int]] = []
    assert cash(accept=accepted.append).accept() is None
    assert accepted == [cash_work.COINS]
    assert cash(stop=lambda: None).stop() == e.CoinsStopped()
    assert cash(pay=lambda _: None).pay(50) == e.PaidOut(amount=50)


# -- city


def city(**line: Any) -> CityDesk:
    work = CityDesk(SimpleNamespace(), SimpleNamespace(**line), ())  # type: ignore[arg-type]
    work.terms = SimpleNamespace(challenge=b"")  # type: ignore[assignment]
    return work


def opening(error: Exception) -> e.Event:
    vault = Vault("5" * 32, key=SimpleNamespace(public=b""))  # type: ignore[arg-type]
    return asyncio.run(city(open_session=raising(error)).open_session(3, vault))


@pytest.mark.parametrize("reason", LineReason)
def test_every_fault_of_the_line_is_one_refusal(reason: LineReason) -> None:
    assert opening(LineFault(reason)) == e.CityRefused(epoch=3, code="line-down")
    assert asyncio.run(city(hello=raising(LineFault(reason))).fetch_terms()) == e.LineLost()
    done: list[str] = []
    deliver = city(outcome=raising(LineFault(reason))).deliver
    asyncio.run(deliver([SimpleNamespace()], done.append, lambda *_: pytest.fail("nobody denied it")))  # type: ignore[list-item]
    assert done == []


@pytest.mark.parametrize("code", m.RefusalCode)
def test_every_refusal_of_the_city_is_told_as_it_is(code: m.RefusalCode) -> None:
    refusal = m.Refusal(code=code, opens_at="2026-11-24T06:30:00+09:00")
    event = opening(CityRefusal(refusal))
    told = terms.refusal(code)
    assert event == e.CityRefused(epoch=3, code=told, opens_at="2026-11-24T06:30:00+09:00")
    assert told == code.value or code in LINE
    assert any(key.startswith(f"refusal.{told}.") for key in Texts.load("ja").known)


REFUSALS = [CityRefusal(m.Refusal(code=code)) for code in m.RefusalCode]


@pytest.mark.parametrize("error", [*map(LineFault, LineReason), *REFUSALS])
def test_every_reason_is_logged_as_it_is_and_what_nothing_innocent_explains_is_a_case(
    error: LineFault | CityRefusal, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("madoguchi"), "propagate", True)
    caplog.set_level(logging.INFO, "madoguchi")
    cases: list[str] = []
    work = city(open_session=raising(error))
    work.alarm = cases.append
    asyncio.run(work.open_session(3, Vault("5" * 32, key=SimpleNamespace(public=b"k"))))
    [record] = [r for r in caplog.records if r.getMessage() in ("line.fault", "line.refused")]
    assert str(error) in record.facts.values()
    cause = error.reason if isinstance(error, LineFault) else error.refusal.code
    end = "line" if isinstance(error, LineFault) else "city"
    assert cases == ([f"{end}.{error}"] if cause in MIX_UPS | ANOMALIES else [])
    assert work.trouble == ("config" if cause in UNFIT | {LineReason.VERSION} else "")


def test_without_terms_or_key_nothing_is_asked() -> None:
    work = CityDesk(SimpleNamespace(), SimpleNamespace(), ())  # type: ignore[arg-type]
    assert asyncio.run(work.open_session(3, Vault("5" * 32))) == e.CityRefused(epoch=3, code="line-down")


# -- the city's words


CONTACT = m.Contact(office={"ja": "市民課"}, phone="078", hours={"ja": "平日"})


def message(**changes: Any) -> m.Terms:
    facts: dict[str, Any] = {
        "protocol": m.PROTOCOL,
        "city": "28203",
        "city_name": {"ja": "明石市", "en": "Akashi"},
        "now": "2026-11-23T10:00:00+09:00",
        "open": True,
        "refusal": None,
        "closes_in_s": None,
        "certificates": (m.CertificateNotice(kind="inkan", title={"ja": "印鑑"}, fee=100, open=False),),
        "contacts": {"resident": CONTACT},
        "refusal_contacts": {"pin-locked": "resident", "moved-out": "nobody"},
        "challenge": bytes(32),
        "challenge_expires_s": 900,
    }
    return m.Terms(**(facts | changes))


def test_terms_in_the_journey_s_words() -> None:
    found = terms.terms(message())
    assert (found.refusal, found.city_name[0]) == ("", ("ja", "明石市"))
    assert [(n.kind, n.fee, n.open) for n in found.notices] == [("inkan", 100, False)]
    assert [code for code, _ in found.contacts] == ["pin-locked"], "a subject without a contact is left out"


def test_a_closed_city_is_never_open() -> None:
    refusal = m.Refusal(code=m.RefusalCode.MAINTENANCE, opens_at="2026-11-24T06:30:00+09:00")
    assert terms.terms(message(open=False, refusal=refusal)).refusal == "maintenance"
    assert terms.terms(message(open=False, refusal=refusal)).opens_at == "2026-11-24T06:30:00+09:00"
    assert terms.terms(message(open=False)).refusal == m.RefusalCode.CLOSED.value
