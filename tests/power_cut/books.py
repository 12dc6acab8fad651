"""What the kiosk tells an operator: its cases, and what its books say is not given back yet. Read
from the file alone.

Of the whole journal the judge is shown no more than this.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from power_cut.judge import Case

NOT_GIVEN = ("owed", "held")  # facts of "ended": money that is somebody's and still inside


class Books:
    """`path` is the journal. Nothing is written; each question is one short look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.begun = self.last()

    def last(self) -> int:
        return next(
            (int(seq) for (seq,) in self._ask("SELECT coalesce(max(seq), 0) FROM entry")), 0
        )

    def kinds(self) -> list[str]:
        """Of what was written since, in order: instants are found by it, nothing is judged
        by it.
        """
        return [
            kind
            for (kind,) in self._ask(
                "SELECT kind FROM entry WHERE seq > ? ORDER BY seq", self.begun
            )
        ]

    def cases(self) -> tuple[Case, ...]:
        """Those opened since."""
        return tuple(Case(facts["case"], facts["code"]) for facts in self._facts("case"))

    def owed_or_held(self) -> int:
        return sum(int(facts.get(name, 0)) for facts in self._facts("ended") for name in NOT_GIVEN)

    def _facts(self, kind: str) -> list[dict[str, Any]]:
        sql = "SELECT facts FROM entry WHERE seq > ? AND kind = ? ORDER BY seq"
        return [json.loads(facts) for (facts,) in self._ask(sql, self.begun, kind)]

    def _ask(self, sql: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Nothing while the disk does not even let itself be read."""
        try:
            with closing(
                sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=1)
            ) as database:
                yield from database.execute(sql, values).fetchall()
        except sqlite3.Error:
            return
