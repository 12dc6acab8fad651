"""What goes wrong for a moment, and when: by chance, which is drawn from the seed, the number of
the resident, the device and the count of its exchanges, and from nothing else.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from hal.cash.frame import Frame
from hal.cashless.frame import MessageKind
from hal.sim.bench import Bench
from hal.sim.printer.engine import Engine
from hal.sim.printer.manners import Manners
from hal.sim.printer.server import PrinterSim

# What may happen to one exchange with a card, each a field of the virtual card's faults.
CARD: Final = (
    "glitch",
    "lose_command",
    "lose_answer",
    "empty_answer",
    "cut_answer",
    "damage_answer",
    "bounce_at",
)
EXCHANGES: Final = 60  # of a stay; more than a card ever gets
RESETS: Final = 4  # power-ups of a stay that may stay without an answer
COINS: Final = ("garbled", "answer lost", "request lost", "late", "too late")
TERMINAL: Final = ("garbled", "answer lost", "question lost", "refused once", "answered twice")
STATUS: Final = ("late", "answer lost", "connection ended")
PAGE: Final = ("connection ended in the page",)
LINE: Final = ("delayed", "stalled", "cut")
SPEAKER: Final = ("connection ended",)
# Seconds.
COIN_LATE: Final = 0.04
COIN_TOO_LATE: Final = 0.6
PRINTER_LATE: Final = 0.3
LINE_DELAY: Final = 0.3
LINE_STALL: Final = 1.0
LINE_CUT: Final = 0.5
LEAST_OF_A_PAGE: Final = 2000  # bytes that arrive together; questions and fences are shorter


class Dice:
    """Says of each exchange whether it goes wrong, and how. `injected` counts by device and kind;
    while `calm`, nothing goes wrong.
    """

    def __init__(self, seed: int, percent: float) -> None:
        self.injected: Counter[tuple[str, str]] = Counter()
        self.calm = True
        self._seed = seed
        self._share = percent / 100
        self._visitor = 0
        self._exchanges: Counter[str] = Counter()

    def next_visitor(self, number: int) -> None:
        self._visitor = number
        self._exchanges.clear()

    def draw(self, device: str, kinds: Sequence[str], of: str = "") -> str | None:
        """One of `kinds`, or None: this exchange is sound. `of`: which exchanges are counted by
        themselves, so that polling moves no others.
        """
        kind = self._draw(device, kinds, of)
        if kind is not None:
            self.injected[device, kind] += 1
        return kind

    def draw_ahead(self, device: str, kinds: Sequence[str], of: str = "") -> str | None:
        """As `draw`, for an exchange that may never come: whoever asks counts it."""
        return self._draw(device, kinds, of)

    def _draw(self, device: str, kinds: Sequence[str], of: str) -> str | None:
        if self.calm:
            return None
        counted = f"{device} {of}"
        self._exchanges[counted] += 1
        text = f"{self._seed} {self._visitor} {counted} {self._exchanges[counted]}"
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        if int.from_bytes(digest[:6], "big") >= self._share * 2**48:
            return None
        return kinds[int.from_bytes(digest[6:], "big") % len(kinds)]


class Troubles:
    """Puts what the dice say on the wires of a bench. Make it before the bench is started.

    `stall_s`: for how long a stalled line carries nothing.
    """

    def __init__(self, bench: Bench, dice: Dice, stall_s: float = LINE_STALL) -> None:
        self._bench = bench
        self._stall_s = stall_s
        self._dice = dice
        self._planned: dict[str, int] = {}  # what is to happen to the card's exchanges
        self._resets = 0
        self._spoken = 0
        self._cutting: asyncio.Task[None] | None = None
        for name in ("sheets", "receipts"):
            printer: PrinterSim = getattr(bench, name)
            old = printer.engine
            engine = TroubledEngine(
                old.width, old.outlet_sensor, old.paper_left, name, printer, dice
            )
            printer.engine = engine
            printer.manners = TellingManners(engine.begin_connection)
        bench.coins.on_question = self._ask_coins
        bench.terminal.on_question = self._ask_terminal
        bench.line.on_question = self._ask_city
        bench.subscribe(self._hear)

    # -- card: drawn for a whole stay, because a card's thread is not ours

    def prepare_card(self) -> None:
        """Before a card is set down."""
        faults = self._bench.card_faults
        for index in range(1, EXCHANGES + 1):
            kind = self._dice.draw_ahead("card", CARD)
            if kind is not None and getattr(faults, kind) is None:
                setattr(faults, kind, index)
                self._planned[kind] = index
        resets = range(RESETS)
        drawn = [self._dice.draw_ahead("card", ("mute",), "power-up") for _ in resets]
        self._resets = drawn.index(None) if None in drawn else RESETS
        faults.mute_resets = self._resets

    def count_card(self) -> None:
        """After a stay: what happened, and nothing of it is left for the next."""
        faults = self._bench.card_faults
        for kind in self._planned:
            self._dice.injected["card", kind] += getattr(faults, kind) is None
            setattr(faults, kind, None)
        self._planned.clear()
        self._dice.injected["card", "mute power-up"] += self._resets - faults.mute_resets
        self._resets = faults.mute_resets = 0

    # -- the others

    def _ask_coins(self, question: Frame) -> None:
        coins = self._bench.coins
        kind = self._dice.draw("coins", COINS, f"{question.destination} {question.header}")
        if kind == "garbled":
            coins.garble(1)
        if kind == "answer lost":
            coins.lose_answer_to(question.header)
        if kind == "request lost":
            coins.lose_request(question.header)
        if kind in ("late", "too late"):
            coins.delay_answer(COIN_LATE if kind == "late" else COIN_TOO_LATE)

    def _ask_terminal(self, asked: MessageKind) -> None:
        terminal = self._bench.terminal
        kind = self._dice.draw("terminal", TERMINAL, asked.name)
        if kind == "garbled":
            terminal.garbles = 1
        if kind == "answer lost":
            terminal.lose_answers[asked] = 1
        if kind == "question lost":
            terminal.lose_questions[asked] = 1
        if kind == "refused once":
            terminal.naks = 1
        if kind == "answered twice":
            terminal.double_answers = 1

    def _ask_city(self) -> None:
        line = self._bench.line
        loop = asyncio.get_running_loop()
        line.delay_s = 0.0
        kind = self._dice.draw("line", LINE)
        if kind == "delayed":
            line.delay_s = LINE_DELAY
        if kind == "stalled":
            line.stall()
            loop.call_later(self._stall_s, line.flow)
        if kind == "cut":
            self._cutting = loop.create_task(self._cut_line())

    async def _cut_line(self) -> None:
        line = self._bench.line
        await line.cut()
        await asyncio.sleep(LINE_CUT)
        await line.restore()

    def _hear(self) -> None:
        """The speaker has nothing to answer: its connection ends behind a phrase."""
        spoken = self._bench.spoken
        newest = spoken[-1].id if spoken else 0
        if newest != self._spoken:
            self._spoken = newest
            if self._dice.draw("speaker", SPEAKER) is not None:
                self._bench.speaker.hang_up()


class TellingManners(Manners):
    """Tells of each connection."""

    def __init__(self, begins: Callable[[], None]) -> None:
        super().__init__()
        self._begins = begins

    def admits(self, now: float) -> bool:
        self._begins()
        return super().admits(now)


class TroubledEngine(Engine):
    """A printer whose answers are lost or late, and whose connection ends, as the dice say."""

    def __init__(
        self,
        width: int,
        outlet_sensor: bool,
        sheets: int,
        name: str,
        printer: PrinterSim,
        dice: Dice,
    ) -> None:
        super().__init__(width, outlet_sensor=outlet_sensor, sheets=sheets)
        self._name = name
        self._printer = printer
        self._dice = dice
        self._late = b""  # answers that are on their way
        self._gone = False  # the connection has just ended: what arrives is of before
        self._in_page = False

    def feed(self, data: bytes) -> bytes:
        if self._gone:
            return b""
        if len(data) > LEAST_OF_A_PAGE and not self._in_page:
            self._in_page = True
            if self._dice.draw(self._name, PAGE, "page") is not None:
                super().feed(data[: len(data) // 2])
                return self._end_connection()
        answers = super().feed(data)
        self._in_page = self._in_page and self.drawn > 0
        if not answers:
            return b""
        kind = self._dice.draw(self._name, STATUS, "status")
        if kind == "answer lost":
            return b""
        if kind == "connection ended":
            return self._end_connection()
        if kind == "late":
            self._late += answers
            self._later(PRINTER_LATE, lambda: None)
            return b""
        return answers

    def run(self, lines: int | None = None) -> bytes:
        """Answers keep their order: those that are late come before whatever is answered next."""
        late, self._late = self._late, b""
        return late + super().run(lines)

    def _end_connection(self) -> bytes:
        self._gone = True
        self._in_page = False
        self._late = b""
        self._printer.drop_connection = True
        self._printer.drop_connection = False
        return b""

    def begin_connection(self) -> None:
        """What was under way on the one before is lost with it."""
        self._gone = False
        self._late = b""

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, self._printer.change, act)
