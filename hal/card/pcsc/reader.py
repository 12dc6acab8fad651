"""CardReader over PC/SC: what is heard of the reader is judged here, told, and connected to."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from functools import partial

from hal.card.contract import CardStatus, Presence, Stay
from hal.card.pcsc.calls import COUNT_SHIFT, HELD, LOST, Calls, State
from hal.card.pcsc.channel import PcscChannel
from hal.card.pcsc.ear import Ear
from hal.faults import DeviceFault, Reason

PATIENCE_S = 2.0  # the ear gives a sign of life every 0.5 s; after this the daemon hangs and nothing is known
SETTLE_S = 1.0  # a reader that has just come back needs this to find a card that lies there
COUNTS = (1 << COUNT_SHIFT) - 1
UNKNOWN = CardStatus(Presence.UNKNOWN)

log = logging.getLogger(__name__)


class PcscReader:
    """CardReader for the PC/SC reader of this exact name, and never another one.

    Unplugged reader, dead or hanging daemon and a lost context are all UNKNOWN; each return starts a new range of
    stay counts, because pcscd then counts from the beginning again.
    """

    def __init__(self, name: str, deadline_s: float = 5.0) -> None:
        self._name = name
        self._deadline_s = deadline_s
        self._status = UNKNOWN
        self._era = 0
        self._settled = 0.0  # monotonic time until which a reader that came back is not believed to be empty
        self._calls: Calls | None = None
        self._ear: Ear | None = None
        self._watcher: threading.Thread | None = None
        self._news: queue.SimpleQueue[int | None] = queue.SimpleQueue()  # dwEventState; None: judge anew
        self._closing = threading.Event()
        self._channel: PcscChannel | None = None
        self._slot = threading.Lock()  # from the attempt to connect until handle and context are given back
        self._cold = True  # the card may have power, and a PIN verified, from somebody before
        self._ours = False  # the hold that pcscd reports is ours, or was and is not yet reported over
        self._silent: Stay | None = None  # this stay's card gave no answer

    def start(self, notify: Callable[[CardStatus], None]) -> None:
        """Raises DeviceFault CONFIGURATION: pyscard is not installed, or this can be no reader's name."""
        self._calls = Calls(self._name)
        self._watcher = threading.Thread(target=self._watch, args=(notify,), name=f"{self._name}-watch", daemon=True)
        self._watcher.start()
        self._ear = Ear(self._calls, self._news.put)

    def status(self) -> CardStatus:
        return self._status

    def connect(self, stay: Stay) -> PcscChannel:
        """Waits, within the deadline, for an earlier connection to be given back."""
        now = self._status
        if self._calls is None or now.presence is Presence.UNKNOWN:
            raise DeviceFault(self._name, Reason.NOT_CONNECTED)
        if now.stay != stay:
            raise DeviceFault(self._name, Reason.REMOVED)
        if now.presence is Presence.MUTE:
            raise DeviceFault(self._name, Reason.MUTE)
        if not self._slot.acquire(timeout=0 if self._is_held() else self._deadline_s):
            raise DeviceFault(self._name, Reason.IN_USE if self._is_held() else Reason.SILENT, "held before")
        self._ours = True
        try:
            channel = self._channel = PcscChannel(
                self._calls, self._deadline_s, self._cold, partial(self._fell_silent, stay), self._given_back
            )
        except DeviceFault as fault:
            self._ours = fault.reason is not Reason.IN_USE
            raise
        if channel.count != stay.count & COUNTS or self._status.stay != stay:
            channel.disconnect()  # another card was faster
            raise DeviceFault(self._name, Reason.REMOVED)
        return channel

    def close(self) -> None:
        self._closing.set()
        self._news.put(None)
        if self._channel:
            self._channel.disconnect()
        if self._ear:
            self._ear.close(self._deadline_s)
        if self._watcher and self._watcher is not threading.current_thread():
            self._watcher.join(self._deadline_s)

    def _is_held(self) -> bool:
        return self._channel is not None and self._channel.is_open

    def _given_back(self, unpowered: bool) -> None:
        """The channel's last word."""
        self._cold = not unpowered
        self._slot.release()
        self._news.put(None)

    def _fell_silent(self, stay: Stay) -> None:
        self._silent = stay
        self._news.put(None)

    # --- the watcher's thread ---

    def _watch(self, notify: Callable[[CardStatus], None]) -> None:
        tell = _Teller(notify, self._name)
        state: int | None = None
        while not self._closing.is_set():
            try:
                news = self._news.get(timeout=PATIENCE_S)
            except queue.Empty:
                news = State.UNKNOWN
            state = state if news is None else news
            if state is not None and not self._closing.is_set():
                status = self._judge(state)
                if status == UNKNOWN and self._status != UNKNOWN:
                    self._era += 1
                self._status = status
                tell(status)
        self._status = UNKNOWN

    def _judge(self, state: int) -> CardStatus:
        """Translate dwEventState."""
        if state & LOST:
            self._settled = time.monotonic() + SETTLE_S
            return UNKNOWN
        stay = Stay(self._name, self._era << COUNT_SHIFT | state >> COUNT_SHIFT & COUNTS)
        if state & State.EMPTY:
            if stay == self._status.stay:  # a power-up failed, and no removal was counted
                return CardStatus(Presence.MUTE, stay)
            settling = self._status == UNKNOWN and time.monotonic() < self._settled
            return UNKNOWN if settling else CardStatus(Presence.ABSENT)
        if not state & State.PRESENT:
            return UNKNOWN
        if state & State.MUTE or stay == self._silent:
            return CardStatus(Presence.MUTE, stay)
        holding = self._slot.locked()
        held = bool(state & HELD)
        self._ours = self._ours and (held or holding)
        if held and not self._ours and not holding:
            self._cold = True
            return CardStatus(Presence.IN_USE, stay)
        return CardStatus(Presence.PRESENT, stay)


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
