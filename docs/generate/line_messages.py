"""docs/line-messages.md, written from the types both ends use: `python -m
docs.generate.line_messages`.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import inspect as types

from city.paths import ANY, PATHS
from firmware.link import messages, refusals
from firmware.link.form_terms import FormTerms
from firmware.link.refusals import STATUS, RefusalCode

PAGE: Final = Path(__file__).parents[1] / "line-messages.md"
UNITS: Final = {100_000: "yen", 40_000_000: "seconds"}  # by their greatest value
HEAD: Final = """# The line's messages, field by field

Written by `python -m docs.generate.line_messages` from the types in `firmware/link` and from
`city/paths.py`. A test compares them. The gateway serves the same as OpenAPI 3.1
(`GET /v2/openapi.json`, `kiosk city openapi`). [line.md](line.md) says how the messages belong
together.

A field marked `?` may be left out, or be null where it says so. Every other field must be there,
and no field may be added. Binary is base64 (RFC 4648, with padding); its sizes are those of the
bytes, before base64. Sizes of text are in characters (code points). Nothing is nested deeper than
the types say.
"""


def page() -> str:
    return "\n".join((HEAD, *_paths(), *_messages(), *_refusals()))


def _paths() -> Iterator[str]:
    yield "## Paths\n"
    yield "| POST | carries | 200 answers | refuses with, besides those that can come everywhere |"
    yield "|---|---|---|---|"
    for name, path in PATHS.items():
        codes = ", ".join(f"`{code.value}`" for code in path.refuses) or "none"
        request = path.request.__name__
        answer = path.answer.__name__
        yield (
            f"| `/v{messages.PROTOCOL}/{name}` | [{request}](#{request.lower()}) | "
            f"[{answer}](#{answer.lower()}) | {codes} |"
        )
    yield f"\nEverywhere: {', '.join(f'`{code.value}`' for code in ANY)}.\n"


def _messages() -> Iterator[str]:
    seen: dict[type, None] = {}
    for path in PATHS.values():
        for kind in (path.request, path.answer):
            _gather(kind, seen)
    for kind in (messages.Manifest, FormTerms, messages.Refusal):
        _gather(kind, seen)
    yield "## Messages\n"
    for kind in seen:
        yield f"### {kind.__name__}\n"
        if kind.__doc__:
            yield f"{inspect.cleandoc(kind.__doc__)}\n"
        yield "| field | type and size | |"
        yield "|---|---|---|"
        notes = _notes(kind)
        for field in msgspec.structs.fields(kind):
            mark = "" if field.required else " ?"
            size = _worded(types.type_info(field.type))
            yield f"| `{field.encode_name}`{mark} | {size} | {notes.get(field.name, '')} |"
        yield ""


def _gather(kind: type, seen: dict[type, None]) -> None:
    if kind not in seen:
        seen[kind] = None
        for field in msgspec.structs.fields(kind):
            for inner in _structs(types.type_info(field.type)):
                _gather(inner, seen)


def _structs(kind: types.Type) -> Iterator[type]:
    match kind:
        case types.StructType():
            yield kind.cls
        case types.VarTupleType():
            yield from _structs(kind.item_type)
        case types.DictType():
            yield from _structs(kind.value_type)
        case types.UnionType():
            for inner in kind.types:
                yield from _structs(inner)


def _notes(kind: type) -> dict[str, str]:
    """The comment behind each field in its source."""
    found = re.findall(
        r"^    (\w+): (?:[^#\n]|\n(?!    \w))*?  # (.+)$", inspect.getsource(kind), re.M
    )
    return {name: note.replace("|", "\\|") for name, note in found}


def _worded(kind: types.Type) -> str:
    match kind:
        case types.StrType():
            size = _size(kind.min_length, kind.max_length, "characters")
            pattern = (
                f"`{kind.pattern}`".replace("\\Z", "$").replace("|", "\\|") if kind.pattern else ""
            )
            return "text: " + ", ".join(part for part in (pattern, size) if part)
        case types.BytesType():
            return f"binary: {_size(kind.min_length, kind.max_length, 'bytes')}"
        case types.IntType():
            return f"{UNITS.get(kind.le or 0, 'whole number')}: {kind.ge} to {kind.le}"
        case types.FloatType():
            return f"number: {kind.ge:g} to {kind.le:g}"
        case types.DateType():
            return "date: YYYY-MM-DD"
        case types.BoolType():
            return "true or false"
        case types.NoneType():
            return "null"
        case types.EnumType(cls=kind_) if kind_ is RefusalCode:
            return "the code of a [refusal](#refusals)"
        case types.EnumType():
            return "one of " + ", ".join(f"`{value.value}`" for value in kind.cls)
        case types.LiteralType():
            return "one of " + ", ".join(f"`{str(value).lower()}`" for value in kind.values)
        case types.StructType():
            return f"[{kind.cls.__name__}](#{kind.cls.__name__.lower()})"
        case types.VarTupleType():
            return (
                f"list, {_size(kind.min_length, kind.max_length, 'items')}, of "
                f"{_worded(kind.item_type)}"
            )
        case types.TupleType():
            return f"list of exactly {len(kind.item_types)}: " + "; ".join(
                _worded(item) for item in kind.item_types
            )
        case types.DictType():
            size = _size(None, kind.max_length, "entries")
            return f"object, {size}, from {_worded(kind.key_type)} to {_worded(kind.value_type)}"
        case types.UnionType():
            return ", or ".join(_worded(item) for item in kind.types)
    raise TypeError(kind)


def _size(least: int | None, most: int | None, unit: str) -> str:
    if most is None:
        return ""
    return f"{most} {unit}" if least == most else f"{least or 0} to {most} {unit}"


def _refusals() -> Iterator[str]:
    source = inspect.getsource(RefusalCode)
    notes = dict(re.findall(r'^    \w+ = "([a-z0-9-]+)"  # (.+)$', source, re.M))
    yield "## Refusals\n"
    yield "| code | status | | |"
    yield "|---|---|---|---|"
    for code in RefusalCode:
        yield (
            f"| `{code.value}` | {STATUS[code]} | {notes.get(code.value, '')} | "
            f"{_kiosk_does(code)} |"
        )
    yield (
        "\n`protocol-error` also comes with 404 (no such path) and 405 (no such method), "
        "`version` with 404."
    )


def _kiosk_does(code: RefusalCode) -> str:
    if code in refusals.ANOMALIES:
        return "a case; the kiosk pauses"
    if code in refusals.UNFIT:
        return "the kiosk is out of service until it is mended"
    return "in the log" if code in refusals.LINE else "the resident is told"


def main() -> int:
    PAGE.write_text(page() + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
