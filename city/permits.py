"""What the city tells a kiosk of itself, asked in one statement: which paths are stopped, whether
its build may serve, and what is kept of its journal.

Asked of the database each time: a word given through one gateway holds at all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, bindparam, literal, select, union_all

from city import builds
from city.cases import PAUSING, Paused, paused_by
from city.tables import builds as named
from city.tables import cases, fleet, journals, still_open
from firmware.link.messages import JournalHead

CASE, BUILD, OWN, JOURNAL = "case", "build", "own", "journal"
_OWN: Final = select(fleet.c.build).where(fleet.c.kiosk == bindparam("kiosk"))
_ASK: Final = union_all(
    select(literal(CASE), cases.c.kiosk, cases.c.kind, literal(0)).where(
        still_open & cases.c.code.in_(sorted(PAUSING))
    ),
    select(literal(BUILD), named.c.build, named.c.state, literal(0)).where(
        (named.c.state == builds.ACCEPTED) | (named.c.build == _OWN.scalar_subquery())
    ),
    _OWN.with_only_columns(literal(OWN), fleet.c.build, literal(""), literal(0)),
    select(literal(JOURNAL), journals.c.journal, journals.c.hash, journals.c.seq).where(
        journals.c.kiosk == bindparam("kiosk")
    ),
)


@dataclass(frozen=True)
class Permit:
    """For one kiosk. `build_taken`: of the build that it told last."""

    paused: Paused
    build_taken: bool
    journal: JournalHead | None


def permit(connection: Connection, kiosk: str) -> Permit:
    found: dict[str, list[tuple[str, str, int]]] = {CASE: [], BUILD: [], OWN: [], JOURNAL: []}
    for kind, *values in connection.execute(_ASK, {"kiosk": kiosk}):
        found[kind].append((values[0], values[1], values[2]))
    own = found[OWN][0][0] if found[OWN] else ""
    journal = [JournalHead(journal, seq, digest) for journal, digest, seq in found[JOURNAL]]
    return Permit(
        paused=paused_by((kiosk, kind) for kiosk, kind, _ in found[CASE]),
        build_taken=builds.takes({build: state for build, state, _ in found[BUILD]}, own),
        journal=journal[0] if journal else None,
    )
