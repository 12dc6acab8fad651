"""What a build says about itself: `build.json` in an image and in the bundle that installs it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from firmware.link.messages import BuildVersion

FILE: Final = "build.json"
INSTALLED: Final = Path("/usr/lib/madoguchi") / FILE


class BuildUnreadable(Exception):
    """One line: which file does not say what build it is."""


class ImageBuild(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`version` grows with every build. `journal` is the version of the journal that it reads."""

    board: str
    version: BuildVersion
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
