"""A card reader on a TCP socket, speaking the virtual reader's protocol (vsmartcard's vpcd).

The kiosk listens and a card program connects: a connection is a card, its end is the removal.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator

from hal.card.contract import CardPresence, CardStatus, Stay
from hal.faults import DeviceFault, Reason

POWER_OFF, POWER_ON, GET_ATR = b"\x00", b"\x01", b"\x04"  # 2 would be a warm reset
ATR_SIZES = range(2, 34)  # ISO/IEC 7816-3: TS and T0 at least, 33 bytes at most
ANSWER_SIZES = range(2, 259)  # SW1 SW2, and 256 bytes of data at most: no extended length
ATR_STARTS = (b"\x3b", b"\x3f")
SHORTEST_COMMAND = 4  # CLA INS P1 P2
POWER_UP_S = 2.0  # a card answers a reset at once, or not at all
LONGEST_FRAME = 4096
LATE_FRAMES = 3  # at most, before the answer to a reset
GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL
CABLE_RETRY_S = 0.1
# a card that lies on a reader needs a moment to connect again: until then not "absent"
SETTLE_S = 0.2

log = logging.getLogger(__name__)


class _Line:
    """The framed connection of one stay. After one fault it is dead until the card is powered up
    again: an answer may still come late.
    """

    def __init__(self, sock: socket.socket, stay: Stay, deadline_s: float) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.stay = stay
        self.held = False
        self.dead: Reason | None = None
        self._deadline_s = deadline_s
        self._lock = threading.Lock()

    def power_down(self) -> None:
        """Whatever happened before: a dead line is one whose answers are not believed. Never
        raises.
        """
        with self._lock, contextlib.suppress(OSError):
            self._put(POWER_OFF, time.monotonic() + self._deadline_s)

    def ask(self, payload: bytes | bytearray, sizes: range) -> bytes:
        """One exchange. Raises DeviceFault REMOVED, SILENT or GARBLED."""
        end = time.monotonic() + self._deadline_s
        with self._lock, self._faults():
            self._refuse_leftovers()
            self._put(payload, end)
            frame = self._frame(end)
            if not frame:
                raise DeviceFault(self.stay.reader, Reason.SILENT, "empty answer")
            if len(frame) not in sizes:
                raise DeviceFault(self.stay.reader, Reason.GARBLED, f"frame of {len(frame)} bytes")
            return frame

    def power_up(self) -> None:
        """Raises DeviceFault REMOVED, SILENT or GARBLED."""
        end = time.monotonic() + min(self._deadline_s, POWER_UP_S)
        with self._lock:
            failed, self.dead = self.dead, None
            with self._faults():
                if failed is None:
                    self._refuse_leftovers()
                    self._put(POWER_ON, end)
                    self._put(GET_ATR, end)
                    if len(self._frame(end)) not in ATR_SIZES:
                        raise DeviceFault(self.stay.reader, Reason.GARBLED, "no answer to reset")
                else:
                    self._power_up_again(end)

    def _power_up_again(self, end: float) -> None:
        """Frames are in step again when the same answer to reset has come twice in a row."""
        for payload in (POWER_OFF, POWER_ON, GET_ATR, GET_ATR):
            self._put(payload, end)
        before = b""
        for _ in range(LATE_FRAMES + 2):
            frame = self._frame(end)
            if frame == before and len(frame) in ATR_SIZES and frame.startswith(ATR_STARTS):
                return self._refuse_leftovers()
            before = frame
        raise DeviceFault(self.stay.reader, Reason.GARBLED, "no answer to reset")

    def _frame(self, end: float) -> bytes:
        size = int.from_bytes(self._take(2, end), "big")
        if size > LONGEST_FRAME:
            raise DeviceFault(self.stay.reader, Reason.GARBLED, f"frame of {size} bytes")
        return self._take(size, end)

    def cut(self, why: Reason) -> None:
        """End the connection and whatever waits on it. Never raises."""
        self.dead = self.dead or why
        with contextlib.suppress(OSError):
            # wakes a waiting recv: only then may the lock be awaited
            self.sock.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self.sock.close()

    @contextlib.contextmanager
    def _faults(self) -> Iterator[None]:
        if self.dead:
            raise DeviceFault(self.stay.reader, self.dead)
        try:
            yield
        except DeviceFault as fault:
            self.dead = self.dead or fault.reason
            raise
        except TimeoutError:
            self.dead = self.dead or Reason.SILENT
            raise DeviceFault(self.stay.reader, Reason.SILENT) from None
        except OSError:
            self.dead = self.dead or Reason.REMOVED
            raise DeviceFault(self.stay.reader, self.dead) from None

    def _refuse_leftovers(self) -> None:
        """A card that speaks unasked would make every later answer the answer to the command
        before.
        """
        if _events(self.sock, select.POLLIN) & select.POLLIN:
            early = self.sock.recv(1, socket.MSG_PEEK)
            raise DeviceFault(self.stay.reader, Reason.GARBLED if early else Reason.REMOVED)

    def _put(self, payload: bytes | bytearray, end: float) -> None:
        frame = bytearray(len(payload).to_bytes(2, "big")) + payload
        try:
            self.sock.settimeout(max(end - time.monotonic(), 0.001))
            self.sock.sendall(frame)
        finally:
            frame[:] = bytes(len(frame))  # it may have held a PIN

    def _take(self, size: int, end: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.sock.settimeout(left)
            # the kernel forgets this after each segment; without it an APDU costs a delayed ACK of
            # 40 ms
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            piece = self.sock.recv(size - len(data))
            if not piece:
                raise ConnectionResetError
            data += piece
        return bytes(data)


class SocketChannel:
    """CardChannel over the connection of one stay."""

    def __init__(self, line: _Line, release: Callable[[], None]) -> None:
        self._line = line
        self._release = release
        self._open = True
        self._failed: Reason | None = None
        self._exchanged = 0

    @property
    def exchanged(self) -> int:
        return self._exchanged

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        reader = self._line.stay.reader
        if not self._open:
            raise DeviceFault(reader, Reason.NOT_CONNECTED, "disconnected")
        if self._failed:
            raise DeviceFault(reader, self._failed)
        if len(apdu) < SHORTEST_COMMAND:
            raise DeviceFault(reader, Reason.GARBLED, "not a command")
        self._exchanged += 1
        try:
            return self._line.ask(apdu, ANSWER_SIZES)
        except DeviceFault as fault:
            self._failed = fault.reason
            self._release()  # the watcher shall report that this card answers no more
            raise

    def disconnect(self) -> None:
        if not self._open:
            return
        self._open = False
        self._line.power_down()
        self._line.held = False
        self._release()


class SocketReader:
    """CardReader on a listening socket that somebody else owns.

    `cable` is the address of a TCP port to keep a connection to. While it cannot be held the reader
    counts as unplugged: UNKNOWN, and no card is taken. A bench pulls this reader's plug there.
    """

    def __init__(
        self,
        listener: socket.socket,
        name: str = "socket",
        cable: tuple[str, int] | None = None,
        deadline_s: float = 5.0,
    ) -> None:
        self._listener = listener
        self._name = name
        self._cable_address = cable
        self._deadline_s = deadline_s
        self._cable: socket.socket | None = None
        self._line: _Line | None = None
        self._stays = 0
        self._deaf = False  # the listening socket failed
        self._settled = 0.0  # monotonic time from which no connection means no card
        self._status = CardStatus(CardPresence.UNKNOWN)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._button: socket.socket | None = None  # wakes the watcher
        self._thread: threading.Thread | None = None

    def start(self, notify: Callable[[CardStatus], None]) -> None:
        bell, self._button = socket.socketpair()
        for sock in (self._listener, bell, self._button):
            sock.setblocking(False)
        name = f"{self._name}-watch"
        self._thread = threading.Thread(
            target=self._watch, args=(notify, bell), name=name, daemon=True
        )
        self._thread.start()

    def status(self) -> CardStatus:
        return self._status

    def connect(self, stay: Stay) -> SocketChannel:
        line = self._hold(stay)
        try:
            line.power_up()
        except DeviceFault as fault:
            line.held = False
            silent = fault.reason is Reason.SILENT
            raise (DeviceFault(self._name, Reason.MUTE) if silent else fault) from None
        finally:
            self._wake()
        return SocketChannel(line, self._wake)

    def check(self) -> None:
        if self._deaf or (self._thread is not None and self._unplugged()):
            raise DeviceFault(self._name, Reason.NOT_CONNECTED)

    def close(self) -> None:
        self._closing.set()
        self._wake()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(self._deadline_s)

    def _hold(self, stay: Stay) -> _Line:
        with self._lock:
            line = self._line
            if self._unplugged():
                raise DeviceFault(self._name, Reason.NOT_CONNECTED)
            if line is None or line.stay != stay or line.dead is Reason.REMOVED:
                raise DeviceFault(self._name, Reason.REMOVED)
            if line.held:
                raise DeviceFault(self._name, Reason.IN_USE)
            line.held = True
            return line

    # --- the watcher's thread ---

    def _watch(self, notify: Callable[[CardStatus], None], bell: socket.socket) -> None:
        reported: CardStatus | None = None
        self._settled = time.monotonic() + SETTLE_S
        try:
            while not self._closing.is_set():
                self._look()
                self._status = now = self._now()
                if now != reported:
                    reported = now
                    self._notify(notify, now)
                self._wait(bell)
        finally:  # whatever ends the watch, nothing is known from here on
            self._status = CardStatus(CardPresence.UNKNOWN)
            self._drop(Reason.NOT_CONNECTED)
            self._release_cable()
            bell.close()

    def _notify(self, notify: Callable[[CardStatus], None], status: CardStatus) -> None:
        try:
            notify(status)
        except Exception as error:  # an observer's mistake must not blind the reader
            log.error("%s: observer failed: %s", self._name, type(error).__name__)

    def _look(self) -> None:
        """Bring cable and card up to what the sockets say. Blocks only while the reader is
        unplugged.
        """
        if self._cable_address:
            if self._cable and _hung_up(self._cable):
                self._release_cable()
            if self._cable is None:
                self._drop(Reason.NOT_CONNECTED)
                self._cable = _plug(self._cable_address)
                self._settled = time.monotonic() + SETTLE_S
        if self._line and (self._line.dead is Reason.REMOVED or _hung_up(self._line.sock)):
            self._drop(Reason.REMOVED)
        if not self._unplugged():
            self._accept()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError:
                self._deaf = True
                return self._drop(Reason.NOT_CONNECTED)
            if self._line or _hung_up(sock):
                # one card at a time; and no stay for one that left in the queue
                sock.close()
                continue
            self._settled = 0.0  # from now on a connection's end is a removal
            with self._lock:
                self._stays += 1
                self._line = _Line(sock, Stay(self._name, self._stays), self._deadline_s)

    def _drop(self, why: Reason) -> None:
        with self._lock:
            line, self._line = self._line, None
        if line:
            line.cut(why)

    def _release_cable(self) -> None:
        cable, self._cable = self._cable, None
        if cable:
            cable.close()

    def _unplugged(self) -> bool:
        return (
            self._deaf
            or self._closing.is_set()
            or bool(self._cable_address and self._cable is None)
        )

    def _now(self) -> CardStatus:
        if self._unplugged():
            return CardStatus(CardPresence.UNKNOWN)
        if self._line is None:
            settled = time.monotonic() >= self._settled
            return CardStatus(CardPresence.ABSENT if settled else CardPresence.UNKNOWN)
        return CardStatus(
            CardPresence.MUTE if self._line.dead else CardPresence.PRESENT, self._line.stay
        )

    def _wait(self, bell: socket.socket) -> None:
        poll = select.poll()
        poll.register(bell, select.POLLIN)
        if not self._unplugged():
            poll.register(self._listener, select.POLLIN)
        for sock in (self._cable, self._line and self._line.sock):
            if sock:
                poll.register(sock, select.POLLRDHUP)
        poll.poll(self._patience_ms())
        with contextlib.suppress(OSError):
            while bell.recv(64):
                pass

    def _patience_ms(self) -> float | None:
        """How long nothing can change without a socket telling."""
        if self._cable_address and self._cable is None:
            return CABLE_RETRY_S * 1000
        left = self._settled - time.monotonic()
        return left * 1000 + 1 if left > 0 else None

    def _wake(self) -> None:
        if self._button:
            with contextlib.suppress(OSError):
                self._button.send(b"\x00")


def _hung_up(sock: socket.socket) -> bool:
    """Whether the far end is gone. Unread data is left alone: it belongs to an exchange."""
    return bool(_events(sock, select.POLLRDHUP) & GONE)


def _events(sock: socket.socket, wanted: int) -> int:
    """What poll reports of one socket now."""
    poll = select.poll()
    poll.register(sock, wanted)
    return next((event for _, event in poll.poll(0)), 0)


def _plug(address: tuple[str, int]) -> socket.socket | None:
    try:
        cable = socket.create_connection(address, timeout=CABLE_RETRY_S * 2)
    except OSError:
        return None
    # a far end that vanished is unplugged too
    cable.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    cable.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
    cable.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    cable.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
    return cable
