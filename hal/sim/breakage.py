"""What can be broken at a bench, by name, and put right again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hal.sim.bench import Bench

FULL_TRAY = 200
FULL_ROLL = 100
FULL_HOPPER = 60


@dataclass(frozen=True)
class Breakage:
    """Something that can be broken and put right."""

    switch: Callable[[Bench, bool], Awaitable[None] | None]
    holds: Callable[[Bench], bool]


# -- the reader's cable and the line to the city


def _break_cable(bench: Bench, broken: bool) -> Awaitable[None]:
    return bench.cable.cut() if broken else bench.cable.restore()


def _cable_is_cut(bench: Bench) -> bool:
    return bench.cable.cut_off


def _sleep_phone(bench: Bench, asleep: bool) -> None:
    bench.sleep_phone(asleep)


def _phone_is_asleep(bench: Bench) -> bool:
    return bench.phone_asleep


def _break_line(bench: Bench, broken: bool) -> Awaitable[None]:
    return bench.line.cut() if broken else bench.line.restore()


def _line_is_cut(bench: Bench) -> bool:
    return bench.line.cut_off


def _stall_line(bench: Bench, stalled: bool) -> None:
    if stalled:
        bench.line.stall()
    else:
        bench.line.flow()


def _line_is_stalled(bench: Bench) -> bool:
    return bench.line.stalled


# -- printers


def _paper_out(printer: str, full: int) -> Breakage:
    def switch(bench: Bench, out: bool) -> None:
        getattr(bench, printer).load_paper(0 if out else full)

    def holds(bench: Bench) -> bool:
        return bool(getattr(bench, printer).paper_left == 0)

    return Breakage(switch, holds)


def _printer_fault(printer: str, attribute: str) -> Breakage:
    def switch(bench: Bench, on: bool) -> None:
        setattr(getattr(bench, printer), attribute, on)

    def holds(bench: Bench) -> bool:
        return bool(getattr(getattr(bench, printer), attribute))

    return Breakage(switch, holds)


def _manner(attribute: str, broken: float, well: float) -> Breakage:
    """How the printer of certificates treats its connections."""

    def switch(bench: Bench, on: bool) -> None:
        setattr(bench.sheets.manners, attribute, broken if on else well)

    def holds(bench: Bench) -> bool:
        return bool(getattr(bench.sheets.manners, attribute) != well)

    return Breakage(switch, holds)


def _report_by_itself(bench: Bench, on: bool) -> None:
    bench.sheets.auto_status = on
    bench.sheets.power_cycle()


def _reports_by_itself(bench: Bench) -> bool:
    return bench.sheets.auto_status


def _empty_tray_behind_the_next(bench: Bench, on: bool) -> None:
    bench.sheets.stops_behind_last = on
    bench.sheets.load_paper(1 if on else FULL_TRAY)


def _tray_is_empty_behind_the_next(bench: Bench) -> bool:
    return bench.sheets.stops_behind_last


# -- coins


def _jam_coin(bench: Bench, jammed: bool) -> None:
    bench.coins.acceptor.jam_next = jammed
    if not jammed:
        bench.coins.acceptor.stuck.clear()


def _coin_is_jammed(bench: Bench) -> bool:
    return bench.coins.acceptor.jam_next or bool(bench.coins.acceptor.stuck)


def _mute_coins(bench: Bench, mute: bool) -> None:
    bench.coins_mute = mute
    units = (bench.coins.acceptor, *bench.coins.hoppers)
    bench.coins.mute(*(unit.address for unit in units if mute))


def _coins_are_mute(bench: Bench) -> bool:
    return bench.coins_mute


def _empty_hoppers(bench: Bench, empty: bool) -> None:
    for hopper in bench.coins.hoppers:
        hopper.coins = 0 if empty else FULL_HOPPER


def _hoppers_are_empty(bench: Bench) -> bool:
    return all(hopper.coins == 0 for hopper in bench.coins.hoppers)


# -- the payment terminal


def _terminal_fault(attribute: str, broken: object, well: object) -> Breakage:
    """An attribute of the terminal itself."""

    def switch(bench: Bench, on: bool) -> None:
        setattr(bench.terminal.terminal, attribute, broken if on else well)

    def holds(bench: Bench) -> bool:
        return bool(getattr(bench.terminal.terminal, attribute) != well)

    return Breakage(switch, holds)


def _mute_terminal(bench: Bench, mute: bool) -> None:
    bench.terminal.mute = mute


def _terminal_is_mute(bench: Bench) -> bool:
    return bench.terminal.mute


FAULTS: Mapping[str, Breakage] = {
    "reader-lost": Breakage(_break_cable, _cable_is_cut),
    "phone-sleeps": Breakage(_sleep_phone, _phone_is_asleep),
    "line-cut": Breakage(_break_line, _line_is_cut),
    "line-stalled": Breakage(_stall_line, _line_is_stalled),
    "paper-out": _paper_out("sheets", FULL_TRAY),
    "printer-mute": _printer_fault("sheets", "mute"),
    "printer-cover": _printer_fault("sheets", "cover_open"),
    "printer-jam": _printer_fault("sheets", "jam"),
    "printer-gone": _printer_fault("sheets", "drop_connection"),
    "printer-reports": Breakage(_report_by_itself, _reports_by_itself),
    "printer-late": _manner("late_s", broken=1.1, well=0.0),
    "printer-hangs-up": _manner("hangs_up", broken=True, well=False),
    "printer-holds-port": _manner("hold_s", broken=30.0, well=0.0),
    "paper-out-behind-next": Breakage(_empty_tray_behind_the_next, _tray_is_empty_behind_the_next),
    "receipt-paper-out": _paper_out("receipts", FULL_ROLL),
    "receipt-mute": _printer_fault("receipts", "mute"),
    "coin-jam": Breakage(_jam_coin, _coin_is_jammed),
    "coins-mute": Breakage(_mute_coins, _coins_are_mute),
    "terminal-mute": Breakage(_mute_terminal, _terminal_is_mute),
    "terminal-declines": _terminal_fault("declines", broken=1, well=0),
    "terminal-forgets": _terminal_fault("forgets", broken=True, well=False),
    "reversal-unknown": _terminal_fault("no_reversal", broken="unknown", well=""),
    "change-empty": Breakage(_empty_hoppers, _hoppers_are_empty),
}
