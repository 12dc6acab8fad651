"""The hands: each is asked through its own driver, and nothing is printed, paid or moved.

A check returns what was seen. It raises `Wrong`, or lets the driver's DeviceFault out.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Final, Protocol, cast

from firmware.service import config as k
from firmware.service import devices
from hal.card.contract import CardStatus, Presence
from hal.cash.contract import CoinFault
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Outlet, PaperSupply, PrinterState, PrinterStatus
from hal.printer.wire import opener
from madoguchi.diagnose.finding import FAULTS, Remedy, Wrong

CARD_S: Final = 5.0  # a reader that says nothing in this time is not there
REACH_S: Final = 3.0
SEEN: Final = {Presence.ABSENT: "ready, no card on it", Presence.PRESENT: "ready, a card lies on it"}
TROUBLE: Final = {Presence.MUTE: Reason.MUTE, Presence.IN_USE: Reason.IN_USE, Presence.UNKNOWN: Reason.NOT_CONNECTED}
STATES: Final = {
    PrinterState.COVER_OPEN: Reason.COVER_OPEN,
    PrinterState.OFFLINE: Reason.PRINTER_ERROR,
    PrinterState.ERROR: Reason.PRINTER_ERROR,
}
PORT: Final = Remedy("他のプログラムがこのポートを使用中です。", "another program uses this port: end it")
TAKE_SHEET: Final = Remedy(
    "取出口の用紙を取り、規定どおり廃棄してください。内容は見ないこと。",
    "take the sheet at the outlet and destroy it by the rules; do not read it",
)


def card(config: k.Config) -> str:
    with _listener(config.card) as listener:
        reader = devices.card_reader(config.card, listener)
        told, news = CardStatus(Presence.UNKNOWN), threading.Event()

        def seen(status: CardStatus) -> None:
            nonlocal told
            told = status
            if status.presence is not Presence.UNKNOWN:
                news.set()

        try:
            reader.start(seen)
            news.wait(CARD_S)
        finally:
            reader.close()
    if told.presence in SEEN:
        return SEEN[told.presence]
    raise Wrong(f"{told.presence.value}{_others(config.card)}", FAULTS[TROUBLE[told.presence]])


@contextlib.contextmanager
def _listener(section: k.VpcdCard | k.PcscCard) -> Iterator[socket.socket | None]:
    """The socket reader's own port, as the supervisor would open it."""
    if isinstance(section, k.PcscCard):
        yield None
        return
    host, _, port = section.listen.rpartition(":")
    try:
        listener = socket.create_server((host, int(port)))
    except (OSError, OverflowError) as error:
        raise Wrong(f"{section.listen}: {getattr(error, 'strerror', None) or error}", PORT) from None
    with listener:
        listener.setblocking(False)
        yield listener


def _others(section: k.VpcdCard | k.PcscCard) -> str:
    """The readers that PC/SC does have: most often the name is what is wrong."""
    if not isinstance(section, k.PcscCard):
        return ""
    try:
        from smartcard.System import readers

        names = [str(reader) for reader in readers()]
    except Exception as error:  # two unrelated families of exceptions
        return f"; PC/SC does not answer ({type(error).__name__})"
    return f"; PC/SC knows: {', '.join(names) or 'no reader'}"


def sheets(config: k.Config) -> str:
    return _printer("sheets", config.sheets)


def receipts(config: k.Config) -> str:
    return _printer("receipts", config.receipts)


def _printer(name: str, section: k.EscposPrinter) -> str:
    driver = devices.printer(name, section)
    try:
        status = driver.status()
    finally:
        driver.close()
    if status.state is PrinterState.UNKNOWN:
        raise _unreached(name, section)
    said = f"{status.state.value}, paper {status.paper.value}, outlet {status.outlet.value}"
    if remedy := _printer_remedy(status):
        raise Wrong(said, remedy)
    return said


def _printer_remedy(status: PrinterStatus) -> Remedy | None:
    if status.paper is PaperSupply.OUT and status.state is not PrinterState.COVER_OPEN:
        return FAULTS[Reason.PAPER_OUT]
    if status.state in STATES:
        return FAULTS[STATES[status.state]]
    if not status.ready:
        return FAULTS[Reason.GARBLED]
    return TAKE_SHEET if status.outlet is Outlet.PRESENT else None


def _unreached(name: str, section: k.EscposPrinter) -> DeviceFault:
    """A status only says that there is none: was it the wire, or the printer?"""
    direct = section.address.startswith(("/", "tcp:", "serial:"))
    try:
        opener(section.address if direct else f"tcp:{section.address}")(REACH_S).close()
    except OSError as error:
        return DeviceFault(name, Reason.NOT_CONNECTED, f"{section.address}: {error.strerror or error}")
    return DeviceFault(name, Reason.SILENT, f"{section.address} is reached, no complete status comes")


def coins(config: k.Config) -> str:
    unit = devices.coin_unit(config.cash)
    faults: list[Reason] = []
    try:
        unit.start(lambda event: faults.append(event.reason) if isinstance(event, CoinFault) else None)
        status = unit.status()
    finally:
        unit.close()
    if faults or not status.ready:
        raise DeviceFault("cash", faults[0] if faults else Reason.SILENT)
    low = sorted(value for value, enough in status.change if not enough)
    if low:
        raise Wrong(f"ready, change low: {_yen(low)}", FAULTS[Reason.HOPPER_EMPTY])
    return f"ready, change {_yen(sorted(value for value, _ in status.change))}"


def _yen(values: list[int]) -> str:
    return ", ".join(f"{value} yen" for value in values) or "none"


class _Checked(Protocol):
    def check(self) -> None:
        """Raises DeviceFault."""


def speaker(config: k.Config) -> str:
    driver = devices.speaker(config.speaker)
    try:
        cast(_Checked, driver).check()
    finally:
        driver.close()
    return "takes sound"
