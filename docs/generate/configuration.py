"""docs/configuration.md, written from the types of both configurations: `python -m
docs.generate.configuration`.

The kiosk's sentences are the comments above the keys in firmware/service/config.py and
device_sections.py, and the texts of their classes. The city's stand in `city_keys.py` beside this
module.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, get_type_hints

import msgspec
from msgspec import inspect as types

from city.config import Config as CityConfig
from docs.generate.city_keys import CITY, CITY_SECTIONS
from firmware.service.config import USUAL
from firmware.service.config import Config as KioskConfig
from firmware.sheets.guard_style import Halftone

PAGE: Final = Path(__file__).parents[1] / "configuration.md"
HEAD: Final = """# Configuration

Written by `python -m docs.generate.configuration` from the types in `firmware/service/config.py`,
`firmware/service/device_sections.py` and `city/config.py`. A test compares them.

Both files are TOML and typed. A key that is not listed here is an error that names it. A relative
path counts from the file's own folder. There is no switch for "simulated": a device has a driver
and an address, and the driver does not know what is at the other end.

"Required" means that the section must have the key. A section whose heading says "optional" may be
left out.
"""
KIOSK_HEAD: Final = "## The kiosk (`kiosk run --config kiosk.toml`)"
KIOSK_FOOT: Final = "A rehearsal writes a complete example to `var/demo/run/kiosk.toml`."
CITY_HEAD: Final = "## The city (`kiosk city --config city.toml`)"
# `load` puts this driver where a union of drivers names none.
DRIVERS: Final[Mapping[str, str]] = USUAL
# Texts that a pattern limits, in words.
PATTERNS: Final[Mapping[str, str]] = {
    r"^http://": "`http://…`",
    r"^(\[[0-9a-fA-F:]+\]": "host:port",
}
COLUMNS: Final = 100
COMMENTED: Final = re.compile(r"((?:^ {4}# .*\n)+) {4}(\w+):", re.MULTILINE)

Sentence = Callable[[type[msgspec.Struct], str], str]


class MissingSentence(LookupError):
    """A key of a configuration that nobody has explained."""


def page() -> str:
    """The whole page, Markdown. Raises MissingSentence."""
    return "\n".join(
        (
            HEAD,
            KIOSK_HEAD,
            "",
            *_sections(KioskConfig, _kiosk_sentence, _kiosk_text),
            KIOSK_FOOT,
            "",
            CITY_HEAD,
            "",
            *_sections(CityConfig, _city_sentence, _city_text),
        )
    )


def _sections(
    config: type[msgspec.Struct],
    sentence: Sentence,
    text: Callable[[str, type[msgspec.Struct]], str],
) -> Iterator[str]:
    hints = get_type_hints(config)
    for field in msgspec.structs.fields(config):
        kinds = _structs(types.type_info(hints[field.name]))
        optional = "" if field.required else " (optional)"
        yield f"### [{field.encode_name}]{optional}\n"
        for kind in kinds:
            tag = kind.__struct_config__.tag
            if len(kinds) > 1:
                yield f'#### `driver = "{tag}"`\n'
            if sentence_of_kind := text(field.encode_name, kind):
                yield f"{sentence_of_kind}\n"
            yield "| key | type | default | |"
            yield "|---|---|---|---|"
            if tag is not None:
                first = DRIVERS.get(field.encode_name) if len(kinds) > 1 else tag
                default = f'`"{tag}"`' if first == tag else "required"
                yield f'| `driver` | `"{tag}"` | {default} | Which driver is used. |'
            yield from _rows(kind, sentence, "")
            yield ""


def _rows(kind: type[msgspec.Struct], sentence: Sentence, before: str) -> Iterator[str]:
    hints = {field.encode_name: field.type for field in _info(kind).fields}
    for field in msgspec.structs.fields(kind):
        worded, inner = hints[field.encode_name], _structs(hints[field.encode_name])
        meaning = sentence(kind, field.name).replace("|", "\\|")
        yield (
            f"| {before}`{field.encode_name}` | {_worded(worded)} | {_default(field)} | {meaning} |"
        )
        for struct in inner:
            yield from _rows(struct, sentence, "... ")


def _info(kind: type[msgspec.Struct]) -> types.StructType:
    found = types.type_info(kind)
    if not isinstance(found, types.StructType):
        raise TypeError(f"{kind.__name__} is no table")
    return found


def _structs(kind: types.Type) -> list[type[msgspec.Struct]]:
    """The tables in a type."""
    match kind:
        case types.StructType():
            return [kind.cls]
        case types.UnionType():
            return [found for part in kind.types for found in _structs(part)]
        case types.VarTupleType():
            return _structs(kind.item_type)
        case types.Metadata():
            return _structs(kind.type)
        case _:
            return []


def _worded(kind: types.Type) -> str:
    match kind:
        case types.Metadata():
            described = (kind.extra_json_schema or {}).get("description")
            return str(described) if described else _worded(kind.type)
        case types.StrType(pattern=pattern):
            words = (
                words for start, words in PATTERNS.items() if (pattern or "").startswith(start)
            )
            return next(words, "text")
        case types.BoolType():
            return "true or false"
        case types.IntType() | types.FloatType():
            return _limited("integer" if isinstance(kind, types.IntType) else "number", kind)
        case types.LiteralType():
            return " or ".join(f"`{_toml(value)}`" for value in kind.values)
        case types.CustomType(cls=cls) if cls is Path:
            return "path"
        case types.DateType():
            return "day"
        case types.DateTimeType():
            return "date and time"
        case types.NamedTupleType(cls=cls) if cls is Halftone:
            return "`[dot, pitch]`"
        case types.StructType() | types.DictType():
            return "table"
        case types.VarTupleType():
            return _list(kind)
        case types.UnionType():
            return _worded(next(part for part in kind.types if part != types.NoneType()))
    raise TypeError(f"no words for {kind}")


def _list(kind: types.VarTupleType) -> str:
    item = "tables" if _structs(kind.item_type) else f"{_worded(kind.item_type)}s"
    if kind.min_length or kind.max_length:
        return f"list of {kind.min_length or 0}–{kind.max_length} {item}"
    return f"list of {item}"


def _limited(name: str, kind: types.IntType | types.FloatType) -> str:
    least, most = kind.ge, kind.le
    if least is not None and most is not None:
        return f"{name}, {_number(least)}–{_number(most)}"
    limits = (("at least", least), ("above", kind.gt), ("at most", most), ("below", kind.lt))
    return ", ".join([name, *(f"{word} {_number(n)}" for word, n in limits if n is not None)])


def _number(value: float) -> str:
    return f"{value:.12g}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if field.default in (None, ()) or field.default_factory is dict:
        return "none"
    return f"`{_toml(field.default)}`"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str | Path) else f"{value}"


# -- sentences


def _kiosk_sentence(kind: type[msgspec.Struct], key: str) -> str:
    for each in kind.__mro__:
        if issubclass(each, msgspec.Struct) and key in inspect.get_annotations(each):
            for comment, name in COMMENTED.findall(inspect.getsource(each)):
                if name == key:
                    return " ".join(
                        line.strip().removeprefix("# ") for line in comment.splitlines()
                    )
    raise MissingSentence(f"{kind.__name__}.{key}: a comment above the key")


def _kiosk_text(_: str, kind: type[msgspec.Struct]) -> str:
    return textwrap.fill(inspect.cleandoc(kind.__doc__ or ""), COLUMNS, break_on_hyphens=False)


def _city_sentence(kind: type[msgspec.Struct], key: str) -> str:
    try:
        return CITY[f"{kind.__name__}.{key}"]
    except KeyError:
        raise MissingSentence(f"{kind.__name__}.{key}: a line in city_keys.py") from None


def _city_text(section: str, _: type[msgspec.Struct]) -> str:
    return textwrap.fill(CITY_SECTIONS[section], COLUMNS, break_on_hyphens=False)


def main() -> int:
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
