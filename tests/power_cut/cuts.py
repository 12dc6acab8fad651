"""What is cut, as a table: what it does, how often it is drawn, and in which phases of a journey it
can do harm.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

from service.disk import Disk

from hal.cashless.frame import MessageKind
from hal.sim.bench import Bench
from hal.sim.breakage import FULL_HOPPER, FULL_ROLL, FULL_TRAY
from hal.sim.coins.acceptor import Acceptor
from hal.sim.coins.device import Device
from hal.sim.printer.server import PrinterSim
from testbed.process import Process, ProcessDead
from testbed.system import System

MANY = 1_000
OFF_S = 1.2  # until what was switched off is on again
SHORT_S, LONG_S = 1.0, 34.0  # of a stop; a process that is silent for 30 s is killed
GONE_S = 15.0  # for the children of a killed supervisor
# Phases in which a cut can do harm; one that stands here twice is drawn twice as often.
MONEY = (
    *("slot", "coins", "coins", "release", "print", "print", "print", "pay-out", "pay-out"),
    *("owed", "torn", "receipt", "end", "end-unprinted", "charge", "charge", "declined", "reverse"),
)
ALL = (*MONEY, "card", "refused")
COINS = ("slot", "coins", "coins", "coins", "release", "pay-out", "pay-out", "pay-out", "owed")
PAPER = ("release", "print", "print", "print", "receipt")
CHARGES = ("charge", "charge", "charge", "declined", "release", "print", "reverse", "reverse")
SLIPS = ("print", "pay-out", "owed", "receipt", "receipt")


@dataclass
class Site:
    """What stands there. `disk` None: none of its own could be mounted; `dark`: why the kiosk does
    not start.
    """

    system: System
    disk: Disk | None
    dark: str = ""

    @property
    def bench(self) -> Bench:
        return self.system.bench

    @property
    def kiosk(self) -> Process:
        return self.system.kiosk

    def serving(self) -> int:
        """The process that serves; 0 when none does."""
        pid = 0
        for line in (self.system.rehearsal.run / "kiosk.log").read_bytes().splitlines():
            if line.startswith(b"{") and b'"child.' in line:
                said = json.loads(line)
                if said["log"] == "child.active":
                    pid = int(said["child"])
                if said["log"] == "child.ended" and said["child"] == pid:
                    pid = 0
        return pid


Act = Callable[[Site], Awaitable[None]]


@dataclass(frozen=True)
class Cut:
    """`weight`: how often, among the others; `disk`: it needs a disk of its own."""

    act: Act
    weight: int = 4
    phases: tuple[str, ...] = MONEY
    disk: bool = False


# -- processes


def _signal(number: int, pid: int, *, tree: bool = False) -> None:
    with suppress(ProcessLookupError):
        (os.killpg if tree else os.kill)(pid, number)


async def _again(site: Site) -> None:
    """All of it is gone, and started once more. What does not start is started again when all is
    mended.
    """
    with suppress(TimeoutError):
        await asyncio.wait_for(site.kiosk.died(), GONE_S)
    try:
        await site.kiosk.start()
    except ProcessDead as error:
        site.dark = str(error)


async def _kill_tree(site: Site) -> None:
    _signal(SIGKILL, site.kiosk.pid or 0, tree=True)
    await _again(site)


async def _kill_child(site: Site) -> None:
    if pid := site.serving():
        _signal(SIGKILL, pid)


async def _kill_supervisor(site: Site) -> None:
    _signal(SIGKILL, site.kiosk.pid or 0)
    await _again(site)


def _stop(seconds: float, *, tree: bool) -> Act:
    async def act(site: Site) -> None:
        pid = (site.kiosk.pid or 0) if tree else site.serving()
        if pid:
            _signal(SIGSTOP, pid, tree=tree)
            await asyncio.sleep(seconds)
            _signal(SIGCONT, pid, tree=tree)

    return act


# -- power of one unit


def _coin_device(which: Callable[[Bench], Device]) -> Act:
    async def act(site: Site) -> None:
        device, coins = which(site.bench), site.bench.coins
        device.power_cycle()
        coins.mute(device.address)
        if isinstance(device, Acceptor):
            device._open = False  # without power nothing falls in
        await asyncio.sleep(OFF_S)
        device.power_cycle()
        coins.mute()

    return act


def _blink(which: Callable[[Bench], Device]) -> Act:
    """Off and on faster than anybody asks."""

    async def act(site: Site) -> None:
        which(site.bench).power_cycle()

    return act


def _hopper(place: int) -> Callable[[Bench], Device]:
    return lambda bench: bench.coins.hoppers[place]


def _acceptor(bench: Bench) -> Device:
    return bench.coins.acceptor


def _printer_off(name: str, *, stays: bool = False) -> Act:
    """What it had in its memory is gone. `stays`: until an operator switches it on."""

    async def act(site: Site) -> None:
        printer: PrinterSim = getattr(site.bench, name)
        printer.drop_connection = True
        printer.power_cycle()
        if not stays:
            await asyncio.sleep(OFF_S)
            printer.drop_connection = False

    return act


async def _connection_cut(site: Site) -> None:
    """The printer goes on with what it has."""
    site.bench.sheets.drop_connection = True
    await asyncio.sleep(OFF_S)
    site.bench.sheets.drop_connection = False


async def _last_in_the_tray(site: Site) -> None:
    site.bench.sheets.load_paper(1)


async def _torn(site: Site) -> None:
    site.bench.tear_after(600)


async def _silent(site: Site) -> None:
    """It prints, and says nothing more."""
    site.bench.sheets.mute = True


async def _terminal_restarts(site: Site) -> None:
    site.bench.terminal.restart()


async def _terminal_silent(site: Site) -> None:
    site.bench.terminal.mute = True
    await asyncio.sleep(OFF_S)
    site.bench.terminal.mute = False


async def _terminal_forgets(site: Site) -> None:
    """It has charged, or not, and cannot say which."""
    site.bench.terminal.terminal.forgets = True


async def _terminal_does_not_say(site: Site) -> None:
    """It does what it is asked, and no answer arrives any more."""
    site.bench.terminal.lose_answers.update(dict.fromkeys(MessageKind, MANY))


async def _no_reversal(site: Site) -> None:
    """It gives back, and does not say so."""
    site.bench.terminal.terminal.no_reversal = "unknown-and-done"


# -- disk and line


async def _full(site: Site) -> None:
    assert site.disk is not None
    site.disk.fill()


async def _robbed(site: Site) -> None:
    """Full, and what was reserved is not there: a disk that breaks its promise.

    The kiosk stands still meanwhile: what it has written in that moment is not to be taken away.
    """
    assert site.disk is not None
    log = site.system.rehearsal.state / "journal.sqlite-wal"
    _signal(SIGSTOP, site.kiosk.pid or 0, tree=True)
    try:
        # Nothing is reserved yet, or no more.
        with suppress(AssertionError, StopIteration, FileNotFoundError):
            site.disk.rob(log)
        site.disk.fill()
    finally:
        _signal(SIGCONT, site.kiosk.pid or 0, tree=True)


async def _read_only(site: Site) -> None:
    """A power cut, behind which the file system is found damaged and can only be read."""
    assert site.disk is not None
    _signal(SIGKILL, site.kiosk.pid or 0, tree=True)
    with suppress(TimeoutError):
        await asyncio.wait_for(site.kiosk.died(), GONE_S)
    site.disk.read_only(True)
    await _again(site)


async def _refusing(site: Site) -> None:
    """From now on the disk takes no block more, though it is not full: every write of the kiosk
    fails.
    """
    _write_at_most(site, 0)


def _write_at_most(site: Site, most: int) -> None:
    """Bytes into a file, for each process of the kiosk and those it forks."""
    for pid in (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()):
        with suppress(OSError):
            if os.getpgid(pid) == site.kiosk.pid:
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))


async def _line_cut(site: Site) -> None:
    await site.bench.line.cut()


async def _line_stalled(site: Site) -> None:
    site.bench.line.stall()


async def _nothing(site: Site) -> None:
    """The journey as it is."""


CUTS: Mapping[str, Cut] = {
    "nothing": Cut(_nothing, weight=2, phases=("card", "refused")),
    "kill tree": Cut(_kill_tree, weight=16, phases=ALL),
    "kill child": Cut(_kill_child, weight=14, phases=ALL),
    "kill supervisor": Cut(_kill_supervisor, weight=8),
    "stop child": Cut(_stop(SHORT_S, tree=False)),
    "stop tree": Cut(_stop(SHORT_S, tree=True)),
    "stop child 34 s": Cut(_stop(LONG_S, tree=False), weight=1),
    "stop tree 34 s": Cut(_stop(LONG_S, tree=True), weight=1),
    "acceptor off": Cut(_coin_device(_acceptor), phases=COINS),
    "acceptor blinks": Cut(_blink(_acceptor), phases=COINS),
    "hopper 10 off": Cut(_coin_device(_hopper(0)), weight=2, phases=COINS),
    "hopper 50 off": Cut(_coin_device(_hopper(1)), weight=2, phases=COINS),
    "hopper 100 off": Cut(_coin_device(_hopper(2)), phases=COINS),
    "hopper 100 blinks": Cut(_blink(_hopper(2)), phases=COINS),
    "sheet printer off": Cut(_printer_off("sheets"), weight=5, phases=PAPER),
    "sheet printer dead": Cut(_printer_off("sheets", stays=True), weight=3, phases=PAPER),
    "sheet printer's connection": Cut(_connection_cut, weight=5, phases=PAPER),
    "sheet printer silent": Cut(_silent, weight=2, phases=PAPER),
    "last sheet in the tray": Cut(_last_in_the_tray, weight=3, phases=PAPER),
    "sheet torn": Cut(_torn, weight=2, phases=PAPER),
    "receipt printer off": Cut(_printer_off("receipts"), phases=SLIPS),
    "receipt printer dead": Cut(_printer_off("receipts", stays=True), weight=2, phases=SLIPS),
    "terminal restarts": Cut(_terminal_restarts, phases=CHARGES),
    "terminal silent": Cut(_terminal_silent, weight=3, phases=CHARGES),
    "terminal forgets": Cut(_terminal_forgets, weight=2, phases=("charge",)),
    "terminal does not say": Cut(_terminal_does_not_say, weight=3, phases=CHARGES),
    "terminal gives back, and does not say": Cut(_no_reversal, weight=2, phases=("reverse",)),
    "disk full": Cut(_full, disk=True),
    "disk full, reserve gone": Cut(_robbed, disk=True),
    "power cut, then a read-only disk": Cut(_read_only, weight=3, disk=True),
    "disk refuses": Cut(_refusing, weight=3),
    "line cut": Cut(_line_cut, weight=3),
    "line stalled": Cut(_line_stalled, weight=1),
}


async def mend(site: Site) -> None:
    """As the operator does who was called: everything on, supplies full. Raises ProcessDead: it
    does not start.
    """
    bench = site.bench
    if site.disk is not None:
        site.disk.read_only(False)
        site.disk.free()
    _write_at_most(site, resource.RLIM_INFINITY)
    await bench.mend()
    bench.sheets.drop_connection = bench.receipts.drop_connection = False
    bench.sheets.fail_after_lines = None
    bench.coins.mute()
    bench.terminal.mute = bench.terminal.terminal.forgets = False
    bench.terminal.terminal.no_reversal = ""
    bench.terminal.lose_answers.clear()
    for hopper in bench.coins.hoppers:
        hopper.coins = FULL_HOPPER
    for printer in (bench.sheets, bench.receipts):
        if (
            printer.engine.drawn and not printer.engine.held
        ):  # a piece that lost its power: pulled out by hand
            printer.jam = True
            printer.jam = False
    bench.sheets.load_paper(FULL_TRAY)
    bench.receipts.load_paper(FULL_ROLL)
    if site.dark:
        site.dark = ""
        await site.kiosk.start()
