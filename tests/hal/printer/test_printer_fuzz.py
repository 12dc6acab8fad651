"""Arbitrary bytes from something that should be an ESC/POS printer.

`PRINTER_FUZZ` in the environment sets the number of cases; each is a seed of its own, so a failure
tells its number.
"""

from __future__ import annotations

import os
import random
import resource
from collections.abc import Callable
from contextlib import suppress

from printer_bench import page_of
from printer_world import FRAME, World, world

from hal.faults import DeviceFault
from hal.printer.escpos_answers import CLEAR_RESPONSE
from hal.printer.evidence import Out, PageFault
from hal.sim.printer.manners import Manners

CASES = int(os.environ.get("PRINTER_FUZZ", "300"))
MEMORY_KIB = 32 << 10  # that all cases together may need at once
LONGEST_S = 200.0  # virtual seconds of one call
LINES = 140
WORDS = (
    b"\x12",
    b"\x16",
    b"\x1e",
    b"\x32",
    b"\x00",
    b"\x00\x00\x00",
    b"\x0f",
    FRAME,
    FRAME[:2],
    b"\x38\x04\x0c\x0f",
    CLEAR_RESPONSE,
    CLEAR_RESPONSE[:2],
    b"\x10\x0f\x20\x00\x00\x00",
    b"\x10\x0f",
    b"\x11\x13",
    b"\xff" * 600,
)


def case(seed: int) -> tuple[World, random.Random]:
    chance = random.Random(seed)
    there = world(
        wide=chance.random() < 0.5,
        paper=chance.choice((0, 1, 3, 200)),
        connection=chance.random() < 0.7,
        manners=Manners(
            hold_s=chance.choice((0.0, 30.0)),
            late_s=chance.choice((0.0, 0.0, 0.9, 2.5)),
            hangs_up=chance.random() < 0.3,
        ),
    )
    there.engine.auto_status = chance.random() < 0.5
    there.engine.stops_behind_last = chance.random() < 0.3
    there.engine.mute = chance.random() < 0.4  # then nothing is said but nonsense
    there.engine.power_cycle()
    for _ in range(chance.randrange(12)):
        there.at[chance.randrange(2600)] = nonsense(chance)
    return there, chance


def nonsense(chance: random.Random) -> Callable[[World], object]:
    if chance.random() < 0.1:
        return World.hang_up
    pieces = [
        chance.choice(WORDS) if chance.random() < 0.7 else chance.randbytes(chance.randrange(1, 9))
        for _ in range(chance.randrange(1, 5))
    ]
    return lambda there: there.answer(b"".join(pieces))


def attempt(there: World, chance: random.Random) -> None:
    """A driver's whole life. Nothing but DeviceFault leaves it, and every call ends."""
    printer = there.driver()
    for number in range(1, 4):
        began, dead = there.time.now, there.engine.mute and not there.at
        status = printer.status()
        assert not (dead and status.ready and not there.on_its_way)
        with suppress(DeviceFault):
            printer.purge()
        fate = Out.YES
        try:
            printer.print_page(page_of(number, LINES))
        except PageFault as fault:
            fate = fault.out
        except DeviceFault:
            fate = Out.NO
        came = [page for page in there.engine.pages if set(page.rows) == {number}]
        whole = any(page.height == LINES for page in came)
        assert len(came) <= 1
        assert fate is not Out.NO or not whole, "it came, and it was said that it did not"
        assert there.time.now - began < LONGEST_S
        there.time.sleep(chance.choice((0.0, 1.0, 70.0)))
    printer.close()


def test_arbitrary_bytes_end_in_a_status_or_a_fault() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(CASES):
        try:
            attempt(*case(seed))
        except Exception as error:
            error.add_note(f"case {seed}")
            raise
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY_KIB
