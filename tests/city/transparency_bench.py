"""Months that never were, written as the gateway writes them, and counted by who made them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, insert

from city import tables
from city.clock import JST
from city.database import Mode, transact

KINDS = ("juminhyo", "inkan", "kazei")
CAUSES = ("card-revoked", "not-linked", "under-15", "not-available", "session-unknown")
RESULTS = ("", "repaired", "refunded")


@dataclass
class Ledger:
    """Writes a database, and remembers how often what happened: month, group, cell to number of
    events and of people.
    """

    connection: Connection
    random: random.Random
    events: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    people: dict[tuple[str, str, str], set[str]] = field(default_factory=dict)
    clock: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)

    def end(self) -> None:
        """The log is written; it is not chained, since nobody here looks at that."""
        self.connection.execute(insert(tables.audit), self.log)

    def id(self, length: int = 32) -> str:
        return f"{self.random.getrandbits(4 * length):0{length}x}"

    def note(self, event: str, **ids: Any) -> None:
        entry = msgspec.json.encode({"event": event, "at": self.clock, **ids})
        self.log.append({"entry": entry.decode()})

    def saw(self, group: str, cell: str, person: str) -> None:
        month = datetime.fromtimestamp(self.clock, JST).strftime("%Y-%m")
        self.events[month, group, cell] += 1
        self.people.setdefault((month, group, cell), set()).add(person)

    def journey(self, person: str, kind: str, result: str) -> None:
        """`kind` "" for none."""
        session, order = self.id(), self.id()
        self.connection.execute(
            insert(tables.sessions).values(
                session=session, kiosk="k", state="ended", ends=self.clock + 900, card=person
            )
        )
        self.note("session", kiosk="k", session=session, card=self.id(64))
        if not kind:
            self.saw("ends", "without", person)
        else:
            self.note("reserved", session=session, order=order, kind=kind)
            self.note("issued", session=session, order=order, paid=300)
            self.note("outcome", order=order, result=result)
            self.saw("ends", "not-printed" if result == "failed" else f"issued:{kind}", person)
            if result == "unknown":
                end = self.random.choice(RESULTS)
                for code in ("money-held", "outcome-unknown"):
                    self.case(code, end, session=session, order=order)
                self.saw("cases", f"money-held/{end or 'open'}", order)
        self.note("ended", session=session)

    def case(self, code: str, end: str, **ids: str) -> None:
        names = {"kiosk": "", "kind": "", "session": "", "order": "", "outcome": "", **ids}
        self.connection.execute(
            insert(tables.cases).values(
                case=self.id(),
                code=code,
                opened=self.clock,
                closed=self.clock + 7200 if end else None,
                result=end,
                note="",
                **names,
            )
        )

    def refusal(self, cause: str) -> None:
        self.note("sessions-refused", kiosk=self.id(4), code=cause, session=self.id())
        pooled = {"not-available": "other", "session-unknown": "technical"}
        self.saw("refusals", pooled.get(cause, cause), self.id())


def write(engine: Engine, seed: int, months: int) -> Ledger:
    """So many months from January 2024 on: in each, every cell empty, small, or large."""

    def work(connection: Connection) -> Ledger:
        made = Ledger(connection, random.Random(seed))
        for n in range(months):
            year, month = divmod(n, 12)
            made.clock = int(datetime(2024 + year, month + 1, 10, 12, tzinfo=JST).timestamp())
            _month(made)
        made.end()
        return made

    return transact(engine, Mode.DECIDE, work)


def _month(made: Ledger) -> None:
    def often() -> int:
        return made.random.choice((0, 1, 3, 5, 7))

    for kind in ("", *KINDS):
        for result in ("printed", "failed", "unknown") if kind else ("",):
            for n in range(often()):
                made.clock += 60
                # now and then the same person again
                made.journey(f"{n if made.random.random() < 0.9 else 0:064d}", kind, result)
    for cause in CAUSES:
        for _ in range(often()):
            made.clock += 60
            made.refusal(cause)
    for code in ("internal", "journal-behind"):
        for _ in range(often()):
            made.clock += 60
            end = made.random.choice(RESULTS)
            made.case(code, end, kiosk=made.id(4))
            made.saw("cases", f"{code}/{end or 'open'}", made.id())
