"""The kiosk's own drivers and the worked example, as the conformance suite wants them: made with
`(name, options)`.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

from hal.card.vpcd import SocketReader
from hal.cash.cctalk import CctalkCoinUnit, Hopper
from hal.printer.escpos import EscposPrinter
from hal.service_key.modbus import ModbusKey
from hal.speaker.network import NetworkSpeaker


@dataclass(frozen=True)
class PrinterOptions:
    address: str
    width: int
    outlet_sensor: bool = False


class Escpos(EscposPrinter):
    Options = PrinterOptions

    def __init__(self, name: str, options: PrinterOptions) -> None:
        super().__init__(
            name,
            f"tcp:{options.address}",
            options.width,
            outlet_sensor=options.outlet_sensor,
            connect_s=1.0,
            answer_s=1.0,
        )


@dataclass(frozen=True)
class AddressOptions:
    address: str


class Network(NetworkSpeaker):
    Options = AddressOptions

    def __init__(self, name: str, options: AddressOptions) -> None:
        super().__init__(options.address, name=name)


class Coins(CctalkCoinUnit):
    Options = AddressOptions

    def __init__(self, name: str, options: AddressOptions) -> None:
        hoppers = [Hopper(3, 10), Hopper(4, 50), Hopper(5, 100)]
        super().__init__(options.address, 2, hoppers, device=name)


@dataclass(frozen=True)
class ReaderOptions:
    listen: int
    cable: int


class Reader(SocketReader):
    Options = ReaderOptions

    def __init__(self, name: str, options: ReaderOptions) -> None:
        self._listener = socket.create_server(("127.0.0.1", options.listen))
        self._listener.setblocking(False)
        super().__init__(self._listener, cable=("127.0.0.1", options.cable))

    def close(self) -> None:
        super().close()
        self._listener.close()


class Key(ModbusKey):
    Options = AddressOptions

    def __init__(self, name: str, options: AddressOptions) -> None:
        super().__init__(options.address, 9600, 1, 0)
