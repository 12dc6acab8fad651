"""A ccTalk coin acceptor, as strict as one. Pure.

It wakes up accepting, as some do: a host that forgets to inhibit it after a reset takes in coins
nobody wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar

from hal.sim.coins.device import Device, RefusedError

COINS: Mapping[int, tuple[bytes, int]] = {  # position: coin id, yen
    1: (b"JP010A", 10),
    2: (b"JP050A", 50),
    3: (b"JP100A", 100),
    4: (b"JP500A", 500),
    5: (b"JP500B", 500),
}
EMPTY_POSITION = b"......"
REJECTED, INHIBITED, CREDIT_SENSOR_TIMEOUT, CREDIT_SENSOR_BLOCKED = 1, 2, 6, 14


class Way(StrEnum):
    """Where a coin went."""

    SWALLOWED = "swallowed"
    RETURNED = "returned"
    STUCK = "stuck"


class Acceptor(Device):
    """`swallowed` is what is in the cash box, `stuck` what jams the chute: yen, in order."""

    identity: ClassVar[Mapping[int, bytes]] = {
        246: b"SIM",
        245: b"Coin Acceptor",
        244: b"CA1",
        242: b"\x01\x00\x00",
        241: b"1.0",
    }

    def __init__(self, address: int = 2, coins: Mapping[int, tuple[bytes, int]] = COINS) -> None:
        super().__init__(address)
        self._coins = coins
        self.swallowed: list[int] = []
        self.stuck: list[int] = []
        self.jam_next = False
        self.commands |= {
            184: (frozenset({1}), self._coin_id),
            231: (frozenset({2}), self._set_mask),
            230: (frozenset({0}), lambda _data: self._mask.to_bytes(2, "little")),
            228: (frozenset({1}), self._set_master),
            227: (frozenset({0}), lambda _data: bytes([self._open])),
            229: (frozenset({0}), self._buffered_credit),
        }
        self.power_cycle()

    @property
    def accepting(self) -> bool:
        """Whether any coin can fall in."""
        return self._open and self._mask != 0

    @property
    def counter(self) -> int:
        """Of its events: 0 after a reset, then 1..255 and to 1 again."""
        return self._counter

    def insert(self, value: int) -> Way:
        """A coin of `value` yen falls into the slot; 0 stands for a button, a token, a foreign
        coin.
        """
        position = next((p for p, (_, yen) in self._coins.items() if yen == value), 0)
        if self.stuck:
            self._event(0, CREDIT_SENSOR_BLOCKED)
            return Way.RETURNED
        if not position:
            self._event(0, REJECTED)
            return Way.RETURNED
        if not (self._open and self._mask >> (position - 1) & 1):
            self._event(0, INHIBITED)
            return Way.RETURNED
        if self.jam_next:
            self.jam_next = False
            self.stuck.append(value)
            self._event(0, CREDIT_SENSOR_TIMEOUT)
            return Way.STUCK
        self.swallowed.append(value)
        self._event(position, 0)
        return Way.SWALLOWED

    def power_cycle(self) -> None:
        self._open = True
        self._mask = 0xFFFF
        self._counter = 0
        self._events = bytes(10)

    def _event(self, position: int, code: int) -> None:
        self._counter = self._counter % 255 + 1
        self._events = bytes([position, code]) + self._events[:-2]

    def _coin_id(self, data: bytes) -> bytes:
        if not 1 <= data[0] <= 16:
            raise RefusedError("no such position")
        return self._coins.get(data[0], (EMPTY_POSITION, 0))[0]

    def _set_mask(self, data: bytes) -> bytes:
        self._mask = int.from_bytes(data, "little")
        return b""

    def _set_master(self, data: bytes) -> bytes:
        self._open = bool(data[0] & 1)
        return b""

    def _buffered_credit(self, _data: bytes) -> bytes:
        return bytes([self._counter]) + self._events
