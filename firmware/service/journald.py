"""The log with fields: where standard error is journald's, each event goes to it in its own
protocol, so that `journalctl MADOGUCHI_EVENT=case.opened` finds it.

systemd says in JOURNAL_STREAM which file is the journal's (systemd.exec(5)); the protocol is at
https://systemd.io/JOURNAL_NATIVE_PROTOCOL.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Mapping
from typing import Final

SOCKET: Final = "/run/systemd/journal/socket"
PREFIX: Final = "MADOGUCHI_"
PRIORITIES: Final[Mapping[int, int]] = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
}


def is_standard_error() -> bool:
    """Whether journald reads what this process writes there."""
    try:
        device, inode = os.environ.get("JOURNAL_STREAM", "").split(":")
        found = os.fstat(sys.stderr.fileno())
        return (found.st_dev, found.st_ino) == (int(device), int(inode))
    except (ValueError, OSError):
        return False


class JournaldHandler(logging.Handler):
    """MESSAGE is the same JSON line as elsewhere; beside it, a field for the event and each of its
    facts.
    """

    def __init__(self, address: str = SOCKET) -> None:
        """Raises OSError where there is no journald."""
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.connect(address)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._socket.send(datagram(self.format(record), record))
        except OSError:  # the journal is being started anew: standard error is kept for us
            sys.stderr.write(self.format(record) + "\n")


def datagram(message: str, record: logging.LogRecord) -> bytes:
    """One entry."""
    fields = {
        "MESSAGE": message,
        "PRIORITY": str(PRIORITIES.get(record.levelno, 6)),
        "SYSLOG_IDENTIFIER": "madoguchi",
    }
    facts = getattr(record, "facts", None)
    if facts is not None:
        fields[PREFIX + "EVENT"] = record.getMessage()
        fields.update({PREFIX + name.upper(): str(value) for name, value in facts.items()})
    return b"".join(_field(name, value) for name, value in fields.items())


def _field(name: str, value: str) -> bytes:
    """A value with a line feed is sent with its length."""
    content = value.encode("utf-8", "replace")
    if b"\n" not in content:
        return name.encode() + b"=" + content + b"\n"
    return name.encode() + b"\n" + len(content).to_bytes(8, "little") + content + b"\n"
