"""What the board remembers of its builds, on the data partition, and what the city is told of it.

It holds no secret. A root who changes it can install what is signed, and nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from firmware.link.build_version import is_newer
from firmware.link.messages import UpdateReport
from firmware.service import image_build
from firmware.service.image_build import BuildUnreadable

FOLDER: Final = Path("/var/lib/madoguchi-update")
FILE: Final = "state.json"
UNKNOWN: Final = "unknown"


class UpdateState(msgspec.Struct, frozen=True):
    """`floor`: the newest version that was trusted. `staged`: installed, and not started yet.

    `followed`: the version that was installed by the city's word; it is started only as long as the
    city wants it. `on_trial`: started, and not trusted yet; `since` is the journal's newest entry
    at its start, and `failing` says why it has not come up so far. `wrong_before`: checks of the
    diagnosis that were NG before the new build was started. `rejected`: versions that fell back,
    the last one last, each with its reason. `refused`: the bundle that was offered last and not
    installed, and `why`.

    A field that this build does not know is passed over: a newer build may have written it, and
    fallen back since.
    """

    floor: str = ""
    staged: str = ""
    followed: str = ""
    on_trial: str = ""
    since: int = 0
    failing: str = ""
    wrong_before: tuple[str, ...] = ()
    rejected: dict[str, str] = {}
    refused: str = ""
    why: str = ""


def load(folder: Path, running: str) -> UpdateState:
    """A file that is missing or cannot be read begins anew with the running build as the floor:
    that one is signed, so nothing older gets in by it.
    """
    try:
        return _read(folder)
    except (OSError, ValueError):
        return UpdateState(floor=running)


def _read(folder: Path) -> UpdateState:
    """Raises OSError, ValueError (msgspec's errors are of it)."""
    known = msgspec.json.decode((folder / FILE).read_bytes(), type=dict[str, object])
    if isinstance(versions := known.get("rejected"), list):  # as an earlier build wrote it
        known["rejected"] = {version: UNKNOWN for version in versions if isinstance(version, str)}
    return msgspec.convert(known, UpdateState)


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


def for_the_city(folder: Path = FOLDER, image: Path = image_build.INSTALLED) -> UpdateReport | None:
    """None on a board that is not updated as a whole (it has no image), and where the notes cannot
    be read: nobody knows then whether the build is trusted.
    """
    try:
        running = image_build.read(image)
        known = _read(folder)
    except FileNotFoundError:  # as delivered
        known = UpdateState()
    except (BuildUnreadable, OSError, ValueError):
        return None
    newer = (each for each in reversed(known.rejected) if is_newer(each, running.version))
    fell_back = next(newer, "")
    return UpdateReport(
        board=running.board,
        version=running.version,
        staged=known.staged,
        on_trial=bool(known.on_trial),
        fell_back=fell_back,
        refused="" if fell_back else known.refused,
        why=known.rejected.get(fell_back, known.why),
    )
