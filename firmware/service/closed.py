"""A child that serves nobody: it shows why the kiosk is out of service, and whom to call with what
number.

It needs no journal. It keeps the coin slot shut, sends the city the outcomes that could not be
written down, and lives until the supervisor ends it.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from firmware.flow import events
from firmware.flow.offers import localized
from firmware.flow.screens import Screen, out_of_service
from firmware.flow.session import Session, switched
from firmware.link import messages
from firmware.link.client import Line
from firmware.panel.render import page, render
from firmware.service import devices, update_state
from firmware.service.announcer import Announcer
from firmware.service.cash_desk import CashDesk, as_journey_event
from firmware.service.city_desk import CityDesk, line_config, trust
from firmware.service.closure import CONFIG, code_of
from firmware.service.config import Config
from firmware.service.device_threads import ThreadName
from firmware.service.entry import NewEntry, new_entry, new_id
from firmware.service.listeners import Listeners
from firmware.service.log import log
from firmware.service.panel_key import hand_over
from firmware.service.pipe import ALIVE, READY, Send, kept
from firmware.service.record import to_the_log
from firmware.service.resident import HEARTBEAT_S
from firmware.service.settings import Settings
from firmware.service.status import Availability
from firmware.texts.texts import Texts
from hal.cash.contract import CashEvent
from hal.panel.contract import PanelTouch
from hal.panel.web import WebPanel

ASK_S = 15.0  # between two attempts to reach the city


class Closed:
    """`problem` is a key of the texts, `number` the case's, `undelivered` what the city has
    not heard.
    """

    def __init__(
        self,
        config: Config,
        listeners: Listeners,
        send: Send,
        problem: str,
        number: str,
        undelivered: Sequence[messages.Outcome],
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._send = send
        self._problem = problem
        self._number = number
        self._since = int(time.time())
        self._undelivered = list(undelivered)
        self._screen = Screen(name="", number=secrets.randbelow(2**30), language=Session().language)
        self._settings = Settings(self._start_anew)
        self._contact: messages.Contact | None = None
        self._session = ""  # of coins that fall in though nobody is served
        self._threads = {
            name: ThreadPoolExecutor(1, thread_name_prefix=name)
            for name in (ThreadName.CASH, ThreadName.SPEAKER)
        }

    async def run(self) -> int:
        """Until SIGTERM."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        shell = page(
            offered=self._config.kiosk.languages,
            size=self._config.panel.size,
            under_test=bool(self._config.kiosk.under_test),
        )
        key = hand_over(self._config.kiosk.runtime)
        self._panel = WebPanel(
            self._listeners.panel, *shell, key=key, limits=self._config.panel.limits
        )
        speaker = devices.speaker(self._config.speaker)
        self._announcer = Announcer.of(self._config, speaker, self._threads[ThreadName.SPEAKER])
        city = CityDesk(self._config, Line(line_config(self._config)), trust(self._config))
        city.status = self._status
        cash = CashDesk(devices.coin_unit(self._config.cash), self._coin(loop))
        work = [loop.create_task(self._beat()), loop.create_task(self._ask(city, cash))]
        try:
            await self._panel.start(self._touched)
            self._show()
            self._send(READY)
            await ended.wait()
        finally:
            self._settings.stop()
            for task in work:
                task.cancel()
            await self._panel.close()
            await city.line.close()
            cash.unit.close()
            speaker.close()
        return 0

    def _status(self) -> messages.KioskStatus:
        """Its journal cannot be asked; the case that it is closed under is open."""
        item = self._number if self._problem == CONFIG else ""
        return messages.KioskStatus(
            availability=Availability.OUT_OF_SERVICE.value,
            problem=self._problem,
            cases=1,
            case_codes=(messages.CaseCount(code_of(self._problem, item), 1, self._since),),
            update=update_state.for_the_city(),
        )

    async def _beat(self) -> None:
        while True:
            self._send(ALIVE)
            await asyncio.sleep(HEARTBEAT_S)

    # -- the screen

    def _show(self) -> None:
        facts = {
            "opens_at": "",
            "phone": self._config.kiosk.phone,
            "number": self._number[:12],
            **self._office(self._screen.language),
        }
        self._screen = out_of_service(self._screen, self._problem, **facts)
        texts = Texts.load(self._screen.language)
        self._panel.show(
            self._screen.number,
            render(self._screen, texts, self._config.kiosk.languages, self._config.panel.sides),
        )
        self._announcer.say(self._screen)

    def _touched(self, touch: PanelTouch) -> None:
        shown = self._screen
        self._settings.touched(touch, waiting=True)
        if touch.action == "language" and touch.value in self._config.kiosk.languages:
            self._screen = replace(shown, language=touch.value)
            self._show()
        elif touch.action == "mode":
            self._screen = replace(shown, modes=switched(shown.modes, touch.value))
            self._show()
        else:
            self._announcer.touched(touch.action, touch.value)

    def _start_anew(self) -> None:
        """As the kiosk is for everybody."""
        self._screen = replace(self._screen, language=Session().language, modes=Session().modes)
        self._announcer.set_volume(self._config.voice.volume)
        self._show()

    # -- city and coins

    async def _ask(self, city: CityDesk, cash: CashDesk) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # started, it lets no coin in
            await loop.run_in_executor(self._threads[ThreadName.CASH], cash.trouble)
            if isinstance(await city.fetch_terms(), events.TermsReceived) and city.terms:
                self._show_office(city.terms)
                await city.deliver(list(self._undelivered), self._delivered, self._denied)
            await asyncio.sleep(ASK_S)

    def _show_office(self, terms: messages.Terms) -> None:
        contact = terms.contacts.get("resident")
        if contact and not self._contact:
            self._contact = contact
            self._show()

    def _office(self, language: str) -> dict[str, str]:
        """Whom to ask, in the words of this language."""
        contact = self._contact
        if contact is None:
            return {}
        return {
            "office": localized(tuple(contact.office.items()), language),
            "phone": self._config.kiosk.phone or contact.phone,
            "hours": localized(tuple(contact.hours.items()), language),
        }

    def _delivered(self, outcome: str) -> None:
        delivered = next(n for n in self._undelivered if n.outcome == outcome)
        self._undelivered.remove(delivered)
        self._keep(new_entry(delivered.session, "delivered", outcome=outcome))

    def _denied(self, outcome: messages.Outcome, code: str) -> None:
        self._undelivered.remove(outcome)
        self._keep(
            new_entry(outcome.session, "denied", outcome=outcome.outcome, code=f"outcome.{code}")
        )
        case = new_entry(
            outcome.session, "case", case=new_id(), code=f"outcome.{code}", pauses=True
        )
        self._keep(case)

    def _coin(self, loop: asyncio.AbstractEventLoop) -> Callable[[CashEvent], None]:
        def take(event: CashEvent) -> None:
            loop.call_soon_threadsafe(self._count, as_journey_event(event))

        return take

    def _count(self, event: events.Event) -> None:
        """A coin that fell into a slot that should be shut is somebody's."""
        if isinstance(event, events.CoinInserted):
            if not self._session:
                self._session = new_id()
                self._keep(new_entry(self._session, "begun"))
            self._keep(new_entry(self._session, "coin", value=event.value, counter=event.counter))
        elif isinstance(event, events.CoinsFailed):
            log("device.fault", device="cash", reason=event.reason, detail="out of service")

    def _keep(self, given: NewEntry) -> None:
        to_the_log(given)
        self._send(kept(given))
