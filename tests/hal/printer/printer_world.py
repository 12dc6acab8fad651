"""The driver and the printer's far end in one thread and in virtual time: nothing is waited for.

The far end is the simulated printer's own engine and manners; only what carries the bytes is
another. Somebody may meddle at any place of the wire, or when something has come about.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from printer_bench import WIDTH

from hal.printer.escpos import EscposPrinter
from hal.printer.wire import Wire
from hal.sim.printer.engine import Engine
from hal.sim.printer.manners import Manners

STEP_S = 0.05  # the motor's
FRAME = b"\x10\x00\x00\x0f"  # automatic status of a printer that is well


class VirtualTime:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.now += seconds


@dataclass
class World:
    """A printer, and whoever meddles. `at`: what happens when so many bytes have been sent. `when`:
    what happens, once, when something holds.

    `connection`: a network printer; otherwise a device file.
    """

    engine: Engine
    manners: Manners = field(default_factory=Manners)
    connection: bool = True
    room: int | None = None  # bytes that it takes while it has not drawn what it holds
    lines_s: float = 0.0
    at: dict[int, Callable[[World], object]] = field(default_factory=dict)
    when: list[tuple[Callable[[World], bool], Callable[[World], object]]] = field(
        default_factory=list
    )
    time: VirtualTime = field(default_factory=VirtualTime)
    wire: MemoryWire | None = None
    sent: int = 0
    attempts: list[float] = field(default_factory=list)
    on_its_way: deque[tuple[float, bytes]] = field(default_factory=deque)
    gone: bool = False  # no such host
    _turned: float = 1000.0

    def __post_init__(self) -> None:
        self.engine.paced = self.lines_s > 0

    def driver(self, **options: object) -> EscposPrinter:
        return EscposPrinter(
            "printer",
            "tcp:printer:9100",
            self.engine.width,
            outlet_sensor=self.engine.outlet_sensor,
            clock=self.time,
            open_wire=self.open,
            **options,  # type: ignore[arg-type]
        )

    def open(self, timeout_s: float) -> Wire:
        now = self.time.now
        self.attempts.append(now)
        if self.gone:
            raise OSError(errno.EHOSTUNREACH, "no route")
        if not self.manners.admits(now) or (self.connection and self.wire is not None):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "refused")
        self.wire = MemoryWire(self)
        if self.connection:
            self.on_its_way.clear()
        return self.wire

    # --- what meddlers do

    def answer(self, data: bytes) -> None:
        self.on_its_way.append((self.manners.due(self.time.now), data))

    def hang_up(self) -> None:
        if self.connection and self.wire is not None:
            self.wire.ended, self.wire = True, None
            self.manners.ended(self.time.now)

    # --- the wire's business

    def receive(self, data: bytes) -> None:
        """Piece by piece, so that what happens at a place happens there."""
        while data:
            places = sorted(place for place in self.at if place >= self.sent)
            until = places[0] - self.sent if places else len(data)
            piece, data = data[:until], data[until:]
            self.sent += len(piece)
            self._deliver(self.engine.feed(piece))
            if self.sent in self.at:
                self.at.pop(self.sent)(self)

    def turn(self) -> None:
        """The motor goes on until now."""
        lines = int((self.time.now - self._turned) * self.lines_s)
        if lines or not self.lines_s:
            self._turned = self.time.now
            self._deliver(self.engine.run(lines if self.lines_s else None))
        for one in [one for one in self.when if one[0](self)]:
            self.when.remove(one)
            one[1](self)

    def pass_time(self, until: float) -> None:
        step = self.time.now + STEP_S if self.engine.busy else until
        self.time.now = min(until, max(step, self.time.now))
        self.turn()

    def _deliver(self, answers: bytes) -> None:
        if answers:
            self.answer(answers)
        ends = self.manners.ends_here(self.engine.cuts, self.engine.held)
        if ends and self.connection and self.wire is not None:
            self.wire.ends_at = self.manners.due(self.time.now)


class MemoryWire(Wire):
    def __init__(self, world: World) -> None:
        self.world, self.sent, self.longest_pause_s = world, 0, 0.0
        self.ended = False
        self.ends_at: float | None = None

    @property
    def is_connection(self) -> bool:
        return self.world.connection

    def write(self, data: bytes, deadline: float, stall_s: float) -> None:
        self._look()
        if self.ended:
            raise BrokenPipeError(errno.EPIPE, "closed")
        while data:
            room = self._wait_for_room(min(self.world.time.now + stall_s, deadline))
            piece, data = data[:room], data[room:]
            self.sent += len(piece)
            self.world.receive(piece)

    def _wait_for_room(self, until: float) -> int:
        """How many bytes the printer takes now."""
        world = self.world
        if world.room is None:
            return 1 << 30
        began = world.time.now
        while world.engine.held >= world.room:
            if world.time.now >= until:
                raise TimeoutError("takes no data")
            world.pass_time(min(until, world.time.now + STEP_S))
        self.longest_pause_s = max(self.longest_pause_s, world.time.now - began)
        return world.room - world.engine.held

    def read(self, timeout_s: float) -> bytes:
        world, until = self.world, self.world.time.now + max(0.0, timeout_s)
        while True:
            world.turn()
            if world.on_its_way and world.on_its_way[0][0] <= world.time.now:
                return world.on_its_way.popleft()[1]
            self._look()
            if self.ended:
                raise ConnectionResetError(errno.ECONNRESET, "closed by the far end")
            if world.time.now >= until:
                return b""
            due = [until, *(at for at, _ in list(world.on_its_way)[:1])]
            due += [self.ends_at] if self.ends_at is not None else []
            world.pass_time(min(due))

    def _look(self) -> None:
        """A printer that hangs up does so behind its last answer."""
        if self.ends_at is not None and self.world.time.now >= self.ends_at and self._is_ours():
            self.world.hang_up()

    def _is_ours(self) -> bool:
        return self.world.wire is self

    def close(self) -> None:
        self.abandon()

    def abandon(self) -> None:
        if self._is_ours():
            self.world.wire = None
            self.world.manners.ended(self.world.time.now)
        self.ended = True


def world(*, wide: bool = False, paper: int = 200, **options: object) -> World:
    return World(Engine(WIDTH, outlet_sensor=wide, sheets=paper), **options)  # type: ignore[arg-type]
