"""What is kept of an inspection, so that it can go on after a stop. No person is in it."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

VERSION = 1


class StateError(Exception):
    """One line: the file, and why it does not fit."""


@dataclass(frozen=True)
class Order:
    """What was asked for; an inspection goes on only with the same."""

    journeys: int  # at each kiosk
    kiosks: int
    seed: int
    trouble: float  # per cent
    dry: bool
    build: str


@dataclass
class Result:
    """One journey. `ended`: served, at the money (of a dry run), or the code that was told."""

    kiosk: int
    number: int
    asked: str
    ended: str
    sheets: int = 0  # read back
    torn: int = 0  # cut short by a disturbance
    faults: list[str] = field(default_factory=list)


@dataclass
class State:
    order: Order
    began: str  # UTC, ISO 8601
    results: list[Result] = field(default_factory=list)
    disturbances: dict[str, int] = field(default_factory=dict)
    compared: int = 0  # answers of the city beside the journeys
    unanswered: int = 0
    city_faults: list[str] = field(default_factory=list)
    version: int = VERSION

    @property
    def faults(self) -> list[str]:
        own = [f"kiosk {r.kiosk}, journey {r.number}: {f}" for r in self.results for f in r.faults]
        return [*self.city_faults, *own]

    @property
    def whole(self) -> bool:
        return len(self.results) == self.order.journeys * self.order.kiosks

    def done(self, kiosk: int) -> set[int]:
        return {result.number for result in self.results if result.kiosk == kiosk}

    def add_disturbances(self, found: Counter[tuple[str, str]]) -> None:
        known = Counter(self.disturbances)
        known.update({f"{device}: {kind}": n for (device, kind), n in found.items() if n})
        self.disturbances = dict(sorted(known.items()))


def load(path: Path, order: Order, now: str) -> State:
    """A new one when there is no file. Raises StateError."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State(order, now)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError:
        raise StateError(f"{path}: not the state of an inspection") from None
    if state.version != VERSION:
        raise StateError(f"{path}: of version {state.version}, not {VERSION}")
    for name, value in asdict(state.order).items():
        if value != asdict(order)[name]:
            raise StateError(
                f"{path}: an inspection with {name} {value} is not finished; "
                f"go on with the same, or begin a new one with --new"
            )
    return state


def save(path: Path, state: State) -> None:
    """Whole or not at all. Raises StateError."""
    beside = path.with_suffix(".new")
    try:
        with beside.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state), indent=1))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from None
