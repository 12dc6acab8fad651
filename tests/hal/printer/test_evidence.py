"""What the evidence of an unconfirmed page proves: every combination, and the cases it was made
for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count, product

import pytest
from printer_bench import far_end, page_of
from printer_world import World, world

from hal.faults import DeviceFault, Reason
from hal.printer.contract import Outlet
from hal.printer.escpos import EscposPrinter
from hal.printer.escpos_answers import CLEAR_RESPONSE
from hal.printer.escpos_commands import BAND_LINES, CLEAR_BUFFERS
from hal.printer.evidence import FENCES, Evidence, Out, PageFault, out
from hal.sim.printer import engine
from hal.sim.printer.engine import Engine

ALL = [
    Evidence(*given)
    for given in product(
        (False, True), range(FENCES + 1), (False, True), Outlet, Outlet, (False, True)
    )
]


@pytest.mark.parametrize("given", ALL, ids=str)
def test_every_combination(given: Evidence) -> None:
    """Said in other words than the table: what would have to be true for the opposite."""
    proved = out(given)
    may_have_come = given.sent and (given.fences > 0 or not given.cleared)
    may_be_inside = given.fences < FENCES or given.interrupted
    if proved is Out.NO:
        assert not may_have_come
    if proved is Out.YES:
        assert not given.interrupted
        assert not may_be_inside or (given.fences == FENCES - 1 and given.after is Outlet.PRESENT)
    if proved is Out.UNKNOWN:
        assert may_have_come and may_be_inside


def test_an_empty_outlet_proves_nothing() -> None:
    for given in ALL:
        if given.after is Outlet.CLEAR:
            other = Evidence(
                given.sent,
                given.fences,
                given.cleared,
                given.before,
                Outlet.NOT_SUPPORTED,
                given.interrupted,
            )
            assert out(given) is out(other)


# -- on the wire: whatever happens, and whenever, NO is never followed by a whole sheet and YES
# never by none

LINES = 300
LAST_BAND = LINES // BAND_LINES * BAND_LINES
Connect = Callable[..., EscposPrinter]
HAPPENINGS: dict[str, tuple[Callable[[World], object], Callable[[World], object]]] = {
    "jam": (lambda w: setattr(w.engine, "jam", True), lambda w: setattr(w.engine, "jam", False)),
    "cover": (
        lambda w: setattr(w.engine, "cover_open", True),
        lambda w: setattr(w.engine, "cover_open", False),
    ),
    "mute": (lambda w: setattr(w.engine, "mute", True), lambda w: setattr(w.engine, "mute", False)),
    "hangs up": (World.hang_up, lambda _: None),
}


def judged(there: World, printer: EscposPrinter, mend: Callable[[World], object]) -> Out:
    """Print, fail, mend and purge, as the service does. The sheets that are out
    afterwards decide.
    """
    found = Out.YES
    try:
        printer.print_page(page_of(lines=LINES))
    except PageFault as fault:
        found = fault.out
        assert (fault.reason is Reason.UNCERTAIN) == (found is Out.UNKNOWN)
    mend(there)
    with suppress(DeviceFault):
        printer.purge()
    there.pass_time(there.time.now + 60)
    whole = any(page.height == LINES for page in there.engine.pages)
    assert found is not (Out.NO if whole else Out.YES)
    return found


@pytest.mark.parametrize(
    "lines", [0, 1, 127, 128, 129, LAST_BAND - 1, LAST_BAND, LAST_BAND + 1, LINES - 1]
)
def test_the_paper_ends_after_so_many_lines(lines: int) -> None:
    there = world()
    there.engine.fail_after_lines = lines
    found = judged(there, there.driver(), lambda w: w.engine.load_paper(10))
    assert found is (Out.NO if lines < LAST_BAND else Out.UNKNOWN)


@pytest.mark.parametrize("lines", [0, 50, 150, LAST_BAND, LINES - 1])
@pytest.mark.parametrize("what", HAPPENINGS)
def test_something_happens_after_so_many_lines(lines: int, what: str) -> None:
    happens, mend = HAPPENINGS[what]
    there = world(lines_s=400.0)
    there.when.append((lambda w: w.engine.drawn > lines or w.engine.page_count > 0, happens))
    judged(there, there.driver(page_deadline_s=3.0), mend)
    assert not there.when


@pytest.mark.parametrize("sensor", [True, False])
def test_drawn_and_not_cut(monkeypatch: pytest.MonkeyPatch, sensor: bool) -> None:
    """The last fence stays out: what the outlet's sensor says decides, and without one nobody can
    tell.
    """
    answered = count()

    def swallow_the_last(printer: Engine, command: bytes) -> None:
        if next(answered) < FENCES - 1:
            Engine._fence(printer, command)

    there = world(wide=sensor)
    printer = there.driver()
    printer.purge()
    commands = [
        (c, n, swallow_the_last if do is Engine._fence else do) for c, n, do in engine.COMMANDS
    ]
    monkeypatch.setattr(engine, "COMMANDS", commands)
    assert judged(there, printer, lambda _: None) is (Out.YES if sensor else Out.UNKNOWN)


@pytest.mark.parametrize("fences", range(FENCES + 1))
def test_a_printer_that_goes_on_just_before_it_is_cleared(connect: Connect, fences: int) -> None:
    """It named paper-out twice, somebody filled it, and it answered so many fences before the clear
    response: the sheet is in two pieces.
    """
    printing: list[bool] = []

    def answer(data: bytes) -> bytes:
        if b"\x1dv0" in data:
            printing.append(True)
            return b""
        if CLEAR_BUFFERS in data:
            return b"\x00" * (fences if printing else 0) + CLEAR_RESPONSE
        if printing and data == b"\x10\x04\x02":
            return b"\x32"  # no paper
        return b"\x12" * data.count(b"\x10\x04") + b"\x00" * (
            0 if printing else data.count(b"\x1dr\x01")
        )

    with far_end(answer) as port, pytest.raises(PageFault) as caught:
        connect(port).print_page(page_of(lines=1))
    assert caught.value.out is (Out.UNKNOWN if fences else Out.NO)
