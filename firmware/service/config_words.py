"""What msgspec says of a file that is wrong, with the words or keys that would be right."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import msgspec

PLACE: Final = re.compile(r" - at `\$\.?([^`]*)`$")
INDEX: Final = re.compile(r"\[(\d+|\.\.\.)\]")


def allowed(told: str, root: type[msgspec.Struct]) -> str:
    """` (one of: a, b)`, where the key takes only some words or the table only some keys."""
    found = PLACE.search(told)
    place = INDEX.sub("", found[1]) if found else ""
    kinds: list[Any] = [root]
    for key in filter(None, place.split(".")):
        hints = [get_type_hints(kind) for kind in kinds if isinstance(kind, type)]
        kinds = [part for each in hints if key in each for part in _parts(each[key])]
    words: dict[str, None] = {}
    if "unknown field" in told:
        words = dict.fromkeys(key for kind in kinds for key in _keys(kind))
    elif "Invalid" in told:
        words = dict.fromkeys(str(word) for kind in kinds for word in _words(kind))
    return f" (one of: {', '.join(words)})" if words else ""


def _parts(kind: Any) -> tuple[Any, ...]:
    """The members of a union, the items of a list, or the type alone."""
    if get_origin(kind) is Literal or not get_args(kind):
        return (kind,)
    return tuple(part for each in get_args(kind) for part in _parts(each))


def _words(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _keys(kind: Any) -> tuple[str, ...]:
    is_table = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
    return tuple(kind.__struct_encode_fields__) if is_table else ()
