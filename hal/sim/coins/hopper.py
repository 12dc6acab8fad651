"""A simple ccTalk hopper that wants its serial number with each dispense command. Pure: `turn` is
its motor.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import ClassVar

from hal.sim.coins.device import Device, RefusedError

PAYOUT_TIMEOUT, PATH_BLOCKED_IN_PAYOUT, DISABLED = 0b10, 0b10_0000, 0b1000_0000
LEVEL_IS_LOW, LEVEL_HAS_LOW = 0b1, 0b1_0000
LOW = 10  # coins


class HopperDevice(Device):
    """Holds `coins` coins of `value` yen. `paid_out`: coins that ever left it.

    `value` is what is really in it: it also tells so (headers 171 and 131), unless `knows_coin` is
    False. With an `encipher` it wants its key back enciphered with each dispense command, not its
    serial number. Faults: `empty_after`, `jam_after`, `reset_after` = that many more coins come,
    then it happens. `count_late`: its count of paid coins is that of so many answers ago.
    `uncounted`: so many coins fall without being counted. `silent_about_why`: it sets no flag when
    a payout ends early.
    """

    identity: ClassVar[Mapping[int, bytes]] = {
        246: b"SIM",
        245: b"Payout",
        244: b"HP1",
        241: b"1.0",
    }

    def __init__(
        self,
        address: int = 3,
        value: int = 100,
        coins: int = 50,
        encipher: Callable[[bytes], bytes] | None = None,
        knows_coin: bool = True,
        serial: int = 0x0A_0000,
    ) -> None:
        super().__init__(address)
        self.value = value
        self.coins = coins
        self.paid_out = 0
        self.empty_after: int | None = None
        self.jam_after: int | None = None
        self.reset_after: int | None = None
        self.count_late = 0
        self.uncounted = 0
        self.silent_about_why = False
        self.has_sensor = True
        self._shown: deque[int] = deque(maxlen=256)  # the count of paid coins at each answer
        self._encipher = encipher
        self._key = b""
        self._serial = (serial + address).to_bytes(3, "little")
        none = frozenset({0})
        self.commands |= {
            242: (none, lambda _data: self._serial),
            217: (none, self._level),
            172: (none, self._stop),
            167: (frozenset({9 if encipher else 4}), self._dispense),
            166: (none, self._status),
            164: (frozenset({1}), self._enable),
            163: (none, lambda _data: bytes([self._test | (0 if self._enabled else DISABLED)])),
        }
        if knows_coin:
            coin = f"JP{value:03}A".encode()
            self.commands[171] = (none, lambda _data: coin)
            self.commands[131] = (frozenset({1}), lambda _data: coin + value.to_bytes(2, "little"))
        if encipher:
            self.commands[161] = (frozenset({8}), lambda _data: b"")
            self.commands[160] = (none, self._new_key)
        self.power_cycle()

    @property
    def turning(self) -> bool:
        return self._remaining > 0

    def turn(self) -> bool:
        """The motor turns on by one place. True: a coin fell out."""
        if not self.turning:
            return False
        if self.reset_after == 0:
            self.reset_after = None
            self.power_cycle()
            return False
        if self.jam_after == 0 or self.empty_after == 0 or not self.coins:
            if not self.silent_about_why:
                self._test |= PATH_BLOCKED_IN_PAYOUT if self.jam_after == 0 else PAYOUT_TIMEOUT
            self._end()
            return False
        for fault in ("empty_after", "jam_after", "reset_after"):
            left = getattr(self, fault)
            setattr(self, fault, left - 1 if left else left)
        self.coins -= 1
        self.paid_out += 1
        self._remaining -= 1
        if self.uncounted:
            self.uncounted -= 1
        else:
            self._paid += 1
        return True

    def power_cycle(self) -> None:
        self._enabled = False
        self._test = 0
        self._events = self._remaining = self._paid = self._unpaid = 0

    def _enable(self, data: bytes) -> bytes:
        self._enabled = data == b"\xa5"
        return b""

    def _dispense(self, data: bytes) -> bytes:
        """Counts also what it refuses, as real ones do."""
        self._events = self._events % 255 + 1
        if not self._enabled:
            raise RefusedError("dispense while disabled")
        code, coins = data[:-1], data[-1]
        if code != (self._encipher(self._key) if self._encipher else self._serial):
            raise RefusedError("dispense with a wrong code")
        self._key = os.urandom(8)  # a key is good for one command
        if self.turning or not coins:
            raise RefusedError("dispense while paying, or of nothing")
        self._remaining, self._paid, self._unpaid, self._test = coins, 0, 0, 0
        return bytes([self._events])

    def _status(self, _data: bytes) -> bytes:
        self._shown.append(self._paid)
        paid = self._shown[max(0, len(self._shown) - 1 - self.count_late)]
        return bytes([self._events, self._remaining, paid, self._unpaid])

    def _level(self, _data: bytes) -> bytes:
        if not self.has_sensor:
            return b"\x00"
        return bytes([LEVEL_HAS_LOW | (LEVEL_IS_LOW if self.coins < LOW else 0)])

    def _new_key(self, _data: bytes) -> bytes:
        self._key = os.urandom(8)
        return self._key

    def _stop(self, _data: bytes) -> bytes:
        left = self._remaining
        self._end()
        return bytes([left])

    def _end(self) -> None:
        self._remaining, self._unpaid = 0, self._remaining
