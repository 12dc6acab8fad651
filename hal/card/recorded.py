"""A card reader whose exchanges are told (`hal.exchanges`): the instruction, lengths and the status
word, never data. How many PIN tries are left is not made.
"""

from __future__ import annotations

from collections.abc import Callable

from hal.card.contract import CardChannel, CardReader, CardStatus, Stay
from hal.exchanges import exchange

TRIES_LEFT = range(0x63C0, 0x63D0)


class RecordedReader:
    """`hal.card.contract.CardReader`."""

    def __init__(self, reader: CardReader) -> None:
        self._reader = reader

    def start(self, notify: Callable[[CardStatus], None]) -> None:
        self._reader.start(notify)

    def status(self) -> CardStatus:
        return self._reader.status()

    def connect(self, stay: Stay) -> CardChannel:
        with exchange("card", "power up", 0):
            return RecordedChannel(self._reader.connect(stay))

    def check(self) -> None:
        with exchange("card", "check", 0):
            self._reader.check()

    def close(self) -> None:
        self._reader.close()


class RecordedChannel:
    """`hal.card.contract.CardChannel`."""

    def __init__(self, channel: CardChannel) -> None:
        self._channel = channel

    @property
    def exchanged(self) -> int:
        return self._channel.exchanged

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        with exchange("card", f"INS {apdu[1]:02X}" if len(apdu) > 1 else "INS", len(apdu)) as made:
            answer = self._channel.transmit(apdu)
            made.got, made.result = len(answer), _status(answer)
            return answer

    def disconnect(self) -> None:
        with exchange("card", "power off", 0):
            self._channel.disconnect()


def _status(answer: bytes) -> str:
    number = int.from_bytes(answer[-2:], "big")
    return "63Cx" if number in TRIES_LEFT else f"{number:04X}"
