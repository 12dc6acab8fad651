"""A card reader behind PC/SC (pcscd), watched with a loop of our own.

pyscard's CardMonitor and ReaderMonitor die silently with pcscd or with an observer's exception, so they are not
used. pyscard is imported late: it is wanted on boards with a PC/SC reader only, and a context must never cross a
fork (the child's release kills the parent's).
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeVar

from hal.card.contract import CardStatus, Presence, Stay
from hal.faults import DeviceFault, Reason

NEW_READERS: Final = "\\\\?PnP?\\Notification"
WAIT_MS: Final = 500  # one look at the reader; an event ends it early
BACK_OFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0)  # before a new context
SHORTEST_COMMAND = 4
ANSWER_SIZES = range(2, 259)
COUNT_SHIFT = 16  # dwEventState: insertions and removals in the upper half

SUCCESS, TIMEOUT = 0, 0x8010000A
REASONS: Final = {
    0x8010000A: Reason.SILENT,  # timeout
    0x8010000B: Reason.IN_USE,  # sharing violation
    0x8010000C: Reason.REMOVED,  # no smart card
    0x80100016: Reason.REMOVED,  # not transacted: pulled in the middle
    0x80100066: Reason.MUTE,  # unresponsive
    0x80100067: Reason.MUTE,  # unpowered
    0x80100068: Reason.REMOVED,  # reset: this session is over
    0x80100069: Reason.REMOVED,
    0x8010000F: Reason.GARBLED,  # protocol mismatch
}  # everything else: the reader or the daemon is gone

log = logging.getLogger(__name__)
T = TypeVar("T")


class PcscReader:
    """CardReader for the PC/SC reader of this exact name.

    Unplugged reader, dead daemon and a lost context are all UNKNOWN; each return starts a new range of stay
    counts, because pcscd then counts from the beginning again.
    """

    def __init__(self, name: str, deadline_s: float = 5.0) -> None:
        self._name = name
        self._deadline_s = deadline_s
        self._scard: Any = None
        self._context: Any = None
        self._status = CardStatus(Presence.UNKNOWN)
        self._era = 0
        self._channel: PcscChannel | None = None
        self._holding = False  # from the attempt to connect to the end of the disconnect
        self._cold = True  # no card of this process yet
        self._ours = False  # the hold that pcscd reports is ours, or was and is not yet reported over
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, notify: Callable[[CardStatus], None]) -> None:
        """Raises DeviceFault CONFIGURATION when pyscard is not installed."""
        self._scard = _pyscard(self._name)
        name = f"{self._name}-watch"
        self._thread = threading.Thread(target=self._watch, args=(notify,), name=name, daemon=True)
        self._thread.start()

    def status(self) -> CardStatus:
        return self._status

    def connect(self, stay: Stay) -> PcscChannel:
        now = self._status
        if self._scard is None or now.presence is Presence.UNKNOWN:
            raise DeviceFault(self._name, Reason.NOT_CONNECTED)
        if now.stay != stay:
            raise DeviceFault(self._name, Reason.REMOVED)
        with self._lock:
            if self._holding:
                raise DeviceFault(self._name, Reason.IN_USE)
            self._holding = True
            cold, self._cold = self._cold, False
        channel = self._channel = PcscChannel(self._scard, self._name, self._deadline_s, cold, self._release)
        self._ours = True
        try:
            same = channel.count() == stay.count & 0xFFFF and self._status.stay == stay
        except DeviceFault:
            channel.disconnect()
            raise
        if not same:
            channel.disconnect()  # another card was faster
            raise DeviceFault(self._name, Reason.REMOVED)
        return channel

    def _release(self) -> None:
        self._holding = False

    def close(self) -> None:
        self._closing.set()
        if self._channel:
            self._channel.disconnect()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        end = time.monotonic() + self._deadline_s
        while thread.is_alive() and time.monotonic() < end:
            if self._context is not None:  # a cancel is not sticky: repeat it until the waiter is out
                with contextlib.suppress(Exception):
                    self._scard.SCardCancel(self._context)
            thread.join(0.02)

    # --- the watcher's thread ---

    def _watch(self, notify: Callable[[CardStatus], None]) -> None:
        tell = _Teller(notify, self._name)
        failures = 0
        while not self._closing.is_set():
            began = time.monotonic()
            try:
                self._watch_context(tell)
            except Exception as error:  # a watch that died would leave its last word standing
                if not isinstance(error, DeviceFault):
                    log.error("%s: watch failed: %s", self._name, type(error).__name__)
                self._set(CardStatus(Presence.UNKNOWN), tell)
            failures = 0 if time.monotonic() - began > BACK_OFF_S[-1] else failures + 1
            self._closing.wait(BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)])
        self._status = CardStatus(Presence.UNKNOWN)

    def _watch_context(self, tell: _Teller) -> None:
        """Watch with one context until it fails (DeviceFault) or the reader closes."""
        context = _call(self._name, self._scard.SCardEstablishContext, self._scard.SCARD_SCOPE_SYSTEM)
        self._context = context
        known = {self._name: self._scard.SCARD_STATE_UNAWARE, NEW_READERS: self._scard.SCARD_STATE_UNAWARE}
        wait_ms = 0
        try:
            while not self._closing.is_set():
                seen = self._look(context, known, wait_ms)
                if seen is not None:
                    known = {name: state & ~self._scard.SCARD_STATE_CHANGED for name, state in seen.items()}
                    self._set(self._read(known[self._name]), tell)
                unplugged = self._status.presence is Presence.UNKNOWN
                # an unknown reader makes pcscd answer at once, again and again
                if unplugged:
                    self._closing.wait(BACK_OFF_S[1])
                wait_ms = WAIT_MS
        finally:
            self._context = None
            with contextlib.suppress(Exception):
                self._scard.SCardReleaseContext(context)

    def _look(self, context: Any, known: dict[str, int], wait_ms: int) -> dict[str, int] | None:
        """New event states by reader name, or None when nothing changed."""
        states = list(known.items())
        try:
            code, seen = self._scard.SCardGetStatusChange(context, wait_ms, states)
        except Exception as error:  # two unrelated families of exceptions, and SystemError
            raise DeviceFault(self._name, Reason.NOT_CONNECTED, type(error).__name__) from None
        code &= 0xFFFFFFFF
        if code == TIMEOUT and wait_ms:
            return None
        if code in (0x80100009, 0x80100017):  # unknown reader, reader unavailable
            return {self._name: self._scard.SCARD_STATE_UNKNOWN, NEW_READERS: known[NEW_READERS]}
        if code not in (SUCCESS, TIMEOUT):
            raise DeviceFault(self._name, Reason.NOT_CONNECTED, f"{code:08X}")
        return {name: state for name, state, *_ in seen}

    def _read(self, state: int) -> CardStatus:
        """Translate dwEventState."""
        scard = self._scard
        gone = scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE | scard.SCARD_STATE_IGNORE
        if state & gone:
            return CardStatus(Presence.UNKNOWN)
        if state & scard.SCARD_STATE_EMPTY:
            return CardStatus(Presence.ABSENT)
        if not state & scard.SCARD_STATE_PRESENT:
            return CardStatus(Presence.UNKNOWN)
        stay = Stay(self._name, self._era << COUNT_SHIFT | state >> COUNT_SHIFT & 0xFFFF)
        if state & scard.SCARD_STATE_MUTE:
            return CardStatus(Presence.MUTE, stay)
        held = bool(state & (scard.SCARD_STATE_EXCLUSIVE | scard.SCARD_STATE_INUSE))
        self._ours = self._ours and (held or self._holding)
        others = held and not self._ours and not self._holding
        return CardStatus(Presence.IN_USE if others else Presence.PRESENT, stay)

    def _set(self, status: CardStatus, tell: _Teller) -> None:
        if status.presence is Presence.UNKNOWN and self._status.presence is not Presence.UNKNOWN:
            self._era += 1
        self._status = status
        tell(status)


class PcscChannel:
    """CardChannel: exclusive, with a context of its own (a context is locked while somebody waits on it).

    The constructor powers the card up; `cold` cuts the power first, because a PIN verified for a program that
    was killed may still stand. Raises DeviceFault REMOVED, MUTE, IN_USE, SILENT, NOT_CONNECTED.
    """

    def __init__(self, scard: Any, name: str, deadline_s: float, cold: bool, release: Callable[[], None]) -> None:
        self._scard = scard
        self._name = name
        self._deadline_s = deadline_s
        self._release = release
        self._exchanged = 0
        self._lock = threading.Lock()
        self._dead: Reason | None = None
        self.is_open = True
        self._context: Any = None
        self._handle: Any = None
        try:
            self._within(lambda: self._power_up(cold))
        except DeviceFault:
            self.disconnect()
            raise

    @property
    def exchanged(self) -> int:
        return self._exchanged

    def count(self) -> int:
        """The reader's present count of insertions and removals. Raises DeviceFault."""
        states = [(self._name, self._scard.SCARD_STATE_UNAWARE)]
        seen = self._within(lambda: _call(self._name, self._scard.SCardGetStatusChange, self._context, 0, states))
        return int(seen[0][1]) >> COUNT_SHIFT & 0xFFFF

    def transmit(self, apdu: bytes | bytearray) -> bytes:
        if not self.is_open:
            raise DeviceFault(self._name, Reason.NOT_CONNECTED, "disconnected")
        if self._dead:
            raise DeviceFault(self._name, self._dead)
        if len(apdu) < SHORTEST_COMMAND:
            raise DeviceFault(self._name, Reason.GARBLED, "not a command")
        with self._lock:
            self._exchanged += 1
            numbers = list(apdu)
            try:
                return self._within(lambda: self._exchange(numbers))
            except DeviceFault as fault:
                self._dead = fault.reason
                raise
            finally:
                numbers[:] = [0] * len(numbers)

    def disconnect(self) -> None:
        if not self.is_open:
            return
        self.is_open = False
        with contextlib.suppress(DeviceFault):
            self._within(self._power_down)
        self._release()

    def _power_up(self, cold: bool) -> None:
        scard = self._scard
        self._context = _call(self._name, scard.SCardEstablishContext, scard.SCARD_SCOPE_SYSTEM)
        how = (scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_PROTOCOL_T0 | scard.SCARD_PROTOCOL_T1)
        self._handle, self._protocol = _call(self._name, scard.SCardConnect, self._context, self._name, *how)
        if cold:
            cut = scard.SCARD_UNPOWER_CARD
            self._protocol = _call(self._name, scard.SCardReconnect, self._handle, *how, cut)
        if not self.is_open:  # given up while we were connecting
            self._power_down()

    def _power_down(self) -> None:
        handle, self._handle = self._handle, None
        context, self._context = self._context, None
        if handle is not None:
            with contextlib.suppress(Exception):
                self._scard.SCardDisconnect(handle, self._scard.SCARD_UNPOWER_CARD)
        if context is not None:
            with contextlib.suppress(Exception):
                self._scard.SCardReleaseContext(context)

    def _exchange(self, numbers: list[int]) -> bytes:
        pci = self._scard.SCARD_PCI_T0
        if self._protocol == self._scard.SCARD_PROTOCOL_T1:
            pci = self._scard.SCARD_PCI_T1
        answer = bytes(_call(self._name, self._scard.SCardTransmit, self._handle, pci, numbers))
        if not answer:  # "success", and the card was pulled
            raise DeviceFault(self._name, Reason.REMOVED)
        if len(answer) not in ANSWER_SIZES:
            raise DeviceFault(self._name, Reason.GARBLED, f"answer of {len(answer)} bytes")
        return answer

    def _within(self, work: Callable[[], T]) -> T:
        """Run in a thread and wait no longer than the deadline: nothing interrupts a call into PC/SC."""
        results: list[T] = []
        faults: list[DeviceFault] = []

        def run() -> None:
            try:
                results.append(work())
            except DeviceFault as fault:
                faults.append(fault)

        thread = threading.Thread(target=run, name=f"{self._name}-call", daemon=True)
        thread.start()
        thread.join(self._deadline_s)
        if faults:
            raise faults[0]
        if not results:
            raise DeviceFault(self._name, Reason.SILENT)
        return results[0]


class _Teller:
    """Passes changes on; an observer's mistake must not blind the reader."""

    def __init__(self, notify: Callable[[CardStatus], None], name: str) -> None:
        self._notify = notify
        self._name = name
        self._told: CardStatus | None = None

    def __call__(self, status: CardStatus) -> None:
        if status == self._told:
            return
        self._told = status
        try:
            self._notify(status)
        except Exception as error:
            log.error("%s: observer failed: %s", self._name, type(error).__name__)


def _pyscard(name: str) -> ModuleType:
    try:
        from smartcard import scard
    except ImportError:
        raise DeviceFault(name, Reason.CONFIGURATION, "pyscard is not installed") from None
    module: ModuleType = scard
    return module


def _call(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """One call into PC/SC: what it returns after its code. Raises DeviceFault; never shows the data."""
    try:
        code, *rest = answer if isinstance(answer := function(*arguments), (list, tuple)) else [answer]
    except Exception as error:
        raise DeviceFault(name, Reason.NOT_CONNECTED, type(error).__name__) from None
    code &= 0xFFFFFFFF
    if code != SUCCESS:
        raise DeviceFault(name, REASONS.get(code, Reason.NOT_CONNECTED), f"{code:08X}")
    return rest[0] if len(rest) == 1 else rest
