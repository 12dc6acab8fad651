"""The devices. Each is asked through its own driver, and nothing is printed, paid or moved.

A check returns what it saw. It raises `Wrong`, or lets the driver's DeviceFault pass.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final, Protocol, cast

from firmware.service import config as kiosk_config
from firmware.service import devices
from firmware.service.exchange_record import read_exchanges
from firmware.tools.diagnose.finding import FAULTS, Remedy, Wrong
from hal.card.contract import CardPresence, CardStatus
from hal.cash.contract import CoinFault
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Outlet, PaperSupply, PrinterState, PrinterStatus

FAILED: Final = frozenset(reason.value for reason in Reason)
CARD_S: Final = 5.0  # a reader that says nothing in this time is not there
SEEN: Final = {
    CardPresence.ABSENT: "ready, no card on it",
    CardPresence.PRESENT: "ready, a card lies on it",
}
TROUBLE: Final = {
    CardPresence.MUTE: Reason.MUTE,
    CardPresence.IN_USE: Reason.IN_USE,
    CardPresence.UNKNOWN: Reason.NOT_CONNECTED,
}
NEAR_END: Final = Remedy(
    "用紙が残り少ないです。補充してください。", "paper runs out soon: load some now"
)
STATES: Final = {
    PrinterState.BUSY: Reason.BUSY,
    PrinterState.COVER_OPEN: Reason.COVER_OPEN,
    PrinterState.OFFLINE: Reason.PRINTER_ERROR,
    PrinterState.ERROR: Reason.PRINTER_ERROR,
}
PORT: Final = Remedy(
    "他のプログラムがこのポートを使用中です。", "another program uses this port: end it"
)
NAME: Final = Remedy(
    "差込口の名前に変えてください (systemd/boards)。番号は差し替えると変わります。",
    "name the socket instead (systemd/boards): the number moves when something is replugged",
)
NUMBERED: Final = re.compile(r"/dev/(?:ttyUSB|ttyACM|usb/lp)\d+")
STEADY: Final = ("/dev/madoguchi", "/dev/serial/by-path", "/dev/usb/by-path", "/dev/serial/by-id")
TAKE_SHEET: Final = Remedy(
    "取出口の用紙を取り、規定どおり廃棄してください。内容は見ないこと。",
    "take the sheet at the outlet and destroy it by the rules; do not read it",
)


def card(config: kiosk_config.Config) -> str:
    with _listener(config.card) as listener:
        reader = devices.card_reader(config.card, listener)
        last, news = CardStatus(CardPresence.UNKNOWN), threading.Event()

        def take_status(status: CardStatus) -> None:
            nonlocal last
            last = status
            if status.presence is not CardPresence.UNKNOWN:
                news.set()

        try:
            reader.start(take_status)
            news.wait(CARD_S)
            reader.check()  # says why
        except DeviceFault as fault:
            detail = f"{fault.reason.value} ({fault.detail or last.presence.value})"
            raise Wrong(detail + _others(config.card), FAULTS[fault.reason]) from None
        finally:
            reader.close()
    if last.presence in SEEN:
        return SEEN[last.presence]
    raise Wrong(f"{last.presence.value}{_others(config.card)}", FAULTS[TROUBLE[last.presence]])


@contextlib.contextmanager
def _listener(
    section: kiosk_config.VpcdCard | kiosk_config.PcscCard,
) -> Iterator[socket.socket | None]:
    """The socket reader's own port, as the supervisor would open it."""
    if isinstance(section, kiosk_config.PcscCard):
        yield None
        return
    host, _, port = section.listen.rpartition(":")
    try:
        listener = socket.create_server((host, int(port)))
    except (OSError, OverflowError) as error:
        raise Wrong(
            f"{section.listen}: {getattr(error, 'strerror', None) or error}", PORT
        ) from None
    with listener:
        listener.setblocking(False)
        yield listener


def _others(section: kiosk_config.VpcdCard | kiosk_config.PcscCard) -> str:
    """The readers that PC/SC does have: most often the name is what is wrong."""
    if not isinstance(section, kiosk_config.PcscCard):
        return ""
    try:
        from smartcard.System import readers

        names = [str(reader) for reader in readers()]
    except Exception as error:  # two unrelated families of exceptions
        return f"; PC/SC does not answer ({type(error).__name__})"
    return f"; PC/SC knows: {', '.join(names) or 'no reader'}"


def names(config: kiosk_config.Config) -> str:
    """A number such as ttyUSB0 goes to whichever device was plugged in first."""
    addresses = (
        config.sheets.address,
        config.receipts.address,
        config.cash.port,
        config.cashless.address if config.cashless else "",
    )
    moving = [found[0] for address in addresses if (found := NUMBERED.search(address))]
    if moving:
        names = ", ".join(f"{name}{_steady(Path(name))}" for name in moving)
        raise Wrong(f"{names}: such a number moves", NAME)
    return "none that moves"


def _steady(device: Path) -> str:
    """The name of the socket that this device is plugged into now, where udev gave it one."""
    links = (link for folder in STEADY for link in sorted(Path(folder).glob("*")))
    with contextlib.suppress(OSError):
        return next((f" (now {link})" for link in links if link.resolve() == device), "")
    return ""


def sheets(config: kiosk_config.Config) -> str:
    return _printer("sheets", config.sheets)


def receipts(config: kiosk_config.Config) -> str:
    return _printer("receipts", config.receipts)


def _printer(name: str, section: kiosk_config.SheetsPrinter | kiosk_config.EscposReceipts) -> str:
    driver = devices.printer(name, section)
    try:
        cast(_Checked, driver).check()  # says why
        status = driver.status()
    finally:
        driver.close()
    detail = f"{status.state.value}, paper {status.paper.value}, outlet {status.outlet.value}"
    if remedy := _printer_remedy(status):
        raise Wrong(detail, remedy)
    return detail


def _printer_remedy(status: PrinterStatus) -> Remedy | None:
    if status.paper is PaperSupply.OUT and status.state is not PrinterState.COVER_OPEN:
        return FAULTS[Reason.PAPER_OUT]
    if status.state in STATES:
        return FAULTS[STATES[status.state]]
    if not status.ready:
        return FAULTS[Reason.GARBLED]
    if status.outlet is Outlet.PRESENT:
        return TAKE_SHEET
    return NEAR_END if status.paper is PaperSupply.NEAR_END else None


def coins(config: kiosk_config.Config) -> str:
    unit = devices.coin_unit(config.cash)
    faults: list[Reason] = []
    try:
        missed = unit.start(
            lambda event: faults.append(event.reason) if isinstance(event, CoinFault) else None
        )
        if missed.lost:
            faults.append(Reason.EVENTS_LOST)
        status = unit.status()
    finally:
        unit.close()
    if faults or not status.ready:
        raise DeviceFault("cash", faults[0] if faults else Reason.SILENT)
    low = sorted(hopper.value for hopper in status.hoppers if not hopper.least)
    if low:
        raise Wrong(f"ready, change low: {_yen(low)}", FAULTS[Reason.HOPPER_EMPTY])
    return f"ready, change {_yen(sorted(hopper.value for hopper in status.hoppers))}"


def cashless(config: kiosk_config.Config) -> str:
    """Asked for its state only: nothing is charged."""
    if config.cashless is None:
        return "none configured: coins only"
    terminal = devices.payment_terminal(config.cashless)
    try:
        if not terminal.is_ready():
            raise Wrong("it says that it is not ready", FAULTS[Reason.REFUSED])
    finally:
        terminal.close()
    return "ready"


def exchanges(config: kiosk_config.Config) -> str:
    """What the residents' processes recorded: how many, and how many without an answer that is
    well.
    """
    lines = []
    for device, found in groupby(
        sorted(read_exchanges(config.kiosk.state), key=lambda each: each.exchange.device),
        lambda each: each.exchange.device,
    ):
        recorded = list(found)
        lost = Counter[str]()
        for each in recorded:
            if each.exchange.result in FAILED:
                lost[each.exchange.result] += each.times
        times = sum(each.times for each in recorded)
        failures = "".join(f", {result} x{n}" for result, n in sorted(lost.items()))
        lines.append(f"{device} {times}{failures}")
    return f"{'; '.join(lines) or 'none yet'} (kiosk exchanges)"


def _yen(values: list[int]) -> str:
    return ", ".join(f"{value} yen" for value in values) or "none"


class _Checked(Protocol):
    def check(self) -> None:
        """Raises DeviceFault."""


def speaker(config: kiosk_config.Config) -> str:
    driver = devices.speaker(config.speaker)
    try:
        cast(_Checked, driver).check()
    finally:
        driver.close()
    return "takes sound"
