"""From what the system says (errno, resolver, ALSA) to a cause's code."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from firmware.tools.diagnose.finding import Wrong, wrong

T = TypeVar("T")

FILES: Final[Mapping[int, str]] = {
    errno.ENOENT: "file.missing",
    errno.ENOTDIR: "file.missing",
    errno.ELOOP: "file.missing",
    errno.EACCES: "file.unreadable",
    errno.EPERM: "file.unreadable",
    errno.EISDIR: "file.not-a-file",
    errno.EIO: "file.disk-fault",
}
DEVICES: Final[Mapping[int, str]] = {
    errno.ENOENT: "device.missing",
    errno.ENOTDIR: "device.missing",
    errno.EACCES: "device.not-permitted",
    errno.EPERM: "device.not-permitted",
    errno.EBUSY: "device.busy",
    errno.EWOULDBLOCK: "device.busy",
    errno.ENOTTY: "device.not-serial",
    errno.EISDIR: "device.not-serial",
    errno.EINVAL: "device.not-serial",
    errno.ENXIO: "device.gone",
    errno.ENODEV: "device.gone",
    errno.EIO: "device.gone",
    errno.EPIPE: "device.gone",
}
NETWORKS: Final[Mapping[int, str]] = {
    errno.ECONNREFUSED: "network.refused",
    errno.ECONNRESET: "network.reset",
    errno.ECONNABORTED: "network.reset",
    errno.EPIPE: "network.reset",
    errno.EHOSTUNREACH: "network.no-route",
    errno.ENETUNREACH: "network.no-route",
    errno.ENETDOWN: "network.no-route",
    errno.ETIMEDOUT: "network.timeout",
    errno.EACCES: "network.not-permitted",
    errno.EPERM: "network.not-permitted",
    errno.ENODEV: "network.interface",
}


def said(error: OSError) -> str:
    """The error's own name and words: `ECONNREFUSED Connection refused`."""
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return f"{name} {error.strerror or ''}".strip()


def of_file(path: Path, error: OSError) -> Wrong:
    code = FILES.get(error.errno or 0, "file.disk-fault")
    return wrong(code, f"{error.filename or path}: {said(error)}")


def reading(path: Path, read: Callable[[], T]) -> T:
    """What `read` gives. Raises Wrong when the file is not there or may not be read."""
    try:
        return read()
    except OSError as error:
        raise of_file(path, error) from None


def of_device(path: str, error: OSError) -> Wrong:
    return wrong(DEVICES.get(error.errno or 0, "device.gone"), f"{path}: {said(error)}")


def of_network(address: str, error: OSError) -> Wrong:
    if isinstance(error, socket.gaierror):
        code = "network.dns"
    elif isinstance(error, TimeoutError):
        code = "network.timeout"
    else:
        code = NETWORKS.get(error.errno or 0, "network.reset")
    return wrong(code, f"{address}: {said(error)}")


def uses_network(address: str) -> bool:
    """Whether a printer's address is on the network."""
    return not address.startswith(("/", "serial:"))


def device_path(address: str) -> str:
    """The device file of `serial:/dev/NAME?baud=…` or `/dev/NAME`."""
    return address.removeprefix("serial:").partition("?")[0]


def look_at_serial(path: str) -> None:
    """Open the line as a driver would, and let it go. Raises Wrong."""
    import fcntl
    import termios

    try:
        line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            termios.tcgetattr(line)
            fcntl.flock(line, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(line)
    except termios.error as error:
        raise wrong("device.not-serial", f"{path}: {error.args[-1]}") from None
    except OSError as error:
        raise of_device(path, error) from None
