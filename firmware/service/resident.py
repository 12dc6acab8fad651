"""One process, one person: open the devices, serve, and be gone with everything that was in memory.

One queue, one consumer, run to completion: journal the news, teach the permits, ask the journey,
carry out.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from firmware.flow import commands as flow_commands
from firmware.flow import events
from firmware.flow.machine import Flow, UnhandledEvent
from firmware.flow.screens import out_of_service
from firmware.flow.states import Phase, State
from firmware.link.client import Line
from firmware.panel.render import page
from firmware.service.announcer import Announcer
from firmware.service.build import build
from firmware.service.card_desk import CardDesk, load_trust
from firmware.service.card_outcomes import OF_THIS_KIOSK
from firmware.service.cases import journal_path
from firmware.service.cash_desk import CashBook, CashDesk, as_journey_event
from firmware.service.cashless_desk import CashlessDesk
from firmware.service.city_desk import CityDesk, line_config, trust
from firmware.service.coin_recovery import COUNTED, known
from firmware.service.config import Config
from firmware.service.device_threads import ThreadName, in_the_loop
from firmware.service.devices import Devices
from firmware.service.entry import JournalBroken, NewEntry, new_id
from firmware.service.event_entries import ENTRIES
from firmware.service.executor import Executor, Forbidden
from firmware.service.flight_record import FlightRecord
from firmware.service.flight_steps import RecordedFlow
from firmware.service.give_back import give_back
from firmware.service.journal import Journal
from firmware.service.listeners import Listeners
from firmware.service.log import log
from firmware.service.panel_key import hand_over
from firmware.service.paper_desk import PaperDesk
from firmware.service.pipe import ALIVE, ENDED, READY, TECHNICIAN, Send, kept
from firmware.service.record import to_the_log
from firmware.service.renewal_desk import RenewDesk, settle
from firmware.service.service_key import KeyUse, KeyWatch
from firmware.service.settings import Settings
from firmware.service.status import read as read_status
from firmware.service.teller import Teller
from firmware.service.vault import Vault
from firmware.texts.texts import Texts
from hal.card.contract import CardPresence, CardStatus, Stay
from hal.cash.contract import CashEvent
from hal.faults import DeviceFault
from hal.panel.contract import PanelTouch
from hal.panel.web import WebPanel

STOPPED_BY: Mapping[type[Exception], str] = {
    Forbidden: "permit.refused",
    UnhandledEvent: "table.no-answer",
}
HEARTBEAT_S = 1.0
MONEY_SHOWN_S = 15.0  # what went back and what is owed, before the kiosk closes


class Resident:
    """`send` reports to the supervisor (pipe.py): ready, alive, ended, what was not written down.

    `flow` makes the journey's machine; another than the kiosk's is for proofs.
    """

    def __init__(
        self, config: Config, listeners: Listeners, send: Send, flow: Callable[[int], Flow] = Flow
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._send = send
        self._queue: asyncio.Queue[events.Event | Exception] = asyncio.Queue()
        # Random: a page left over from an earlier resident touches no screen of this one.
        self._flow = flow(secrets.randbelow(2**30))
        self._recorded = RecordedFlow(self._flow, FlightRecord(config.kiosk.state))
        self._vault = Vault(session=new_id())
        self._begun = False
        self._unwritable = False  # the journal takes nothing more
        self._typed = -1  # number of the screen on which the last digit was typed
        self._stays: dict[str, Stay] = {}
        self._announcer: Announcer | None = None
        self._settings = Settings(self._start_anew)
        self._teller = Teller(send)

    async def run(self) -> int:
        """Serve one person. 0: ended in order; 1: stopped because something was wrong."""
        loop = asyncio.get_running_loop()
        journal = Journal(journal_path(self._config.kiosk.state))
        devices = Devices.open(self._config, self._listeners.card, self._listeners.wires)
        html, files = page(
            offered=self._config.kiosk.languages,
            size=self._config.panel.size,
            under_test=bool(self._config.kiosk.under_test),
        )
        key = hand_over(self._config.kiosk.runtime)
        panel = WebPanel(
            self._listeners.panel, html, files, key=key, limits=self._config.panel.limits
        )
        executor = self._executor(journal, devices, panel)
        loop.add_signal_handler(signal.SIGTERM, self.post, events.Shutdown())
        try:
            await panel.start(self._touched)
            self._start_devices(executor, loop)
            devices.speaker.watch(partial(self._plugged, loop))
            self._carry(executor, self._recorded.start())
            self._send(READY)
            work = [loop.create_task(self._beat()), *self._watch_key(loop, devices)]
            code = await self._serve(executor)
            await self._give_back(executor)
            for task in work:
                task.cancel()
            if executor.technician and code == 0:
                self._send(TECHNICIAN)
            self._send(ENDED)
            await self._leave(executor, code)
            if code == 0:
                await devices.leave(self._listeners.wires)
        finally:
            self._settings.stop()
            self._vault.destroy()
            await panel.close()
            await executor.city.line.close()
            devices.close()
            journal.close()
        return code

    def post(self, event: events.Event) -> None:
        """From the event loop."""
        self._queue.put_nowait(event)

    def fail(self, error: Exception) -> None:
        """Work that the journey waits for has broken, unforeseen: stop safely, in its turn."""
        self._queue.put_nowait(error)

    def _executor(self, journal: Journal, devices: Devices, panel: WebPanel) -> Executor:
        config = self._config
        loop = asyncio.get_running_loop()

        def cash(event: CashEvent) -> None:
            loop.call_soon_threadsafe(self.post, as_journey_event(event))

        with suppress(OSError):
            if earlier := read_status(config.kiosk.runtime):
                self._teller.remember(earlier.report)
        settle(line_config(config))
        line = Line(line_config(config))
        speaking = devices.threads[ThreadName.SPEAKER]
        self._announcer = Announcer.of(config, devices.speaker, speaking)
        newest = journal.newest(*COUNTED)
        desk = CashDesk(devices.cash, cash, known(newest) if newest else None)
        executor = Executor(
            config=config,
            stays=self._stays,
            post=self.post,
            failed=self.fail,
            devices=devices,
            journal=journal,
            keep=self._keep,
            vault=self._vault,
            panel=panel,
            announcer=self._announcer,
            texts={language: Texts.load(language) for language in config.kiosk.languages},
            card=CardDesk(
                devices.card,
                load_trust(config.trust.card_ca),
                config.trust.allow_test_cards,
                line.clock.now,
                config.trust.phone_policies,
                outcomes=OF_THIS_KIOSK,
            ),
            city=CityDesk(config, line, trust(config)),
            renewal=RenewDesk(
                line, line_config(config), config.line.renew_days, build(), line.clock.now
            ),
            paper=PaperDesk(devices.sheets, devices.receipts),
            cash=desk,
            cashless=CashlessDesk(devices.cashless),
            teller=self._teller,
        )
        executor.city.status = lambda: self._teller.for_the_city(len(journal.cases()))
        executor.city.wants = lambda version: self._teller.tell(wanted=version)
        book = CashBook(executor.record, self._vault.session)
        desk.opens, desk.dispenses = (
            in_the_loop(loop, book.opens),
            in_the_loop(loop, book.dispenses),
        )
        desk.stopped = lambda counter: self._post_from_a_thread(
            loop, events.CoinsStopped(counter=counter)
        )
        return executor

    # -- the loop

    async def _serve(self, executor: Executor) -> int:
        while not executor.ended:
            news = await self._queue.get()
            try:
                self._take(executor, news)
            except Exception as error:
                self._stop_safely(executor, error)
                return 1
        return 0

    def _take(self, executor: Executor, news: events.Event | Exception) -> None:
        if isinstance(news, Exception):
            raise news
        self._handle(executor, news)

    def _handle(self, executor: Executor, event: events.Event) -> None:
        self._write_down(executor, event)
        if executor.record.unwritten:
            raise JournalBroken("what happened could not be written down")
        executor.permits.observe(event)
        before = self._flow.state
        commands = self._recorded.handle(event)
        if self._flow.state is not before:
            log("state", state=self._flow.state.value, event=events.trigger(event))
            self._teller.state(self._flow.state)
        self._carry(executor, commands)

    def _carry(self, executor: Executor, commands: flow_commands.Commands) -> None:
        for command in commands:
            if isinstance(command, flow_commands.ReadCard):
                self._begin(executor)
            if isinstance(command, flow_commands.EndSession):
                self._close_books(executor)
            executor.carry_out(command)

    def _begin(self, executor: Executor) -> None:
        """The first card, or a coin where none can come in: from here on this session must be ended
        or settled.
        """
        if not self._begun:
            executor.write("begun")
            self._begun = True

    def _write_down(self, executor: Executor, event: events.Event) -> None:
        entry = ENTRIES.get(type(event))
        if entry is None:
            return
        if isinstance(event, events.Answer) and event.epoch != self._flow.session.epoch:
            return  # what comes late is destroyed, and is not part of this transaction
        if not self._begun:
            if isinstance(event, events.CoinsStopped):
                return  # nobody's slot was shut
            self._begun = True
            executor.happened("begun")
        kind, facts = entry(event, self._vault.order)
        executor.happened(kind, **facts)

    def _close_books(self, executor: Executor) -> None:
        if not self._begun:
            return
        session = self._flow.session
        returned, owed, held = session.returned + session.reversed, session.owed, session.undecided
        kept = session.credit + session.earned
        executor.happened("ended", kept=kept, returned=returned, owed=owed, held=held)
        log("session.ended", kept=kept, returned=returned, owed=owed, held=held)
        self._teller.visit(session)  # the books before what only counts

    def _stop_safely(self, executor: Executor, error: Exception) -> None:
        """The machine is wrong, or an entry could not be written: no coin comes in, no page goes
        out, a person looks.

        The session stays open in the journal: its balance is settled as after a power cut.
        """
        # a stranger's words may hold anything
        ours = isinstance(error, (Forbidden, UnhandledEvent, JournalBroken))
        log(
            "error", where=self._flow.state.value, what=str(error) if ours else type(error).__name__
        )
        executor.carry_out(flow_commands.StopCoins())
        executor.carry_out(flow_commands.CancelCharge())
        self._unwritable = isinstance(error, JournalBroken)
        if not self._unwritable or executor.record.last("sheet-begun", "sheet"):
            executor.carry_out(flow_commands.PurgePrinter())
        if not self._unwritable:
            # for that the supervisor has a case: it knows when the cause has gone
            case = next(
                (code for kind, code in STOPPED_BY.items() if isinstance(error, kind)),
                "service.error",
            )
            lasting = executor.record.begun() or case in STOPPED_BY.values()
            executor.carry_out(flow_commands.OpenCase(code=case, pauses=lasting))

    async def _give_back(self, executor: Executor) -> None:
        """Nothing can be written down any more: whose money it is, gets it back, and nobody is
        served after.
        """
        if self._unwritable:
            screen = out_of_service(self._flow.screen, "storage")
            executor.dispatch(flow_commands.ShowScreen(screen=screen))
            money = await give_back(executor, lambda: self._drain(executor))
            if money.returned or money.owed:
                screen = out_of_service(screen, "storage", returned=money.returned, owed=money.owed)
                executor.dispatch(flow_commands.ShowScreen(screen=screen))
                await asyncio.sleep(MONEY_SHOWN_S * self._config.kiosk.pace)

    def _drain(self, executor: Executor) -> None:
        """What moved since nobody listens any more is written down too."""
        while not self._queue.empty():
            news = self._queue.get_nowait()
            if isinstance(news, events.Event):
                self._write_down(executor, news)

    async def _leave(self, executor: Executor, code: int) -> None:
        """What is under way ends; where the books are still open, money that moved meanwhile is
        written down too.
        """
        await executor.finish()
        if code:
            self._drain(executor)
        executor.record.retry()

    def _keep(self, given: NewEntry) -> None:
        to_the_log(given)
        self._send(kept(given))

    async def _beat(self) -> None:
        while True:
            self._send(ALIVE)
            await asyncio.sleep(HEARTBEAT_S)

    # -- what comes in

    def _start_devices(self, executor: Executor, loop: asyncio.AbstractEventLoop) -> None:
        def card(status: CardStatus) -> None:
            loop.call_soon_threadsafe(self._card_seen, status)

        def start_reader() -> None:
            try:
                executor.devices.card.start(card)
                log("device.ready", device="card")
            except DeviceFault as fault:
                # the card stays unknown, which keeps the kiosk out of service
                log("device.fault", device="card", reason=fault.reason.value, detail=fault.detail)

        executor.devices.threads[ThreadName.CARD].submit(start_reader)
        executor.devices.threads[ThreadName.CASH].submit(executor.cash.start)

    def _post_from_a_thread(self, loop: asyncio.AbstractEventLoop, event: events.Event) -> None:
        """Behind all that the thread has posted before."""
        loop.call_soon_threadsafe(self.post, event)

    def _card_seen(self, status: CardStatus) -> None:
        log("card.status", presence=status.presence.value)
        if status.presence is CardPresence.ABSENT:
            self.post(events.CardAbsent())
        elif status.stay is None or status.presence is CardPresence.UNKNOWN:
            if status.reason:
                log("device.fault", device="card", reason=status.reason.value, detail="")
            self.post(events.CardUnknown())
        else:
            self._stays[str(status.stay)] = status.stay
            self.post(events.CardPresent(stay=str(status.stay)))

    def _touched(self, touch: PanelTouch) -> None:
        """Digits go into the PIN buffer and no further, one a screen; voice is not the journey's
        affair.
        """
        screen = self._flow.screen
        self._settings.touched(touch, waiting=self._waits())
        if touch.action == "digit":
            fresh = touch.screen == screen.number != self._typed
            if fresh and self._flow.state is State.PIN and touch.value in _DIGITS:
                self._typed = touch.screen
                self._confirm()
                self._vault.pin.add(_DIGITS.index(touch.value))
                self.post(events.PinDigit(screen=touch.screen, count=len(self._vault.pin)))
        elif self._announcer and self._announcer.touched(touch.action, touch.value):
            if touch.action == "repeat" and "more-time" in screen.actions:
                self.post(events.Touch(screen=touch.screen, action="more-time"))
        elif touch.action != "language" or touch.value in self._config.kiosk.languages:
            self._confirm()
            self.post(events.Touch(screen=touch.screen, action=touch.action, value=touch.value))

    def _waits(self) -> bool:
        """For anybody: nothing of a person is known."""
        return self._flow.state is State.MENU or self._flow.state.phase is Phase.OUT

    def _start_anew(self) -> None:
        """The next process has the settings of the configuration."""
        if self._waits():
            self.post(events.Shutdown())

    def _watch_key(
        self, loop: asyncio.AbstractEventLoop, devices: Devices
    ) -> list[asyncio.Task[None]]:
        """Nothing where no key switch is configured."""
        if devices.service_key is None:
            return []
        use = KeyUse(self._config.kiosk.runtime)

        def told(on: bool) -> None:
            self.post(events.ServiceKeyTurned(on=on and not use.is_spent()))

        thread = devices.threads[ThreadName.SERVICE_KEY]
        return [loop.create_task(KeyWatch(devices.service_key, thread, told, use).run())]

    def _plugged(self, loop: asyncio.AbstractEventLoop, plugged: bool | None) -> None:
        """From the speaker's thread."""
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(self._headphones, plugged)

    def _headphones(self, plugged: bool | None) -> None:
        """Quiet first, then the journey is told."""
        if self._announcer:
            self._announcer.headphones(plugged)
        self.post(events.HeadphonesChanged(plugged=plugged is True))

    def _confirm(self) -> None:
        if self._announcer:
            self._announcer.confirm()


_DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
