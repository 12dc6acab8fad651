"""Answers of an IPP printer, cut, changed, doubled and drawn out at every byte, and a judge.

`IPP_FUZZ` in the environment sets the number of cases; each has a seed of its own, and
`IPP_FUZZ_FIRST` the first seed.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ipp_far_end import (
    DESCRIPTION,
    ENUM,
    JOB,
    KEYWORD,
    PRINTER,
    PRINTER_PART,
    PRINTS_ONLY,
    FarEnd,
    JobSays,
    Message,
    Part,
    Reply,
    at_work,
    chunked,
    number,
)
from ipp_judge import NOTHING, PRINTED, UNKNOWN, breach

from hal.faults import DeviceFault
from hal.printer.contract import Bitmap
from hal.printer.evidence import Out, PageFault
from hal.printer.ipp import IppPrinter

CASES = int(os.environ.get("IPP_FUZZ", "300"))
FIRST = int(os.environ.get("IPP_FUZZ_FIRST", "0"))
LONGEST_S = 30.0  # the driver's own deadlines are below 2 s; the rest is the machine's load
QUICK = {
    "connect_s": 0.5,
    "answer_s": 0.15,
    "silent_s": 0.05,
    "count_s": 0.01,
    "poll_s": 0.001,
    "page_deadline_s": 0.6,
    "purge_deadline_s": 0.1,
}
SHEET = Bitmap(64, 80, bytes(640))
LIKELY = (0, 1, 9, 0x21, 0x7F, 0xFF)
AT_ONCE = 16  # nearly all of a case is waiting
SIDE = (SHEET,)
BOTH = (SHEET, SHEET)


def jammed(far_end: FarEnd, _: Message) -> Part | None:
    """From the moment of the document on."""
    if not far_end.documents:
        return None
    state = {"printer-state": [number(5, ENUM)], "printer-state-reasons": [(KEYWORD, b"media-jam")]}
    return PRINTER_PART, {**DESCRIPTION, **state}


WORLDS: tuple[Callable[[], FarEnd], ...] = (
    FarEnd,
    lambda: FarEnd(operations=PRINTS_ONLY),
    lambda: FarEnd(job=(JobSays(5, 0), JobSays(9, 0), JobSays(9, 1))),
    lambda: FarEnd(job=(JobSays(5, 0), JobSays(9, None, 1))),
    lambda: FarEnd(job=(JobSays(5, 0), JobSays(8, 0))),
    lambda: FarEnd(job=(*(JobSays(6, 0),) * 3, JobSays(7, 0)), instead={PRINTER: jammed}),
    lambda: FarEnd(instead={JOB: lambda *_: 0x0406}),
)


def damaged(luck: random.Random, answer: bytes) -> Reply:
    """One way or another."""
    place = luck.randrange(len(answer))
    changed = bytearray(answer)
    kind = luck.randrange(8)
    if kind == 0:
        return Reply(((0.0, answer[:place]),), hangs_up=True)
    if kind == 1:
        return Reply(((0.0, answer[:place]),))  # and then silence
    if kind in (2, 3, 4):
        for _ in range(kind - 1):
            changed[luck.randrange(len(answer))] = luck.choice((*LIKELY, luck.randrange(256)))
        return Reply(((0.0, bytes(changed)),), hangs_up=luck.random() < 0.5)
    if kind == 5:
        changed[place:place] = luck.randbytes(luck.randint(1, 40))
        return Reply(((0.0, bytes(changed)),), hangs_up=True)
    if kind == 6:
        return Reply(((0.0, answer + answer),))
    return Reply(((0.0, answer[:place]), (0.02, answer[place:])))


def claim(device: IppPrinter, sides: tuple[Bitmap, ...]) -> str:
    """Nothing but DeviceFault comes out."""
    try:
        device.print_page(*sides)
    except PageFault as fault:
        return {Out.YES: PRINTED, Out.NO: NOTHING, Out.UNKNOWN: UNKNOWN}[fault.out]
    except DeviceFault:
        return NOTHING
    return PRINTED


def one_case(seed: int) -> str:
    luck = random.Random(seed)
    far_end = luck.choice(WORLDS)()
    victims = {luck.randrange(9) for _ in range(luck.choice((1, 1, 1, 2, 3)))}
    sides = luck.choice((SIDE, SIDE, BOTH))
    answers = iter(range(1000))

    def meddle(_: int, answer: bytes) -> Reply | None:
        if next(answers) in victims:
            return damaged(luck, answer)
        return Reply(((0.0, chunked(answer, 50)),)) if luck.random() < 0.1 else None

    far_end.meddle = meddle
    with at_work(far_end) as address:
        device = IppPrinter("sheets", address, 300, duplex=len(sides) > 1, **QUICK)
        began = time.monotonic()
        claimed = claim(device, sides)
        device.status()
        took = time.monotonic() - began
        device.close()
    wrong = breach(claimed, far_end, len(sides))
    assert not wrong, f"seed {seed}: {wrong}"
    unasked = [
        rule for rule in far_end.wrong if not rule.endswith(": job")
    ]  # its number was changed
    assert not unasked, f"seed {seed}: {unasked}"
    assert took < LONGEST_S, f"seed {seed}: {took:.1f} s"
    return claimed


def test_whatever_comes_back_no_claim_is_made_that_the_printer_did_not_make() -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = Counter(pool.map(one_case, range(FIRST, FIRST + CASES)))
    print(f"{CASES} cases: {dict(found)}")
    assert found[PRINTED]
    assert found[NOTHING]
