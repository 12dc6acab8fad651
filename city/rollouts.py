"""The rollouts in the database, and what a kiosk is told of them with each hello."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Connection, select

from city import audit, builds, fleet
from city.fleet import Seen
from city.registry import INSERT
from city.rollout import Plan, Rollout, State, judge, objections, word
from city.tables import rollouts

Fleet = Mapping[str, Seen]


class RolloutError(Exception):
    """One line: why it cannot be."""


def told(connection: Connection, kiosk: str, board: str, now: int) -> tuple[str, bool]:
    """The version that this kiosk shall have, and whether the rollout has to be moved on (`move`),
    which needs a transaction that may write into the log. Whoever is told nothing more, because of
    what has happened or of the time, is told nothing from here on.
    """
    known = of_board(connection, board)
    if known is None or known.state is not State.RUNNING:
        return "", False
    now_so = _judged(connection, known, now)
    return word(now_so, kiosk), now_so != known


def move(connection: Connection, board: str, now: int) -> Rollout | None:
    """As it is now, kept and logged when that is new. None: there is none."""
    known = of_board(connection, board)
    if known is None:
        return None
    now_so = _judged(connection, known, now)
    if now_so != known:
        _keep(connection, now_so, now)
    return now_so


def _judged(connection: Connection, known: Rollout, now: int) -> Rollout:
    """Also by the list of builds: one that was refused meanwhile would serve nobody."""
    if known.state is State.RUNNING and not builds.is_taken(connection, known.build):
        return msgspec.structs.replace(known, state=State.STOPPED, why="refused")
    return judge(known, _fleet(connection, known.reached, now), now)


def start(connection: Connection, plan: Plan, now: int) -> Rollout:
    """From its first ring on; also one that was stopped before. Raises RolloutError."""
    known = of_board(connection, plan.board)
    if known and known.state is State.RUNNING:
        raise RolloutError(f"{known.version} is going out to {plan.board}: stop it first")
    if not builds.is_taken(connection, plan.build):
        raise RolloutError(f"{plan.build} may not serve: kiosk city builds accept it first")
    if found := objections(plan, seen_by_kiosk(connection, now)):
        raise RolloutError("; ".join(found))
    begun = Rollout(**msgspec.structs.asdict(plan), since=now)
    _keep(connection, begun, now)
    return begun


def stop(connection: Connection, board: str, now: int) -> Rollout:
    """Whoever has installed it without having started it gives it back. Raises RolloutError."""
    known = of_board(connection, board)
    if known is None or known.state is not State.RUNNING:
        raise RolloutError(f"nothing is going out to {board}")
    stopped = msgspec.structs.replace(known, state=State.STOPPED, why="by hand")
    _keep(connection, stopped, now)
    return stopped


def every(connection: Connection) -> Sequence[Rollout]:
    """By board."""
    return [_rollout(row) for row in connection.execute(select(rollouts).order_by("board"))]


def of_board(connection: Connection, board: str) -> Rollout | None:
    row = connection.execute(select(rollouts).where(rollouts.c.board == board)).first()
    return _rollout(row) if row else None


def seen_by_kiosk(connection: Connection, now: int) -> Fleet:
    return {one.kiosk: one for one in fleet.view(connection, now)}


def _fleet(connection: Connection, kiosks: Sequence[str], now: int) -> Fleet:
    return {one.kiosk: one for one in fleet.view(connection, now, kiosks)}


def _rollout(row: object) -> Rollout:
    return msgspec.convert(row, Rollout, from_attributes=True)


def _keep(connection: Connection, rollout: Rollout, now: int) -> None:
    values = msgspec.to_builtins(rollout)
    insert = INSERT[connection.dialect.name](rollouts).values(values)
    connection.execute(insert.on_conflict_do_update(index_elements=["board"], set_=values))
    audit.append(
        connection,
        f"rollout-{rollout.state}",
        now,
        board=rollout.board,
        version=rollout.version,
        ring=rollout.ring + 1,
        why=rollout.why,
    )
