"""The key to the panel's wire: one for each process that serves, and the browser's user alone can
read it.

It is a file, because a browser cannot be asked who it is: any user of the machine can open a
connection to loopback. On a board the folder is made by systemd-tmpfiles, owned by the kiosk, with
the browser's group and set-group-id, so that the kernel gives each file in it to that group.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

FILE_MODE: Final = 0o640
KEY_BYTES: Final = 32


def key_file(runtime: Path) -> Path:
    """`runtime` is `kiosk.runtime`."""
    return runtime / "panel" / "key"


def require_folder(runtime: Path) -> None:
    """Make the folder where nobody has: then it is the kiosk's own user's. Raises OSError."""
    folder = key_file(runtime).parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(13, os.strerror(13), str(folder))


def hand_over(runtime: Path) -> str:
    """A new key, in the file before anybody can need it. Raises OSError."""
    key = secrets.token_urlsafe(KEY_BYTES)
    path = key_file(runtime)
    fresh = path.with_name(f"key.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    # the unit's umask would take the group's right away
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "w") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        file.write(key)
    fresh.replace(path)
    return key


def read(runtime: Path) -> str:
    """The key of the process that serves now; "" while there is none. Raises PermissionError for
    whoever may not have it.
    """
    try:
        return key_file(runtime).read_text("ascii")
    except FileNotFoundError:
        return ""
