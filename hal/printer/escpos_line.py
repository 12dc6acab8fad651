"""Questions and answers on the wire to an ESC/POS printer.

Only what answers the last question counts: automatic status is skipped wherever it stands, and an
answer that comes late is counted for the question that it belongs to. Nothing is known of pages.
"""

from __future__ import annotations

import socket
from errno import ECONNREFUSED
from typing import Final

from hal.printer import escpos_status as status_bytes
from hal.printer.escpos_answers import AnswerReader, Garbled, Kind, Ledger
from hal.printer.escpos_commands import (
    CLEAR_BUFFERS,
    NO_AUTO_STATUS,
    QUESTION,
    REALTIME_STATUS,
)
from hal.printer.escpos_status import Reading
from hal.printer.port import Clock, Port
from hal.printer.wire import FLOOD, Wire, network_wire

SILENCES: Final = 2  # a connection is kept through one: its answers may only be late


class EscposLine:
    """Connects when it is first used. Every error is an OSError (PortBusy, TimeoutError, and others
    when the wire is gone) or Garbled.
    """

    def __init__(self, port: Port, clock: Clock, answer_s: float, stall_s: float) -> None:
        self.port, self._clock = port, clock
        self._answer_s, self._stall_s = answer_s, stall_s
        self._wire: Wire | None = None
        self._sent_before = 0  # on wires that are closed
        # answers may come that were asked for before this wire was opened, on all but connections
        self._stale = True
        self._silences = 0
        self.number = 0  # of the wire that is open, or was last
        self._reader, self._ledger = AnswerReader(), Ledger()
        self._served = False  # this wire has answered
        self._fell_silent = False  # a wire that had answered, and none has answered since

    # --- the wire

    @property
    def bytes_sent(self) -> int:
        return self._sent_before + (self._wire.sent if self._wire else 0)

    def close(self) -> None:
        wire = self._forget()
        if wire is not None:
            wire.close()

    def drop(self) -> None:
        """Give this wire up. Nothing that is still on its way out is to arrive."""
        wire = self._forget()
        if wire is not None:
            wire.abandon()

    def adopt(self, connection: socket.socket) -> None:
        """A connection that another process has opened, and on which nothing is under way."""
        self._wire, self._served = network_wire(connection), True
        self._wire.device = self.port.device

    def release(self) -> socket.socket | None:
        """The connection, for the process that comes next, when nothing is under way on it in
        either direction. This line has none any more. None is made for it.
        """
        wire = self._wire
        if wire is None:
            return None
        try:
            self._discard(wire)
            idle = self._served and self._ledger.settled() and self._reader.between_answers
        except (OSError, Garbled):
            return None
        connection = wire.detach() if idle else None
        if connection is not None:
            self._forget()
        return connection

    def settle(self) -> None:
        """What has come so far answers no question to come. Connects; many printers hang up on an
        idle line, and that is found here.
        """
        try:
            self._discard(self._connected())
        except ConnectionError as error:
            if not self._served:
                raise self._failed(error) from error
            self.drop()
            self._discard(self._connected())

    @property
    def longest_pause_s(self) -> float:
        """In which the printer took nothing of what was sent, since `forget_questions`."""
        return self._wire.longest_pause_s if self._wire else 0.0

    def send(self, data: bytes, deadline: float) -> None:
        self._connected().write(data, deadline, self._stall_s)

    def send_dots(self, data: bytes, deadline: float) -> None:
        """Part of a page. It may contain questions by chance."""
        for question in QUESTION.findall(data):
            full = question[-1] == status_bytes.FULL
            self._ledger.due[Kind.FULL if full else Kind.REALTIME] += 1
            self._ledger.by_chance = True
        self.send(data, deadline)
        self.collect(0)

    def collect(self, timeout_s: float) -> None:
        """Take in what has come, or comes in this time."""
        data = self._connected().read(max(0.0, timeout_s))
        for kind, answer in self._reader.read(data):
            self._ledger.count(kind, answer)
            self._note_answer()

    # --- questions

    @property
    def fences(self) -> int:
        """Answered since `forget_questions`."""
        return self._ledger.fences

    @property
    def fence_in_doubt(self) -> bool:
        """More fences may have been answered."""
        return self._ledger.doubt

    def expect_fences(self, count: int) -> None:
        """So many in all."""
        self._ledger.due[Kind.FENCE] = count - self._ledger.fences

    def forget_questions(self) -> None:
        """Whatever was asked before is answered, or never will be."""
        self._ledger = Ledger()
        if self._wire is not None:
            self._wire.longest_pause_s = 0.0

    def ask(self, question: int) -> int:
        """DLE EOT `question`, one byte."""
        return self._ask(Kind.REALTIME, REALTIME_STATUS + bytes([question]))[0]

    def ask_full(self) -> bytes:
        return self._ask(Kind.FULL, REALTIME_STATUS + bytes([status_bytes.FULL]))

    def clear(self) -> None:
        """The printer throws away what it has not drawn, and says so. Fences that it answered
        before that are counted.
        """
        self._ask(Kind.CLEARED, CLEAR_BUFFERS)

    def read_status(self, outlet_sensor: bool) -> Reading:
        """All questions. A printer that has hung up with nothing under way is called again, once:
        that is no fault. The connection to one that is silent is kept once: it may only be late.
        """
        try:
            reading = self._read_status(outlet_sensor)
        except TimeoutError:
            self._silences += 1
            if self._silences >= SILENCES:
                self._fell_silent = self._fell_silent or self._served
                self.drop()
            raise
        except ConnectionError:
            self.drop()
            reading = self._read_status(outlet_sensor)
        self._silences = 0
        return reading

    def _read_status(self, outlet_sensor: bool) -> Reading:
        self.settle()
        answers = bytes(self.ask(question) for question in status_bytes.QUESTIONS)
        full = self.ask_full() if outlet_sensor else None
        self.collect(0)
        return status_bytes.read(answers, full)

    def resynchronise(self) -> None:
        """Afterwards every answer is one to a question that is asked from now on.

        Clearing the buffers has an answer that nothing else has: whatever comes before it is older.
        A model that has no such answer is silent after whatever is older has come.
        """
        self.send(CLEAR_BUFFERS, self._clock.monotonic() + self._answer_s)
        deadline = self._clock.monotonic() + self._answer_s
        cleared, total = False, 0
        while not cleared and total < FLOOD:
            data = self._connected().read(max(0.0, deadline - self._clock.monotonic()))
            if not data:
                break
            total += len(data)
            cleared = Kind.CLEARED in self._kinds(data)
        self.forget_questions()
        self.ask(status_bytes.PRINTER)
        self.forget_questions()

    def _ask(self, kind: Kind, command: bytes) -> bytes:
        if self._ledger.fences or self._ledger.due[Kind.FENCE] or self._ledger.by_chance:
            self.collect(0)  # a page is on its way: its fences count
        else:
            self._discard(self._connected())
        deadline = self._clock.monotonic() + self._answer_s
        self._ledger.due[kind] += 1
        self._ledger.last.pop(kind, None)
        try:
            self.send(command, deadline)
            while self._ledger.due[kind]:
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    return self._late(kind)
                self.collect(left)
        except (TimeoutError, ConnectionError) as error:
            raise self._failed(error) from None
        return self._ledger.last[kind]

    def _late(self, kind: Kind) -> bytes:
        """Some printers do not answer what stands in a bitmap; then the last answer is ours."""
        if self._ledger.by_chance and kind in self._ledger.last:
            return self._ledger.last[kind]
        raise TimeoutError("silent")

    def _failed(self, error: OSError) -> OSError:
        """What it means that a question found no answer, for a connection that never gave one."""
        if self._wire is None or not self._wire.is_connection or self._served:
            return error
        self.drop()
        if self._fell_silent:  # on a connection that it served: it is not busy
            return self.port.refused(error)
        return self.port.refused(
            ConnectionRefusedError(ECONNREFUSED, f"connected, not served: {error}")
        )

    def _note_answer(self) -> None:
        self._served, self._fell_silent = True, False
        self.port.served()

    def _discard(self, wire: Wire) -> None:
        total = 0
        while data := wire.read(0):
            total += len(data)
            if total > FLOOD:
                raise ConnectionAbortedError("answers without end")
            self._kinds(data)

    def _kinds(self, data: bytes) -> set[Kind]:
        """What these bytes answer. Answers to older questions are taken off the ledger."""
        found = set()
        for byte in data:
            try:
                for kind, answer in self._reader.read(bytes([byte])):
                    found.add(kind)
                    self._note_answer()
                    if self._ledger.due[kind]:
                        self._ledger.count(kind, answer)
            except Garbled:
                continue
        return found

    def _connected(self) -> Wire:
        if self._wire is None:
            self._wire = wire = self.port.open()
            self.number += 1
            self._reader, self._ledger, self._silences = AnswerReader(), Ledger(), 0
            try:
                self.send(NO_AUTO_STATUS, self._clock.monotonic() + self._answer_s)
                if self._stale and not wire.is_connection:
                    self.resynchronise()
            except (OSError, Garbled) as error:
                found = self._failed(error) if isinstance(error, OSError) else error
                self.drop()
                self._stale = True
                raise found from None
            self._stale = False
        return self._wire

    def _forget(self) -> Wire | None:
        wire, self._wire = self._wire, None
        if wire is not None:
            self._sent_before += wire.sent
            self._stale = not self._ledger.settled()
            self._served = False
        return wire
