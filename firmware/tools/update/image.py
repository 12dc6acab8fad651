"""What a build says about itself: `build.json` in an image and in the bundle that installs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

FILE: Final = "build.json"
INSTALLED: Final = Path("/usr/lib/madoguchi") / FILE
# Numbers with points between them, so that any two can be compared.
Version = Annotated[str, Meta(pattern=r"^\d{1,14}(\.\d{1,14}){0,3}$")]


class BuildUnreadable(Exception):
    """One line: which file does not say what build it is."""


class ImageBuild(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`version` grows with every build. `journal` is the version of the journal that it reads."""

    board: str
    version: Version
    build: str
    journal: int


def read(path: Path) -> ImageBuild:
    """Raises BuildUnreadable."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ImageBuild)
    except OSError as error:
        raise BuildUnreadable(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise BuildUnreadable(f"{path}: {error}") from None


def is_newer(one: str, other: str) -> bool:
    """Whether version `one` comes after `other`; everything comes after ""."""
    return _numbers(one) > _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part)
