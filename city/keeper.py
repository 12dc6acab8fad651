"""What a gateway does between requests: once a second it puts the log's new entries into the chain
and signs it, and now and then it ends what time has ended.

Every gateway has one, and on one database one of them at a time does the work. The head that each
has seen it keeps in memory, and looks whether the chain still has it: a log that was cut off, or
put back, is noticed while any gateway runs.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from sqlalchemy import Connection

from city import audit_seals, cases, registry
from city.audit_seals import BATCH, Head, Unsealable
from city.handlers import City, Refused, seconds

log = logging.getLogger("city.keeper")

EVERY_S: Final = 1.0
SWEEP_S: Final = 10.0  # what time has ended is not served before it is swept either
TOLD_S: Final = 60.0  # how often the head is told to the process's own log, for who keeps it


class Keeper:
    """One thread, from `start` to `stop`."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self._seen: Head | None = None
        self._told: Head | None = None
        self._told_at = float("-inf")
        self._swept_at = float("-inf")
        self._complained = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """After the last request: what it logged is sealed too, if the database is there."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._tick()
        self._tick()

    def _tick(self) -> None:
        try:
            self.work()
        except Refused:  # the database is away: the entries wait in it
            pass
        except Exception as error:
            log.error("the log was not sealed: %s", type(error).__name__)

    def work(self) -> None:
        """One round. Raises Refused when the database is away."""
        if time.monotonic() - self._swept_at > SWEEP_S:
            self._city.step(lambda connection: registry.sweep(connection, self._now()))
            self._swept_at = time.monotonic()
        try:
            self._seal_all()
        except Unsealable as error:
            self._complain(error)
        self._tell()

    def _seal_all(self) -> None:
        """Raises Unsealable, Refused."""
        more = True
        while more:
            before = self._seen.entries if self._seen else 0
            # Kept only when the transaction that says so has committed.
            self._seen = self._city.step(self._seal) or self._seen
            more = self._seen is not None and self._seen.entries - before >= BATCH

    def _seal(self, connection: Connection) -> Head | None:
        """The newest head, whoever made it. Raises Unsealable."""
        if self._seen and not audit_seals.holds(connection, self._seen):
            raise Unsealable(
                f"entry {self._seen.entries} of the log, or the signature there, is not what it was"
            )
        head = audit_seals.seal(connection, self._city.issuing, self._now())
        return head or audit_seals.newest_head(connection)

    def _complain(self, error: Unsealable) -> None:
        if str(error) != self._complained:
            log.error("%s", error)
            self._complained = str(error)
        if not error.unsigned:
            self._city.decide(
                lambda connection: cases.open_case(connection, cases.AUDIT_BROKEN, self._now())
            )

    def _tell(self) -> None:
        if self._seen != self._told and time.monotonic() - self._told_at > TOLD_S and self._seen:
            log.info("audit head %d:%s", self._seen.entries, self._seen.hash)
            self._told, self._told_at = self._seen, time.monotonic()

    def _now(self) -> int:
        return seconds(self._city.clock())
