"""The log: JSON lines with events of a fixed catalogue. Values are ids, hashes, states, codes and
amounts.

An event outside the catalogue, or a fact outside its row, is an error in the program: that is what
keeps personal data out, together with the reprs of what holds it.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime

from firmware.service import journald

CATALOGUE: Mapping[str, frozenset[str]] = {
    "service.starting": frozenset({"build"}),
    "service.stopping": frozenset(),
    "service.settled": frozenset({"code"}),
    "kiosk.closed": frozenset({"problem", "case"}),
    "kiosk.reopened": frozenset({"problem"}),
    "child.forked": frozenset({"child"}),
    "child.active": frozenset({"child"}),
    "child.ended": frozenset({"child", "code"}),
    "child.killed": frozenset({"child", "reason"}),
    "recovery.begun": frozenset({"child"}),
    "recovery.ended": frozenset({"child", "answered"}),
    "state": frozenset({"state", "event"}),
    "event.passed-over": frozenset({"event", "what"}),
    "command.refused": frozenset({"command", "reason"}),
    "device.ready": frozenset({"device"}),
    "device.fault": frozenset({"device", "reason", "detail"}),
    "card.status": frozenset({"presence"}),
    "card.done": frozenset({"apdus", "ms", "repeated"}),
    "card.interrupted": frozenset({"repeated"}),
    "card.repeated": frozenset({"what"}),
    "line.fault": frozenset({"call", "reason"}),
    "line.refused": frozenset({"call", "code"}),
    "line.build-refused": frozenset({"build"}),
    "voice.unrecorded": frozenset({"kinds", "make"}),
    "line.delivered": frozenset({"outcome"}),
    "line.renewal": frozenset({"step"}),
    "sheets.rejected": frozenset({"reason", "page"}),
    "sheets.ready": frozenset({"sheets", "ms"}),
    "case.opened": frozenset({"case", "code", "pauses"}),
    "staff.called": frozenset({"reason"}),
    "session.ended": frozenset({"kept", "returned", "held", "owed"}),
    "service-key": frozenset({"turned"}),
    "technician.opened": frozenset(),
    "technician.refused": frozenset({"reason"}),
    "technician.page": frozenset({"page"}),
    "technician.act": frozenset({"act", "result"}),
    "technician.closed": frozenset({"why"}),
    "technician.ended": frozenset({"died"}),
    "harden.missing": frozenset({"what"}),
    "disk": frozenset({"state"}),
    "paper": frozenset({"printer", "supply"}),
    "clock": frozenset({"wrong", "ahead_s"}),
    "journal.unwritten": frozenset({"session", "kind", "facts"}),
    "error": frozenset({"where", "what"}),
}
WARNINGS = frozenset(
    "kiosk.closed child.killed line.build-refused voice.unrecorded command.refused device.fault "
    "line.fault technician.opened technician.refused technician.act sheets.rejected case.opened "
    "staff.called error journal.unwritten service.settled".split()
)
DEBUG = frozenset({"event.passed-over", "card.status"})

Facts = Mapping[str, str | int | float | bool]
_listeners: dict[str, list[Callable[[Facts], None]]] = {}
_logger = logging.getLogger("madoguchi")


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        facts = getattr(record, "facts", {})
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        entry = {
            "at": at,
            "level": record.levelname.lower(),
            "log": record.getMessage(),
            "pid": record.process,
        }
        return json.dumps(entry | facts, ensure_ascii=False, default=str)


def configure(level: str) -> None:
    """JSON lines to standard error; where journald reads that, to journald, with fields."""
    handler = _handler()
    handler.setFormatter(_Json())
    _logger.handlers = [handler]
    _logger.setLevel(level.upper())
    _logger.propagate = False
    logging.getLogger().handlers = [handler]
    logging.getLogger().setLevel(logging.WARNING)


def _handler() -> logging.Handler:
    if journald.is_standard_error():
        with suppress(OSError):
            return journald.JournaldHandler()
    return logging.StreamHandler(sys.stderr)


def log(name: str, /, **facts: str | int | float | bool) -> None:
    """Raises ValueError for what is not in the catalogue."""
    if name not in CATALOGUE or facts.keys() != CATALOGUE[name]:
        raise ValueError(f"log event {name!r} takes {sorted(CATALOGUE.get(name, ()))}")
    level = (
        logging.WARNING if name in WARNINGS else logging.DEBUG if name in DEBUG else logging.INFO
    )
    _logger.log(level, name, extra={"facts": facts})
    for hear in _listeners.get(name, ()):
        hear(facts)


def listen(name: str, hear: Callable[[Facts], None]) -> None:
    """`hear` is called with the facts of each such event, in the thread that logs it. One listens
    at a time.
    """
    _listeners[name] = [hear]
