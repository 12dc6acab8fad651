"""What the screens looked like when somebody last looked at them, in one small file: of each
picture a mark of all that it was drawn from, and its shades of grey in a few cells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FILE: Final = Path(__file__).parents[1] / "pictures" / "reference.npz"
CELLS: Final = 32, 18  # along the longer and the shorter side
SHADES: Final = 16
MARK_BYTES: Final = 8
# What anti-aliasing and another version of the browser may change.
MOST_SHADES: Final = 1
MOST_CELLS: Final = 12

Cells = NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    mark: bytes
    cells: Cells

    def differs(self, other: Seen) -> bool:
        """Whether somebody would see it."""
        if self.cells.shape != other.cells.shape:
            return True
        apart = np.abs(self.cells.astype(int) - other.cells.astype(int))
        return bool(apart.max() > MOST_SHADES or np.count_nonzero(apart) > MOST_CELLS)


def mark(*parts: bytes) -> bytes:
    """Of the HTML and of everything that the page loads."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()[:MARK_BYTES]


def cells(picture: Image.Image) -> Cells:
    size = CELLS if picture.width >= picture.height else CELLS[::-1]
    grey = picture.convert("L").resize(size, Image.Resampling.BOX)
    return np.asarray(grey, dtype=np.uint8) // (256 // SHADES)


def read(path: Path = FILE) -> dict[str, Seen]:
    """Empty where there is none."""
    if not path.exists():
        return {}
    with np.load(path) as file:
        names, marks, shades, upright = (
            file[key] for key in ("names", "marks", "cells", "upright")
        )
    found = {}
    for name, own, packed, stands in zip(names, marks, shades, upright, strict=True):
        whole = np.stack((packed >> 4, packed & 15), axis=-1).ravel()
        across, down = CELLS[::-1] if stands else CELLS
        found[str(name)] = Seen(own.tobytes(), whole.reshape(down, across))
    return found


def write(seen: Mapping[str, Seen], path: Path = FILE) -> None:
    """The same bytes for the same pictures."""
    names = sorted(seen)
    flat = [seen[name].cells.ravel() for name in names]
    np.savez_compressed(
        path,
        names=np.array(names, dtype=np.str_),
        marks=np.array([np.frombuffer(seen[name].mark, np.uint8) for name in names]),
        cells=np.array([one[0::2] << 4 | one[1::2] for one in flat]),
        upright=np.array([seen[name].cells.shape[0] > seen[name].cells.shape[1] for name in names]),
    )
