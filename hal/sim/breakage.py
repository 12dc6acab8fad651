"""What can be broken at a bench, by name, and put right again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hal.sim.bench import Bench

FULL_TRAY, FULL_ROLL, FULL_HOPPER = 200, 100, 60


@dataclass(frozen=True)
class Fault:
    """Something that can be broken and put right."""

    switch: Callable[[Bench, bool], Awaitable[None] | None]
    holds: Callable[[Bench], bool]


def _cable(bench: Bench, lost: bool) -> Awaitable[None]:
    return bench.cable.cut() if lost else bench.cable.restore()


def _cut(bench: Bench, cut: bool) -> Awaitable[None]:
    return bench.line.cut() if cut else bench.line.restore()


def _stall(bench: Bench, stalled: bool) -> None:
    bench.line.stall() if stalled else bench.line.flow()


def _paper_out(printer: str, full: int) -> Fault:
    return Fault(
        lambda bench, out: getattr(bench, printer).load_paper(0 if out else full),
        lambda bench: getattr(bench, printer).paper_left == 0,
    )


def _switch(printer: str, what: str) -> Fault:
    return Fault(
        lambda bench, on: setattr(getattr(bench, printer), what, on),
        lambda bench: bool(getattr(getattr(bench, printer), what)),
    )


def _jam_coin(bench: Bench, jammed: bool) -> None:
    bench.coins.acceptor.jam_next = jammed
    if not jammed:
        bench.coins.acceptor.stuck.clear()


def _mute_coins(bench: Bench, mute: bool) -> None:
    bench.coins_mute = mute
    units = (bench.coins.acceptor, *bench.coins.hoppers)
    bench.coins.mute(*(unit.address for unit in units if mute))


def _empty_hoppers(bench: Bench, empty: bool) -> None:
    for hopper in bench.coins.hoppers:
        hopper.coins = 0 if empty else FULL_HOPPER


FAULTS: Mapping[str, Fault] = {
    "reader-lost": Fault(_cable, lambda b: b.cable.cut_off),
    "line-cut": Fault(_cut, lambda b: b.line.cut_off),
    "line-stalled": Fault(_stall, lambda b: b.line.stalled),
    "paper-out": _paper_out("sheets", FULL_TRAY),
    "printer-mute": _switch("sheets", "mute"),
    "printer-cover": _switch("sheets", "cover_open"),
    "printer-jam": _switch("sheets", "jam"),
    "printer-gone": _switch("sheets", "drop_connection"),
    "receipt-paper-out": _paper_out("receipts", FULL_ROLL),
    "receipt-mute": _switch("receipts", "mute"),
    "coin-jam": Fault(_jam_coin, lambda b: b.coins.acceptor.jam_next or bool(b.coins.acceptor.stuck)),
    "coins-mute": Fault(_mute_coins, lambda b: b.coins_mute),
    "change-empty": Fault(_empty_hoppers, lambda b: all(h.coins == 0 for h in b.coins.hoppers)),
}
