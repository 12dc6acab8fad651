"""Anomalies at the city's end: each is a case until a person has reconciled it. Ids, codes and
times only.

A case of a `PAUSING` code stops its path, the kiosk or the kind of certificate it names, or
everything when it names neither. The same anomaly again, while its case is open, is the same case.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from city import audit
from city.tables import cases, still_open
from firmware.link.refusals import RefusalCode

MIX_UP: Final = "mix-up"
AUDIT_BROKEN: Final = "audit-broken"
DOCUMENT_REJECTED: Final = "document-rejected"  # a kiosk did not believe what it was given
INTERNAL: Final = "internal"
JOURNAL_BEHIND: Final = "journal-behind"  # a kiosk's journal lacks what the city knows of it
PRINTED_UNISSUED: Final = "printed-unissued"
PAUSING: Final = frozenset({MIX_UP, AUDIT_BROKEN, PRINTED_UNISSUED})
NOTE_LENGTH: Final = 400
# How a case ended, in one word for the public figures.
RESULTS: Final = ("no-fault", "repaired", "withdrawn", "refunded", "other")
_ALONE: Final = text("LOCK TABLE cases IN EXCLUSIVE MODE")

# What was refused, and why, that no haste explains.
OF_REFUSAL: Final[Mapping[tuple[str, RefusalCode], str]] = {
    ("sessions", RefusalCode.SESSION_REUSED): "session-reused",
    ("orders", RefusalCode.ORDER_REUSED): "order-reused",
    ("release", RefusalCode.ORDER_UNKNOWN): "order-unknown",
    ("release", RefusalCode.ORDER_OVER): "double-release",
    ("release", RefusalCode.OTHER_DOCUMENT): MIX_UP,
    ("outcome", RefusalCode.ORDER_UNKNOWN): "order-unknown",
    ("outcome", RefusalCode.OUTCOME_REUSED): "outcome-contradicts",
}


@dataclass(frozen=True)
class Case:
    """`kind` is that of the certificate; "" where one does not apply. Times are seconds
    since 1970.
    """

    case: str
    code: str
    kiosk: str
    kind: str
    session: str
    order: str
    outcome: str
    opened: int
    closed: int | None
    note: str
    result: str = ""  # of `RESULTS`; "" while it is open, or where nobody said it

    @property
    def pauses(self) -> str:
        """The path it stops while it is open, in words; "" for none."""
        if self.code not in PAUSING or self.closed is not None:
            return ""
        return self.kiosk or self.kind or "everything"


@dataclass(frozen=True)
class Paused:
    """What open cases stop."""

    kiosks: frozenset[str]
    kinds: frozenset[str]
    everything: bool

    def stops(self, kiosk: str, kind: str = "") -> bool:
        return self.everything or kiosk in self.kiosks or kind in self.kinds


def open_case(
    connection: Connection,
    code: str,
    at: int,
    *,
    kiosk: str = "",
    kind: str = "",
    session: str = "",
    order: str = "",
    outcome: str = "",
) -> None:
    """Nothing new when the same is open already. One that stops something waits for whoever has
    looked for such and goes on (`paused`), and from then on nobody goes on without it.
    """
    if code in PAUSING and connection.dialect.name == "postgresql":
        connection.execute(_ALONE)
    ids = {"kiosk": kiosk, "kind": kind, "session": session, "order": order, "outcome": outcome}
    name = secrets.token_hex(16)
    try:
        with connection.begin_nested():
            connection.execute(
                insert(cases).values(case=name, code=code, opened=at, note="", **ids)
            )
    except IntegrityError:
        return
    audit.append(
        connection,
        "case",
        at,
        case=name,
        code=code,
        **{key: value for key, value in ids.items() if value},
    )


def close_case(connection: Connection, case: str, at: int, note: str, result: str = "") -> bool:
    """Reconciled by a person; False when there is no such open case."""
    this = (cases.c.case == case) & cases.c.closed.is_(None)
    closed = (
        connection.execute(
            update(cases).where(this).values(closed=at, note=note[:NOTE_LENGTH], result=result)
        ).rowcount
        == 1
    )
    if closed:
        audit.append(connection, "case-closed", at, case=case)
    return closed


def listed(connection: Connection, closed: bool = False) -> tuple[Case, ...]:
    """The open ones, or all; oldest first."""
    which = select(cases).order_by(cases.c.opened, cases.c.case)
    rows = connection.execute(which if closed else which.where(cases.c.closed.is_(None))).mappings()
    return tuple(Case(**row) for row in rows)


def case_of(connection: Connection, case: str) -> Case | None:
    row = connection.execute(select(cases).where(cases.c.case == case)).mappings().first()
    return Case(**row) if row else None


def paused(connection: Connection, hold: bool = False) -> Paused:
    """Asked of the database each time: a case opened through one gateway stops all of them.

    `hold`: nobody stops anything more before this transaction ends (`open_case` waits).
    """
    rows = connection.execute(_PAUSED_HELD if hold else _PAUSED)
    return paused_by((row.kiosk, row.kind) for row in rows)


def paused_by(which: Iterable[tuple[str, str]]) -> Paused:
    """Kiosk and kind of each open case that stops something."""
    found = tuple(which)
    return Paused(
        kiosks=frozenset(kiosk for kiosk, _ in found if kiosk),
        kinds=frozenset(kind for kiosk, kind in found if kind and not kiosk),
        everything=any(not kiosk and not kind for kiosk, kind in found),
    )


_PAUSED: Final = select(cases.c.kiosk, cases.c.kind).where(
    still_open & cases.c.code.in_(sorted(PAUSING))
)
_PAUSED_HELD: Final = _PAUSED.with_for_update(read=True)  # the table too, in ROW SHARE MODE
