"""Writing TOML: the standard library only reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any


def dumps(document: Mapping[str, Any]) -> str:
    """Tables of the top level get a heading, everything below is written in line; None is
    left out.
    """
    plain = {key: value for key, value in document.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in document.items() if isinstance(value, Mapping)}
    parts = [_lines(plain), *(f"[{_key(key)}]\n{_lines(table)}" for key, table in tables.items())]
    return "\n".join(part for part in parts if part)


def merge(document: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`document` with what `over` says otherwise; tables are merged, anything else is replaced."""
    merged = dict(document)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = (
            merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
        )
    return merged


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(
        f"{_key(key)} = {_value(value)}\n" for key, value in table.items() if value is not None
    )


def _key(key: str) -> str:
    bare = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if bare else json.dumps(key, ensure_ascii=False)


def _value(value: object) -> str:
    """Raises TypeError for what TOML has no word for."""
    if isinstance(value, bool | str | Path):
        return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_value(item)}" for key, item in value.items() if item is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    raise TypeError(f"no TOML for {type(value).__name__}")
