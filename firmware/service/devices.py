"""The drivers of one process, made from the configuration, after the fork."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from firmware.service.config import (
    AlsaSection,
    CardSection,
    CashDriver,
    Cashless,
    CashSection,
    Config,
    DriverSection,
    IppSection,
    PcscCard,
    ReceiptsPrinter,
    ServiceKeySection,
    SheetsPrinter,
    SpeakerSection,
)
from firmware.service.device_threads import ThreadName
from firmware.service.kept_wires import KeptWires
from firmware.service.marked_printer import MarkedPrinter
from hal import drivers
from hal.card.contract import CardReader
from hal.card.recorded import RecordedReader
from hal.cash.contract import CoinUnit
from hal.cashless.contract import PaymentTerminal
from hal.drivers import Kind
from hal.faults import DeviceFault, Reason
from hal.printer.contract import KeepsConnection, Printer
from hal.printer.port import Open
from hal.service_key.contract import ServiceKey
from hal.speaker.contract import Speaker

LEAVE_S = 1.0


def _address(port: str) -> tuple[str, int]:
    host, _, number = port.rpartition(":")
    return host, int(number)


def _installed(kind: Kind, table: str, section: DriverSection) -> Any:
    """A driver that is not the kiosk's own. Raises DeviceFault."""
    return drivers.make(kind, table, section.name, section.options)


def card_reader(section: CardSection, listener: socket.socket | None) -> CardReader:
    """The reader the configuration names. Raises DeviceFault."""
    if isinstance(section, DriverSection):
        return RecordedReader(_installed(Kind.CARD, "card", section))
    if isinstance(section, PcscCard):
        from hal.card.pcsc import PcscReader

        return RecordedReader(PcscReader(section.reader, serial=section.serial))
    from hal.card.vpcd import SocketReader

    if listener is None:
        raise ValueError("the socket reader needs its listening socket")
    cable = _address(section.cable) if section.cable else None
    return RecordedReader(SocketReader(listener, cable=cable))


def printer(
    name: str,
    section: SheetsPrinter | ReceiptsPrinter,
    listen: Callable[[Open], Open] | None = None,
) -> Printer:
    """`listen`: hears what goes over the wire of an ESC/POS printer. Raises DeviceFault for an
    address that cannot be read.
    """
    if isinstance(section, DriverSection):
        made: Printer = _installed(Kind.PRINTER, name, section)
        return made
    if isinstance(section, IppSection):
        from hal.printer.ipp import IppPrinter

        return IppPrinter(
            name,
            section.address,
            section.dpi,
            ca=section.ca,
            fingerprint=section.fingerprint,
            duplex=section.duplex,
            page_deadline_s=section.page_deadline_s,
        )
    from hal.printer.escpos import EscposPrinter
    from hal.printer.wire import opener

    network = not section.address.startswith(("/", "tcp:", "serial:"))
    address = f"tcp:{section.address}" if network else section.address
    try:
        open_wire = listen(opener(address)) if listen else None
    except ValueError as error:
        raise DeviceFault(name, Reason.CONFIGURATION, str(error)) from None
    return EscposPrinter(
        name,
        address,
        section.width,
        open_wire=open_wire,
        outlet_sensor=section.outlet_sensor,
        connect_s=section.connect_s,
        answer_s=section.answer_s,
        page_deadline_s=section.page_deadline_s,
    )


def coin_unit(section: CashSection) -> CoinUnit:
    if isinstance(section, CashDriver):
        made: CoinUnit = _installed(Kind.CASH, "cash", section)
        return made
    from hal.cash.cctalk import CctalkCoinUnit
    from hal.cash.frame import Checksum
    from hal.cash.handshake import HANDSHAKES
    from hal.cash.hopper import Hopper

    hoppers = [Hopper(h.address, h.value, h.low, HANDSHAKES[h.handshake]) for h in section.hoppers]
    return CctalkCoinUnit(
        section.port, section.acceptor, hoppers, checksum=Checksum(section.checksum)
    )


def payment_terminal(section: Cashless) -> PaymentTerminal:
    from hal.cashless.terminal import SerialTerminal

    return SerialTerminal(section.address)


def service_key(section: ServiceKeySection) -> ServiceKey:
    """The technician's key."""
    if isinstance(section, DriverSection):
        made: ServiceKey = _installed(Kind.SERVICE_KEY, "service_key", section)
        return made
    from hal.service_key.modbus import ModbusKey

    return ModbusKey(section.port, section.baud, section.unit, section.input)


def speaker(section: SpeakerSection) -> Speaker:
    if isinstance(section, DriverSection):
        made: Speaker = _installed(Kind.SPEAKER, "speaker", section)
        return made
    if isinstance(section, AlsaSection):
        from hal.speaker.alsa import AlsaSpeaker
        from hal.speaker.jack import Jack

        jack = Jack(section.card, section.jack) if section.jack else None
        return AlsaSpeaker(section.device, jack=jack)
    from hal.speaker.network import NetworkSpeaker

    return NetworkSpeaker(section.address)


def _threads() -> Mapping[ThreadName, ThreadPoolExecutor]:
    return {name: ThreadPoolExecutor(1, thread_name_prefix=name) for name in ThreadName}


@dataclass(frozen=True)
class Devices:
    """Drivers, and one thread for each: a slow or stuck device holds up nothing but its own
    thread.
    """

    card: CardReader
    sheets: Printer
    receipts: Printer
    cash: CoinUnit
    speaker: Speaker
    cashless: PaymentTerminal | None = None
    service_key: ServiceKey | None = None
    threads: Mapping[ThreadName, ThreadPoolExecutor] = field(default_factory=_threads)

    @classmethod
    def open(cls, config: Config, card_listener: socket.socket | None, wires: KeptWires) -> Devices:
        """Make the drivers; none has touched its device yet. Raises DeviceFault."""
        made = {
            "sheets": printer("sheets", config.sheets),
            "receipts": printer("receipts", config.receipts),
        }
        if config.kiosk.under_test:
            made = {name: MarkedPrinter(each) for name, each in made.items()}
        for name, connection in wires.take().items():
            driver = made.get(name)
            if isinstance(driver, KeepsConnection):
                driver.adopt(connection)
            else:
                connection.close()
        return cls(
            card_reader(config.card, card_listener),
            made["sheets"],
            made["receipts"],
            coin_unit(config.cash),
            speaker(config.speaker),
            payment_terminal(config.cashless) if config.cashless else None,
            service_key(config.service_key) if config.service_key else None,
        )

    async def leave(self, wires: KeptWires) -> None:
        """The printers' connections are for the next process. Never raises; a printer that is stuck
        keeps its own.
        """
        loop = asyncio.get_running_loop()
        for name, driver in (("sheets", self.sheets), ("receipts", self.receipts)):
            if isinstance(driver, KeepsConnection):
                work = loop.run_in_executor(self.threads[ThreadName(name)], driver.release)
                with contextlib.suppress(TimeoutError):
                    connection = await asyncio.wait_for(work, LEAVE_S)
                    if connection is not None:
                        wires.put(name, connection)

    def close(self) -> None:
        """Let go of everything. Never raises."""
        for device in (
            self.card,
            self.cash,
            self.sheets,
            self.receipts,
            self.speaker,
            self.cashless,
            self.service_key,
        ):
            with contextlib.suppress(Exception):
                if device is not None:
                    device.close()
        for thread in self.threads.values():
            thread.shutdown(wait=False, cancel_futures=True)
