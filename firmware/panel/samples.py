"""Screens of made-up journeys, for the gallery and the tests."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from firmware.flow import events as flow_events
from firmware.flow.offers import localized
from firmware.flow.screens import Screen
from firmware.flow.session import Token
from firmware.flow.states import State
from firmware.panel.sample_data import CONTACT, OPENS, terms
from firmware.panel.sample_journey import SampleJourney
from firmware.texts.texts import Texts


def told(group: str) -> list[str]:
    """All codes of a group of the texts that say a cause: of "problem", or of "refusal"."""
    found = (key.split(".") for key in Texts.load("ja").known)
    return [key[1] for key in found if key[0] == group and key[2:] == ["cause"]]


def _out(walk: SampleJourney) -> None:
    for problem in (*told("problem"), "coin-jam"):
        walk.do(flow_events.Health(problem=problem))
    walk.do(
        flow_events.Health(problem=""),
        flow_events.LineLost(),
        flow_events.TermsReceived(terms=terms()),
        flow_events.CardUnknown(),
    )


def _closed(walk: SampleJourney) -> None:
    walk.do(
        flow_events.TermsReceived(terms=terms("closed", OPENS)),
        flow_events.TermsReceived(terms=terms("maintenance", OPENS)),
    )


def _wrong_pin(walk: SampleJourney) -> None:
    walk.touch("start")
    walk.pin()
    walk.do(flow_events.PinWrong(epoch=walk.epoch, tries=2))
    walk.touch("enter")
    walk.do(
        *(flow_events.PinDigit(screen=walk.flow.screen.number + n, count=n + 1) for n in range(4))
    )
    walk.touch("enter")
    walk.do(flow_events.PinWrong(epoch=walk.epoch, tries=1))
    walk.touch("stop")
    walk.touch("ok")
    walk.time_up()


def _early(walk: SampleJourney) -> None:
    walk.card()
    walk.do(flow_events.CardAbsent())


def _phone(walk: SampleJourney) -> None:
    """Where the city takes phones: it goes dark, comes back, and is left lying."""
    walk.do(flow_events.TermsReceived(terms=terms(phones=True)))
    walk.touch("start")
    walk.card()
    walk.token = Token.ANDROID
    walk.do(
        flow_events.CardRead(epoch=walk.epoch, tries=3, token=walk.token), flow_events.CardAbsent()
    )
    walk.authenticated()
    walk.time_up()
    walk.do(
        flow_events.CardAbsent(), flow_events.CityRefused(epoch=walk.epoch, code="card-revoked")
    )


def _phone_not_taken(walk: SampleJourney) -> None:
    walk.card()
    walk.do(flow_events.CardRead(epoch=walk.epoch, tries=3, token=Token.IPHONE))
    walk.touch("ok")


def _phone_or_card(walk: SampleJourney) -> None:
    """A token that does not say what it is, and something laid down while paying."""
    walk.do(flow_events.TermsReceived(terms=terms(phones=True)))
    walk.token = Token.UNKNOWN
    walk.paying()
    walk.card()


def _locked(walk: SampleJourney) -> None:
    walk.card()
    walk.do(flow_events.CardRead(epoch=walk.epoch, tries=0))


def _card_stays(walk: SampleJourney) -> None:
    walk.authenticated()
    walk.do(flow_events.CardUnknown())
    walk.card()
    walk.time_up()
    walk.time_up()


def _choices(walk: SampleJourney) -> None:
    walk.choosing(expires_in_days=45)
    walk.touch("choose", "inkan")
    walk.touch("back")
    walk.touch("choose", "kazei")
    walk.touch("next")
    walk.touch("next")


def _neutral(walk: SampleJourney) -> None:
    walk.authenticated()
    walk.do(
        flow_events.CardAbsent(), flow_events.CityRefused(epoch=walk.epoch, code="not-available")
    )


def _exact_only(walk: SampleJourney) -> None:
    walk.do(flow_events.Health(problem="", exact_only=True))
    walk.paying(exact_only=True)
    walk.do(
        flow_events.CoinReturned(),
        flow_events.CoinInserted(value=100),
        flow_events.CoinInserted(value=100),
        flow_events.CoinsStopped(),
    )


def _free(walk: SampleJourney) -> None:
    walk.choosing()
    walk.touch("choose", "saigai")
    walk.touch("confirm")
    walk.do(
        flow_events.DocumentChecked(
            epoch=walk.epoch, document="dd", unique_number="U2", sheets=1, fee=0
        )
    )
    walk.do(
        flow_events.PrintersReady(epoch=walk.epoch, outlet_sensor=True),
        flow_events.Released(epoch=walk.epoch, document="dd"),
    )
    walk.do(flow_events.SheetPrinted(epoch=walk.epoch, sheet=1))
    walk.do(flow_events.ReceiptDone(epoch=walk.epoch, printed=True), flow_events.PaperTaken())
    walk.touch("ok")


def _held(walk: SampleJourney) -> None:
    walk.paying()
    walk.card()
    walk.do(flow_events.CardUnknown())
    walk.time_up()
    walk.do(flow_events.CoinsStopped())


def _cancelled(walk: SampleJourney) -> None:
    walk.paying()
    walk.do(flow_events.CoinInserted(value=100))
    walk.touch("cancel")
    walk.do(flow_events.CoinsStopped(), flow_events.PaidOut(amount=100))


def _declined_then_cancelled(walk: SampleJourney) -> None:
    walk.paying_cashless()
    for reason in ("refused", "not-presented", "terminal"):
        walk.do(flow_events.ChargeDeclined(amount=200, reason=reason))
        walk.touch("cashless")
    walk.touch("cancel")
    walk.do(flow_events.ChargeDeclined(amount=200, reason="cancelled"), flow_events.CoinsStopped())


def _charge_unknown(walk: SampleJourney) -> None:
    walk.paying_cashless()
    walk.do(flow_events.ChargeUnknown(amount=200), flow_events.CoinsStopped())


def _not_reversed(walk: SampleJourney) -> None:
    walk.paying_cashless()
    walk.do(
        flow_events.Charged(amount=200, transaction="000000000001"),
        flow_events.CityRefused(epoch=walk.epoch, code="line-down"),
    )
    walk.do(flow_events.CoinsStopped(), flow_events.ReverseFailed(amount=200, certain=False))


def _paid_cashless(walk: SampleJourney) -> None:
    walk.paying_cashless()
    walk.do(
        flow_events.Charged(amount=200, transaction="000000000001"),
        flow_events.Released(epoch=walk.epoch, document="dd"),
    )


def _short_of_change(walk: SampleJourney) -> None:
    walk.printing()
    walk.do(
        flow_events.SheetFailed(epoch=walk.epoch, sheet=2, reason="jam", certain=True),
        flow_events.CoinsStopped(),
    )
    walk.do(flow_events.PayoutFailed(amount=600, paid=150, reason="hopper-empty"))


def _sheet_in_doubt(walk: SampleJourney) -> None:
    walk.printing()
    walk.do(
        flow_events.SheetFailed(epoch=walk.epoch, sheet=2, reason="uncertain", certain=False),
        flow_events.CoinsStopped(),
    )
    walk.do(flow_events.PaidOut(amount=walk.flow.session.held))


def _payout_in_doubt(walk: SampleJourney) -> None:
    walk.paying()
    walk.do(flow_events.CoinInserted(value=100))
    walk.touch("cancel")
    walk.do(
        flow_events.CoinsStopped(),
        flow_events.PayoutFailed(amount=100, paid=50, reason="uncertain"),
    )


def _no_sensor(walk: SampleJourney) -> None:
    walk.collecting(sensor=False)


def _no_receipt(walk: SampleJourney) -> None:
    walk.thanked(receipt=False)


def _left_paper(walk: SampleJourney) -> None:
    walk.collecting()
    walk.time_up()


JOURNEYS = (
    SampleJourney.thanked,
    _out,
    _closed,
    _wrong_pin,
    _early,
    _phone,
    _phone_not_taken,
    _phone_or_card,
    _locked,
    _card_stays,
    _choices,
    _neutral,
    _held,
    _cancelled,
    _declined_then_cancelled,
    _charge_unknown,
    _not_reversed,
    _paid_cashless,
    _exact_only,
    _free,
    _short_of_change,
    _sheet_in_doubt,
    _payout_in_doubt,
    _no_sensor,
    _no_receipt,
    _left_paper,
)


@functools.cache
def screens(language: str = "ja") -> tuple[Screen, ...]:
    """Every screen of every journey, in the order of the journeys."""
    shown = [Screen(name=State.STARTING.screen, number=0, language=language)]
    for journey in JOURNEYS:
        walk = SampleJourney(language)
        journey(walk)
        shown += [screen for screen in walk.shown if screen.language == language]
    return tuple(shown)


def every_code(language: str = "ja") -> Iterator[tuple[str, Screen]]:
    """A name and a screen for each refusal and each notice that there are words for."""
    texts = Texts.load(language)
    where = {
        "office": localized(CONTACT.office, language),
        "phone": CONTACT.phone,
        "hours": localized(CONTACT.hours, language),
    }
    for code in told("refusal"):
        facts = {"code": code, "opens_at": "", "returned": 100, **where}
        yield (
            f"refused-{code}",
            Screen("refused", 1, language, ("ok", "more-time"), 60, 1, facts=facts),
        )
    for key in texts.known:
        if key.startswith("notice.") and key.count(".") == 1:
            name = key.removeprefix("notice.")
            facts = {"due": 200, "inserted": 0, "missing": 200, "notice": name}
            yield (
                f"paying-{name}",
                Screen("paying", 1, language, ("cancel", "more-time"), 60, 1, facts=facts),
            )
