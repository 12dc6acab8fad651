"""One process, one person: open the devices, serve, and be gone with everything that was in memory.

One queue, one consumer, run to completion: journal the news, teach the permits, ask the journey, carry out.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.machine import Flow, UnhandledEvent
from firmware.flow.states import State
from firmware.link.client import Line
from firmware.link.signing import load_public
from firmware.panel.render import page
from firmware.service.announcer import Announcer
from firmware.service.card_work import CardDesk, load_trust
from firmware.service.cases import journal_path
from firmware.service.cash_work import CashDesk, told
from firmware.service.city_work import BUILD, CityDesk, line_config
from firmware.service.config import Config
from firmware.service.devices import Devices
from firmware.service.executor import Executor, Forbidden
from firmware.service.journal import Journal, JournalBroken, new_id
from firmware.service.log import log
from firmware.service.paper_work import PaperDesk
from firmware.service.renew_work import RenewDesk, settle
from firmware.service.vault import Vault
from firmware.texts.texts import Texts
from hal.card.contract import CardStatus, Presence, Stay
from hal.cash.contract import CashEvent
from hal.faults import DeviceFault
from hal.panel.contract import PanelTouch
from hal.panel.web import WebPanel

# Which events are written down before anything else hears of them, and as what.
ENTRIES: Mapping[type[e.Event], Callable[[Any, str], tuple[str, dict[str, str | int | bool]]]] = {
    e.CardAuthenticated: lambda v, _: ("authenticated", {"card": v.card}),
    e.DocumentChecked: lambda v, order: (
        "checked",
        {"order": order, "document": v.document, "sheets": v.sheets, "fee": v.fee},
    ),
    e.CoinInserted: lambda v, _: ("coin", {"value": v.value}),
    e.Released: lambda v, order: ("released", {"order": order, "document": v.document}),
    e.SheetPrinted: lambda v, _: ("sheet-done", {"sheet": v.sheet}),
    e.SheetFailed: lambda v, _: ("sheet-failed", {"sheet": v.sheet, "reason": v.reason, "certain": v.certain}),
    e.PaidOut: lambda v, _: ("payout-done", {"amount": v.amount}),
    e.PayoutFailed: lambda v, _: ("payout-failed", {"amount": v.amount, "paid": v.paid, "reason": v.reason}),
}
STOPPED_BY: Mapping[type[Exception], str] = {
    Forbidden: "permit.refused",
    UnhandledEvent: "table.no-answer",
    JournalBroken: "journal.broken",
}
VOLUME = {"up": 1, "down": -1}
HEARTBEAT_S = 1.0


@dataclass(frozen=True)
class Listeners:
    """Sockets the supervisor holds and every child inherits. `card` only where the reader is a socket."""

    panel: socket.socket
    card: socket.socket | None


class Resident:
    """`tell` reports to the supervisor: "R" ready, "." alive, "E" the session has ended.

    `flow` makes the journey's machine; another than the kiosk's is for proofs.
    """

    def __init__(
        self, config: Config, listeners: Listeners, tell: Callable[[str], None], flow: Callable[[int], Flow] = Flow
    ) -> None:
        self._config = config
        self._listeners = listeners
        self._tell = tell
        self._queue: asyncio.Queue[e.Event | Exception] = asyncio.Queue()
        # Random, so that a page left over from an earlier resident cannot touch a screen of this one.
        self._flow = flow(secrets.randbelow(2**30))
        self._vault = Vault(session=new_id())
        self._begun = False
        self._typed = -1  # number of the screen on which the last digit was typed
        self._stays: dict[str, Stay] = {}
        self._announcer: Announcer | None = None

    async def run(self) -> int:
        """Serve one person. 0: ended in order; 1: stopped because something was wrong."""
        loop = asyncio.get_running_loop()
        journal = Journal(journal_path(self._config.kiosk.state))
        devices = Devices.open(self._config, self._listeners.card)
        html, files = page()
        panel = WebPanel(self._listeners.panel, html, files)
        executor = self._executor(journal, devices, panel)
        loop.add_signal_handler(signal.SIGTERM, self.post, e.Shutdown())
        try:
            await panel.start(self._touched)
            self._start_devices(executor, loop)
            self._carry(executor, self._flow.start())
            self._tell("R")
            heart = loop.create_task(self._beat())
            code = await self._serve(executor)
            heart.cancel()
            self._tell("E")
            await self._leave(executor, code)
        finally:
            self._vault.destroy()
            await panel.close()
            await executor.city.line.close()
            devices.close()
            journal.close()
        return code

    def post(self, event: e.Event) -> None:
        """From the event loop."""
        self._queue.put_nowait(event)

    def fail(self, error: Exception) -> None:
        """Work that the journey waits for has broken in a way nobody foresaw: stop safely, when its turn comes."""
        self._queue.put_nowait(error)

    def _executor(self, journal: Journal, devices: Devices, panel: WebPanel) -> Executor:
        config = self._config
        loop = asyncio.get_running_loop()

        def cash(event: CashEvent) -> None:
            loop.call_soon_threadsafe(self.post, told(event))

        settle(line_config(config))
        voice, line = config.voice, Line(line_config(config))
        self._announcer = Announcer(devices.speaker, devices.lanes["speaker"], voice.recordings, voice.volume)
        return Executor(
            config=config,
            stays=self._stays,
            post=self.post,
            failed=self.fail,
            devices=devices,
            journal=journal,
            vault=self._vault,
            panel=panel,
            announcer=self._announcer,
            texts={language: Texts.load(language) for language in config.kiosk.languages},
            card=CardDesk(devices.card, load_trust(config.trust.card_ca), config.trust.allow_test_cards),
            city=CityDesk(config, line, load_public(config.trust.issuing_keys)),
            renewal=RenewDesk(line, line_config(config), config.line.renew_days, BUILD),
            paper=PaperDesk(devices.sheets, devices.receipts),
            cash=CashDesk(devices.cash, cash),
        )

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

    def _take(self, executor: Executor, news: e.Event | Exception) -> None:
        if isinstance(news, Exception):
            raise news
        self._handle(executor, news)

    def _handle(self, executor: Executor, event: e.Event) -> None:
        try:
            self._write_down(executor, event)
        except JournalBroken:
            self.post(event)  # it did happen: once more when everything has been stopped
            raise
        executor.permits.observe(event)
        before = self._flow.state
        commands = self._flow.handle(event)
        if self._flow.state is not before:
            log("state", state=self._flow.state.value, event=e.trigger(event))
        self._carry(executor, commands)

    def _carry(self, executor: Executor, commands: c.Commands) -> None:
        for command in commands:
            if isinstance(command, c.ReadCard):
                self._begin(executor)
            if isinstance(command, c.EndSession):
                self._close_books(executor)
            executor.carry_out(command)

    def _begin(self, executor: Executor) -> None:
        """The first card, or a coin where none can come in: from here on this session must be ended or settled."""
        if not self._begun:
            self._begun = True
            executor.write("begun")

    def _write_down(self, executor: Executor, event: e.Event) -> None:
        entry = ENTRIES.get(type(event))
        if entry is None:
            return
        if isinstance(event, e.Answer) and event.epoch != self._flow.session.epoch:
            return  # what comes late is destroyed, and is not part of this transaction
        self._begin(executor)
        kind, facts = entry(event, self._vault.order)
        executor.write(kind, **facts)

    def _close_books(self, executor: Executor) -> None:
        if not self._begun:
            return
        session = self._flow.session
        kept = session.inserted - session.returned - session.owed
        executor.write("ended", kept=kept, returned=session.returned, owed=session.owed)
        log("session.ended", kept=kept, returned=session.returned, owed=session.owed)

    def _stop_safely(self, executor: Executor, error: Exception) -> None:
        """The machine is wrong, or a step could not be written: no coin comes in, no page goes out, a person looks.

        The session stays open in the journal: its balance is settled as after a power cut.
        """
        ours = isinstance(error, (Forbidden, UnhandledEvent, JournalBroken))  # a stranger's words may hold anything
        log("error", where=self._flow.state.value, what=str(error) if ours else type(error).__name__)
        case = next((code for kind, code in STOPPED_BY.items() if isinstance(error, kind)), "service.error")
        for command in (c.StopCoins(), c.PurgePrinter(), c.OpenCase(code=case, pauses=True)):
            with contextlib.suppress(JournalBroken):
                executor.carry_out(command)

    async def _leave(self, executor: Executor, code: int) -> None:
        """What is under way ends; where the books are still open, money that moved meanwhile is written down too."""
        await executor.finish()
        while code and not self._queue.empty():
            news = self._queue.get_nowait()
            if isinstance(news, e.Event):
                with contextlib.suppress(JournalBroken):
                    self._write_down(executor, news)

    async def _beat(self) -> None:
        while True:
            self._tell(".")
            await asyncio.sleep(HEARTBEAT_S)

    # -- what comes in

    def _start_devices(self, executor: Executor, loop: asyncio.AbstractEventLoop) -> None:
        def card(status: CardStatus) -> None:
            loop.call_soon_threadsafe(self._card_seen, status)

        def start_reader() -> None:
            try:
                executor.devices.card.start(card)
                log("device.ready", device="card")
            except DeviceFault as fault:  # the card stays unknown, which keeps the kiosk out of service
                log("device.fault", device="card", reason=fault.reason.value, detail=fault.detail)

        executor.devices.lanes["card"].submit(start_reader)
        executor.devices.lanes["cash"].submit(executor.cash.start)

    def _card_seen(self, status: CardStatus) -> None:
        log("card.status", presence=status.presence.value)
        if status.presence is Presence.ABSENT:
            self.post(e.CardAbsent())
        elif status.stay is None or status.presence is Presence.UNKNOWN:
            self.post(e.CardUnknown())
        else:
            self._stays[str(status.stay)] = status.stay
            self.post(e.CardPresent(stay=str(status.stay)))

    def _touched(self, touch: PanelTouch) -> None:
        """Digits go into the PIN buffer and no further, one a screen; voice is not the journey's affair."""
        screen = self._flow.screen
        if touch.action == "digit":
            fresh = touch.screen == screen.number != self._typed
            if fresh and self._flow.state is State.PIN and touch.value in _DIGITS:
                self._typed = touch.screen
                self._vault.pin.add(_DIGITS.index(touch.value))
                self.post(e.PinDigit(screen=touch.screen, count=len(self._vault.pin)))
        elif touch.action == "repeat" and self._announcer:
            self._announcer.repeat()
        elif touch.action == "volume" and self._announcer:
            self._announcer.louder(VOLUME.get(touch.value, 0))
        elif touch.action != "language" or touch.value in self._config.kiosk.languages:
            self.post(e.Touch(screen=touch.screen, action=touch.action, value=touch.value))


_DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
