"""What each fault of a scenario does to the far ends of the wires."""

from __future__ import annotations

import math
from collections.abc import Callable

from hal.sim.bench import Bench

READ = 256  # bytes that one READ of a card returns
# Faults of a scenario that have another name at the bench.
BENCH_FAULTS = {"line-stall": "line-stalled", "hoppers-empty": "change-empty"}


def _slow(bench: Bench, on: bool) -> None:
    bench.sheets.paced = on  # no motor turns it


def _tear(bench: Bench, on: bool) -> None:
    bench.sheets.fail_after_lines = 2339 + 800 if on else None


def _tear_late(bench: Bench, on: bool) -> None:
    bench.sheets.fail_after_lines = 2339 - 5 if on else None


def _at_verify(bench: Bench) -> int | None:
    """VERIFY's number: behind SELECT, the question for the tries left, and what is read while the
    customer types.
    """
    if not bench.on_reader:
        return None
    certificate = bench.cards[bench.on_reader] / "certificate.der"
    reads = math.ceil(certificate.stat().st_size / READ)
    if bench.holds_phone:  # one is refused, and one is of the label
        reads = 2
    return 2 + reads + 1


def _yank(bench: Bench, on: bool) -> None:
    bench.card_faults.yank_after = _at_verify(bench) if on else None


def _lose_verify(bench: Bench, on: bool) -> None:
    bench.card_faults.empty_answer = _at_verify(bench) if on else None


def _stumble(bench: Bench, on: bool) -> None:
    bench.card_faults.mute_resets = 1 if on else 0
    bench.card_faults.empty_answer = 4 if on else None


def _mute(bench: Bench, on: bool) -> None:
    bench.card_faults.mute = on


def _foreign(bench: Bench, on: bool) -> None:
    bench.card_ways = {"applet": False, "select_status": 0x6300} if on else {}


FAR_END_FAULTS: dict[str, Callable[[Bench, bool], None]] = {
    "printer-slow": _slow,
    "paper-out-in-second-sheet": _tear,
    "paper-out-in-last-lines": _tear_late,
    "yank-at-verify": _yank,
    "verify-answer-lost": _lose_verify,
    "card-stumbles": _stumble,
    "card-mute": _mute,
    "card-foreign": _foreign,
}
