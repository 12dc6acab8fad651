"""The printers, asked through the kiosk's own drivers; nothing is printed.

What an ESC/POS printer says is read bit by bit. Of one that cannot be asked, what came over the
wire tells an echo, another protocol and silence apart.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from firmware.service import config as kiosk_config
from firmware.service import devices
from firmware.tools.diagnose.errors import (
    device_path,
    look_at_serial,
    of_device,
    of_network,
    uses_network,
)
from firmware.tools.diagnose.finding import Wrong, wrong
from hal.faults import DeviceFault, Reason
from hal.printer import escpos_status as bits
from hal.printer.contract import Outlet, PaperSupply, PrinterState, PrinterStatus
from hal.printer.escpos import EscposPrinter
from hal.printer.escpos_status import Reading
from hal.printer.port import Open
from hal.printer.wire import Wire

# Number of DLE EOT, bits, cause; worst first.
BITS: Final = (
    (bits.OFFLINE_CAUSE, bits.COVER, "printer.cover-open"),
    (bits.ERROR_CAUSE, bits.CUTTER, "printer.cutter"),
    (bits.ERROR_CAUSE, bits.MECHANICAL, "printer.mechanical"),
    (bits.ERROR_CAUSE, bits.UNRECOVERABLE, "printer.unrecoverable"),
    (bits.ERROR_CAUSE, bits.AUTO_RECOVERABLE, "printer.recoverable"),
    (bits.OFFLINE_CAUSE, bits.PAPER_STOP, "printer.paper-out"),
    (bits.PAPER, bits.PAPER_END, "printer.paper-out"),
    (bits.OFFLINE_CAUSE, bits.FEEDING, "printer.feeding"),
    (bits.PRINTER, bits.NOT_ONLINE, "printer.offline"),
)
# Byte of the full status of wide printers (behind its header), bits, cause.
FULL_BITS: Final = (
    (3, bits.FULL_COVER, "printer.cover-open"),
    (3, bits.FULL_HEAD_UP, "printer.head-up"),
    (4, bits.FULL_JAM, "printer.jam"),
    (5, bits.FULL_CUTTER, "printer.cutter"),
    (5, 0xFF, "printer.unrecoverable"),
    (4, 0xFF, "printer.recoverable"),
    (2, bits.FULL_NO_PAPER, "printer.paper-out"),
)
REASONS: Final[Mapping[Reason, str]] = {
    Reason.BUSY: "printer.busy",
    Reason.SILENT: "printer.silent",
    Reason.GARBLED: "printer.garbled",
    Reason.PAPER_OUT: "printer.paper-out",
    Reason.COVER_OPEN: "printer.cover-open",
    Reason.JAM: "printer.jam",
    Reason.CONFIGURATION: "printer.configuration",
    Reason.NOT_CONNECTED: "network.reset",
}
STATES: Final[Mapping[PrinterState, str]] = {
    PrinterState.BUSY: "printer.busy",
    PrinterState.COVER_OPEN: "printer.cover-open",
    PrinterState.OFFLINE: "printer.offline",
    PrinterState.ERROR: "printer.error",
    PrinterState.UNKNOWN: "printer.silent",
}
Section: TypeAlias = kiosk_config.SheetsPrinter | kiosk_config.ReceiptsPrinter
NOT_SERVED: Final = "not served"  # the driver's words for a connection without an answer
IPP, REACH_S = 631, 3.0
HEARD: Final = 32  # bytes that are told


@dataclass
class Heard:
    """What went over the wire in both directions."""

    sent: bytearray = field(default_factory=bytearray)
    received: bytearray = field(default_factory=bytearray)

    def listen_to(self, open_wire: Open) -> Open:
        def opened(timeout_s: float) -> Wire:
            wire = open_wire(timeout_s)
            write, read = wire.write, wire.read

            def tell_write(data: bytes, deadline: float, stall_s: float) -> None:
                self.sent += data
                write(data, deadline, stall_s)

            def tell_read(timeout_s: float) -> bytes:
                data = read(timeout_s)
                self.received += data
                return data

            wire.write, wire.read = tell_write, tell_read  # type: ignore[method-assign]
            return wire

        return opened


def sheets(config: kiosk_config.Config) -> str:
    return _look("sheets", config.sheets)


def receipts(config: kiosk_config.Config) -> str:
    return _look("receipts", config.receipts)


def _look(name: str, section: Section) -> str:
    place = _place(section)
    if place.startswith("serial:"):
        look_at_serial(device_path(place))
    heard = Heard()
    try:
        driver = devices.printer(name, section, heard.listen_to)
    except DeviceFault as fault:
        raise _fault(fault, place) from None
    try:
        if isinstance(driver, EscposPrinter) and isinstance(section, kiosk_config.EscposReceipts):
            return _escpos(driver, section, heard)
        driver.check()
        return _state(driver.status())
    except DeviceFault as fault:
        raise _fault(fault, place) from None
    finally:
        driver.close()


def _place(section: Section) -> str:
    """The address; of somebody else's driver its name, for its options are its own."""
    return section.name if isinstance(section, kiosk_config.DriverSection) else section.address


def _escpos(driver: EscposPrinter, section: kiosk_config.EscposReceipts, heard: Heard) -> str:
    try:
        reading = driver.read_status()
    except DeviceFault as fault:
        raise _unasked(fault, section, heard) from None
    told = _bits(reading)
    for code in _causes(reading):
        raise wrong(code, told)
    return _state(reading.status)


def _causes(reading: Reading) -> list[str]:
    """Every cause whose bit is set."""
    answers = dict(zip(bits.QUESTIONS, reading.answers, strict=True))
    found = [code for question, mask, code in BITS if answers[question] & mask]
    if reading.full:
        found += [code for place, mask, code in FULL_BITS if reading.full[place] & mask]
    return found


def _bits(reading: Reading) -> str:
    """The status bytes as they came."""
    full = f", full status {reading.full.hex(' ')}" if reading.full else ""
    return f"DLE EOT 1-4: {reading.answers.hex(' ')}{full}"


def _unasked(fault: DeviceFault, section: kiosk_config.EscposReceipts, heard: Heard) -> Wrong:
    """Why a printer could not be asked: the system's own error, or what came over the wire."""
    error = fault.__cause__
    if isinstance(error, OSError) and not heard.sent:
        if uses_network(section.address):
            return of_network(section.address, error)
        return of_device(device_path(section.address), error)
    return _nonsense(fault, section, heard)


def _nonsense(fault: DeviceFault, section: kiosk_config.EscposReceipts, heard: Heard) -> Wrong:
    received = bytes(heard.received)
    shown = received[:HEARD].hex(" ")
    if received and bytes(heard.sent).startswith(received):
        return wrong("printer.echo", f"{section.address}: what was sent came back: {shown}")
    if section.outlet_sensor and len(received) >= len(bits.QUESTIONS) and _answers(received):
        return wrong("printer.no-sensor", f"answers DLE EOT 1-4 and not 20: {shown}")
    if received and not _answers(received):
        return wrong("printer.garbled", f"{section.address}: received {shown}")
    if fault.reason is Reason.NOT_CONNECTED or _hung_up(fault):
        return wrong("network.reset", f"{section.address}: connected, and hung up")
    return wrong("printer.silent", f"{section.address}: connected, nothing received")


def _answers(received: bytes) -> bool:
    """Whether the first bytes are answers to DLE EOT n."""
    return all(byte & 0x93 == 0x12 for byte in received[:4])


def _hung_up(fault: DeviceFault) -> bool:
    """It took the connection and ended it; the driver calls that busy, and says what it met."""
    return NOT_SERVED in fault.detail and "silent" not in fault.detail


def _fault(fault: DeviceFault, place: str) -> Wrong:
    """What another driver says; of a network printer that cannot be reached, what the system
    says.
    """
    told = f"{place}: {fault.reason.value} {fault.detail}".rstrip()
    if fault.reason is Reason.NOT_CONNECTED and "://" in place:
        parts = urlsplit(place)
        try:
            socket.create_connection((parts.hostname or "", parts.port or IPP), REACH_S).close()
        except OSError as error:
            return of_network(place, error)
    return wrong(REASONS.get(fault.reason, "printer.error"), told)


def _state(status: PrinterStatus) -> str:
    detail = f"{status.state.value}, paper {status.paper.value}, outlet {status.outlet.value}"
    if code := cause(status):
        raise wrong(code, detail)
    return detail


def cause(status: PrinterStatus) -> str:
    """What a status that is not quite well means; "" for nothing."""
    if status.paper is PaperSupply.OUT and status.state is not PrinterState.COVER_OPEN:
        return "printer.paper-out"
    if status.state in STATES:
        return STATES[status.state]
    if not status.ready:
        return "printer.garbled"
    if status.outlet is Outlet.PRESENT:
        return "printer.outlet"
    return "printer.paper-low" if status.paper is PaperSupply.NEAR_END else ""
