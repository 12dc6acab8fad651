"""The acceptor is reset, wakes up open, and a coin falls in: at every place of every exchange with
a unit's whole life, whatever it counts then. No coin is told twice, and none is lost in silence.
"""

from __future__ import annotations

from collections import Counter

import pytest
from coin_rig import EVERY
from test_coin_fuzz import FakePort, no_waiting

from firmware.service.cash_desk import CashDesk
from firmware.service.coin_recovery import Known
from hal.cash.cctalk import CctalkCoinUnit
from hal.cash.contract import CashEvent, CoinAccepted, CoinFault
from hal.cash.frame import Checksum
from hal.faults import DeviceFault

__all__ = ["no_waiting"]  # a fixture


class Port(FakePort):
    """`place`: of the reset, so many questions and answers after the start."""

    def __init__(self, counter: int, awake: bool, place: int) -> None:
        super().__init__(0, Checksum.SUM, 10**12)
        self.hoppers = []
        self.place, self.passed = place, 0
        for _ in range(counter):
            self.acceptor.insert(0)
        if not awake:  # as the process before has left it
            self.acceptor._open, self.acceptor._mask = False, 0x8000

    def write(self, raw: bytes) -> None:
        with self.lock:
            self.pass_by()
            self._heard = raw + self._answer(raw)
            self.pass_by()

    def pass_by(self) -> None:
        self.passed += 1
        if self.passed == self.place:
            self.acceptor.power_cycle()
            self.acceptor.insert(500)


class Turns:
    """In place of the unit's thread: it polls when somebody waits for it, and when told to."""

    def __init__(self, unit: CctalkCoinUnit) -> None:
        self.unit = unit

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def wait_for(self, done: object, _limit_s: float) -> bool:
        for _ in range(4):
            self.poll()
        return bool(done())  # type: ignore[operator]

    def poll(self) -> None:
        if self.unit._running():
            events, faults = self.unit._poll()
            for event in (*events, *map(CoinFault, faults)):
                self.unit._notify(event)
            self.unit._reported.update(faults)


class Lives:
    """Of one process after the other, with one journal."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.told: list[CashEvent] = []
        self.raised = False
        self.places = range(0)  # within the first life
        self.written = Known(port.acceptor.counter, "", open=False)

    def notify(self, event: CashEvent) -> None:
        self.told.append(event)
        if isinstance(event, CoinAccepted):
            self.write(event.counter, is_open=True)

    def write(self, counter: int, *, is_open: bool) -> None:
        self.written = Known(counter, "", is_open)

    def live(self, acts: str) -> None:
        unit = CctalkCoinUnit("fake", poll_s=1e6, reply_s=0.05)
        unit._wire._open = lambda: self.port  # type: ignore[method-assign, assignment, return-value]
        unit._polled = turns = Turns(unit)  # type: ignore[assignment]
        desk = CashDesk(
            unit,
            self.notify,
            self.written,
            opens=lambda counter: self.write(counter, is_open=True),
            stopped=lambda counter: self.write(counter, is_open=False),
        )
        desk.start()
        for act in acts.split():
            try:
                if act == "accept":
                    unit.accept(EVERY, desk.opens)
                elif act == "coin":
                    self.port.acceptor.insert(100)
                elif act == "stop":
                    self.write(unit.stop(), is_open=False)
                turns.poll()
            except DeviceFault:
                self.raised = True
        unit.close()


def lives(counter: int, awake: bool, place: int) -> Lives:
    """The last one finds what fell in when nobody listened."""
    found = Lives(Port(counter, awake, place))
    found.live("poll poll accept coin stop poll")
    found.places = range(1, found.port.passed + 1)
    found.live("poll")
    return found


@pytest.mark.parametrize(("counter", "awake"), [(0, False), (255, False), (0, True), (1, True)])
def test_a_reset_and_a_coin_at_any_place(counter: int, awake: bool) -> None:
    for place in lives(counter, awake, 0).places:
        seen = lives(counter, awake, place)
        said = Counter(event.value for event in seen.told if isinstance(event, CoinAccepted))
        fell = Counter(seen.port.acceptor.swallowed)
        assert fell[500] == 1
        assert not said - fell, f"told twice, at {place}"
        faults = seen.raised or any(isinstance(event, CoinFault) for event in seen.told)
        assert faults or said == fell, f"lost in silence, at {place}"
