"""The printer at the far end of a TCP port or a pty: the engine, a motor and a person who takes the
sheets.
"""

from __future__ import annotations

import asyncio
import io
import os
import threading
import tty
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from PIL import Image

from hal.printer.contract import Bitmap
from hal.sim.printer.engine import Engine
from hal.sim.printer.manners import Manners

CHUNK = 1 << 16
TICK_S = 0.02  # the motor's step
T = TypeVar("T")


class EngineSwitch(Generic[T]):
    """A switch of the engine shown on the server; after each change the printer goes on with what
    it holds.
    """

    def __set_name__(self, owner: type[PrinterSim], name: str) -> None:
        self._name = name

    def __get__(self, sim: PrinterSim, owner: type[PrinterSim]) -> T:
        value: T = getattr(sim.engine, self._name)
        return value

    def __set__(self, sim: PrinterSim, value: T) -> None:
        sim.change(lambda: setattr(sim.engine, self._name, value))


class PrinterSim:
    """A printer on `host:port` (0: any free port), `width` dots wide at `dpi`; `speed` in lines a
    second, 0: at once.

    Start and stop it in an event loop; everything else may be called from any thread. It serves one
    connection at a time, as network printers do, and with the `manners` that some of them have.
    `text`: it has characters of its own. `on_page` is called in the loop with each finished sheet.
    """

    auto_status = EngineSwitch[bool]()  # reports by itself, until it is told not to
    stops_behind_last = EngineSwitch[bool]()  # says that paper is out behind the last sheet
    mute = EngineSwitch[bool]()  # answers nothing, prints all the same
    cover_open = EngineSwitch[bool]()
    paced = EngineSwitch[
        bool
    ]()  # prints only what the motor turns; without a `speed` there is none, and nothing moves
    jam = EngineSwitch[bool]()  # clearing it takes the torn sheet out
    fail_after_lines = EngineSwitch["int | None"]()  # the paper ends after this many more lines

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        width: int = 1654,
        dpi: int = 203,
        outlet_sensor: bool = False,
        *,
        speed: float = 0.0,
        paper: int = 200,
        text: bool = False,
        on_page: Callable[[Image.Image], None] | None = None,
    ) -> None:
        self.host, self.port, self.dpi, self.speed = host, port, dpi, speed
        self.full = paper  # sheets of a full tray, or receipts of a roll
        self._stands = False
        self.engine = Engine(width, outlet_sensor=outlet_sensor, sheets=paper, text=text)
        self.engine.paced = speed > 0
        self.manners = Manners()
        self._on_page, self._announced = on_page, 0
        self._lock = (
            threading.RLock()
        )  # the engine's: the loop feeds it, the dock and tests break it
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: asyncio.Server | None = None
        self._motor: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._transports: set[asyncio.WriteTransport] = set()
        self._served: asyncio.WriteTransport | None = None
        self._answer: Callable[[bytes], None] | None = None  # to whoever spoke last
        self._ptys: list[tuple[int, int]] = []
        self._dropping = False

    # --- the wire

    async def start(self) -> None:
        """OSError when the port is in use."""
        self._loop = asyncio.get_running_loop()
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        if self.speed > 0:
            self._motor = asyncio.create_task(self._turn())

    async def stop(self) -> None:
        if self._motor is not None:
            self._motor.cancel()
        if self._server is not None:
            self._server.close()
        self._hang_up()
        for ends in self._ptys:
            asyncio.get_running_loop().remove_reader(ends[0])
            for fd in ends:
                os.close(fd)
        self._ptys, self._loop = [], None

    def open_pty(self) -> str:
        """A serial line to the same printer: the path of the host's end. Call in the loop, after
        `start`.
        """
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        os.set_blocking(ours, False)

        def answer(data: bytes) -> None:
            with suppress(OSError):  # nobody reads: a serial line loses what does not fit
                os.write(ours, data)

        def arrived() -> None:
            with suppress(OSError):
                self._feed(os.read(ours, CHUNK), answer)

        asyncio.get_running_loop().add_reader(ours, arrived)
        self._ptys.append((ours, theirs))
        return os.ttyname(theirs)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        transport, loop = writer.transport, asyncio.get_running_loop()
        if self._dropping or not self.manners.admits(loop.time()):
            transport.abort()
            return
        self._transports.add(transport)
        try:
            async with self._one_at_a_time:
                self._served = transport
                while data := await reader.read(CHUNK):
                    self._feed(data, writer.write)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._transports.discard(transport)
            self.manners.ended(loop.time())
            if self._answer == writer.write:
                self._answer = None
            writer.close()

    def _feed(self, data: bytes, answer: Callable[[bytes], None]) -> None:
        with self._lock:
            self._answer = answer
            self._deliver(self.engine.feed(data))

    async def _turn(self) -> None:
        due = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            due += self.speed * TICK_S
            lines, due = int(due), due % 1
            if self.engine.busy and not self._stands:
                with self._lock:
                    self._deliver(self.engine.run(lines))

    def _deliver(self, answers: bytes) -> None:
        """What the engine has answered, and the sheets that have come out."""
        loop = self._loop
        if loop is not None and self._answer is not None:
            due = self.manners.due(loop.time())
            if answers and due > loop.time():
                loop.call_at(due, self._answer, answers)
            elif answers:
                self._answer(answers)
            if self.manners.ends_here(self.engine.cuts, self.engine.held):
                loop.call_at(due, self._end_connection)
        new = min(self.engine.page_count - self._announced, len(self.engine.pages))
        self._announced = self.engine.page_count
        if self._on_page is not None and new:
            for page in self.engine.pages[-new:]:
                self._on_page(picture(page))

    def _end_connection(self) -> None:
        """In order: what was answered arrives."""
        if self._served is not None:
            self._served.close()

    # --- the world

    def change(self, what: Callable[[], Any]) -> None:
        """Change something in the engine's world and let the printer go on."""
        with self._lock:
            what()
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._go_on)

    def _go_on(self) -> None:
        with self._lock:
            self._deliver(self.engine.run(0))

    @property
    def stands(self) -> bool:
        """True: the motor does not turn, and nothing is printed."""
        return self._stands

    @stands.setter
    def stands(self, stands: bool) -> None:
        self._stands = stands
        self.paced = stands or self.speed > 0

    @property
    def drop_connection(self) -> bool:
        """True: the line is cut now and every new connection is closed at once."""
        return self._dropping

    @drop_connection.setter
    def drop_connection(self, cut: bool) -> None:
        self._dropping = cut
        if cut and self._loop is not None:
            self._loop.call_soon_threadsafe(self._hang_up)

    def _hang_up(self) -> None:
        for transport in self._transports:
            transport.abort()

    def load_paper(self, sheets: int) -> None:
        self.change(lambda: self.engine.load_paper(sheets))

    @property
    def paper_left(self) -> int:
        return self.engine.paper_left

    @property
    def violations(self) -> list[str]:
        """What the host sent that no printer takes."""
        return list(self.engine.violations)

    def power_cycle(self) -> None:
        self.change(self.engine.power_cycle)

    # --- what came out

    @property
    def pages(self) -> list[Image.Image]:
        """Everything that has come out, taken or not (the last 64)."""
        with self._lock:
            return [picture(page) for page in self.engine.pages]

    @property
    def page_count(self) -> int:
        return self.engine.page_count

    @property
    def waiting(self) -> int:
        """Sheets at the outlet."""
        return self.engine.waiting

    def png(self, index: int) -> bytes:
        """`pages[index]` as a PNG file. IndexError when there is no such page."""
        with self._lock:
            page = self.engine.pages[index]
        out = io.BytesIO()
        picture(page).save(out, "PNG", dpi=(self.dpi, self.dpi))
        return out.getvalue()

    def take(self) -> list[Image.Image]:
        """The person takes what waits at the outlet."""
        with self._lock:
            return [picture(page) for page in self.engine.take()]


def picture(page: Bitmap) -> Image.Image:
    """What the eye sees: mode "1", black where a dot was burnt."""
    return Image.frombytes("1", (page.width, page.height), page.rows, "raw", "1;I")
