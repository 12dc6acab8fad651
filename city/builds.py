"""Which builds of the kiosk the city works with. `city.fleet` keeps which one each kiosk says that
it is.

As long as no build is accepted by name, every build is taken that is not refused. From the first
accepted one on, a build that nobody has named is refused too: a kiosk that was left with an old
build, or was given one meant for another place, is noticed here.

A refusal is gentle: it is told between two residents, as maintenance. Nothing that is going on is
ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, delete, select

from city.registry import INSERT
from city.tables import builds, fleet

ACCEPTED, REFUSED = "accepted", "refused"


def is_taken(connection: Connection, build: str) -> bool:
    rows = connection.execute(
        select(builds.c.build, builds.c.state).where(
            (builds.c.state == ACCEPTED) | (builds.c.build == build)
        )
    )
    return takes({row.build: row.state for row in rows}, build)


def takes(states: Mapping[str, str], build: str) -> bool:
    """`states`: of all that are accepted, and of this one."""
    return states[build] == ACCEPTED if build in states else not states


def name(connection: Connection, build: str, state: str, at: int) -> None:
    """From here on this build is accepted, or refused."""
    insert = INSERT[connection.dialect.name](builds).values(build=build, state=state, named=at)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=[builds.c.build], set_={"state": state, "named": at}
        )
    )


def forget(connection: Connection, build: str) -> bool:
    """As if it had never been named. False when it was not."""
    return connection.execute(delete(builds).where(builds.c.build == build)).rowcount == 1


def listed(connection: Connection) -> Sequence[tuple[str, str, tuple[str, ...]]]:
    """Build, its state ("" for none), and the kiosks that said last that they are this build."""
    states = {row.build: row.state for row in connection.execute(select(builds))}
    kiosks: dict[str, list[str]] = {build: [] for build in states}
    for row in connection.execute(select(fleet).order_by(fleet.c.kiosk)):
        kiosks.setdefault(row.build, []).append(row.kiosk)
    return [(build, states.get(build, ""), tuple(kiosks[build])) for build in sorted(kiosks)]
