"""A made-up person at one kiosk: the real flow, driven through every state."""

from __future__ import annotations

from firmware.flow import events as flow_events
from firmware.flow.machine import Flow
from firmware.flow.screens import Screen
from firmware.flow.session import Token
from firmware.flow.states import State
from firmware.flow.timers import Timer
from firmware.panel.sample_data import HOLDER, OFFERS, terms


class SampleJourney:
    """One person at one kiosk; keeps every screen that was shown."""

    def __init__(self, language: str = "ja") -> None:
        self.flow = Flow()
        self.shown: list[Screen] = []
        self.stay = 0
        self.token = Token.CARD
        self.flow.start()
        self.do(flow_events.CardAbsent(), flow_events.TermsReceived(terms=terms()))
        self.do(flow_events.Health(problem=""))
        self.touch("language", language)

    @property
    def epoch(self) -> int:
        return self.flow.session.epoch

    def do(self, *events: flow_events.Event) -> None:
        """Raises UnhandledEvent."""
        for event in events:
            self._note()
            self.flow.handle(event)
            self._note()

    def _note(self) -> None:
        if self.flow.screen.number and self.flow.screen not in self.shown[-1:]:
            self.shown.append(self.flow.screen)

    def touch(self, action: str, value: str = "") -> None:
        self.do(flow_events.Touch(screen=self.flow.screen.number, action=action, value=value))

    def time_up(self) -> None:
        """The limit that runs now is over."""
        self.do(flow_events.TimerFired(name=Timer.LIMIT, generation=self.flow.moment.limit))

    def card(self) -> None:
        self.stay += 1
        self.do(flow_events.CardPresent(stay=f"s{self.stay}"))

    def pin(self, tries: int = 3) -> None:
        """Set the card down, enter four digits."""
        self.card()
        self.do(flow_events.CardRead(epoch=self.epoch, tries=tries, token=self.token))
        if self.flow.state is State.LASTTRY:
            self.touch("try")
        for count in range(1, 5):
            self.do(flow_events.PinDigit(screen=self.flow.screen.number, count=count))
        self.touch("enter")

    def authenticated(self) -> None:
        self.pin()
        self.do(flow_events.CardAuthenticated(epoch=self.epoch, card="aa"))

    def choosing(self, expires_in_days: int = 900) -> None:
        self.authenticated()
        opened = flow_events.SessionOpened(
            epoch=self.epoch, offers=OFFERS, expires_in_days=expires_in_days, holder=HOLDER
        )
        self.do(flow_events.CardAbsent(), opened)

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

    def paying(self, *, sensor: bool = True, exact_only: bool = False) -> None:
        self.confirming()
        self.touch("confirm")
        self.do(
            flow_events.DocumentChecked(
                epoch=self.epoch, document="dd", unique_number="U1", sheets=3, fee=200
            )
        )
        self.do(
            flow_events.PrintersReady(epoch=self.epoch, outlet_sensor=sensor, exact_only=exact_only)
        )

    def paying_cashless(self) -> None:
        """Where there is a payment terminal: ready to be presented to."""
        self.confirming()
        self.touch("confirm")
        self.do(
            flow_events.DocumentChecked(
                epoch=self.epoch, document="dd", unique_number="U1", sheets=3, fee=200
            )
        )
        self.do(flow_events.PrintersReady(epoch=self.epoch, outlet_sensor=True, cashless=True))
        self.touch("cashless")

    def printing(self, *, sensor: bool = True) -> None:
        self.paying(sensor=sensor)
        self.do(
            flow_events.CoinInserted(value=100),
            flow_events.CoinReturned(),
            flow_events.CoinInserted(value=500),
            flow_events.CoinsStopped(),
        )
        self.do(
            flow_events.Released(epoch=self.epoch, document="dd"),
            flow_events.SheetPrinted(epoch=self.epoch, sheet=1),
        )

    def collecting(self, *, sensor: bool = True, receipt: bool = True) -> None:
        self.printing(sensor=sensor)
        self.do(
            flow_events.SheetPrinted(epoch=self.epoch, sheet=2),
            flow_events.SheetPrinted(epoch=self.epoch, sheet=3),
        )
        self.do(
            flow_events.PaidOut(amount=400),
            flow_events.ReceiptDone(epoch=self.epoch, printed=receipt),
        )

    def thanked(self, *, receipt: bool = True) -> None:
        self.collecting(receipt=receipt)
        self.do(flow_events.PaperTaken())
        self.touch("ok")
        self.touch("ok")
