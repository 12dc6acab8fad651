"""CardReader over PC/SC: what the monitor reports is judged here, passed on, and connected to."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from hal.card.contract import CardPresence, CardStatus, Stay
from hal.card.pcsc.calls import COUNT_SHIFT, HELD, LOST, SCOPE_SYSTEM, Calls, ReaderState
from hal.card.pcsc.channel import PcscChannel
from hal.card.pcsc.monitor import StatusMonitor
from hal.card.pcsc.worker import WorkerThread
from hal.faults import DeviceFault, Reason

# the monitor gives a sign of life every 0.5 s; after this the daemon hangs and nothing is known
PATIENCE_S = 2.0
SETTLE_S = 1.0  # a reader that has just come back needs this to find a card that lies there
COUNTS = (1 << COUNT_SHIFT) - 1
UNKNOWN = CardStatus(CardPresence.UNKNOWN)

log = logging.getLogger(__name__)


class PcscReader:
    """CardReader for the one PC/SC reader of this name, or beginning of a name, and `serial`
    number where it is given; never for one of two.

    Unplugged reader, dead or hanging daemon and a lost context are all UNKNOWN; each return starts
    a new range of stay counts, because pcscd then counts from the beginning again.
    """

    def __init__(self, name: str, deadline_s: float = 5.0, serial: str = "") -> None:
        self._name = name
        self._serial = serial
        self._deadline_s = deadline_s
        self._status = UNKNOWN
        self._era = 0
        # monotonic time until which a reader that came back is not believed to be empty
        self._settled = 0.0
        self._calls: Calls | None = None
        self._monitor: StatusMonitor | None = None
        self._watcher: threading.Thread | None = None
        # dwEventState; None: judge anew
        self._news: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._channel: PcscChannel | None = None
        # from the attempt to connect until handle and context are given back
        self._slot = threading.Lock()
        # while a question is under way, also one nobody waits for any more: each holds a thread
        self._asking = threading.Lock()
        self._cold = True  # the card may have power, and a PIN verified, from somebody before
        # the hold that pcscd reports is ours, or was and is not yet reported over
        self._ours = False
        self._silent: Stay | None = None  # this stay's card gave no answer

    def start(self, notify: Callable[[CardStatus], None]) -> None:
        """Raises DeviceFault CONFIGURATION: pyscard is not installed, or this can be no reader's
        name.
        """
        self._calls = Calls(self._name, self._serial)
        self._watcher = threading.Thread(
            target=self._watch, args=(notify,), name=f"{self._name}-watch", daemon=True
        )
        self._watcher.start()
        self._monitor = StatusMonitor(self._calls, self._news.put)

    def status(self) -> CardStatus:
        return self._status

    def connect(self, stay: Stay) -> PcscChannel:
        """Waits, within the deadline, for an earlier connection to be given back."""
        now = self._status
        if self._calls is None or now.presence is CardPresence.UNKNOWN:
            raise DeviceFault(self._name, now.reason or Reason.NOT_CONNECTED)
        if now.stay != stay:
            raise DeviceFault(self._name, Reason.REMOVED)
        if not self._slot.acquire(timeout=0 if self._is_held() else self._deadline_s):
            raise DeviceFault(
                self._name, Reason.IN_USE if self._is_held() else Reason.SILENT, "held before"
            )
        self._ours = True
        try:
            channel = self._channel = PcscChannel(
                self._calls,
                self._deadline_s,
                self._cold,
                partial(self._fell_silent, stay),
                self._given_back,
            )
        except DeviceFault as fault:
            self._ours = fault.reason is not Reason.IN_USE
            raise
        if channel.count != stay.count & COUNTS or self._status.stay != stay:
            channel.disconnect()  # another card was faster
            raise DeviceFault(self._name, Reason.REMOVED)
        if self._silent == stay:  # it answers again
            self._silent = None
            self._news.put(None)
        return channel

    def check(self) -> None:
        calls = Calls(self._name, self._serial)

        def look() -> None:
            context = calls("SCardEstablishContext", SCOPE_SYSTEM)
            try:
                with calls.held(context, calls.find(context)):
                    pass
            finally:
                calls.ask("SCardReleaseContext", context)

        if self._slot.locked():
            return  # it is at work
        if not self._asking.acquire(blocking=False):
            raise DeviceFault(self._name, Reason.SILENT, "asked before")
        worker = WorkerThread(self._name, self._asking.release)
        try:
            worker.run(look, self._deadline_s)
        finally:
            worker.end(self._deadline_s)

    def close(self) -> None:
        self._closing.set()
        self._news.put(None)
        if self._channel:
            self._channel.disconnect()
        if self._monitor:
            self._monitor.close(self._deadline_s)
        if self._watcher and self._watcher is not threading.current_thread():
            self._watcher.join(self._deadline_s)

    def _is_held(self) -> bool:
        return self._channel is not None and self._channel.is_open

    def _given_back(self, unpowered: bool) -> None:
        """The channel has ended."""
        self._cold = not unpowered
        self._slot.release()
        self._news.put(None)

    def _fell_silent(self, stay: Stay) -> None:
        self._silent = stay
        self._news.put(None)

    # --- the watcher's thread ---

    def _watch(self, notify: Callable[[CardStatus], None]) -> None:
        notify_change = _ChangeNotifier(notify, self._name)
        state: int | None = None
        while not self._closing.is_set():
            try:
                news = self._news.get(timeout=PATIENCE_S)
            except queue.Empty:
                news = ReaderState.UNKNOWN
            state = state if news is None else news
            if state is not None and not self._closing.is_set():
                status = self._judge(state)
                known = self._status.presence is not CardPresence.UNKNOWN
                if known and status.presence is CardPresence.UNKNOWN:
                    self._era += 1
                self._status = status
                notify_change(status)
        self._status = UNKNOWN

    def _judge(self, state: int) -> CardStatus:
        """Translate dwEventState."""
        if state & LOST:
            self._settled = time.monotonic() + SETTLE_S
            return CardStatus(
                CardPresence.UNKNOWN, reason=self._calls.trouble if self._calls else None
            )
        stay = Stay(self._name, self._era << COUNT_SHIFT | state >> COUNT_SHIFT & COUNTS)
        if state & ReaderState.EMPTY:
            if stay == self._status.stay:  # a power-up failed, and no removal was counted
                return CardStatus(CardPresence.MUTE, stay)
            unknown = self._status.presence is CardPresence.UNKNOWN
            settling = unknown and time.monotonic() < self._settled
            return UNKNOWN if settling else CardStatus(CardPresence.ABSENT)
        if not state & ReaderState.PRESENT:
            return UNKNOWN
        if state & ReaderState.MUTE or stay == self._silent:
            return CardStatus(CardPresence.MUTE, stay)
        holding = self._slot.locked()
        held = bool(state & HELD)
        self._ours = self._ours and (held or holding)
        if held and not self._ours and not holding:
            self._cold = True
            return CardStatus(CardPresence.IN_USE, stay)
        return CardStatus(CardPresence.PRESENT, stay)


class _ChangeNotifier:
    """Passes changes on; an observer's mistake must not blind the reader."""

    def __init__(self, notify: Callable[[CardStatus], None], name: str) -> None:
        self._notify = notify
        self._name = name
        self._reported: CardStatus | None = None

    def __call__(self, status: CardStatus) -> None:
        if status == self._reported:
            return
        self._reported = status
        try:
            self._notify(status)
        except Exception as error:
            log.error("%s: observer failed: %s", self._name, type(error).__name__)
