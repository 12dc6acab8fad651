"""Visits to a printer that does whatever printers do, at any place of the wire, and a judge: no
sheet is lost in silence, none comes twice, none has the dots of two people, and it prints again.

`PRINTER_WALKS` in the environment sets the number of visits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from hypothesis import given, note, settings
from hypothesis import strategies as st
from printer_bench import page_of
from printer_world import FRAME, World, world

from hal.faults import DeviceFault, Reason
from hal.printer.contract import Bitmap
from hal.printer.evidence import Out, PageFault
from hal.sim.printer.manners import Manners

PAGES = (page_of(0xA1, 300), page_of(0xB2, 200), page_of(0xC3, 260))
NEXT = page_of(0xD4, 150)
Meddling = Callable[[World], object]


def _set(name: str, value: object) -> Meddling:
    return lambda there: setattr(there.engine, name, value)


def _late(seconds: float) -> Meddling:
    return lambda there: setattr(there.manners, "late_s", seconds)


def _by_hand(trouble: Callable[[World], bool], act: Meddling) -> Meddling:
    """Somebody mends what they see, and it takes a while: the trouble stands for 20 seconds, in
    which a printer that answers in time is asked.
    """

    def meddle(there: World) -> None:
        seen: list[float] = []

        def is_due(now: World) -> bool:
            if not trouble(now):
                seen.clear()
                return False
            seen.append(now.time.now)
            return now.time.now >= seen[0] + 20.0 and now.manners.late_s < 2.0

        there.when.append((is_due, act))

    return meddle


MEDDLINGS: dict[str, Meddling] = {
    "frame": lambda there: there.answer(FRAME),
    "frame of trouble": lambda there: there.answer(b"\x38\x04\x0c\x0f"),
    "hang up": World.hang_up,
    "cover": _set("cover_open", True),
    "cover shut": _by_hand(lambda w: w.engine.cover_open, _set("cover_open", False)),
    "jam": _set("jam", True),
    "jam cleared": _by_hand(lambda w: w.engine.jam, _set("jam", False)),
    "mute": _set("mute", True),
    "not mute": _set("mute", False),
    "paper out": lambda there: there.engine.load_paper(0),
    "paper": _by_hand(lambda w: w.engine.paper_left == 0, lambda there: there.engine.load_paper(5)),
    "paper ends soon": _set("fail_after_lines", 70),
    "late": _late(1.1),
    "very late": _late(3.5),
    "in time": _late(0.0),
}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    late_s, hold_s = draw(st.sampled_from([0.0, 0.0, 0.9])), draw(st.sampled_from([0.0, 5.0, 30.0]))
    there = world(
        wide=draw(st.booleans()),
        paper=draw(st.sampled_from([1, 2, 3, 200])),
        manners=Manners(hold_s=hold_s, late_s=late_s, hangs_up=draw(st.booleans())),
        connection=draw(st.booleans()),
        lines_s=draw(st.sampled_from([0.0, 500.0])),
    )
    there.engine.auto_status = draw(st.booleans())
    there.engine.stops_behind_last = draw(st.booleans())
    there.engine.power_cycle()
    places = st.integers(0, 7500)
    acts = draw(st.dictionaries(places, st.sampled_from(sorted(MEDDLINGS)), max_size=6))
    there.at = {place: MEDDLINGS[what] for place, what in acts.items()}
    note(f"{acts} {there}")
    return there


def mended(there: World) -> None:
    there.at.clear()
    there.when.clear()
    there.engine.cover_open = there.engine.jam = there.engine.mute = False
    there.engine.fail_after_lines = None
    there.engine.stops_behind_last = False
    there.engine.load_paper(200)
    there.manners.late_s = min(there.manners.late_s, 1.1)
    there.turn()


def belongs(sheet: Bitmap) -> int:
    """The only page of which dots are on this sheet."""
    seen = set(sheet.rows)
    assert len(seen) <= 1, "a sheet of two people"
    return seen.pop() if seen else 0


def is_dead(there: World) -> bool:
    return there.engine.cover_open or there.engine.jam or there.engine.paper_left == 0


@settings(max_examples=int(os.environ.get("PRINTER_WALKS", "200")))
@given(worlds())
def test_no_sheet_is_lost_none_comes_twice_and_none_is_mixed(there: World) -> None:
    judge(there)


def judge(there: World) -> None:
    printer, fates = there.driver(connect_s=60.0), {}
    for page in PAGES:
        began = there.time.now
        try:
            printer.print_page(page)
            fates[page.rows[0]] = Out.YES
        except PageFault as fault:
            fates[page.rows[0]] = fault.out
        except DeviceFault as fault:
            assert fault.reason is not Reason.UNCERTAIN
            fates[page.rows[0]] = Out.NO
        assert there.time.now - began < 200
        dead = is_dead(there)
        status = printer.status()
        assert not (dead and status.ready and is_dead(there)), "ready, and nothing can be printed"
        if fates[page.rows[0]] is not Out.YES:
            break
    printer.close()
    mended(there)
    heir = there.driver(connect_s=60.0)
    for _ in range(8):
        with suppress(DeviceFault):
            heir.print_page(NEXT)
            break
        there.pass_time(there.time.now + 70)
    else:
        raise AssertionError("it never prints again")
    there.pass_time(there.time.now + 60)
    whole: dict[int, int] = {}
    heights = {page.rows[0]: page.height for page in (*PAGES, NEXT)}
    for sheet in there.engine.pages:
        whose = belongs(sheet)
        if whose and sheet.height == heights[whose]:
            whole[whose] = whole.get(whose, 0) + 1
    assert all(times == 1 for times in whole.values()), "a sheet came twice"
    assert whole.get(NEXT.rows[0]) == 1
    for whose, fate in fates.items():
        assert fate is not Out.YES or whose in whole, "lost in silence"
        assert fate is not Out.NO or whose not in whole, "it came, and it was said that it did not"
    assert there.engine.violations == []
