"""Why a kiosk cannot start, as a code: `kiosk status` tells it, and so does the out-of-service
screen, beside the one line that says more.
"""

from __future__ import annotations

import errno
import os
import time
import tomllib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from firmware.link.attestation import AttestationError
from firmware.service import status
from firmware.service.build import build
from firmware.service.config import RUNTIME, ConfigError
from firmware.service.entry import JournalBroken
from firmware.service.preflight import StartError
from firmware.service.status import Availability, Report, Status, Tally

OF_TYPE: Final[Sequence[tuple[type[Exception], str]]] = (
    (ConfigError, "start.configuration"),
    (JournalBroken, "start.journal"),
    (AttestationError, "start.attestation"),
)
OF_ERRNO: Final = {
    errno.EACCES: "start.permission",
    errno.EPERM: "start.permission",
    errno.EROFS: "start.read-only",
    errno.ENOSPC: "start.full",
}
PART, DISK = "start.part", "start.disk"
CODES: Final = (*(code for _, code in OF_TYPE), *dict.fromkeys(OF_ERRNO.values()), PART, DISK)


def code_of(error: Exception) -> str:
    """Of an error that has ended a start, or of one that it came from."""
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, OSError) and cause.errno in OF_ERRNO:
            return OF_ERRNO[cause.errno]
        cause = cause.__context__
    found = next((code for kind, code in OF_TYPE if isinstance(error, kind)), "")
    return found or (PART if isinstance(error, StartError) else DISK)


def tell(config: Path, error: Exception) -> None:
    """For a start that did not come as far as a configuration: the status says so where the last
    readable one had it. Never raises.
    """
    with suppress(OSError):
        runtime = _runtime(config)
        before = status.read(runtime)
        stopped = Status(
            kiosk=before.kiosk if before else "",
            build=build(),
            pid=os.getpid(),
            at=time.time(),
            report=Report(availability=Availability.STOPPED),
            why=str(error),
            case=code_of(error),
            tally=before.tally if before else Tally(),
        )
        status.write(runtime, stopped)


def _runtime(config: Path) -> Path:
    """`kiosk.runtime`, as far as it can be made out."""
    try:
        kiosk = tomllib.loads(config.read_text("utf-8"))["kiosk"]
        return config.parent.absolute() / str(kiosk["runtime"])
    except (OSError, ValueError, KeyError, TypeError):  # TOML's and UTF-8's errors are ValueErrors
        return RUNTIME
