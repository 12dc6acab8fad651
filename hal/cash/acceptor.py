"""One ccTalk coin acceptor: what it remembers, what it may take, and whether it was reset behind
our back.

It is never reset from here: its event counter and last five events outlive the process that asked
for them, so a coin that fell while nobody listened is found again. Source: ccTalk Generic
Specification 4.7, parts 2 and 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hal.cash import credits
from hal.cash.contract import CashEvent, Missed
from hal.cash.discovery import FIRST_TRIES, check_alone, explained
from hal.cash.wire import MAYBE_S, CctalkWire
from hal.faults import DeviceFault, Reason

MANUFACTURER, CATEGORY, PRODUCT = 246, 245, 244
INHIBIT_MASK, READ_MASK, MASTER_INHIBIT, READ_MASTER = 231, 230, 228, 227
BUFFERED_CREDIT, COIN_ID = 229, 184
SHUT, OPEN = b"\x00", b"\x01"
ALL_COINS, NO_COIN = b"\xff\xff", b"\x00\x00"
RESETS = 3  # so often it may be reset while it is looked at
# Behind the master inhibit this mask lets in no coin that is known. It tells a unit that was shut
# from one that has forgotten everything and woke up with an empty mask.
SHUT_MARK = frozenset({16})


@dataclass(frozen=True)
class Past:
    """What it remembered, before anybody knows which coins it means. `mask`: the coins that it let
    in. `unknown`: it has counted, and nobody knows up to where that was heard.
    """

    mask: bytes
    events: tuple[tuple[int, credits.Pair], ...] = ()
    lost: bool = False
    reset: bool = False
    unknown: bool = False


class AcceptorLine:
    """`counter` is the event counter of the last answer (None: never asked), `values` maps
    positions to yen.

    `counter` stays over a second `connect`. Methods raise DeviceFault unless they say otherwise.
    """

    def __init__(self, wire: CctalkWire, address: int, coins: frozenset[int]) -> None:
        self.counter: int | None = None
        self.values: dict[int, int] = {}
        self._wire = wire
        self._address = address
        self._coins = coins
        self._answer = b""  # the last one
        self._set: dict[int, bytes] = {}  # as it was set, for each question that it answers
        self._readable: frozenset[int] = frozenset()
        self._noticed = False  # a reset, and it was not set up anew since
        self._found: list[Past] = []  # at starts of which nobody has been told yet

    def connect(self, last: int | None, left_open: bool = False) -> Missed:
        """Read first what it remembers, then shut it, then see who it is.

        `last`, `left_open`: see CoinUnit.start. What is found is found again by the next `connect`,
        until `confirm_told`: a start can fail behind this. Raises DeviceFault, CONFIGURATION when
        it is not what the configuration says.
        """
        if self._found:
            last, left_open = self.counter, False
        again, told = False, b""
        with explained(self._wire, self._address):
            for _ in range(RESETS):
                past = self._look_back(last, left_open, told, again=again)
                self._found.append(past)
                self._identify()
                if self._shut_as_found(past.mask):
                    break
                # It was reset meanwhile, and wakes up as it likes.
                last, left_open, again = self.counter, False, True
                told = self._answer if past.reset else b""
            else:
                self.shut()
        found = self._found
        return Missed(
            tuple(event for past in found for event in self._meanings(past.events)),
            any(past.lost or (past.unknown and past.mask != self._shut_mask()) for past in found),
            any(past.reset for past in found),
        )

    def confirm_told(self) -> None:
        """Somebody knows what `connect` found."""
        self._found.clear()

    def _shut_as_found(self, mask: bytes) -> bool:
        """Shut it with a mask of its own. False when it was reset after `mask` was read: the master
        inhibit shows it, which was set before that; of a unit that does not report it, the mask.
        """
        if not self.is_as_set():
            return False
        if READ_MASTER not in self._readable:
            self._set_master(SHUT)
        if self._mask() != mask:
            return False
        self._set_mask(SHUT_MARK - self.values.keys())
        self._noticed = False
        return self.is_as_set()

    def _look_back(self, last: int | None, left_open: bool, told: bytes, *, again: bool) -> Past:
        """What it remembers, and shut it.

        `again`: it was reset while it was looked at, ahead of the answer `told` or behind it.
        """
        noticed = self._noticed
        answer = self._credits(b"", FIRST_TRIES)
        self._set_master(SHUT)
        self._readable = frozenset(h for h in (READ_MASK, READ_MASTER) if self._knows(h))
        mask = self._mask()
        last = self.counter if last is None else last
        self._set.pop(READ_MASK, None)
        if last is None:  # whoever listened last may have died before writing anything down
            self._answer, self.counter = answer, answer[0]
            return Past(mask, unknown=any(mask) and answer[0] != 0)
        # Before its first event a reset leaves the counter where it was. A unit that tells its mask
        # shows then that the mask is not the one that the slot was opened with; of another one
        # nobody can say that nothing fell in.
        forgot = left_open and answer[0] == 0 and not any(mask)
        # What fell in behind a reset that was noticed has been told already.
        woken = again or (mask == ALL_COINS and not noticed)
        reset = woken or answer[0] == 0 != last or forgot
        ahead = credits.Fresh(answer[0])
        if woken:  # ahead of the first answer, or behind it
            self._set_master(SHUT)  # should it have been behind that
            later = self._credits(b"")
            if credits.fresh(answer[0], later, answer).lost:
                ahead = credits.fresh(last, answer)
            answer = later  # until then coins fell in
        new = credits.fresh(0 if reset else last, answer)
        if told and not (since := credits.fresh(told[0], answer, told)).lost:
            new = replace(since, lost=True)  # the same coins as before, or others like them
        lost = (new.lost and answer[0] != 0) or ahead.lost
        # An open slot has a mask that lets something in: this one was forgotten, and counted since.
        unknown = left_open and mask == NO_COIN and not reset
        # Only now: what an answer that never came would have told is looked for again.
        self._answer, self.counter = answer, answer[0]
        return Past(mask, (*ahead.events, *new.events), lost, reset, unknown)

    def news(self) -> tuple[tuple[CashEvent, ...], bool]:
        """Events since the last call, oldest first, and whether there were more than
        it remembers.
        """
        answer = self._credits(self._answer)
        new = credits.fresh(self.counter or 0, answer, self._answer)
        self._answer, self.counter = answer, answer[0]
        return self._meanings(new.events), new.lost

    def shut(self) -> None:
        """Let no coin in: master inhibit first, so that half of it is enough."""
        self._set_master(SHUT)
        self._set_mask(SHUT_MARK - self.values.keys())
        self._noticed = False

    def shut_for_the_next(self) -> None:
        """Of one that was shut, and that nobody asks any more: where it was found reset, its mask
        is left to show that to the next start.
        """
        if self._noticed:
            self._set_master(SHUT)

    def open(self, positions: frozenset[int]) -> None:
        """Let in the coins of these positions only. DeviceFault EVENTS_LOST when it was reset ahead
        of that: until the new state is set, the master inhibit shows it.
        """
        if self._noticed:
            self.shut()  # it woke up open
        self._set_mask(positions)
        if not self.is_as_set():
            raise self._wire.fault(Reason.EVENTS_LOST, "it was reset")
        self._set_master(OPEN)

    def is_as_set(self) -> bool:
        """False after a reset that nobody asked for.

        Before the first coin a reset leaves the counter at 0, where it was: mask and master inhibit
        are what it loses.
        """
        for header in sorted(self._readable & self._set.keys()):
            read_back = self._wire.ask_sure(self._address, header, range(1, 3), self._set[header])
            if read_back != self._set[header]:
                self._noticed = True
                return False
        return True

    def counted_anew(self) -> bool:
        """Of one that was reset: whether it has counted since, so that its counter and events can
        be the same as before and stand for other coins.

        When it has not, its counter is 0 from here on.
        """
        if not self.counter:
            return False
        answer = self._credits(b"")
        if answer[0] == 0:
            self._answer, self.counter = answer, 0
        return answer[0] != 0

    def positions(self, values: frozenset[int]) -> frozenset[int]:
        """Of all coins with these values. Raises DeviceFault: CONFIGURATION for a value that it
        does not know.
        """
        if unknown := values - set(self.values.values()):
            raise self._wire.fault(Reason.CONFIGURATION, f"no coin of {sorted(unknown)} yen")
        return frozenset(position for position, value in self.values.items() if value in values)

    def _ask(
        self, header: int, data: bytes = b"", lengths: range | tuple[int, ...] = (0,)
    ) -> bytes:
        return self._wire.ask(self._address, header, data, lengths)

    def _credits(self, known: bytes, tries: int = 3) -> bytes:
        lengths = (credits.ANSWER_LENGTH,)
        return self._wire.ask_sure(self._address, BUFFERED_CREDIT, lengths, known, tries)

    def _meanings(self, new: Sequence[tuple[int, credits.Pair]]) -> tuple[CashEvent, ...]:
        found = (credits.meaning(event, self.values) for event in new)
        return tuple(event for event in found if event is not None)

    def _set_master(self, state: bytes) -> None:
        self._set.pop(READ_MASTER, None)  # not known, should the answer get lost
        self._ask(MASTER_INHIBIT, state)
        self._set[READ_MASTER] = state

    def _set_mask(self, positions: frozenset[int]) -> None:
        self._set.pop(READ_MASK, None)
        mask = credits.mask(positions)
        self._ask(INHIBIT_MASK, mask)
        self._set[READ_MASK] = mask

    def _shut_mask(self) -> bytes:
        return credits.mask(SHUT_MARK - self.values.keys())

    def _mask(self) -> bytes:
        """The coins that it lets in; b"" from a unit that does not report them.

        After a reset many let in every coin, which this driver never does. Such a unit has counted
        from 0 again: a counter that is the journalled one, or near it, proves nothing.
        """
        if READ_MASK not in self._readable:
            return b""
        return self._wire.ask_sure(self._address, READ_MASK, (2,), b"", FIRST_TRIES)

    def _knows(self, header: int) -> bool:
        try:
            self._wire.ask(self._address, header, b"", range(256), 2, MAYBE_S)
        except DeviceFault as fault:
            if fault.reason in (Reason.SILENT, Reason.REFUSED):
                return False
            raise
        return True

    def _identify(self) -> None:
        check_alone(self._wire, self._address)
        names = [self._ask(h, lengths=range(256)) for h in (MANUFACTURER, CATEGORY, PRODUCT)]
        if b"coin" not in names[1].lower():
            detail = f"address {self._address} is not a coin acceptor"
            raise self._wire.fault(Reason.CONFIGURATION, detail)
        self.values = self._read_values()
        if missing := self._coins - set(self.values.values()):
            detail = f"acceptor does not know {sorted(missing)} yen"
            raise self._wire.fault(Reason.CONFIGURATION, detail)

    def _read_values(self) -> dict[int, int]:
        """Position to yen. A position that the acceptor refuses to name is empty."""
        values = {}
        for position in credits.POSITIONS:
            try:
                coin_id = self._ask(COIN_ID, bytes([position]), lengths=(6,))
            except DeviceFault as fault:
                if fault.reason is not Reason.REFUSED:
                    raise
                continue
            if credits.coin_value(coin_id) in self._coins:
                # an answer that comes late is that to the position before
                asked = bytes([position])
                coin_id = self._wire.ask_sure(self._address, COIN_ID, (6,), coin_id, data=asked)
            value = credits.coin_value(coin_id)
            if value in self._coins:
                values[position] = value
        return values
