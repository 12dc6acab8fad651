"""Screens of made-up journeys, for the gallery and the tests: the real flow, driven through every state."""

from __future__ import annotations

from collections.abc import Iterator

from firmware.flow import events as e
from firmware.flow import offers as o
from firmware.flow.machine import Flow
from firmware.flow.screens import Screen
from firmware.flow.states import State

OPENS = "2026-11-24T06:30:00+09:00"
CONTACT = o.Contact(
    (("ja", "明石市役所　市民課　庶務係"), ("en", "Akashi City Hall, Citizens Division")),
    "078-918-5020",
    (("ja", "平日 8時55分から17時40分まで"), ("en", "Weekdays 8:55 to 17:40")),
)
CODES = ("pin-locked", "pin-kept", "not-available", "seal-not-registered", "print-failed", "cancelled", "change-owed")
NAMES = ("明石　太郎", "明石　花子", "明石　葛\U000e0102之介", "GARCIA MARTINEZ MARIA FERNANDA")
FEE = 100


def _titles(ja: str, en: str) -> o.Localized:
    return (("ja", ja), ("en", en))


TITLES = {
    "juminhyo": _titles("住民票の写し", "Certificate of residence"),
    "inkan": _titles("印鑑登録証明書", "Seal registration certificate"),
    "kazei": _titles("所得・課税証明書", "Income and tax certificate"),
}
COPIES = o.Option("copies", "count", minimum=1, maximum=3)
JUMINHYO = (
    o.Option("scope", "one", (o.Choice("self"), o.Choice("household"), o.Choice("some")), ("self",), 1, 1),
    o.Option("members", "many", tuple(o.Choice(f"m{n}", name) for n, name in enumerate(NAMES, 1)), (), 1, 4,
             ("scope", "some")),
    o.Option("fields", "many", tuple(map(o.Choice, ("relationship", "domicile", "residence", "mynumber"))), (), 0, 4),
    COPIES,
)  # fmt: skip
YEARS = (o.Option("year", "one", (o.Choice("y2026", "令和8年度"), o.Choice("y2025", "令和7年度")), ("y2026",), 1, 1),)


def terms(refusal: str = "", opens_at: str = "") -> o.Terms:
    """What Akashi might say."""
    return o.Terms(
        city_name=_titles("明石市", "Akashi City"),
        refusal=refusal,
        opens_at=opens_at,
        notices=tuple(o.Notice(kind, title, FEE, kind != "kazei") for kind, title in TITLES.items()),
        contacts=tuple((code, CONTACT) for code in CODES),
    )


OFFERS = (
    o.Offer("juminhyo", TITLES["juminhyo"], FEE, "", JUMINHYO),
    o.Offer("inkan", TITLES["inkan"], FEE, "seal-not-registered"),
    o.Offer("kazei", TITLES["kazei"], FEE, "", (*YEARS, COPIES)),
)


class Walk:
    """One person at one kiosk; keeps every screen that was shown."""

    def __init__(self, language: str = "ja") -> None:
        self.flow = Flow()
        self.shown: list[Screen] = []
        self.stay = 0
        self.flow.start()
        self.do(e.CardAbsent(), e.TermsReceived(terms=terms()))
        self.do(e.Health(problem=""))
        self.touch("language", language)

    @property
    def epoch(self) -> int:
        return self.flow.session.epoch

    def do(self, *events: e.Event) -> None:
        """Raises UnhandledEvent."""
        for event in events:
            self._note()
            self.flow.handle(event)
            self._note()

    def _note(self) -> None:
        if self.flow.screen.number and self.flow.screen not in self.shown[-1:]:
            self.shown.append(self.flow.screen)

    def touch(self, action: str, value: str = "") -> None:
        self.do(e.Touch(screen=self.flow.screen.number, action=action, value=value))

    def time_up(self) -> None:
        """The limit that runs now is over."""
        self.do(e.TimerFired(name="limit", generation=self.flow.moment.limit))

    def card(self) -> None:
        self.stay += 1
        self.do(e.CardPresent(stay=f"s{self.stay}"))

    def pin(self, tries: int = 3) -> None:
        """Set the card down, enter four digits."""
        self.card()
        self.do(e.CardRead(epoch=self.epoch, tries=tries))
        if self.flow.state is State.LASTTRY:
            self.touch("try")
        for count in range(1, 5):
            self.do(e.PinDigit(screen=self.flow.screen.number, count=count))
        self.touch("enter")

    def authenticated(self) -> None:
        self.pin()
        self.do(e.CardAuthenticated(epoch=self.epoch, card="aa"))

    def choosing(self, expires_in_days: int = 900) -> None:
        self.authenticated()
        self.do(e.CardAbsent(), e.SessionOpened(epoch=self.epoch, offers=OFFERS, expires_in_days=expires_in_days))

    def confirming(self) -> None:
        self.choosing()
        self.touch("choose", "juminhyo")
        self.touch("pick", "some")
        self.touch("next")
        self.touch("next")
        self.touch("pick", "m1")
        self.touch("pick", "m3")
        self.touch("next")
        self.touch("pick", "relationship")
        self.touch("next")
        self.touch("pick", "more")
        self.touch("next")

    def paying(self, *, sensor: bool = True) -> None:
        self.confirming()
        self.touch("confirm")
        self.do(e.DocumentChecked(epoch=self.epoch, document="dd", unique_number="U1", sheets=3, fee=200))
        self.do(e.PrintersReady(epoch=self.epoch, outlet_sensor=sensor))

    def printing(self, *, sensor: bool = True) -> None:
        self.paying(sensor=sensor)
        self.do(e.CoinInserted(value=100), e.CoinReturned(), e.CoinInserted(value=500), e.CoinsStopped())
        self.do(e.Released(epoch=self.epoch, document="dd"), e.SheetPrinted(epoch=self.epoch, sheet=1))

    def collecting(self, *, sensor: bool = True, receipt: bool = True) -> None:
        self.printing(sensor=sensor)
        self.do(e.SheetPrinted(epoch=self.epoch, sheet=2), e.SheetPrinted(epoch=self.epoch, sheet=3))
        self.do(e.PaidOut(amount=400), e.ReceiptDone(epoch=self.epoch, printed=receipt))

    def thanked(self, *, receipt: bool = True) -> None:
        self.collecting(receipt=receipt)
        self.do(e.PaperTaken())
        self.touch("ok")
        self.touch("ok")


def _out(walk: Walk) -> None:
    for problem in ("printer", "case-open", "coin-jam"):
        walk.do(e.Health(problem=problem))
    walk.do(e.Health(problem=""), e.LineLost(), e.TermsReceived(terms=terms()), e.CardUnknown())


def _closed(walk: Walk) -> None:
    walk.do(e.TermsReceived(terms=terms("closed", OPENS)), e.TermsReceived(terms=terms("maintenance", OPENS)))


def _wrong_pin(walk: Walk) -> None:
    walk.touch("start")
    walk.pin()
    walk.do(e.PinWrong(epoch=walk.epoch, tries=2))
    walk.touch("enter")
    walk.do(*(e.PinDigit(screen=walk.flow.screen.number + n, count=n + 1) for n in range(4)))
    walk.touch("enter")
    walk.do(e.PinWrong(epoch=walk.epoch, tries=1))
    walk.touch("stop")
    walk.touch("ok")
    walk.time_up()


def _early(walk: Walk) -> None:
    walk.card()
    walk.do(e.CardAbsent())


def _locked(walk: Walk) -> None:
    walk.card()
    walk.do(e.CardRead(epoch=walk.epoch, tries=0))


def _card_stays(walk: Walk) -> None:
    walk.authenticated()
    walk.do(e.CardUnknown())
    walk.card()
    walk.time_up()
    walk.time_up()


def _choices(walk: Walk) -> None:
    walk.choosing(expires_in_days=45)
    walk.touch("choose", "inkan")
    walk.touch("back")
    walk.touch("choose", "kazei")
    walk.touch("next")
    walk.touch("next")


def _neutral(walk: Walk) -> None:
    walk.authenticated()
    walk.do(e.CardAbsent(), e.CityRefused(epoch=walk.epoch, code="not-available"))


def _held(walk: Walk) -> None:
    walk.paying()
    walk.card()
    walk.do(e.CardUnknown())
    walk.time_up()
    walk.do(e.CoinsStopped())


def _cancelled(walk: Walk) -> None:
    walk.paying()
    walk.do(e.CoinInserted(value=100))
    walk.touch("cancel")
    walk.do(e.CoinsStopped(), e.PaidOut(amount=100))


def _short_of_change(walk: Walk) -> None:
    walk.printing()
    walk.do(e.SheetFailed(epoch=walk.epoch, sheet=2, reason="jam", certain=True), e.CoinsStopped())
    walk.do(e.PayoutFailed(amount=600, paid=150, reason="hopper-empty"))


def _no_sensor(walk: Walk) -> None:
    walk.collecting(sensor=False)


def _no_receipt(walk: Walk) -> None:
    walk.thanked(receipt=False)


def _left_paper(walk: Walk) -> None:
    walk.collecting()
    walk.time_up()


JOURNEYS = (
    Walk.thanked, _out, _closed, _wrong_pin, _early, _locked, _card_stays, _choices, _neutral, _held, _cancelled,
    _short_of_change, _no_sensor, _no_receipt, _left_paper,
)  # fmt: skip


def screens(language: str = "ja") -> Iterator[Screen]:
    """Every screen of every journey, in the order of the journeys."""
    yield Screen(name=State.STARTING.screen, number=0, language=language)
    for journey in JOURNEYS:
        walk = Walk(language)
        journey(walk)
        yield from (screen for screen in walk.shown if screen.language == language)
