"""What is known of printer models: the capability profiles that python-escpos brings.

They are read from its file as data. Importing the library would load the same file slowly, leave a
temporary folder behind at each import and change the process's logging.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from hal.faults import DeviceFault, Reason

LIBRARY: Final = "escpos"
NEAR: Final = 5  # names that are told to somebody whose name is unknown
# What the driver needs of every model: GS v 0 draws a page, GS V cuts it off.
NEEDED: Final = {
    "bitImageRaster": "draws no raster images (GS v 0)",
    "paperFullCut": "has no cutter",
}


@dataclass(frozen=True)
class Profile:
    """One model. `width` and `dpi` are None where its makers do not tell them. `columns` of its
    font A, `code_pages` in the order of their numbers. Nothing is said of sensors: whether paper
    is near its end the printer tells itself.
    """

    name: str
    model: str
    width: int | None
    dpi: int | None
    cutter: bool
    columns: int
    code_pages: tuple[str, ...]


def profile(device: str, name: str) -> Profile:
    """Raises DeviceFault CONFIGURATION: no such profile, and which are near; or the model cannot do
    what the driver needs.
    """
    known = _known(device)
    if name not in known:
        near = _near(name, usable(device))
        raise DeviceFault(device, Reason.CONFIGURATION, f"profile {name!r}: {near}")
    data = known[name]
    for feature, lack in NEEDED.items():
        if not data["features"].get(feature):
            raise DeviceFault(device, Reason.CONFIGURATION, f"profile {name!r}: the model {lack}")
    pages = data["codePages"]
    return Profile(
        name=name,
        model=f"{data['vendor']} {data['name']}",
        width=_number(data["media"].get("width", {}).get("pixels")),
        dpi=_number(data["media"].get("dpi")),
        cutter=bool(data["features"]["paperFullCut"]),
        columns=int(data["fonts"]["0"]["columns"]),
        code_pages=tuple(pages[number] for number in sorted(pages, key=int)),
    )


def usable(device: str) -> tuple[str, ...]:
    """The names of the models that the driver can print on. Raises DeviceFault CONFIGURATION."""
    return tuple(
        name for name, data in _known(device).items() if all(map(data["features"].get, NEEDED))
    )


def _near(name: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # only somebody who mistyped a name needs it

    folded = {one.casefold(): one for one in known}
    found = get_close_matches(name.casefold(), folded, NEAR, 0.4)
    if found:
        return f"unknown; near it: {', '.join(folded[one] for one in found)}"
    return f"unknown; there are {', '.join(sorted(known, key=str.casefold))}"


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


@cache
def _profiles() -> Mapping[str, Any]:
    """Raises OSError, ValueError, KeyError."""
    found = find_spec(LIBRARY)  # finds it, and imports nothing
    if found is None or not found.submodule_search_locations:
        raise OSError("python-escpos is not installed")
    file = Path(found.submodule_search_locations[0]) / "capabilities.json"
    profiles: Mapping[str, Any] = json.loads(file.read_text("utf-8"))["profiles"]
    return profiles


def _known(device: str) -> Mapping[str, Any]:
    try:
        return _profiles()
    except (OSError, ValueError, KeyError) as error:
        raise DeviceFault(
            device, Reason.CONFIGURATION, f"printer profiles cannot be read: {error}"
        ) from error
