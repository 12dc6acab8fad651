"""A card reader without a wire, where nobody waits: for many sessions."""

from __future__ import annotations

from collections.abc import Callable

from hal.card.contract import CardPresence, CardStatus, Stay
from hal.faults import DeviceFault, Reason
from hal.sim.card.wire import CardProgram


class Clock:
    """Time that passes only where somebody waits: what `session` takes for the module `time`."""

    def __init__(self) -> None:
        self.now = 1.0

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class NearReader:
    """CardReader without a wire: what the socket reader makes of each answer, at once.

    `trouble` is asked before each exchange, and may set a fault of the card.
    """

    def __init__(self, program: CardProgram, trouble: Callable[[CardProgram], None]) -> None:
        self.program = program
        self.trouble = trouble
        self.stays = 1
        self.connects = 0
        self.sent: list[tuple[int, int]] = []  # INS, and size of the data

    def start(self, notify: Callable[[CardStatus], None]) -> None:
        """Nothing to watch."""

    def status(self) -> CardStatus:
        return CardStatus(CardPresence.PRESENT, Stay("near", self.stays))

    def connect(self, stay: Stay) -> NearChannel:
        self.connects += 1
        if stay.count != self.stays:
            raise DeviceFault("near", Reason.REMOVED)
        self.program.applet.power_off()
        faults = self.program.faults
        if faults.mute or faults.mute_resets:
            faults.mute_resets = max(faults.mute_resets - 1, 0)
            raise DeviceFault("near", Reason.MUTE)
        return NearChannel(self)

    def check(self) -> None:
        """Always there."""

    def close(self) -> None:
        """Nothing to free."""


class NearChannel:
    """CardChannel to the applet itself."""

    def __init__(self, reader: NearReader) -> None:
        self._reader = reader
        self._failed: Reason | None = None
        self.exchanged = 0

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        reader, program = self._reader, self._reader.program
        if self._failed:
            raise DeviceFault("near", self._failed)
        self.exchanged += 1
        reader.sent.append((apdu[1], apdu[4] if len(apdu) > 5 else 0))
        reader.trouble(program)
        answer = program.execute(bytes(apdu))
        if program.bouncing:
            program.bouncing = False
            reader.stays += 1
            self._failed = Reason.REMOVED
        elif not answer:
            self._failed = Reason.SILENT
        elif not 2 <= len(answer) <= 258:
            self._failed = Reason.GARBLED
        if self._failed or answer is None:
            raise DeviceFault("near", self._failed or Reason.SILENT)
        return answer

    def disconnect(self) -> None:
        self._reader.program.applet.power_off()
