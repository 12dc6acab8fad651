"""The technician's process: shows the pages, carries out the acts, and ends.

It ends when the key is turned back or nobody can tell how it stands, when nobody has touched the
panel for a while, when "leave" is touched, and when the service is asked to end. Then a resident's
process looks at everything anew, and the kiosk is what it was before, or what the acts made of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from firmware.ledger.acts import LedgerError
from firmware.ledger.ledger import Ledger
from firmware.link.client import Line
from firmware.panel.render import page
from firmware.service import till
from firmware.service.cases import journal_path
from firmware.service.city_desk import CityDesk, line_config, trust
from firmware.service.config import Config
from firmware.service.device_threads import ThreadName
from firmware.service.devices import Devices
from firmware.service.entry import JournalBroken
from firmware.service.journal import Journal
from firmware.service.listeners import Listeners
from firmware.service.log import log
from firmware.service.panel_key import hand_over
from firmware.service.pipe import ALIVE, ENDED, READY, RENEW, Send
from firmware.service.service_key import KeyUse, KeyWatch
from firmware.service.status import Availability
from firmware.service.status import read as read_status
from firmware.service.stop import TECHNICIAN, is_stopped, stop
from firmware.service.technician import counters, printing
from firmware.service.technician.console import Console
from firmware.service.technician.counters import Row
from firmware.service.technician.drawing import draw
from firmware.service.technician.pages import Act, Page, Touched
from firmware.service.teller import Teller
from hal.faults import DeviceFault
from hal.panel.contract import PanelTouch
from hal.panel.web import WebPanel

IDLE_S: Final = 120.0  # without a touch
HEARTBEAT_S: Final = 1.0
ASK_S: Final = 15.0  # between two questions to the city
ACT_S: Final = 300.0  # longer than any device's own limits for what an act asks of it
CANNOT = (JournalBroken, LedgerError, till.TillError, DeviceFault)


class Technician:
    """`send` reports to the supervisor, as a resident's process does."""

    def __init__(self, config: Config, listeners: Listeners, send: Send) -> None:
        self._config = config
        self._listeners = listeners
        self._send = send
        self._number = secrets.randbelow(2**30)
        self._busy = False
        self._why = ""  # it is to close
        self._idle: asyncio.TimerHandle | None = None
        self._teller = Teller(send)
        # one thread for all that blocks: one thing is done after the other
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="technician")

    async def run(self) -> int:
        """0: closed in order. Raises what an act raised that is no fault of a device: the
        supervisor starts anew.
        """
        loop = asyncio.get_running_loop()
        use = KeyUse(self._config.kiosk.runtime)
        try:
            use.spend()
        except OSError:  # the screens would come again and again, as long as the key is turned
            log("technician.refused", reason="runtime")
            return 0
        self._closed: asyncio.Future[str] = loop.create_future()
        self._journal = Journal(journal_path(self._config.kiosk.state))
        if self._journal.unfinished():
            log("technician.refused", reason="unsettled")
            self._journal.close()
            return 0
        self._status = read_status(self._config.kiosk.runtime)
        self._console = Console(self._config.cash, is_stopped(self._journal))
        self._devices = Devices.open(self._config, self._listeners.card, self._listeners.wires)
        loop.add_signal_handler(signal.SIGTERM, self._close, "stopped")
        city = CityDesk(self._config, Line(line_config(self._config)), trust(self._config))
        work = [loop.create_task(each) for each in (self._beat(), self._ask(city))]
        work += [loop.create_task(self._watch_key(use))]
        shell = page(
            offered=self._config.kiosk.languages,
            size=self._config.panel.size,
            under_test=bool(self._config.kiosk.under_test),
            technician=True,
        )
        key = hand_over(self._config.kiosk.runtime)
        self._panel = WebPanel(
            self._listeners.panel, *shell, key=key, limits=self._config.panel.limits
        )
        try:
            await self._panel.start(self._touched)
            log("technician.opened")
            self._go_on()
            self._send(READY)
            why = await self._closed
            log("technician.closed", why=why)
            self._send(ENDED)
            await self._devices.leave(self._listeners.wires)
        finally:
            for task in work:
                task.cancel()
            self._worker.shutdown(wait=False, cancel_futures=True)
            await self._panel.close()
            await city.line.close()
            self._devices.close()
            self._journal.close()
        return 0

    def _close(self, why: str) -> None:
        """As soon as nothing is being done."""
        self._why = why
        if not self._busy and not self._closed.done():
            self._closed.set_result(why)

    async def _beat(self) -> None:
        while True:
            self._send(ALIVE)
            await asyncio.sleep(HEARTBEAT_S)

    async def _ask(self, city: CityDesk) -> None:
        """The city hears that nobody is served here, and the technician whether it is there."""
        if self._status:
            self._teller.remember(self._status.report)
        self._teller.tell(availability=Availability.OUT_OF_SERVICE, problem=TECHNICIAN)
        city.status = lambda: self._teller.for_the_city(len(self._journal.cases()))
        while True:
            await city.fetch_terms()
            devices = {**self._teller.report.devices, "city": city.item() or city.problem()}
            self._teller.tell(devices=devices)
            await asyncio.sleep(ASK_S)

    async def _watch_key(self, use: KeyUse) -> None:
        key = self._devices.service_key
        if key is None:
            return

        def told(on: bool) -> None:
            if not on:
                self._close("key")

        thread = self._devices.threads[ThreadName.SERVICE_KEY]
        await KeyWatch(key, thread, told, use, was_turned=True).run()

    # -- touches

    def _touched(self, touch: PanelTouch) -> None:
        if touch.screen != self._number or self._busy:
            return
        if touch.action == Touched.LEAVE:
            self._close("left")
            return
        before = self._console.page
        act = self._console.touched(touch.action, touch.value)
        if self._console.page is not before:
            log("technician.page", page=self._console.page.value)
        if act is None and self._console.page not in ROWS:
            self._go_on()
        else:
            self._busy = True
            self._work = asyncio.get_running_loop().create_task(self._do(act))

    async def _do(self, act: Act | None) -> None:
        """An act, and what its page shows afterwards; nothing is touched meanwhile."""
        shown = self._console.page
        self._console.page = Page.WAIT
        self._show()
        self._console.page = shown
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._worker, self._carry_out, act)
        try:
            await asyncio.wait_for(done, ACT_S)
        except Exception as error:
            if not self._closed.done():
                self._closed.set_exception(error)
            return
        self._busy = False
        if self._why or act is Act.RESTART:
            self._close(self._why or "restart")
        else:
            self._go_on()

    def _carry_out(self, act: Act | None) -> None:
        """In the worker: everything here blocks."""
        with contextlib.closing(Journal(journal_path(self._config.kiosk.state))) as journal:
            if act is not None:
                try:
                    result = _ACTS[act](self, journal)
                except CANNOT as error:
                    result = _code(error)
                log("technician.act", act=act.value, result=result)
                self._console.result = result
                self._console.stopped = is_stopped(journal)
            if act is not Act.UNITS and self._console.page in ROWS:
                self._console.rows = ROWS[self._console.page](self, journal)

    # -- acts: each returns a code of `pages.RESULTS`, or a fault's reason

    def _stop(self, journal: Journal) -> str:
        self._console.page = Page.HOME
        return "out-of-service" if stop(journal, stopped=True) else "already"

    def _resume(self, journal: Journal) -> str:
        self._console.page = Page.HOME
        return "in-service" if stop(journal, stopped=False) else "already"

    def _restart(self, _: Journal) -> str:
        KeyUse(self._config.kiosk.runtime).forget()  # who starts it anew wants to see it again
        self._send(RENEW)
        return "done"

    def _test_sheet(self, journal: Journal) -> str:
        return printing.sheet(self._config, self._devices, journal)

    def _test_receipt(self, _: Journal) -> str:
        return printing.receipt(self._config, self._devices)

    def _guard_sheet(self, journal: Journal) -> str:
        return printing.guard_sheet(self._config, self._devices, journal)

    def _units(self, _: Journal) -> str:
        ledger = Ledger.of(till.read(self._config), till.layout(self._config.cash))
        self._console.rows = counters.cash(self._config, till.ask_units(self._config, ledger))
        return "done"

    def _book(self, _: Journal) -> str:
        form = self._console.form
        self._console.page = Page.CASH
        written = till.act(self._config, form.kind, {form.place: dict(form.coins)})
        difference = next((one.difference for one in written if one.difference), 0)
        return f"difference {difference:+,}円" if difference else "done"

    # -- the screen

    def _go_on(self) -> None:
        """The page as it is now; the time without a touch begins anew."""
        self._show()
        if self._idle:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(
            IDLE_S * self._config.kiosk.pace, self._close, "idle"
        )

    def _show(self) -> None:
        self._number += 1
        self._panel.show(self._number, draw(self._console))


_ACTS: Mapping[Act, Callable[[Technician, Journal], str]] = {
    Act.STOP: Technician._stop,
    Act.RESUME: Technician._resume,
    Act.RESTART: Technician._restart,
    Act.TEST_SHEET: Technician._test_sheet,
    Act.TEST_RECEIPT: Technician._test_receipt,
    Act.GUARD_SHEET: Technician._guard_sheet,
    Act.UNITS: Technician._units,
    Act.BOOK: Technician._book,
}


def _counters(technician: Technician, journal: Journal) -> list[Row]:
    status = read_status(technician._config.kiosk.runtime) or technician._status
    return counters.counters(technician._config, journal, status)


def _cases(_: Technician, journal: Journal) -> list[Row]:
    return counters.cases(journal.cases())


def _cash(technician: Technician, _: Journal) -> list[Row]:
    return counters.cash(technician._config)


# The pages whose rows are read when they are shown.
ROWS: Mapping[Page, Callable[[Technician, Journal], list[Row]]] = {
    Page.COUNTERS: _counters,
    Page.CASES: _cases,
    Page.CASH: _cash,
}


def _code(error: Exception) -> str:
    if isinstance(error, DeviceFault):
        return f"{error.device}: {error.reason.value}"
    return "journal" if isinstance(error, JournalBroken) else str(error)
