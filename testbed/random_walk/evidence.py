"""What can be seen of a walk from the outside: the log and the journal, the city's books, paper and
coins.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import NamedTuple

import msgspec

from firmware.link.messages import Outcome
from firmware.service.cases import journal_path
from firmware.service.journal import Entry, Journal
from firmware.sheets.raster import A4_MM, dots
from hal.sim.bench import PrintedSheet
from testbed import paper
from testbed.random_walk import books, judge, private
from testbed.system import System

LOGS = ("kiosk.log", "city.log")
WHOLE_SHEET = dots(A4_MM[1], 203)  # lines; what is shorter was torn, or cut to be out of the way
KNOWN_S = 1.5  # until the kiosk must know that a card lies there
UNHEARD_S = 1.0  # a coin that fell in so shortly before that may not have been counted


class Trail:
    """The kiosk's log, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self.serving = 0  # the process that serves now, once it has shown something
        self._active = 0
        self.lines: list[judge.LogLine] = []

    def read(self) -> list[judge.LogLine]:
        """What is new."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            text, end, _ = file.read().rpartition(b"\n")
        self._at += len(text) + len(end)
        fresh = [line for whole in text.splitlines() for line in self._line(whole)]
        self.lines += fresh
        return fresh

    def _line(self, text: bytes) -> Iterator[judge.LogLine]:
        if not text.startswith(b"{"):
            return
        facts = json.loads(text)
        if facts["log"] == "child.active":
            self._active = facts["child"]
        if facts["log"] == "child.ended" and facts["child"] == self._active:
            self._active = 0
            self.serving = 0
        if facts["pid"] == self._active:
            self.serving = self._active
        where = facts.get("state") or facts.get("where") or facts.get("command") or ""
        why = facts.get("event") or facts.get("what") or facts.get("reason") or ""
        yield judge.LogLine(facts["pid"], facts["log"], str(where), str(why))


class FallenCoin(NamedTuple):
    """`counted`: the coin unit could report it."""

    at: float
    value: int
    counted: bool


@dataclass
class Gap:
    """A time in which no coin is counted."""

    begin: float
    end: float = inf


class Coins:
    """Every coin that fell in, and whether somebody could count it."""

    def __init__(self) -> None:
        self._fallen: list[FallenCoin] = []
        self._gaps: list[Gap] = []

    def note_coin(self, value: int, counted: bool) -> None:
        self._fallen.append(FallenCoin(time.monotonic(), value, counted))

    def begin_gap(self) -> None:
        """From now on, and a little before, nobody counts: the process is dead, or the
        unit mute.
        """
        self._gaps.append(Gap(begin=time.monotonic() - UNHEARD_S))

    def end_gap(self) -> None:
        for gap in self._gaps:
            gap.end = min(gap.end, time.monotonic() + UNHEARD_S)

    @property
    def uncounted(self) -> int:
        """Yen."""
        return sum(coin.value for coin in self._fallen if not self._could_be_counted(coin))

    def _could_be_counted(self, coin: FallenCoin) -> bool:
        return coin.counted and not any(gap.begin <= coin.at <= gap.end for gap in self._gaps)


class Evidence:
    """From its making on. `papers` are the sheets that were taken."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.bench = system.bench
        self.journal = Journal(journal_path(system.rehearsal.state))
        self.trail = Trail(system.rehearsal.run / "kiosk.log")
        self.trail.read()
        self.trail.lines.clear()
        self.coins = Coins()
        self.papers: list[PrintedSheet] = []
        self.laid: set[str] = set()
        # names, birth dates and addresses of those whose cards they are
        self.shown: set[str] = set()
        self.causes: set[str] = set()
        self._keys = paper.issuing_keys(system.rehearsal)
        self._logs = {name: (system.rehearsal.run / name).stat().st_size for name in LOGS}
        self._memory = private.Memory(system.kiosk.pid or 0)
        self._begun = self.journal.verify()
        self._asked = self._begun
        self._lying: str | None = None  # the card on the reader
        self._must_know_at = 0.0  # from when on the kiosk must know of it
        self._known = False
        self._inside = self._money()
        self._open = self._open_at_city()

    def close(self) -> None:
        self.journal.close()

    # -- now

    def now(self, screen: str, digits: int) -> judge.Now:
        bench = self.bench
        engine = bench.sheets.engine
        return judge.Now(
            screen=screen if self.trail.serving else "",
            digits=digits,
            card=bench.felt_by_reader is not None,
            reader=not bench.cable.cut_off,
            outlet=bench.sheets.waiting,
            held=bool(engine.held or engine.drawn),
            slot=bench.coins.acceptor.accepting,
            coins_obey=not bench.coins_mute,
            paused=self.journal.paused(),
            unfinished=bool(self.journal.unfinished()),
        )

    def written_beside_a_card(self) -> list[Entry]:
        """What the journal has got since the last question, if a card has lain there since well
        before that.
        """
        now = time.monotonic()
        name = self.bench.felt_by_reader
        fresh = self.journal.entries(after=self._asked)
        if fresh:
            self._asked = fresh[-1].seq
        if name is None or name != self._lying or self.bench.cable.cut_off:
            self._lying = name
            self._must_know_at = now + KNOWN_S
        was_known = self._known
        self._known = name is not None and now > self._must_know_at
        return fresh if self._known and was_known else []

    def _money(self) -> int:
        """Coins in the machine, and what the payment terminal has taken."""
        coins = sum(self.bench.coins.acceptor.swallowed) - sum(self.bench.coins.paid_out)
        return coins + self.bench.terminal.terminal.balance

    # -- afterwards

    def walked(self) -> list[Entry]:
        """What was written into the journal since."""
        return self.journal.entries(after=self._begun)

    def left_behind(self) -> books.Books:
        """Raises JournalBroken."""
        self.journal.verify()
        whole = [s for s in self.papers if s.printer == "sheets" and s.image.height >= WHOLE_SHEET]
        read = [paper.sheet_code(sheet, self._keys) for sheet in whole]
        codes = [code for code in read if code is not None]
        return books.Books(
            entries=self.walked(),
            papers=[books.Paper(code.unique_number, code.page, code.pages) for code in codes],
            unreadable=len(whole) - len(codes),
            slips=sum(sheet.printer == "receipts" for sheet in self.papers),
            orders=self._orders(),
            outcomes=self._outcomes(),
            open_at_city=self._open_at_city() - self._open,
            inside=self._money() - self._inside,
            uncounted=self.coins.uncounted,
            laid=frozenset(self.laid),
            causes=frozenset(self.causes),
        )

    def leaks(self) -> Iterator[judge.Violation]:
        """What is a customer's and is in logs or journal; and, in memory at idle, what the screen
        showed of somebody.
        """
        words = private.words()
        pins = {label.pin for label in self.system.rehearsal.labels}
        texts = {name: self._logged(name) for name in LOGS}
        texts["the journal"] = "\n".join(json.dumps(dict(entry.facts)) for entry in self.walked())
        for name, text in texts.items():
            for leak in private.leaks(text, words, pins):
                yield judge.Violation("p", f"{name}: {leak}")
        state = self.system.rehearsal.state
        for file in (path for path in state.iterdir() if path.is_file()):
            if any(word.encode() in file.read_bytes() for word in words):
                what = "a name, a birth date, an address or a number of a person"
                yield judge.Violation("p", f"{file.name} holds {what}")
        for pid in (self.system.kiosk.pid, self.trail.serving):
            if pid and self._memory.holds(pid, self.shown):
                what = "the name, birth date or address of somebody who was here"
                yield judge.Violation("d", f"{what} is still in memory")

    def _logged(self, name: str) -> str:
        with (self.system.rehearsal.run / name).open("rb") as log:
            log.seek(self._logs[name])
            return log.read().decode("utf-8", "replace")

    def lay(self, name: str) -> None:
        """This card was set down."""
        self._lying = None
        self._must_know_at = 0.0
        self.shown |= private.shown()[name]
        certificate = (self.system.rehearsal.cards[name] / "certificate.der").read_bytes()
        self.laid.add(hashlib.sha256(certificate).hexdigest())

    def _city(self, sql: str) -> list[tuple[str, ...]]:
        """Read only: it works while somebody keeps the city's database locked."""
        path = self.system.rehearsal.run / "city.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(sql).fetchall()

    def _orders(self) -> dict[str, books.AtCity]:
        rows = self._city(
            'SELECT "order", unique_number, session, card, orders.state '
            "FROM orders JOIN sessions USING (session)"
        )
        return {order: books.AtCity(*facts) for order, *facts in rows}

    def _outcomes(self) -> dict[str, list[Outcome]]:
        found: dict[str, list[Outcome]] = defaultdict(list)
        for order, body in self._city('SELECT "order", body FROM outcomes'):
            found[order].append(msgspec.json.decode(body, type=Outcome))
        return found

    def _open_at_city(self) -> int:
        """Sessions that the city has heard no end of."""
        ended = 'SELECT session FROM orders JOIN outcomes USING ("order")'
        sql = f"SELECT count(*) FROM sessions WHERE state = 'open' AND session NOT IN ({ended})"  # noqa: S608 - fixed text
        return int(self._city(sql)[0][0])
