"""The virtual far ends of a kiosk's wires for tests of drivers, in a loop of their own thread.

Faults are those of the conformance suite (`hal/conformance/bench.py`), or of scenarios.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from hal.sim.bench import Bench, Wiring
from testbed.rehearsal import HOPPERS, prepare

T = TypeVar("T")
PEOPLE: Final = ("taro",)
DO_S: Final = 60.0
# What the suite calls a fault, and what it is at the far ends; "": something done by hand.
FAULTS: Final[Mapping[str, Mapping[str, str]]] = {
    "printer": {
        "cover-open": "printer-cover",
        "paper-out": "paper-out",
        "jam": "printer-jam",
        "silent": "printer-mute",
        "gone": "printer-gone",
        "torn": "",
    },
    "cash": {"silent": "coins-mute"},
    "speaker": {},
    "card": {"gone": "reader-lost", "card-present": ""},
    "service_key": {"turned": "", "silent": "key-mute", "cut": "key-cut"},
}


def addresses(wiring: Wiring) -> Mapping[str, str]:
    """Where a driver finds each far end: `host:port`, or a device file; of the reader, where the
    driver listens.
    """
    found = {
        name: f"{host}:{port}"
        for name in ("sheets", "receipts", "speaker", "reader", "cable")
        for host, port in [getattr(wiring, name)]
    }
    lines = {name: str(getattr(wiring, name)) for name in ("coins", "terminal", "key")}
    return found | lines


def filled(values: Any, places: Mapping[str, str]) -> Any:
    """`{sheets}` and its like in any text become the address."""
    if isinstance(values, str):
        for name, place in places.items():
            values = values.replace(f"{{{name}}}", place)
        return values
    if isinstance(values, Mapping):
        return {name: filled(value, places) for name, value in values.items()}
    return [filled(value, places) for value in values] if isinstance(values, list) else values


class FarEnds:
    """A context manager. `bench` has everything that a person at the far ends could do; its
    coroutines, and whatever touches its wires, go through `do`.
    """

    def __init__(self, folder: Path, people: Collection[str] = PEOPLE) -> None:
        """Raises RehearsalError."""
        made = prepare(folder, people=people, seldom=False, spoken=())
        self.addresses = addresses(made.wiring)
        self.wiring = made.wiring
        self.people = tuple(people)
        self.bench = Bench(made.wiring, made.cards, HOPPERS)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.do(self.bench.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self.bench.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(DO_S)
        self._loop.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DO_S)

    def hand(self, act: Callable[[Bench], T]) -> T:
        """What a person does at the bench: `far_ends.hand(Bench.take_sheets)`."""

        async def done() -> T:
            return act(self.bench)

        return self.do(done())

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """A fault of scenarios (docs/scenarios.md), `NAME` or `NAME:ARGUMENT`, and its end."""
        self.do(self.bench.switch(name, True))
        try:
            yield
        finally:
            self.do(self.bench.switch(name.partition(":")[0], False))

    # -- the hands of the conformance suite

    def can(self, device: str, fault: str) -> bool:
        return fault in FAULTS[device]

    def switch(self, device: str, fault: str, on: bool) -> None:
        if fault == "torn":
            self.hand(_tear if on else Bench.load_paper)
        elif fault == "card-present":
            self.hand(self._lay if on else Bench.remove_card)
        elif fault == "turned":
            self.hand(lambda bench: bench.turn_key(on))
        else:
            self.do(self.bench.switch(FAULTS[device][fault], on))

    def _lay(self, bench: Bench) -> None:
        bench.insert_card(self.people[0])


def _tear(bench: Bench) -> None:
    bench.tear_after(40)
