"""What the city keeps of each kiosk's journal: its identity and its newest entry.

A kiosk whose whole state folder was put back from an older copy cannot notice that by itself. It is
told at hello what the city has kept, and does not serve when its journal lacks that entry.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, select, update

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
    values = {"journal": head.journal, "seq": head.seq, "hash": head.hash}
    first = INSERT[connection.dialect.name](journals).values(kiosk=kiosk, **values)
    if connection.execute(first.on_conflict_do_nothing().returning(journals.c.kiosk)).first():
        return True
    older = (journals.c.journal == head.journal) & (journals.c.seq < head.seq)
    this = journals.c.kiosk == kiosk
    if connection.execute(update(journals).where(this & older).values(values)).rowcount:
        return True
    known = head_of(connection, kiosk)
    if known is None or known.journal != head.journal:
        return known is None
    return known.seq > head.seq or known.hash == head.hash


def forget(connection: Connection, kiosk: str) -> bool:
    """After a person has found out why the kiosk has another journal. False when none is known."""
    return connection.execute(delete(journals).where(journals.c.kiosk == kiosk)).rowcount == 1
