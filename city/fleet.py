"""How the kiosks are, as each told with its newest hello. Codes, counts and times.

A kiosk that says hello without telling how it is (an older one, or one that has just started) is
seen, and keeps what it told before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import Connection, func, select

from city.registry import INSERT
from city.tables import cases, fleet, still_open
from firmware.link.messages import CaseCount, Hello, UpdateReport

T = TypeVar("T")
UNKNOWN: Final = "unknown"
# An idle kiosk says hello every 15 s, one that is closed for the day every 30 s; during a visit it
# says none, and a visit may last minutes.
SILENT_S: Final = 900
# of a kiosk that has not told how it is
UNTOLD: Final[Mapping[str, Any]] = {
    "availability": UNKNOWN,
    "problem": "",
    "paper": {},
    "cases": 0,
    "exact_only": False,
    "update": None,
    "case_codes": [],
}


@dataclass(frozen=True)
class Seen:
    """One kiosk. `availability` is "silent" when nothing was heard of it for `SILENT_S`."""

    kiosk: str
    availability: str
    problem: str
    paper: Mapping[str, str]
    exact_only: bool
    cases: int  # at the kiosk
    case_codes: tuple[CaseCount, ...]  # the same by their codes, the oldest first
    city_cases: int  # at the city's end, about this kiosk
    build: str
    update: UpdateReport | None  # None: it never told one
    seen: int  # seconds since 1970
    silent_s: int  # seconds since then


def note(connection: Connection, kiosk: str, hello: Hello, at: int) -> None:
    """It said hello."""
    told: dict[str, Any] = {}
    if hello.status:
        told = {
            "availability": hello.status.availability,
            "problem": hello.status.problem,
            "paper": hello.status.paper,
            "cases": hello.status.cases,
            "exact_only": hello.status.exact_only,
            "update": msgspec.to_builtins(hello.status.update),
            "case_codes": msgspec.to_builtins(hello.status.case_codes),
        }
    newest = {"kiosk": kiosk, "seen": at, "build": hello.build, **told}
    connection.execute(_note(connection.dialect.name, bool(told)), {**UNTOLD, **newest})


@cache
def _note(dialect: str, told: bool) -> Any:
    """What it did not tell stays as it was."""
    first = INSERT[dialect](fleet)
    names = ("seen", "build", *UNTOLD) if told else ("seen", "build")
    return first.on_conflict_do_update(
        index_elements=[fleet.c.kiosk], set_={name: first.excluded[name] for name in names}
    )


def view(connection: Connection, now: int, kiosks: Sequence[str] | None = None) -> Sequence[Seen]:
    """By kiosk; of all, or of these."""
    counted = select(cases.c.kiosk, func.count()).where(still_open).group_by(cases.c.kiosk)
    asked = select(fleet).order_by(fleet.c.kiosk)
    if kiosks is not None:
        counted = counted.where(cases.c.kiosk.in_(kiosks))
        asked = asked.where(fleet.c.kiosk.in_(kiosks))
    of_city: dict[str, int] = {row[0]: row[1] for row in connection.execute(counted)}
    rows = connection.execute(asked).all()
    return [_seen(row, of_city.get(row.kiosk, 0), now) for row in rows]


def _seen(row: Any, city_cases: int, now: int) -> Seen:
    silent_s = max(now - row.seen, 0)
    return Seen(
        kiosk=row.kiosk,
        availability="silent" if silent_s > SILENT_S else row.availability,
        problem=row.problem,
        paper=row.paper,
        exact_only=row.exact_only,
        cases=row.cases,
        case_codes=_kept(row.case_codes, tuple[CaseCount, ...]) or (),
        city_cases=city_cases,
        build=row.build,
        update=_kept(row.update, UpdateReport),
        seen=row.seen,
        silent_s=silent_s,
    )


def _kept(kept: object, kind: type[T]) -> T | None:
    """None also of what a gateway of another build has kept."""
    try:
        return msgspec.convert(kept, kind)
    except msgspec.ValidationError:
        return None
