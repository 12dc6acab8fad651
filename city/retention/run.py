"""One run: is the clock to be believed, what is due, its deletion, and the erasure behind it.

A run may be killed anywhere and started again. Every piece is a transaction of its own, which also
writes into the log how many rows went; a period counts as done when nothing of it was left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, func, select

from city import audit
from city.clock import JST
from city.database import Mode, transact
from city.keeping import Period, Retention
from city.registry import INSERT
from city.retention import archive, due
from city.tables import fleet, retention

LOG: Final = "log"
ARCHIVES: Final = "archives"
# The newest row may be a little ahead: of two gateways each has its own clock.
TOLERANCE_S: Final = 3600
Tell = Callable[[str], None]
T = TypeVar("T")


class ClockError(Exception):
    """One line: the time is not to be believed, and nothing was deleted."""


@dataclass(frozen=True)
class Books:
    """Where everything lies, and what the city says of it."""

    engine: Engine
    terms: Retention
    folder: Path
    key: Ed25519PrivateKey
    now: datetime

    @property
    def today(self) -> date:
        return self.now.astimezone(JST).date()

    @property
    def at(self) -> int:
        return int(self.now.timestamp())

    def cutoff(self, period: Period) -> int:
        return midnight(period.cutoff(self.today))

    def log_cutoff(self) -> int:
        """The log is archived by whole months."""
        return midnight(self.terms.log.cutoff(self.today).replace(day=1))

    def read(self, work: Callable[[Connection], T]) -> T:
        return transact(self.engine, Mode.READ, lambda connection: work(patient(connection)))

    def decide(self, work: Callable[[Connection], T]) -> T:
        return transact(self.engine, Mode.DECIDE, work)


def patient(connection: Connection) -> Connection:
    """For this transaction: years may take longer to read than a request may wait. Nobody waits for
    a transaction that only reads.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    return connection


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=JST).timestamp())


# -- the clock -------------------------------------------------------------------------------------


def check_clock(books: Books, confirmed: date | None) -> None:
    """A clock in 2040 must not delete everything. The newest rows are no proof: the same clock
    wrote them. The run before is one, when it is not long ago. Otherwise a person says the date,
    read from another clock. Raises ClockError.
    """
    if confirmed is not None:
        if confirmed != books.today:
            raise ClockError(
                f"the clock says {books.today}, and you say {confirmed}: set the clock"
            )
        return
    ran, newest = books.read(_known_times)
    if ran is None:
        raise ClockError(f"first run: look at another clock, then add --confirm {books.today}")
    last = datetime.fromtimestamp(ran, JST)
    if books.now - last > timedelta(days=books.terms.gap_days):
        raise ClockError(
            f"the clock says {books.today}, and the run before was on {last.date()}: if that is "
            f"right by another clock, add --confirm {books.today}"
        )
    if books.at + TOLERANCE_S < max(ran, newest):
        raise ClockError(
            f"the clock says {books.today}, and something here is newer: it is behind, or was ahead"
        )


def _known_times(connection: Connection) -> tuple[int | None, int]:
    ran = connection.execute(select(func.max(retention.c.ran))).scalar()
    seen = connection.execute(select(func.max(fleet.c.seen))).scalar()
    return ran, seen or 0


# -- what is due -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Due:
    """`rows`: journeys, journeys with a holder, cases, entries of the log, or files."""

    period: str
    before: date
    rows: int


def look(books: Books) -> list[Due]:
    """What a run would remove now; by period, in the order of a run."""

    def each(connection: Connection) -> list[Due]:
        found = []
        for name, period in books.terms.periods().items():
            cutoff = books.cutoff(period)
            if name == LOG:
                rows = archive.count(connection, books.log_cutoff())
            elif name == ARCHIVES:
                rows = len(archive.due_files(connection, books.folder, cutoff))
            else:
                rows = due.count(connection, name, cutoff)
            found.append(Due(name, period.cutoff(books.today), rows))
        return found

    return books.read(each)


# -- a run -----------------------------------------------------------------------------------------


def run(books: Books, tell: Tell) -> dict[str, int]:
    """Rows removed, by period. Raises ArchiveError, Unavailable, OSError."""
    removed = {
        name: _pieces(books, name, remover, books.cutoff(books.terms.periods()[name]))
        for name, remover in due.REMOVERS.items()
    }
    removed[LOG] = _archive(books)
    removed[ARCHIVES] = _files(books)
    for name, rows in removed.items():
        books.decide(partial(_done, name=name, rows=rows, at=books.at))
        tell(f"{name}\t{rows}")
    return removed


def _pieces(books: Books, name: str, remover: due.Before, cutoff: int) -> int:
    def piece(connection: Connection) -> int:
        rows = remover(connection, cutoff)
        if rows:
            audit.append(connection, "deleted", books.at, period=name, rows=rows, before=cutoff)
        return rows

    total = 0
    while rows := books.decide(piece):
        total += rows
    return total


def _archive(books: Books) -> int:
    """Write, name, then delete; what an earlier run has named is deleted first."""
    removed = _emptied(books)
    books.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = books.read(
        lambda connection: archive.write(connection, books.folder, books.key, books.log_cutoff())
    )
    if made is None:
        return removed

    def name_it(connection: Connection) -> None:
        archive.name_it(connection, books.folder, made)
        audit.append(
            connection,
            "archived",
            books.at,
            first=made.first,
            last=made.last.entries,
            head=made.last.hash,
        )

    books.decide(name_it)
    return removed + _emptied(books)


def _emptied(books: Books) -> int:
    total = 0
    while rows := books.decide(archive.remove):
        total += rows
    return total


def _files(books: Books) -> int:
    cutoff = books.cutoff(books.terms.archives)
    found = books.read(lambda connection: archive.due_files(connection, books.folder, cutoff))
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _done(connection: Connection, name: str, rows: int, at: int) -> None:
    insert = INSERT[connection.dialect.name](retention).values(period=name, ran=at, rows=rows)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["period"], set_={"ran": at, "rows": retention.c.rows + rows}
        )
    )


def ran(connection: Connection) -> Mapping[str, int]:
    """When each period was last done."""
    rows = connection.execute(select(retention.c.period, retention.c.ran))
    return {row.period: row.ran for row in rows}
