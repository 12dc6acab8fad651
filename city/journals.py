"""What the city keeps of each kiosk's journal: its identity and its newest entry.

A kiosk whose whole state folder was put back from an older copy cannot notice that by itself. It is
told at hello what the city has kept, and does not serve when its journal lacks that entry.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection, delete, select

from city.registry import INSERT
from city.tables import journals
from firmware.link.messages import JournalHead


def head_of(connection: Connection, kiosk: str) -> JournalHead | None:
    columns = (journals.c.journal, journals.c.seq, journals.c.hash)
    row = connection.execute(select(*columns).where(journals.c.kiosk == kiosk)).first()
    return JournalHead(*row) if row else None


def keep(connection: Connection, kiosk: str, head: JournalHead) -> bool:
    """The newest is kept; an older one comes late and changes nothing. Each statement is right
    beside any other transaction: a hello and an outcome of one kiosk may come at once.

    False when it contradicts what is kept: another journal, or another entry in the same place.
    """
    values = {"kiosk": kiosk, "journal": head.journal, "seq": head.seq, "hash": head.hash}
    if connection.execute(_keep(connection.dialect.name), values).first():
        return True
    known = head_of(connection, kiosk)
    if known is None or known.journal != head.journal:
        return known is None
    return known.seq > head.seq or known.hash == head.hash


@cache
def _keep(dialect: str) -> Any:
    """The first, or a later one of the same journal; no row when it is neither."""
    first = INSERT[dialect](journals)
    new = first.excluded
    later = (journals.c.journal == new.journal) & (journals.c.seq < new.seq)
    return first.on_conflict_do_update(
        index_elements=[journals.c.kiosk], set_={"seq": new.seq, "hash": new.hash}, where=later
    ).returning(journals.c.kiosk)


def forget(connection: Connection, kiosk: str) -> bool:
    """After a person has found out why the kiosk has another journal. False when none is known."""
    return connection.execute(delete(journals).where(journals.c.kiosk == kiosk)).rowcount == 1
