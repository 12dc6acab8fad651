"""All far ends of a kiosk's wires in one program: what a person would set down, put in and take,
and what breaks.

Lives in one event loop; it knows devices and wires, never the messages on them.
"""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from hal.sim import fault
from hal.sim.breakage import FAULTS, FULL_ROLL, FULL_TRAY
from hal.sim.card.faults import CardTrouble
from hal.sim.card.wire import CardFaults, CardProgram
from hal.sim.cashless.device import TerminalSim
from hal.sim.coins.acceptor import Acceptor
from hal.sim.coins.bus import CoinBus
from hal.sim.coins.hopper import HopperDevice
from hal.sim.fault import UnknownFault
from hal.sim.line import Address, Cable, LineRelay
from hal.sim.printer.engine import Engine
from hal.sim.printer.server import PrinterSim
from hal.sim.service_key.device import KeySim
from hal.sim.speaker import SpeakerFarEnd

KEPT = 60  # sheets and phrases remembered
POLL_S = 0.1  # how often a card that lies on the reader is looked at
SHEET_DOTS, RECEIPT_DOTS = 1654, 576  # A4 and 72 mm at 203 dpi


class BenchError(Exception):
    """What was asked cannot be done now; one line for the person at the bench."""


@dataclass(frozen=True)
class Wiring:
    """Where each wire ends. Port 0 takes a free one, except of `reader`, where the
    kiosk listens.
    """

    reader: Address
    city: Address  # where the relay carries the kiosk's line to
    coins: Path  # symlink to the coin unit's pty
    terminal: Path | None = None  # symlink to the payment terminal's
    key: Path | None = None  # symlink to that of the technician's key
    cable: Address = ("127.0.0.1", 0)
    line: Address = ("127.0.0.1", 0)
    sheets: Address = ("127.0.0.1", 0)
    receipts: Address = ("127.0.0.1", 0)
    speaker: Address = ("127.0.0.1", 0)


@dataclass(frozen=True)
class PrintedSheet:
    """One piece of paper that came out of `printer` ("sheets" or "receipts")."""

    id: int
    printer: str
    image: Image.Image = field(repr=False)
    dpi: int = 203

    def png(self) -> bytes:
        out = io.BytesIO()
        self.image.save(out, "PNG", dpi=(self.dpi, self.dpi))
        return out.getvalue()


@dataclass(frozen=True)
class Spoken:
    """Something the speaker was sent; `text` "" is the command to be quiet."""

    id: int
    text: str
    wav: bytes = field(repr=False)


class _Counting(Engine):
    """A printer's engine that knows how much it was sent."""

    received = 0  # bytes

    def feed(self, data: bytes) -> bytes:
        self.received += len(data)
        return super().feed(data)


class Bench:
    """`cards` maps a name to its card folder. `lines_s`: speed of the printers, 0 at once;
    `coin_s`: of a hopper.

    `hoppers`: address, yen and coins of each. After each change everybody who subscribed is called,
    in the loop.
    """

    def __init__(
        self,
        wiring: Wiring,
        cards: Mapping[str, Path],
        hoppers: tuple[tuple[int, int, int], ...] = ((3, 10, 60), (4, 50, 40), (5, 100, 60)),
        lines_s: float = 0.0,
        coin_s: float = 0.002,
        apdu_ms: float = 0.0,
    ) -> None:
        self.cards = dict(cards)
        self._pace = CardFaults(apdu_ms=apdu_ms, sign_ms=5 * apdu_ms)
        self.card = self._new_trouble()
        self.cable: Cable = Cable(wiring.cable)
        self.line: LineRelay = LineRelay(wiring.line, wiring.city)
        self.sheets: PrinterSim = self._printer(
            "sheets", wiring.sheets, SHEET_DOTS, True, FULL_TRAY, lines_s
        )
        self.receipts: PrinterSim = self._printer(
            "receipts", wiring.receipts, RECEIPT_DOTS, False, FULL_ROLL, lines_s
        )
        units = [HopperDevice(*unit) for unit in hoppers]
        self.coins: CoinBus = CoinBus(
            Acceptor(), units, wiring.coins, coin_s=coin_s, changed=self._changed
        )
        self.terminal: TerminalSim = TerminalSim(link=wiring.terminal, changed=self._changed)
        self.key: KeySim = KeySim(wiring.key)
        self.speaker: SpeakerFarEnd = SpeakerFarEnd(
            self._add_recording, self._hushed, *wiring.speaker
        )
        self.waiting: list[PrintedSheet] = []  # at the outlets
        self.taken: deque[PrintedSheet] = deque(maxlen=KEPT)  # in the person's hand
        self.spoken: deque[Spoken] = deque(maxlen=KEPT)
        self.on_reader: str | None = None
        self.phone_asleep = False  # whichever phone lies there, or is laid down
        self._wallet: dict[str, CardProgram] = {}
        self._made_with: dict[str, tuple[object, ...]] = {}  # of each card in it
        self._reader = wiring.reader
        self._subscribers: list[Callable[[], None]] = []
        self._numbers = iter(range(1, 1 << 62))
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Raises OSError when a port is in use; what was started then is ended again."""
        try:
            for start in (
                self.cable.start,
                self.line.start,
                self.sheets.start,
                self.receipts.start,
            ):
                await start()
            await self.coins.start()
            await self.terminal.start()
            await self.key.start()
            await self.speaker.start()
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        self.remove_card()
        for stop in (self.cable.stop, self.line.stop, self.sheets.stop, self.receipts.stop):
            await stop()
        await self.coins.close()
        await self.terminal.close()
        await self.key.close()
        await self.speaker.close()

    async def __aenter__(self) -> Bench:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- who wants to know

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """`changed` is called after each change; returns what ends that."""
        self._subscribers.append(changed)
        return lambda: self._subscribers.remove(changed)

    async def until(self, holds: Callable[[Bench], bool], timeout_s: float) -> bool:
        """Wait for something to be true; False when time was over first."""
        news = asyncio.Event()
        end = self.subscribe(news.set)
        try:
            async with asyncio.timeout(timeout_s):
                while not holds(self):
                    news.clear()
                    await news.wait()
        except TimeoutError:
            return holds(self)
        finally:
            end()
        return True

    def _changed(self) -> None:
        for notify in tuple(self._subscribers):
            notify()

    # --- the person's hands

    def insert_card(self, name: str) -> None:
        """Set this card down. Raises BenchError: no such card, or one lies there already."""
        if self.on_reader is not None:
            raise BenchError("a card lies on the reader already")
        if name not in self.cards:
            raise BenchError("no such card")
        program = self._find_card(name)
        program.faults = self.card.faults
        self.on_reader = name
        program.asleep = self.phone_asleep and self.holds_phone
        program.insert()
        self._watch = asyncio.get_running_loop().create_task(self._watch_card(program))
        self._changed()

    def _find_card(self, name: str) -> CardProgram:
        """The one in the wallet, which remembers its tries; made anew where it is to differ."""
        if self._made_with.get(name) != self.card.of_next:
            left = self.tries(name)
            try:
                applet = self.card.make_card(self.cards[name], left)
            except (OSError, ValueError, TypeError) as error:
                raise BenchError(f"this card cannot be read: {error}") from None
            self._wallet[name] = CardProgram(applet, self._reader)
            self._made_with[name] = self.card.of_next
        return self._wallet[name]

    @property
    def card_faults(self) -> CardFaults:
        """What happens to whatever card lies there."""
        return self.card.faults

    def _new_trouble(self) -> CardTrouble:
        return CardTrouble(well=self._pace, faults=replace(self._pace))

    def remove_card(self) -> None:
        """Take the card off; nothing happens when none is there."""
        name, self.on_reader = self.on_reader, None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if name is not None:
            self._wallet[name].remove()
            self._changed()

    @property
    def holds_phone(self) -> bool:
        """A phone lies on the reader, whether its field is on or not."""
        name = self.on_reader
        return name is not None and self._wallet[name].applet.options.kind != "card"

    @property
    def felt_by_reader(self) -> str | None:
        """What lies there and has a field: a phone that sleeps has none."""
        return None if self.phone_asleep and self.holds_phone else self.on_reader

    def sleep_phone(self, asleep: bool) -> None:
        """The phone on the reader goes dark, or its holder unlocks it; plastic does neither."""
        self.phone_asleep = asleep
        if self.on_reader and self.holds_phone:
            program = self._wallet[self.on_reader]
            if asleep:
                program.sleep()
            else:
                program.wake()

    def new_cards(self) -> None:
        """Every card as it was made: what was spent of its tries is forgotten. None may lie on the
        reader.
        """
        self.remove_card()
        self._wallet.clear()
        self._made_with.clear()
        self._pace = replace(
            self._pace, apdu_ms=self.card_faults.apdu_ms, sign_ms=self.card_faults.sign_ms
        )
        self.card = self._new_trouble()

    def tries(self, name: str) -> int | None:
        """PIN tries this card has left; None before it was first set down."""
        return self._wallet[name].applet.tries if name in self._wallet else None

    def pins(self, name: str) -> int:
        """PINs that were sent to this card, by VERIFY."""
        return self._wallet[name].pins if name in self._wallet else 0

    @property
    def apdus(self) -> int:
        """Commands the card on the reader has received during this stay."""
        return self._wallet[self.on_reader].apdus if self.on_reader else 0

    def coin(self, value: int) -> bool:
        """Put a coin in (0: a button). True when it was swallowed, False when it lies in the cup or
        is stuck.
        """
        return self.coins.insert(value)

    def present(self) -> bool:
        """Hold a phone or card to the payment terminal. False when nothing is to be paid there."""
        return self.terminal.present()

    def take_sheets(self) -> list[PrintedSheet]:
        """Take what lies at the outlet."""
        self.sheets.take()
        return self._take("sheets")

    def take_receipt(self) -> list[PrintedSheet]:
        self.receipts.take()
        return self._take("receipts")

    def take_coins(self) -> list[int]:
        """Empty the return cup."""
        return self.coins.take()

    def sheet(self, number: int) -> PrintedSheet | None:
        """A sheet that waits or was taken."""
        return next((s for s in (*self.waiting, *self.taken) if s.id == number), None)

    def _take(self, printer: str) -> list[PrintedSheet]:
        taken = [sheet for sheet in self.waiting if sheet.printer == printer]
        self.waiting = [sheet for sheet in self.waiting if sheet.printer != printer]
        self.taken.extend(taken)
        self._changed()
        return taken

    # --- the operator's

    def turn_key(self, on: bool) -> None:
        """The technician's key."""
        self.key.turn(on)
        self._changed()

    def load_paper(self) -> None:
        """Fill tray and roll."""
        self.sheets.load_paper(FULL_TRAY)
        self.receipts.load_paper(FULL_ROLL)
        self._changed()

    def tear_after(self, lines: int) -> None:
        """The sheets' paper ends after so many more lines: in the middle of a page."""
        self.sheets.fail_after_lines = lines

    async def switch(self, said: str, on: bool) -> None:
        """Make a fault of `FAULTS`, written `NAME` or `NAME:ARGUMENT`, or put it right. Raises
        BenchError for one that is not there.
        """
        try:
            await (fault.make if on else fault.heal)(self, FAULTS, said)
        except UnknownFault as error:
            raise BenchError(str(error)) from None
        self._changed()

    async def mend(self) -> None:
        """Put everything right."""
        await fault.mend(self, FAULTS)
        self._changed()

    @property
    def coins_mute(self) -> bool:
        return FAULTS["coins-mute"].holds(self)

    # --- what can be seen

    def state(self) -> dict[str, Any]:
        """Everything a person at the bench sees; fit for JSON."""
        return {
            "card": {
                "on_reader": self.on_reader,
                "apdus": self.apdus,
                "tries": {n: self.tries(n) for n in self._wallet},
            },
            "waiting": [_paper(sheet) for sheet in self.waiting],
            "taken": [_paper(sheet) for sheet in reversed(self.taken)],
            "paper": {"sheets": self.sheets.paper_left, "receipts": self.receipts.paper_left},
            "coins": {
                "cup": list(self.coins.cup),
                "box": sum(self.coins.acceptor.swallowed),
                "hoppers": [{"value": h.value, "coins": h.coins} for h in self.coins.hoppers],
            },
            "terminal": {
                "due": self.terminal.terminal.due,
                "waiting": self.terminal.terminal.waiting,
            },
            "key": self.key.turned,
            "spoken": [{"id": s.id, "text": s.text} for s in reversed(self.spoken)],
            "faults": {name: one.holds(self) for name, one in FAULTS.items()},
        }

    @property
    def violations(self) -> list[str]:
        """What no correct kiosk sends over any of these wires."""
        return [
            *self.sheets.violations,
            *self.receipts.violations,
            *self.coins.violations,
            *self.terminal.violations,
            *self.key.violations,
            *self.speaker.violations,
        ]

    @property
    def bytes_printed(self) -> int:
        """What both printers were sent so far."""
        engines = (self.sheets.engine, self.receipts.engine)
        return sum(engine.received for engine in engines if isinstance(engine, _Counting))

    # --- what the wires report

    def _printer(
        self, name: str, at: Address, dots: int, sensor: bool, paper: int, lines_s: float
    ) -> PrinterSim:
        def came_out(image: Image.Image) -> None:
            self.waiting.append(PrintedSheet(next(self._numbers), name, image))
            self._changed()

        printer = PrinterSim(*at, dots, speed=lines_s, paper=paper, on_page=came_out)
        printer.engine = _Counting(dots, outlet_sensor=sensor, sheets=paper)
        printer.engine.paced = lines_s > 0
        return printer

    def _add_recording(self, text: str, wav: bytes) -> None:
        self.spoken.append(Spoken(next(self._numbers), text, wav))
        self._changed()

    def _hushed(self) -> None:
        if self.spoken and self.spoken[-1].text:
            self.spoken.append(Spoken(next(self._numbers), "", b""))
            self._changed()

    async def _watch_card(self, program: CardProgram) -> None:
        """A card cannot tell what happens to it: look."""
        seen = program.apdus
        while program.inserted:
            await asyncio.sleep(POLL_S)
            if program.apdus != seen:
                seen = program.apdus
                self._changed()
        self.on_reader = None  # it was pulled
        self._changed()


def _paper(sheet: PrintedSheet) -> dict[str, Any]:
    return {
        "id": sheet.id,
        "printer": sheet.printer,
        "width": sheet.image.width,
        "height": sheet.image.height,
    }
