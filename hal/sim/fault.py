"""What a fault of a far end is. Each far end has one table of its own (`FAULTS`): name to `Fault`.

A fault is written `NAME`, or `NAME:ARGUMENT`, in a scenario and on the standard input of
`kiosk sim …` alike. Names are unique over all tables, so that none needs to say which device it is
of. `hal/sim/breakage.py` puts the tables together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import reduce
from typing import Any, Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")
Done = Awaitable[None] | None


class UnknownFault(Exception):
    """One line: there is no such fault, or it takes no such argument, and what there is."""


@dataclass(frozen=True)
class Argument:
    """What stands behind the colon: one of `words`, or a number from `least` to `most`.

    `name` says what it counts, with its unit; `usual` is taken where nothing is written; `form` is
    how a number is shown.
    """

    name: str
    usual: Any
    words: Mapping[str, Any] | None = None  # word: what it stands for
    least: float = 0
    most: float = 100_000
    form: str = "g"

    def read(self, text: str) -> Any:
        """Raises UnknownFault."""
        if not text:
            return self.usual
        if self.words is not None and text in self.words:
            return self.words[text]
        number = _number(text, type(self.usual)) if not isinstance(self.usual, str) else None
        if number is None or not self.least <= number <= self.most:
            told = suggest(text, self.words or ()) if self.words else f" ({self.takes})"
            raise UnknownFault(f"{self.name}: {text!r} is not possible{told}")
        return number

    @property
    def takes(self) -> str:
        """What may be written, for a person."""
        words = list(self.words or ())
        if not isinstance(self.usual, str):
            words.append(f"{self._shown(self.least)} to {self._shown(self.most)}")
        return f"{self.name}: {', '.join(words)}"

    @property
    def default(self) -> str:
        """The usual one, as it is written."""
        words = [word for word, value in (self.words or {}).items() if value == self.usual]
        return words[0] if words else self._shown(self.usual)

    def _shown(self, number: float) -> str:
        return format(number, self.form)


@dataclass(frozen=True)
class Fault(Generic[T]):
    """`says` is one sentence without its full stop. `put` makes it; `heal` puts it right, and does
    nothing where it is over; `holds`: whether it is there now, which a fault of one moment never
    is.
    """

    says: str
    put: Callable[[T, Any], Done]
    heal: Callable[[T], Done] = lambda _: None
    holds: Callable[[T], bool] = lambda _: False
    argument: Argument | None = None

    def read(self, text: str) -> Any:
        """The argument that is written so; None where it takes none. Raises UnknownFault."""
        if self.argument is not None:
            return self.argument.read(text)
        if text:
            raise UnknownFault(f"it takes no argument, and {text!r} was given")
        return None

    def apply(self, far_end: T, text: str = "") -> Done:
        """`text`: the argument as it is written. Raises UnknownFault."""
        return self.put(far_end, self.read(text))

    def at(self, find: Callable[[U], T]) -> Fault[U]:
        """The same fault of something that has this far end."""
        return Fault(
            self.says,
            lambda whole, value: self.put(find(whole), value),
            lambda whole: self.heal(find(whole)),
            lambda whole: self.holds(find(whole)),
            self.argument,
        )


def setting(
    says: str,
    place: str,
    broken: object = True,
    well: object = False,
    argument: Argument | None = None,
) -> Fault[Any]:
    """A fault that is the value of an attribute: `place` is its name, with dots."""
    *way, last = place.split(".")

    def of(far_end: Any) -> Any:
        return reduce(getattr, way, far_end)

    def put(far_end: Any, value: object) -> None:
        setattr(of(far_end), last, value if argument else broken)

    return Fault(
        says,
        put,
        lambda far_end: setattr(of(far_end), last, well),
        lambda far_end: bool(getattr(of(far_end), last) != well),
        argument,
    )


def moment(says: str, happen: Callable[[T], Done]) -> Fault[T]:
    """A fault that is over when it has happened."""
    return Fault(says, lambda far_end, _: happen(far_end))


def find(table: Mapping[str, Fault[T]], said: str) -> tuple[str, Fault[T], str]:
    """Name, fault and argument of `NAME` or `NAME:ARGUMENT`. Raises UnknownFault."""
    name, _, text = said.partition(":")
    if name not in table:
        raise UnknownFault(f"no fault {name!r} is known{suggest(name, table)}")
    fault = table[name]
    try:
        fault.read(text)
    except UnknownFault as error:
        raise UnknownFault(f"fault {name!r}: {error}") from None
    return name, fault, text


async def make(far_end: T, table: Mapping[str, Fault[T]], said: str) -> None:
    """Raises UnknownFault."""
    _, fault, text = find(table, said)
    await _wait(fault.apply(far_end, text))


async def heal(far_end: T, table: Mapping[str, Fault[T]], said: str) -> None:
    """Raises UnknownFault. What is well stays as it is."""
    _, fault, _ = find(table, said)
    await _wait(fault.heal(far_end))


async def mend(far_end: T, table: Mapping[str, Fault[T]]) -> None:
    """Everything that is wrong now is put right."""
    for fault in table.values():
        if fault.holds(far_end):
            await _wait(fault.heal(far_end))


def mend_now(far_end: T, table: Mapping[str, Fault[T]]) -> None:
    """As `mend`, of a far end whose faults need no waiting."""
    for fault in table.values():
        if fault.holds(far_end):
            fault.heal(far_end)


async def _wait(done: Done) -> None:
    if done is not None:
        await done


def suggest(word: str, words: Iterable[str]) -> str:
    """` (nearest: a; one of: a, b)`, for the end of a message."""
    known = list(words)
    near = get_close_matches(word, known, n=1)
    return f" ({f'nearest: {near[0]}; ' if near else ''}one of: {', '.join(known)})"


def _number(text: str, kind: type) -> float | None:
    try:
        return int(text, 0) if kind is int else float(text)
    except ValueError:
        return None
