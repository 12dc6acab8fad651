"""The hands of one process: drivers made from the configuration, after the fork."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from firmware.service import config as k
from hal.card.contract import CardReader
from hal.cash.contract import CoinUnit
from hal.printer.contract import Printer
from hal.speaker.contract import Speaker


def _address(port: str) -> tuple[str, int]:
    host, _, number = port.rpartition(":")
    return host, int(number)


def card_reader(section: k.VpcdCard | k.PcscCard, listener: socket.socket | None) -> CardReader:
    """The reader the configuration names. Raises DeviceFault."""
    if isinstance(section, k.PcscCard):
        from hal.card.pcsc import PcscReader

        return PcscReader(section.reader)
    from hal.card.vpcd import SocketReader

    if listener is None:
        raise ValueError("the socket reader needs its listening socket")
    return SocketReader(listener, cable=_address(section.cable) if section.cable else None)


def printer(name: str, section: k.EscposPrinter) -> Printer:
    """Raises DeviceFault for an address that cannot be read."""
    from hal.printer.escpos import EscposPrinter

    network = not section.address.startswith(("/", "tcp:", "serial:"))
    return EscposPrinter(
        name,
        f"tcp:{section.address}" if network else section.address,
        section.width,
        outlet_sensor=section.outlet_sensor,
        page_deadline_s=section.page_deadline_s,
    )


def coin_unit(section: k.Cash) -> CoinUnit:
    from hal.cash.cctalk import CctalkCoinUnit
    from hal.cash.hopper import Hopper

    return CctalkCoinUnit(section.port, section.acceptor, [Hopper(h.address, h.value) for h in section.hoppers])


def speaker(section: k.AlsaSpeaker | k.NetworkSpeaker) -> Speaker:
    if isinstance(section, k.AlsaSpeaker):
        from hal.speaker.alsa import AlsaSpeaker

        return AlsaSpeaker(section.device)
    from hal.speaker.network import NetworkSpeaker

    return NetworkSpeaker(section.address)


LANES = ("card", "sheets", "receipts", "cash", "speaker", "document")


def _lanes() -> Mapping[str, ThreadPoolExecutor]:
    return {name: ThreadPoolExecutor(1, thread_name_prefix=name) for name in LANES}


@dataclass(frozen=True)
class Devices:
    """Drivers, and one thread ("lane") each: a slow or stuck device holds up nothing but its own lane."""

    card: CardReader
    sheets: Printer
    receipts: Printer
    cash: CoinUnit
    speaker: Speaker
    lanes: Mapping[str, ThreadPoolExecutor] = field(default_factory=_lanes)

    @classmethod
    def open(cls, config: k.Config, card_listener: socket.socket | None) -> Devices:
        """Make the drivers; none has touched its device yet. Raises DeviceFault."""
        return cls(
            card_reader(config.card, card_listener),
            printer("sheets", config.sheets),
            printer("receipts", config.receipts),
            coin_unit(config.cash),
            speaker(config.speaker),
        )

    def close(self) -> None:
        """Let go of everything. Never raises."""
        for device in (self.card, self.cash, self.sheets, self.receipts, self.speaker):
            with contextlib.suppress(Exception):
                device.close()
        for lane in self.lanes.values():
            lane.shutdown(wait=False, cancel_futures=True)
