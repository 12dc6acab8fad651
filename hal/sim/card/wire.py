"""A virtual card that connects to a reader's socket: the kiosk's socket reader, or pcscd's virtual
reader.

Frames: 2-byte big-endian length, then one control byte (0 off, 1 on, 2 reset, 4 get ATR) or an
APDU; only the ATR and APDUs are answered. The work is done in a thread; `insert` and `remove` may
be called from anywhere and return at once, from asyncio too.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from hal.sim.card.applet import ATR, Applet
from hal.sim.card.options import CardFaults as CardFaults

POWER_OFF, POWER_ON, RESET, GET_ATR = 0, 1, 2, 4
RETRY_S = 0.05
SIGN, VERIFY = 0x2A, 0x20
HEAD = 5  # bytes of a command, before its data


class CardProgram:
    """Holds a card in its hand or on a reader. While inserted it keeps (re)connecting, as a card
    keeps lying.
    """

    def __init__(
        self, applet: Applet, address: tuple[str, int], faults: CardFaults | None = None
    ) -> None:
        self.applet = applet
        self.faults = faults or CardFaults()
        self.apdus = 0  # commands received since the insertion
        self.pins = 0  # VERIFY commands with a PIN, ever received
        self._address = address
        self._sock: socket.socket | None = None
        self._out = threading.Event()  # set while the card is off the reader
        self._out.set()
        self._thread: threading.Thread | None = None
        self.asleep = False  # a phone whose field is off: it lies there, and no reader sees it
        self.bouncing = False
        self._mute_reset = False  # the last reset is not answered

    @property
    def inserted(self) -> bool:
        """Whether the card lies on the reader. A yank takes it off."""
        return not self._out.is_set()

    @property
    def connected(self) -> bool:
        """Whether a reader holds the line."""
        return self._sock is not None

    def insert(self) -> None:
        """Put the card on the reader; nothing happens when it is there."""
        if self.inserted:
            return
        self._join()
        self.apdus = 0
        self._out.clear()
        self._thread = threading.Thread(target=self._lie, name="card", daemon=True)
        self._thread.start()

    def remove(self) -> None:
        """Take the card off; it loses its power."""
        self._out.set()
        self._hang_up()
        self._join()

    def _hang_up(self) -> None:
        sock = self._sock
        if sock:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def sleep(self) -> None:
        """The phone's screen goes dark, and its field with it; what was verified is forgotten."""
        self.asleep = True
        self._hang_up()

    def wake(self) -> None:
        """Unlocked, and its card shown: the reader sees it again, as a new stay."""
        self.asleep = False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the card is off the reader; False when the time was over first."""
        return self._out.wait(timeout_s)

    def _join(self) -> None:
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(2.0)

    def _lie(self) -> None:
        for _ in range(self.faults.flaps):
            self._bounce()
        while not self._out.is_set():
            if self.asleep:
                self._out.wait(RETRY_S)
                continue
            with contextlib.suppress(OSError), socket.create_connection(self._address, 1.0) as sock:
                sock.settimeout(None)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sock = sock
                if not self.asleep:
                    self._serve(sock)
            self._sock = None
            self.applet.power_off()
            self._out.wait(self.faults.bounce_ms / 1000 if self.bouncing else RETRY_S)
            self.bouncing = False

    def _bounce(self) -> None:
        with contextlib.suppress(OSError), socket.create_connection(self._address, 1.0):
            self._out.wait(self.faults.flap_ms / 1000)
        self._out.wait(self.faults.flap_ms / 1000)

    def _serve(self, sock: socket.socket) -> None:
        powered = False
        while not self._out.is_set():
            size = int.from_bytes(_take(sock, 2), "big")
            frame = _take(sock, size)
            if size == 1:
                powered = self._control(sock, frame[0], powered)
            elif not powered:
                return  # as strict as a chip: without power there is nobody to answer
            else:
                answer = self.execute(frame)
                if answer is not None:
                    _put(sock, answer)
                if self.bouncing:
                    return
                if self._fires("yank_answered"):
                    self._out.set()

    def _control(self, sock: socket.socket, control: int, powered: bool) -> bool:
        """Obey one control byte; returns whether the card has power now. Raises OSError for an
        unknown one.
        """
        if control == GET_ATR:
            if not self.faults.mute and not self._mute_reset:
                _put(sock, ATR)
            return powered
        if control == RESET:
            self.applet.reset()
            return powered
        if control in (POWER_OFF, POWER_ON):
            self.applet.power_off()
            if control == POWER_ON:
                self._mute_reset = self.faults.mute_resets > 0
                self.faults.mute_resets -= self._mute_reset
            return control == POWER_ON
        raise ConnectionAbortedError

    def execute(self, apdu: bytes) -> bytes | None:
        """What the reader gets: None is no answer, and b"" is an answer without a byte."""
        self.apdus += 1
        is_pin = apdu[1:2] == bytes([VERIFY]) and len(apdu) > HEAD
        self.pins += is_pin
        if self._fires("yank_before"):
            self._out.set()
            return None
        delay_ms = self.faults.apdu_ms + (
            self.faults.sign_ms if apdu[1:2] == bytes([SIGN]) else 0.0
        )
        if delay_ms and self._out.wait(delay_ms / 1000):
            return None
        if self._fires("bounce_at"):
            self.bouncing = True
            return None
        if self.faults.mute:
            return None
        if self.faults.deaf or self._fires("lose_command"):
            return b""
        if self._fires("glitch"):
            return self.faults.glitch_status.to_bytes(2, "big")
        answer = self.applet.handle(apdu)
        if self._fires("empty_answer") or (is_pin and self._happens("mute_at_verify")):
            return b""
        if self._fires("cut_answer"):
            return answer[:1]
        if self._fires("damage_answer") and len(answer) > 2:
            return bytes([answer[0] ^ 0x10]) + answer[1:]
        if self._fires("yank_after") or (is_pin and self._happens("yank_at_verify")):
            self._out.set()
            return None
        return None if self._fires("lose_answer") else answer

    def _fires(self, fault: str) -> bool:
        fires = bool(getattr(self.faults, fault) == self.apdus)
        if fires:
            setattr(self.faults, fault, None)
        return fires

    def _happens(self, fault: str) -> bool:
        """Whether a fault that has no count happens now; it is over then."""
        happens = bool(getattr(self.faults, fault))
        setattr(self.faults, fault, False)
        return happens


def _take(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        piece = sock.recv(size - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return bytes(data)


def _put(sock: socket.socket, payload: bytes) -> None:
    sock.sendall(len(payload).to_bytes(2, "big") + payload)
