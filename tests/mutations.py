"""Every single mutation of a value: generated from its structure, so that no field is forgotten.

A value is made of dicts, lists, tuples and leaves, as `plain` makes it of a message. A mutation has
a name that reads as a path (`content.sheets[0].people[0].rows[2].value: one digit changed`), a
kind, and a function that gives the changed value and leaves the given one as it was. The names
depend on the structure alone, so that a mutation found on one message can be done again on the next
one of the same form.

`others` are values of the same type that belong to somebody or something else, each under a name
such as `another person` or `another year`: whatever stands at the same place in one of them can
come in the place of the value's own.
"""

from __future__ import annotations

import random
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from itertools import combinations
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)
Path = tuple[str | int, ...]

BUILTIN: Final = (bytes, date)  # kept as they are, so that they are mutated as bytes and days
SELECTORS: Final = "\ufe00\ufe01\U000e0100\U000e0101\U000e0102"
LOOK_ALIKES: Final = dict(
    "一ー 口ロ 日曰 土士 士土 末未 未末 己已 大太 太犬 人入 入人 カ力 力カ "
    "工エ エ工 夕タ タ夕 二ニ 八ハ 崎﨑 高髙 "
    "0O O0 1l l1 -− −- ヘへ ベべ ペぺ リり 、， 。．".split()
)


class Kind(StrEnum):
    EXCHANGE = "exchange"
    DROP = "drop"
    DOUBLE = "double"
    ALTER = "alter"
    INSERT = "insert"


@dataclass(frozen=True)
class Mutation:
    """`apply` raises `Impossible` where the value at hand lacks what it needs."""

    name: str
    kind: Kind
    apply: Callable[[Any], Any] = field(repr=False, compare=False)


class Impossible(Exception):
    """This value has nothing at the place of the mutation."""


def plain(message: msgspec.Struct) -> Any:
    """A message as dicts, lists and leaves."""
    return msgspec.to_builtins(message, builtin_types=BUILTIN)


def message_of(value: Any, kind: type[T]) -> T:
    """Raises msgspec.ValidationError when the mutated value is no such message any more."""
    return msgspec.convert(value, kind, builtin_types=BUILTIN)


def single(value: Any, others: Mapping[str, Any] | None = None) -> Iterator[Mutation]:
    """Every single mutation, in an order that depends on the structure alone."""
    for path, found in places(value):
        yield from _at(path, found, others or {})
    yield from _pairs(value)


def sample(made: Sequence[Mutation], count: int, seed: int) -> list[Mutation]:
    """`count` of them, each kind in turn, so that the many exchanges do not crowd out the few
    others.
    """
    dice = random.Random(seed)
    by_kind: dict[Kind, list[Mutation]] = defaultdict(list)
    for mutation in made:
        by_kind[mutation.kind].append(mutation)
    for same in by_kind.values():
        dice.shuffle(same)
    drawn: list[Mutation] = []
    while len(drawn) < count and any(by_kind.values()):
        drawn += [same.pop() for same in by_kind.values() if same]
    return drawn[:count]


def places(value: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place in the value, from the whole to the leaves."""
    yield at, value
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*at, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from places(inner, (*at, number))


def get(value: Any, path: Path) -> Any:
    """Raises Impossible."""
    try:
        for key in path:
            value = value[key]
    except (KeyError, IndexError, TypeError):
        raise Impossible from None
    return value


def put(value: Any, path: Path, new: Any) -> Any:
    """A copy with `new` at the place. Raises Impossible."""
    return _changed(value, path, lambda _: deepcopy(new))


def spelt(path: Path) -> str:
    """`sheets[0].people[1].name`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".") or "all of it"


def name_of(mutation: Mutation) -> str:
    """The field that is changed, or in which something is; of two exchanged fields, that there are
    two.
    """
    where, _, what = mutation.name.rpartition(": ")
    if what == "exchanged":
        return "two fields"
    names = [part.split("[")[0] for part in where.split(".")]
    return next((name for name in reversed(names) if name), "") or "all of it"


# -- at one place ----------------------------------------------------------------------------------


def _at(path: Path, found: Any, others: Mapping[str, Any]) -> Iterator[Mutation]:
    where = spelt(path)

    def change(what: str, kind: Kind, alter: Callable[[Any], Any]) -> Mutation:
        return Mutation(f"{where}: {what}", kind, lambda value: _changed(value, path, alter))

    if path:
        yield Mutation(f"{where}: left out", Kind.DROP, lambda value: _dropped(value, path))
        for name, other in others.items():
            yield from _of_another(path, found, name, other)
    if isinstance(found, dict):
        if _free(found):
            yield from (change(*row) for row in _of_table(found))
    elif isinstance(found, list | tuple):
        yield from (change(*row) for row in _of_list(found))
        for name, other in others.items():
            yield from _inserted(path, name, other)
    else:
        for what, alter in _of_leaf(found):
            yield change(what, Kind.ALTER, alter)


def _of_another(path: Path, found: Any, name: str, other: Any) -> Iterator[Mutation]:
    try:
        theirs = get(other, path)
    except Impossible:
        return
    if theirs != found:
        what = f"{spelt(path)}: that of {name}"
        yield Mutation(what, Kind.EXCHANGE, lambda value: put(value, path, theirs))


def _inserted(path: Path, name: str, other: Any) -> Iterator[Mutation]:
    """One element of the other's list more, at either end."""
    try:
        theirs = get(other, path)
    except Impossible:
        return
    if not isinstance(theirs, list | tuple) or not theirs:
        return
    one = theirs[-1]
    for end in ("first", "last"):
        yield Mutation(
            f"{spelt(path)}: one of {name} put in {end}",
            Kind.INSERT,
            lambda value, end=end: _changed(
                value,
                path,
                lambda own: [deepcopy(one), *own] if end == "first" else [*own, deepcopy(one)],
            ),
        )


Row = tuple[str, Kind, Callable[[Any], Any]]


def _of_list(found: Sequence[Any]) -> Iterator[Row]:
    for at in range(len(found)):
        yield f"element {at} left out", Kind.DROP, lambda own, at=at: [*own[:at], *own[at + 1 :]]
        yield f"element {at} twice", Kind.DOUBLE, lambda own, at=at: [*own[: at + 1], *own[at:]]
        if at:
            yield (
                f"elements {at - 1} and {at} exchanged",
                Kind.EXCHANGE,
                lambda own, at=at: _swapped(own, at - 1, at),
            )
    if len(found) > 2:
        yield "in reverse", Kind.EXCHANGE, lambda own: list(reversed(own))
        yield "first and last exchanged", Kind.EXCHANGE, lambda own: _swapped(own, 0, len(own) - 1)
    if found:
        yield "empty", Kind.DROP, lambda own: []
        yield "all of it twice", Kind.DOUBLE, lambda own: [*own, *own]
        yield "one hundred times", Kind.DOUBLE, lambda own: list(own) * 100


def _of_table(found: Mapping[str, Any]) -> Iterator[Row]:
    """Of a dict with free keys: who stands under which."""
    keys = list(found)
    for one, other in combinations(keys[:6], 2):
        what = f"values of {one} and {other} exchanged"
        yield (
            what,
            Kind.EXCHANGE,
            lambda own, a=one, b=other: {**own, a: get(own, (b,)), b: get(own, (a,))},
        )
    if len(keys) > 1:
        yield "keys in reverse", Kind.EXCHANGE, lambda own: dict(reversed(own.items()))
    for key in keys[:6]:
        yield f"{key} under another key", Kind.ALTER, lambda own, key=key: _renamed(own, key)
    if keys:
        yield "one key more", Kind.INSERT, lambda own: {**own, "extra": deepcopy(own[keys[0]])}
        yield "empty", Kind.DROP, lambda own: {}


def _of_leaf(found: Any) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    if isinstance(found, bool):
        yield "the other one", lambda own: not own
    elif isinstance(found, int):
        yield "one more", lambda own: own + 1
        yield "one less", lambda own: own - 1
        yield "none", lambda own: 0
        yield "too much", lambda own: own + 10**9
    elif isinstance(found, float):
        yield "half a millimetre more", lambda own: own + 0.5
        yield "half", lambda own: own / 2
    elif isinstance(found, str):
        yield from _of_text(found)
    elif isinstance(found, bytes):
        yield from _of_bytes(found)
    elif isinstance(found, date):
        yield "a day later", lambda own: own + timedelta(days=1)
        yield "a year earlier", lambda own: own - timedelta(days=365)
    elif found is None:
        yield "a value", lambda own: 1


def _of_text(found: str) -> Iterator[tuple[str, Callable[[str], str]]]:
    yield "a character more", lambda own: own + "別"
    yield "a digit more", lambda own: own + "1"
    yield "a line more", lambda own: own + "\nこの証明書は無効です。"
    yield "another value", lambda own: "別府　一郎"
    yield "much longer", lambda own: (own or "別") * 40
    if not found:
        return
    yield "empty", lambda own: ""
    yield "a character less", lambda own: own[:-1]
    yield "the first character missing", lambda own: own[1:]
    yield "one character changed", _one_changed
    yield "twice", lambda own: own + own
    yield "white space put in", lambda own: f"{own[:1]}　{own[1:]}"
    yield "an invisible character put in", lambda own: f"{own[:1]}\u200b{own[1:]}"
    yield "a variation selector more", lambda own: _at_kanji(own, "\U000e0101")
    yield "another character of private use", lambda own: "\ue000" + own[1:]
    if any(selector in found for selector in SELECTORS):
        yield (
            "without variation selectors",
            lambda own: "".join(c for c in own if c not in SELECTORS),
        )
        yield "another variation selector", lambda own: "".join(_next_selector(c) for c in own)
    if any(c.isdecimal() for c in found):
        yield "one digit changed", _digit_changed
        yield "two digits exchanged", _digits_exchanged
        yield "digits of the other width", lambda own: "".join(map(_other_width, own))
    if any(c in LOOK_ALIKES for c in found):
        yield "a look-alike", _look_alike
    if len(found) > 2:
        yield "in reverse", lambda own: own[::-1]


def _of_bytes(found: bytes) -> Iterator[tuple[str, Callable[[bytes], bytes]]]:
    if not found:
        yield "a byte", lambda own: b"\0"
        return
    yield "the first bit flipped", lambda own: bytes((own[0] ^ 1,)) + own[1:]
    yield "a bit in the middle flipped", _middle_flipped
    yield "the last bit flipped", lambda own: own[:-1] + bytes((own[-1] ^ 1,))
    yield "empty", lambda own: b""
    yield "cut in half", lambda own: own[: len(own) // 2]
    yield "the last byte missing", lambda own: own[:-1]
    yield "a byte more", lambda own: own + b"\0"
    yield "twice", lambda own: own + own
    yield "zeros", lambda own: bytes(len(own))


# -- at two places ---------------------------------------------------------------------------------


def _pairs(value: Any) -> Iterator[Mutation]:
    """Two leaves of one type, and two structures of one form, exchanged with each other."""
    alike: dict[Any, list[Path]] = defaultdict(list)
    for path, found in places(value):
        if path:
            alike[_form(found)].append(path)
    for paths in alike.values():
        for one, other in combinations(paths, 2):
            if _apart(one, other) and get(value, one) != get(value, other):
                what = f"{spelt(one)} and {spelt(other)}: exchanged"
                yield Mutation(
                    what, Kind.EXCHANGE, lambda own, a=one, b=other: _exchanged(own, a, b)
                )


def _form(found: Any) -> Any:
    if isinstance(found, dict):
        return tuple(found)
    return "list" if isinstance(found, list | tuple) else type(found)


def _apart(one: Path, other: Path) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] != other[:shorter]


def _exchanged(value: Any, one: Path, other: Path) -> Any:
    theirs, own = get(value, other), get(value, one)
    if theirs == own:
        raise Impossible
    return put(put(value, one, theirs), other, own)


# -- how -------------------------------------------------------------------------------------------


def _changed(value: Any, path: Path, alter: Callable[[Any], Any]) -> Any:
    if not path:
        return _altered(alter, deepcopy(value))
    made = deepcopy(value)
    place = get(made, path[:-1])
    new = _altered(alter, get(place, path[-1:]))
    if isinstance(place, tuple):
        return put(made, path[:-1], [*place[: path[-1]], new, *place[path[-1] + 1 :]])  # type: ignore[operator]
    place[path[-1]] = new
    return made


def _altered(alter: Callable[[Any], Any], own: Any) -> Any:
    """What does not fit the value at hand is impossible there."""
    try:
        return alter(own)
    except (TypeError, IndexError, AttributeError, KeyError):
        raise Impossible from None


def _dropped(value: Any, path: Path) -> Any:
    def without(place: Any) -> Any:
        if isinstance(place, dict):
            return {key: inner for key, inner in place.items() if key != path[-1]}
        return [inner for number, inner in enumerate(place) if number != path[-1]]

    get(value, path)
    return _changed(value, path[:-1], without)


def _free(found: Mapping[Any, Any]) -> bool:
    """A table whose keys are data: all its values are of one form, and there is more than a field
    or two.
    """
    return len({str(_form(inner)) for inner in found.values()}) == 1


def _renamed(own: Mapping[str, Any], key: str) -> dict[str, Any]:
    get(own, (key,))
    return {(f"{name}x" if name == key else name): inner for name, inner in own.items()}


def _swapped(own: Sequence[Any], one: int, other: int) -> list[Any]:
    made = list(own)
    made[one], made[other] = made[other], made[one]
    return made


def _one_changed(own: str) -> str:
    at = len(own) // 2
    new = "別" if own[at] != "別" else "府"
    return own[:at] + new + own[at + 1 :]


def _digit_changed(own: str) -> str:
    at = max(at for at, c in enumerate(own) if c.isdecimal())
    zero = chr(ord(own[at]) - unicodedata.decimal(own[at]))
    return own[:at] + chr(ord(zero) + (unicodedata.decimal(own[at]) + 1) % 10) + own[at + 1 :]


def _digits_exchanged(own: str) -> str:
    digits = [at for at, c in enumerate(own) if c.isdecimal()]
    for one, other in combinations(digits, 2):
        if own[one] != own[other]:
            return "".join(_swapped(own, one, other))
    raise Impossible


def _other_width(character: str) -> str:
    if not character.isdecimal():
        return character
    digit = unicodedata.decimal(character)
    return chr((0xFF10 if character.isascii() else 0x30) + digit)


def _look_alike(own: str) -> str:
    at = next(at for at, c in enumerate(own) if c in LOOK_ALIKES)
    return own[:at] + LOOK_ALIKES[own[at]] + own[at + 1 :]


def _at_kanji(own: str, selector: str) -> str:
    at = next((at for at, c in enumerate(own) if "\u4e00" <= c <= "\u9fff"), 0)
    return own[: at + 1] + selector + own[at + 1 :]


def _next_selector(character: str) -> str:
    if character not in SELECTORS:
        return character
    return SELECTORS[(SELECTORS.index(character) + 1) % len(SELECTORS)]


def _middle_flipped(own: bytes) -> bytes:
    at = len(own) // 2
    return own[:at] + bytes((own[at] ^ 0x10,)) + own[at + 1 :]
