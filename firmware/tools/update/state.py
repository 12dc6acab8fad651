"""What the board remembers about its builds, on the data partition.

It holds no secret. A root who changes it can install what is signed, and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

FOLDER: Final = Path("/var/lib/madoguchi-update")
FILE: Final = "state.json"


class UpdateState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`floor`: the newest version that was trusted. `staged`: installed, and not started yet.

    `on_trial`: started, and not trusted yet; `since` is the journal's newest entry at its start.
    `wrong_before`: checks of the diagnosis that were NG before the new build was started.
    """

    floor: str = ""
    staged: str = ""
    on_trial: str = ""
    since: int = 0
    wrong_before: tuple[str, ...] = ()
    rejected: tuple[str, ...] = ()


def load(folder: Path, running: str) -> UpdateState:
    """A file that is missing or cannot be read begins anew with the running build as the floor:
    that one is signed, so nothing older gets in by it.
    """
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=UpdateState)
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return UpdateState(floor=running)


def save(folder: Path, state: UpdateState) -> None:
    """On the disk when this returns; a power cut leaves the old one or the new one. Raises
    OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"{FILE}.new"
    with new.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    new.replace(folder / FILE)
    entry = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)
