"""The timeline of one recorded process, as `kiosk replay` prints it.

Between the steps stand the exchanges with a device that got no answer, from the record of
exchanges. Steps at which an idle kiosk finds nothing new are told as one line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from firmware.link.case_guide import guide
from firmware.service.exchange_record import Recorded
from firmware.tools.replay_judge import Process, Turn
from firmware.tools.replay_words import command_text
from hal.faults import Reason

IDLE: Final = frozenset({"remind", "health", "terms"})
FEW: Final = 3  # so many idle steps are shown one by one
LATE_S: Final = 60.0  # an exchange may end so long behind the last step
# Results that are no answer. A card that leaves is a person's doing.
NO_ANSWER: Final = frozenset(reason.value for reason in Reason) - {Reason.REMOVED.value}


@dataclass(frozen=True)
class Shown:
    """One or several lines. `idle`: nothing new in them."""

    at: float
    lines: tuple[str, ...]
    idle: bool = False


def timeline(process: Process, exchanges: Sequence[Recorded]) -> Iterator[str]:
    """Lines without their ends. `exchanges`: those of every process of the bundle."""
    begin = process.turns[0].at
    yield f"Process {process.number}, from {moment(begin)} (seconds from there)"
    silent = silences(process, exchanges)
    shown = [*_turns(process), *(_silence(each, begin) for each in silent)]
    shown.sort(key=lambda each: each.at)
    for idle, group in groupby(shown, key=lambda each: each.idle):
        together = [*group]
        if idle and len(together) > FEW:
            last = together[-1].at - begin
            yield f"{'':>10}  nothing new in {len(together)} steps, until {last:.3f}"
        else:
            yield from (line for each in together for line in each.lines)
    yield from _verdict(process, silent)


def _turns(process: Process) -> Iterator[Shown]:
    before = ""
    for index, turn in enumerate(process.turns):
        after = turn.state.state.value if turn.state else before
        mark = ">>> FIRST:" if index == process.first_wrong else "  !"
        lines = [_line(turn, process.turns[0].at, before, after)]
        lines += [f"{'':>10}  {mark} {wrong}" for wrong in turn.wrong]
        lines += [f"{'':>10}      {turn.books}"] if turn.books else []
        idle = turn.name in IDLE and after == before and len(lines) == 1
        yield Shown(turn.at, tuple(lines), idle)
        before = after


def _line(turn: Turn, begin: float, before: str, after: str) -> str:
    went = f"; {before or 'from here'} -> {after}" if after != before else ""
    wants = [text for name, facts in turn.commands if (text := command_text(name, facts))]
    wanted = f"; wants {', '.join(wants)}" if wants else ""
    return f"{turn.at - begin:>10.3f}  {turn.text}{went}{wanted}"


def silences(process: Process, exchanges: Sequence[Recorded]) -> Sequence[Recorded]:
    """The exchanges of this process that got no answer. The number of a process may be another's
    on another day: the time says whose it is.
    """
    begin, end = process.turns[0].at, process.turns[-1].at + LATE_S
    return [
        each
        for each in exchanges
        if each.process == process.number
        and begin <= each.last
        and each.first <= end
        and each.exchange.result in NO_ANSWER
    ]


def _silence(each: Recorded, begin: float) -> Shown:
    made = each.exchange
    often = f", {each.times} times until {each.last - begin:.3f}" if each.times > 1 else ""
    text = f"{made.device}, {made.kind}: {made.result} after {made.ms} ms{often}"
    return Shown(each.first, (f"{each.first - begin:>10.3f}  ~ on the wire: {text}",))


def _verdict(process: Process, silent: Sequence[Recorded]) -> Iterator[str]:
    first = process.first_wrong
    if first is None and silent:
        devices = ", ".join(sorted({each.exchange.device for each in silent}))
        yield f"All steps were as they should be, and a wire was silent meanwhile: {devices}."
        return
    if first is None:
        yield "All was as it should be."
        return
    turn = process.turns[first]
    yield f"The first step that was not as it should be: step {first + 1}, {turn.text}:"
    yield from (f"  {wrong}" for wrong in turn.wrong)
    # What came first may be of no weight, as a line that was slow: whatever is grave is named too.
    for index in process.grave:
        if index != first:
            grave = process.turns[index]
            yield f"Grave as well: step {index + 1}, {grave.text}:"
            yield from (f"  {wrong}" for wrong in grave.wrong)
    yield from (f"  {each.books}" for each in process.turns if each.books)
    for code in process.case_codes:
        if known := guide(code):
            yield f"{code}: {known.happened}: {known.en}"


def moment(seconds: float) -> str:
    """UTC, to the second."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return "?"
