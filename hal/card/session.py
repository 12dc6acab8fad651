"""One stay of one card, over as many connections as it takes before the PIN.

A fault that passes is none of the card's: power-up, SELECT, the question for the tries and READ
change nothing, so they are done again, on a new connection that begins at the beginning. Nothing
is carried over from the connection before, and a card that came back is another stay, which is not
this session's. A PIN is never sent here twice: `verify` is sent once for each time a person typed,
and when its answer was lost `begin_again` asks for the tries.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from hal.card import jpki
from hal.card.contract import CardChannel, CardPresence, CardReader, Stay, TokenKind
from hal.card.jpki import CardCause, CardFacts, CardRefused
from hal.faults import DeviceFault, Reason

T = TypeVar("T")

# Seconds from the first fault of a kind until it is believed to stay.
PATIENCE_S: Final = {
    Reason.MUTE: 3.0,
    Reason.SILENT: 3.0,
    Reason.GARBLED: 3.0,
    Reason.REMOVED: 1.5,  # for the reader to tell that it is another stay
    Reason.IN_USE: 6.0,
}
LIMIT_S: Final = 7.0  # no attempt begins later: the journey waits 15 s for a card to be read
PAUSES_S: Final = (0.05, 0.1, 0.2, 0.4)  # between two attempts; the last one again and again
LOOK_S: Final = 0.05
# What a damaged answer could look like: believed when it comes so often in a row. Where one
# exchange in twenty is damaged, twice is not seldom.
BELIEVED: Final = 3
DOUBTFUL: Final = frozenset(
    {
        CardCause.UNREADABLE,
        CardCause.BAD_CERTIFICATE,
        CardCause.NO_CERTIFICATE,
        CardCause.WRONG_ISSUER,
    }
)

log = logging.getLogger(__name__)


@dataclass
class CardSession:
    """Holds at most one connection. `end` cuts the card's power."""

    reader: CardReader
    stay: Stay
    facts: CardFacts = field(default_factory=lambda: CardFacts(None))
    repeated: int = 0  # attempts beside the first ones
    unheard: bool = False  # nothing was answered at all: the card's fault, or the reader's
    note: Callable[[str], None] = log.info  # told what an attempt is repeated for
    kind: TokenKind = TokenKind.UNKNOWN
    _start: bytes = field(default=b"", repr=False)  # of the certificate, on this connection
    _withheld: bool = False  # the certificate comes after the PIN only
    _channel: CardChannel | None = None
    _exchanged: int = 0  # on connections that have ended

    @property
    def exchanged(self) -> int:
        """APDUs of all connections."""
        return self._exchanged + (self._channel.exchanged if self._channel else 0)

    @property
    def channel(self) -> CardChannel:
        """The connection that was begun. Raises DeviceFault NOT_CONNECTED when there is none."""
        if self._channel is None:
            raise DeviceFault(self.stay.reader, Reason.NOT_CONNECTED, "no session")
        return self._channel

    def begin(self) -> CardFacts:
        """Select the applet, ask for the tries. Raises CardRefused; DeviceFault that has stayed."""
        return self._until_it_stays(lambda: self.facts)

    def identify(self) -> TokenKind:
        """What lies there: `jpki.identify`. Raises CardRefused; DeviceFault that has stayed."""

        def look() -> TokenKind:
            self.kind, self._start = jpki.identify(self.channel, self.facts)
            self._withheld = not self._start
            return self.kind

        return self._until_it_stays(look)

    def begin_again(self) -> CardFacts:
        """The same on a new connection: what was verified on the old one is forgotten."""
        self.end()
        return self.begin()

    def read_ahead(self, check: Callable[[bytes], T]) -> T | None:
        """The certificate, `check`ed: None when it can be read after the PIN only.

        A refusal that damage on the way could cause is believed only when it comes again. Raises
        CardRefused; DeviceFault that has stayed.
        """

        def read() -> T | None:
            start, self._start = self._start, b""
            if self._withheld:
                return None
            der = jpki.read_ahead(self.channel, self.facts, start)
            return None if der is None else check(der)

        return self._until_it_stays(read)

    def end(self) -> None:
        """Cut the card's power. Never raises."""
        channel, self._channel = self._channel, None
        if channel is not None:
            self._exchanged += channel.exchanged
            channel.disconnect()

    def _until_it_stays(self, work: Callable[[], T]) -> T:
        trouble = _Trouble()
        while True:
            try:
                if self._channel is None:
                    self._connect()
                return work()
            except CardRefused as refused:
                if not trouble.doubts(refused):
                    raise
                what = refused.cause.value
            except DeviceFault as fault:
                if not trouble.passes(fault, self._channel.exchanged if self._channel else 0):
                    self.unheard = trouble.unheard(fault, powered=self._channel is not None)
                    if self.unheard:
                        raise CardRefused(CardCause.NOT_MYNUMBER) from None
                    raise fault from None
                what = fault.reason.value
            self.end()
            self.repeated += 1
            self.note(what)
            self._wait(trouble.pause_s())

    def _connect(self) -> None:
        """A failed beginning keeps the channel until it was looked at."""
        self._start = b""
        self._channel = self.reader.connect(self.stay)
        self.facts = jpki.begin(self._channel)
        if self.facts.tries is None:  # a counter nobody knows is not one to spend
            raise CardRefused(CardCause.UNREADABLE)

    def _wait(self, seconds: float) -> None:
        """Raises DeviceFault REMOVED when this stay ends meanwhile."""
        end = time.monotonic() + seconds
        while True:
            now = self.reader.status()
            if now.presence is not CardPresence.UNKNOWN and now.stay != self.stay:
                raise DeviceFault(self.stay.reader, Reason.REMOVED)
            left = end - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, LOOK_S))


@dataclass
class _Trouble:
    """What went wrong in one piece of work so far."""

    began: float = field(default_factory=lambda: time.monotonic())
    since: float | None = None  # the first fault
    last: CardCause | None = None
    alike: int = 0  # refusals of this cause in a row
    answered: bool = False  # the card has answered something
    attempts: int = 0

    def doubts(self, refused: CardRefused) -> bool:
        """Whether this refusal is to be seen once more before it is believed."""
        self.alike = self.alike + 1 if refused.cause is self.last else 1
        self.last, self.answered = refused.cause, True
        return refused.cause in DOUBTFUL and self.alike < BELIEVED and self._in_time()

    def passes(self, fault: DeviceFault, exchanged: int) -> bool:
        """Whether this fault of a connection with so many APDUs may still pass."""
        patience = PATIENCE_S.get(fault.reason)
        if patience is None:
            return False
        self.answered = self.answered or exchanged > 1
        now = time.monotonic()
        self.since = self.since or now
        return now < self.since + patience and self._in_time()

    def unheard(self, fault: DeviceFault, *, powered: bool) -> bool:
        """Whether this is a card that never answered a first SELECT, or not in order. A reader that
        does not come back from powering it up says nothing about the card.
        """
        silent = fault.reason is Reason.GARBLED or (fault.reason is Reason.SILENT and powered)
        return silent and not self.answered and self.attempts > 0

    def pause_s(self) -> float:
        self.attempts += 1
        return PAUSES_S[min(self.attempts, len(PAUSES_S)) - 1]

    def _in_time(self) -> bool:
        return time.monotonic() < self.began + LIMIT_S
