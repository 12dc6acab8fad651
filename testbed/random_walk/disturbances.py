"""The disturbances of a walk: things that break and are mended, things that happen once, programs
that are killed.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import TYPE_CHECKING, NamedTuple

from hal.sim.breakage import DOCKED, FULL_HOPPER

if TYPE_CHECKING:
    from hal.sim.bench import Bench
    from testbed.process import Process
    from testbed.random_walk.walk import Walk

# What each piece on the line takes: so that the answer comes in time, and too late.
SLOW_S = 0.1
LATE_S = 1.5
DISPENSE = 167  # ccTalk header
# Lines of the printer.
IN_THIS_SHEET = 900
IN_THE_NEXT_SHEET = 2339 + 800

Switch = Callable[["Walk", bool], Awaitable[None] | None]
Once = Callable[["Bench"], None]
Kill = Callable[["Walk"], Awaitable[None]]


class Break(NamedTuple):
    """Something that can be broken and mended. `cause`: what kind of trouble it is."""

    cause: str
    switch: Switch


class Incident(NamedTuple):
    """Something that happens once."""

    cause: str
    act: Once


class Killing(NamedTuple):
    """A program that is killed and started again. `weight`: how likely beside the others."""

    cause: str
    weight: int
    act: Kill


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
    if walk.lock is not None:
        walk.lock.close()
        walk.lock = None
    if on:
        walk.lock = sqlite3.connect(
            walk.system.rehearsal.run / "city.sqlite", timeout=1, isolation_level=None
        )
        with suppress(sqlite3.OperationalError):
            walk.lock.execute("BEGIN IMMEDIATE")


def _mute_card(walk: Walk, on: bool) -> None:
    """Whatever is laid down answers nothing."""
    walk.bench.card_faults.mute = on


def _fault(name: str) -> Break:
    """One of the faults that the simulated devices can have."""
    device = name.partition("-")[0]

    def switch(walk: Walk, on: bool) -> Awaitable[None] | None:
        return walk.bench.switch(name, on)

    return Break(CAUSES.get(device, device), switch)


# Where the cause of a fault is not the first word of its name.
CAUSES = {"coin": "coins", "hoppers": "coins", "paper": "printer"}
BREAKS: Mapping[str, Break] = {
    **{name: _fault(name) for name in DOCKED},
    "line-slow": Break("line", _delay(SLOW_S)),
    "line-late": Break("line", _delay(LATE_S)),
    "card-mute": Break("card", _mute_card),
    "city-frozen": Break("city", _freeze_city),
    "city-busy": Break("city", _lock_city),
}


# -- what happens once


def _hopper(fault: str) -> Once:
    def act(bench: Bench) -> None:
        for hopper in bench.coins.hoppers:
            setattr(hopper, fault, 1)

    return act


def _tear_in_this_sheet(bench: Bench) -> None:
    bench.tear_after(IN_THIS_SHEET)


def _tear_in_the_next_sheet(bench: Bench) -> None:
    bench.tear_after(IN_THE_NEXT_SHEET)


def _garble_coin_answer(bench: Bench) -> None:
    bench.coins.garble(1)


def _lose_coin_answer(bench: Bench) -> None:
    bench.coins.lose_answer_to(DISPENSE)


def _lose_coin_command(bench: Bench) -> None:
    bench.coins.lose_request(DISPENSE)


def _card(fault: str) -> Once:
    """Of the exchange after the next one, whoever's card it is."""

    def act(bench: Bench) -> None:
        setattr(bench.card_faults, fault, bench.apdus + 2)

    return act


def _start_late(bench: Bench) -> None:
    bench.card_faults.mute_resets = 1


# Fields of the virtual card's faults.
CARD_FAULTS: Mapping[str, str] = {
    "yank_after": "the card is pulled in the middle",
    "lose_answer": "a card answer is lost",
    "lose_command": "a card command is lost",
    "glitch": "a card refuses one command",
    "empty_answer": "a card answers with nothing",
    "cut_answer": "a card answer is cut",
    "damage_answer": "a card answer is damaged",
    "bounce_at": "a card loses its contact for a moment",
}
ONCE: Mapping[str, Incident] = {
    "the paper ends in this sheet": Incident("printer", _tear_in_this_sheet),
    "the paper ends in the next sheet": Incident("printer", _tear_in_the_next_sheet),
    "a hopper jams": Incident("coins", _hopper("jam_after")),
    "a hopper is empty": Incident("coins", _hopper("empty_after")),
    "a hopper loses power": Incident("coins", _hopper("reset_after")),
    "a coin answer is garbled": Incident("coins", _garble_coin_answer),
    "a coin answer is lost": Incident("coins", _lose_coin_answer),
    "a coin command is lost": Incident("coins", _lose_coin_command),
    "a card does not start at once": Incident("card", _start_late),
    **{what: Incident("card", _card(fault)) for fault, what in CARD_FAULTS.items()},
}


# -- what is killed, and started again


async def kill_process(walk: Walk) -> None:
    """kill -9 of the process that serves the customer: the supervisor has the next one ready."""
    walk.deaths.add(time.monotonic())
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


KILLS: Mapping[str, Killing] = {
    "kill the process": Killing("power", 3, kill_process),
    "kill the kiosk": Killing("power", 1, kill_kiosk),
    "restart the service": Killing("power", 1, restart_kiosk),
    "kill the city": Killing("city", 1, kill_city),
}


async def _kill(process: Process) -> None:
    if process.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(process.pid, SIGKILL)
    await process.died()


# -- everything as it was


async def mend(walk: Walk) -> None:
    """Whatever was broken or was about to break is well again, supplies are full."""
    bench = walk.bench
    for name in sorted(walk.broken):
        done = BREAKS[name].switch(walk, False)
        if done is not None:
            await done
    walk.broken.clear()
    await bench.mend()
    bench.sheets.fail_after_lines = None
    bench.coins.garble(0)
    bench.coins.lose_answer_to(DISPENSE, 0)
    bench.coins.lose_request(DISPENSE, 0)
    for hopper in bench.coins.hoppers:
        hopper.jam_after = None
        hopper.empty_after = None
        hopper.reset_after = None
        hopper.coins = FULL_HOPPER
    bench.card_faults.mute_resets = 0
    for fault in CARD_FAULTS:
        setattr(bench.card_faults, fault, None)
    bench.load_paper()
