"""What bad luck there is: things that break and are mended, things that happen once, programs that are killed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import TYPE_CHECKING

from hal.sim.breakage import FAULTS, FULL_HOPPER

if TYPE_CHECKING:
    from hal.sim.bench import Bench
    from madoguchi.part import Part
    from madoguchi.walks.walk import Walk

SLOW_S, LATE_S = 0.1, 1.5  # that each piece on the line takes: the answer comes in time, and too late
DISPENSE = 167  # ccTalk header
SECOND_SHEET = 2339 + 800  # lines

Switch = Callable[["Walk", bool], Awaitable[None] | None]
Once = Callable[["Bench"], None]


# -- what breaks, and can be mended


def _delay(seconds: float) -> Switch:
    def switch(walk: Walk, on: bool) -> None:
        walk.bench.line.delay_s = seconds if on else 0.0

    return switch


def _freeze_city(walk: Walk, on: bool) -> None:
    """The gateway's machine is too busy to run it."""
    if walk.system.city.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(walk.system.city.pid, SIGSTOP if on else SIGCONT)


def _lock_city(walk: Walk, on: bool) -> None:
    """Somebody else keeps the city's database: its queue fills, and it answers that it is busy."""
    held, walk.lock = walk.lock, None
    if held is not None:
        held.close()
    if on:
        walk.lock = sqlite3.connect(walk.system.rehearsal.run / "city.sqlite", timeout=1, isolation_level=None)
        with suppress(sqlite3.OperationalError):
            walk.lock.execute("BEGIN IMMEDIATE")


def _bench(name: str) -> Switch:
    return lambda walk, on: walk.bench.switch(name, on)


# Name: what kind of trouble it is, and its switch.
KINDS = {"coin": "coins", "change": "coins", "paper": "printer"}
BREAKS: Mapping[str, tuple[str, Switch]] = {
    **{name: (KINDS.get(kind, kind), _bench(name)) for name in FAULTS for kind in name.split("-")[:1]},
    "line-slow": ("line", _delay(SLOW_S)),
    "line-late": ("line", _delay(LATE_S)),
    "city-frozen": ("city", _freeze_city),
    "city-busy": ("city", _lock_city),
}


# -- what happens once


def _hopper(fault: str) -> Once:
    def act(bench: Bench) -> None:
        for hopper in bench.coins.hoppers:
            setattr(hopper, fault, 1)

    return act


def _yank(bench: Bench) -> None:
    bench.card_faults.yank_after = bench.apdus + 2


def _lose_answer(bench: Bench) -> None:
    bench.card_faults.lose_answer = bench.apdus + 2


ONCE: Mapping[str, tuple[str, Once]] = {
    "the paper ends in this sheet": ("printer", lambda bench: bench.tear_after(900)),
    "the paper ends in the next sheet": ("printer", lambda bench: bench.tear_after(SECOND_SHEET)),
    "a hopper jams": ("coins", _hopper("jam_after")),
    "a hopper is empty": ("coins", _hopper("empty_after")),
    "a hopper loses power": ("coins", _hopper("reset_after")),
    "a coin answer is garbled": ("coins", lambda bench: bench.coins.garble(1)),
    "a coin answer is lost": ("coins", lambda bench: bench.coins.lose_answer_to(DISPENSE)),
    "a coin command is lost": ("coins", lambda bench: bench.coins.lose_request(DISPENSE)),
    "the card is pulled in the middle": ("card", _yank),
    "a card answer is lost": ("card", _lose_answer),
}


# -- what is killed, and started again


async def kill_process(walk: Walk) -> None:
    """kill -9 of the process that serves the person: the supervisor has the next one ready."""
    with suppress(ProcessLookupError):
        os.kill(walk.evidence.trail.serving, SIGKILL)


async def kill_kiosk(walk: Walk) -> None:
    """kill -9 of the whole service, as a power cut; it is started again."""
    await _kill(walk.system.kiosk)
    await walk.system.kiosk.start()


async def restart_kiosk(walk: Walk) -> None:
    """An orderly stop, which waits for nobody for long, and a start."""
    await walk.system.kiosk.stop()
    await walk.system.kiosk.start()


async def kill_city(walk: Walk) -> None:
    """With its machine: who kept its database is gone too."""
    for name in sorted(walk.broken & {"city-busy", "city-frozen"}):
        await walk.switch(name, False)
    await _kill(walk.system.city)
    await walk.system.city.start()


# Name: how likely, what kind of trouble, and how.
KILLS: Mapping[str, tuple[int, str, Callable[[Walk], Awaitable[None]]]] = {
    "kill the process": (3, "power", kill_process),
    "kill the kiosk": (1, "power", kill_kiosk),
    "restart the service": (1, "power", restart_kiosk),
    "kill the city": (1, "city", kill_city),
}


async def _kill(part: Part) -> None:
    if part.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(part.pid, SIGKILL)
    await part.died()


# -- everything as it was


async def mend(walk: Walk) -> None:
    """Whatever was broken or was about to break is well again, supplies are full."""
    bench = walk.bench
    for name in sorted(walk.broken):
        done = BREAKS[name][1](walk, False)
        if done is not None:
            await done
    walk.broken.clear()
    await bench.mend()
    bench.sheets.fail_after_lines = None
    bench.coins.garble(0)
    bench.coins.lose_answer_to(DISPENSE, 0)
    bench.coins.lose_request(DISPENSE, 0)
    for hopper in bench.coins.hoppers:
        hopper.jam_after = hopper.empty_after = hopper.reset_after = None
        hopper.coins = FULL_HOPPER
    bench.card_faults.yank_after = bench.card_faults.lose_answer = None
    bench.load_paper()
