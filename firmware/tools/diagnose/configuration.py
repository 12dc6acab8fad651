"""The configuration file: what keeps it from being read, by the key and the line that are wrong."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec

from firmware.service.config import Config, ConfigError, load
from firmware.tools.diagnose.errors import said
from firmware.tools.diagnose.finding import Wrong, wrong

# What msgspec says, and which cause that is.
WORDS: Final = (
    (re.compile(r"missing required field"), "configuration.required"),
    (re.compile(r"contains unknown field"), "configuration.key"),
)
CODES: Final = {FileNotFoundError: "missing", NotADirectoryError: "missing"}


def read(path: Path) -> Config:
    """Raises Wrong."""
    try:
        return load(path)
    except ConfigError as error:
        raise _cause(path, str(error)) from None


def _cause(path: Path, told: str) -> Wrong:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        code = CODES.get(type(error), "unreadable")
        return wrong(f"configuration.{code}", f"{path}: {said(error)}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return wrong("configuration.syntax", told)
    if found := _stray(document):
        return found
    missing = [name for name in _needed() if name not in document]
    if missing:
        return wrong("configuration.section", f"{path}: no [{'], ['.join(missing)}]")
    code = next((code for words, code in WORDS if words.search(told)), "configuration.value")
    return wrong(code, told)


def _stray(document: Mapping[str, Any]) -> Wrong | None:
    """Keys of one table that stand under another one: the header between them is missing."""
    known = {name: _keys(name) for name in get_type_hints(Config)}
    for place, table in document.items():
        if place not in known or not isinstance(table, dict):
            continue
        strange = set(table) - known[place]
        for owner, keys in known.items():
            there = document.get(owner, {})
            if strange and strange <= keys and not strange & set(there):
                listed = ", ".join(sorted(strange))
                detail = f"{listed} under [{place}]: a line [{owner}] is missing above"
                return wrong("configuration.header", detail)
    return None


def _needed() -> list[str]:
    return [field.name for field in msgspec.structs.fields(Config) if field.required]


def _keys(name: str) -> set[str]:
    """Every key that may stand in this table."""
    kind = get_type_hints(Config)[name]
    keys = {"driver"}
    for part in (kind, *get_args(kind)):
        if isinstance(part, type) and issubclass(part, msgspec.Struct):
            keys |= {field.encode_name for field in msgspec.structs.fields(part)}
    return keys
