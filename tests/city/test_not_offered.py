"""What a person was not offered is in the log by its cause, and in the public figures, without the
certificate and without the person.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

from city_bench import Direct, Rehearsal, Visit
from sqlalchemy import select

from city import tables
from city.transparency.count import count


def entered(rehearsal: Rehearsal, resident: str) -> None:
    asyncio.run(Visit(Direct(rehearsal.city), rehearsal.card(resident)).enter())


def sessions(rehearsal: Rehearsal) -> list[dict[str, str]]:
    with rehearsal.city.engine.begin() as connection:
        entries = connection.execute(select(tables.audit.c.entry)).scalars()
        return [e for e in map(json.loads, entries) if e["event"] == "session"]


def refusals(rehearsal: Rehearsal) -> dict[str, int]:
    now = rehearsal.clock.now
    month = now.strftime("%Y-%m")
    with rehearsal.city.engine.begin() as connection:
        found = count(connection, [month], int(now.timestamp()))[month]
    return {cause: cell.count for cause, cell in found.refusals.items()}


def test_each_cause_is_logged_once(rehearsal: Rehearsal) -> None:
    entered(rehearsal, "taro")
    entered(rehearsal, "kenta")
    everything, some = sessions(rehearsal)
    assert "refused" not in everything
    assert some["refused"] == "no-tax-return,seal-not-registered"
    assert some.keys() == {"event", "at", "kiosk", "session", "card", "refused"}


def test_the_public_figures_count_it(rehearsal: Rehearsal) -> None:
    entered(rehearsal, "kenta")
    assert refusals(rehearsal) == {"no-tax-return": 1, "seal-not-registered": 1}
    entered(rehearsal, "kenta")  # at once again: the same person, most likely
    assert refusals(rehearsal) == {"no-tax-return": 1, "seal-not-registered": 1}
    rehearsal.clock.now += timedelta(minutes=11)
    entered(rehearsal, "kenta")
    assert refusals(rehearsal) == {"no-tax-return": 2, "seal-not-registered": 2}
