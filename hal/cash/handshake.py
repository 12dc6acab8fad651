"""What a hopper wants to see in front of a dispense command, so that no stray frame moves a coin.

The simple ones want their serial number. Others give a key for each payout and want it back
enciphered; the ciphers are their makers' and come under contract: `cipher` makes a handshake of
such a function. Source: ccTalk Generic Specification 4.7, part 2 (headers 242, 161, 160, 167).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Mapping
from types import MappingProxyType

SERIAL, PUMP_RANDOM, CIPHER_KEY = 242, 161, 160
KEY_LENGTH = 8

Ask = Callable[[int, bytes, Container[int]], bytes]  # header, data, lengths of the answer
Handshake = Callable[[Ask], bytes]  # raises DeviceFault


def serial_number(ask: Ask) -> bytes:
    """Three bytes, as the hopper tells them twice: with a wrong one it counts a command and pays
    nothing.
    """
    serial = ask(SERIAL, b"", (3,))
    for _ in range(3):
        again = ask(SERIAL, b"", (3,))
        if again == serial:
            break
        serial = again
    return serial


def cipher(encipher: Callable[[bytes], bytes]) -> Handshake:
    """`encipher` takes the hopper's key (8 bytes) and returns what its maker wants (8 bytes)."""

    def handshake(ask: Ask) -> bytes:
        ask(PUMP_RANDOM, os.urandom(KEY_LENGTH), (0,))
        return encipher(ask(CIPHER_KEY, b"", (KEY_LENGTH,)))

    return handshake


HANDSHAKES: Mapping[str, Handshake] = MappingProxyType(
    {
        "serial-number": serial_number,
        "cipher-off": cipher(lambda _key: bytes(KEY_LENGTH)),  # delivered with its cipher disabled
    }
)
