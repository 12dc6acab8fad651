"""A key switch on two inputs of a digital input module: Modbus RTU on a serial line.

The switch is a changeover contact: one input is closed while the key is turned, the next one while
it is not. A broken or shorted wire leaves both alike, and then nobody can tell how the key stands.
Modbus Application Protocol V1.1b3, 6.2 (function 02); Modbus over Serial Line V1.02, 2.5.
"""

from __future__ import annotations

import time
from typing import Final

import serial

from hal.faults import DeviceFault, Reason
from hal.serial_line import PORT_ERRORS, close_line, open_line, read_some

NAME: Final = "service_key"
READ_INPUTS: Final = 0x02
EXCEPTION: Final = 0x80  # set in the function of an answer that refuses
ANSWER_S: Final = 1.0
TRIES: Final = 2  # a frame that a spark has hit is asked for once more
NOT_TURNED, TURNED = 0b10, 0b01  # the two inputs, the first in the lowest bit
ANSWER, REFUSAL = 6, 5  # bytes of a whole answer of one byte of inputs, and of one that refuses


def crc(data: bytes) -> bytes:
    """CRC-16 of Modbus, as it is sent: the low byte first."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def question(unit: int, first: int) -> bytes:
    """How do inputs `first` and the next one of module `unit` stand?"""
    body = bytes((unit, READ_INPUTS)) + first.to_bytes(2, "big") + (2).to_bytes(2, "big")
    return body + crc(body)


class ModbusKey:
    """`port` is a serial device, `first` the number of the input that is closed while the key is
    turned, counted from 0 as on the wire.
    """

    def __init__(self, port: str, baud: int, unit: int, first: int) -> None:
        self._port, self._baud, self._unit, self._first = port, baud, unit, first
        self._line: serial.Serial | None = None

    def turned(self) -> bool:
        """As the contract says. NOT_CONNECTED, SILENT, GARBLED, REFUSED; CONFIGURATION when both
        inputs are alike.
        """
        inputs = self._inputs()
        if inputs not in (TURNED, NOT_TURNED):
            both = "both contacts are closed" if inputs else "no contact is closed"
            raise DeviceFault(NAME, Reason.CONFIGURATION, both)
        return inputs == TURNED

    def close(self) -> None:
        close_line(self._line)
        self._line = None

    def _inputs(self) -> int:
        for last in (*[False] * (TRIES - 1), True):
            try:
                return self._ask()
            except DeviceFault as fault:
                if last or fault.reason not in (Reason.SILENT, Reason.GARBLED):
                    raise
        raise AssertionError("the last try returns or raises")

    def _ask(self) -> int:
        try:
            if self._line is None:
                self._line = open_line(self._port, self._baud)
            self._line.reset_input_buffer()
            self._line.write(question(self._unit, self._first))
            answer = self._answer(self._line)
        except PORT_ERRORS as error:
            self.close()
            raise DeviceFault(NAME, Reason.NOT_CONNECTED, type(error).__name__) from None
        return self._read(answer)

    def _answer(self, line: serial.Serial) -> bytes:
        deadline = time.monotonic() + ANSWER_S
        answer = b""
        while len(answer) < _length(answer):
            piece = read_some(line, _length(answer) - len(answer), deadline)
            if not piece:
                break
            answer += piece
        return answer

    def _read(self, answer: bytes) -> int:
        if not answer:
            raise DeviceFault(NAME, Reason.SILENT, f"module {self._unit}")
        body = answer[:-2]
        if len(answer) != _length(answer) or answer[-2:] != crc(body) or body[0] != self._unit:
            raise DeviceFault(NAME, Reason.GARBLED, "no frame of this module")
        if body[1] == READ_INPUTS | EXCEPTION:
            raise DeviceFault(NAME, Reason.REFUSED, f"exception {body[2]}")
        if body[1:3] != bytes((READ_INPUTS, 1)) or body[3] > 0b11:
            raise DeviceFault(NAME, Reason.GARBLED, "another answer than the one asked for")
        return body[3]


def _length(answer: bytes) -> int:
    """The bytes of the whole answer that begins so."""
    return REFUSAL if len(answer) > 1 and answer[1] & EXCEPTION else ANSWER
