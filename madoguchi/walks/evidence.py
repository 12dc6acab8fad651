"""What can be seen of a walk from the outside: the log and the journal, the city's books, paper and coins."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import zxingcpp

from firmware.link.messages import CODE_HEAD, Outcome, SheetCode
from firmware.service.cases import journal_path
from firmware.service.journal import Entry, Journal
from firmware.sheets import base45
from firmware.sheets.raster import A4_MM, dots
from hal.sim.bench import Sheet
from madoguchi.system import System
from madoguchi.walks import judge, private

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
        self.lines: list[judge.Line] = []

    def read(self) -> list[judge.Line]:
        """What is new."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            whole = file.read().rpartition(b"\n")
        self._at += len(whole[0]) + len(whole[1])
        fresh = [line for text in whole[0].splitlines() for line in self._line(text)]
        self.lines += fresh
        return fresh

    def _line(self, text: bytes) -> Iterator[judge.Line]:
        if not text.startswith(b"{"):
            return
        said = json.loads(text)
        if said["log"] == "child.active":
            self._active = said["child"]
        if said["log"] == "child.ended" and said["child"] == self._active:
            self._active = self.serving = 0
        if said["pid"] == self._active:
            self.serving = self._active
        where = said.get("state") or said.get("where") or said.get("command") or ""
        why = said.get("event") or said.get("what") or said.get("reason") or ""
        yield judge.Line(said["pid"], said["log"], str(where), str(why))


class Coins:
    """Every coin that fell in, and whether somebody could count it."""

    def __init__(self) -> None:
        self._fell: list[tuple[float, int, bool]] = []
        self._gaps: list[list[float]] = []

    def fell(self, value: int, heard: bool) -> None:
        self._fell.append((time.monotonic(), value, heard))

    def unheard(self) -> None:
        """From now on, and a little before, nobody counts: the process is dead, or the unit mute."""
        self._gaps.append([time.monotonic() - UNHEARD_S, float("inf")])

    def counted_again(self) -> None:
        for gap in self._gaps:
            gap[1] = min(gap[1], time.monotonic() + UNHEARD_S)

    @property
    def uncounted(self) -> int:
        """Yen."""
        return sum(
            value
            for at, value, heard in self._fell
            if not heard or any(begin <= at <= end for begin, end in self._gaps)
        )


class Evidence:
    """From its making on. `papers` are the sheets that were taken."""

    def __init__(self, system: System) -> None:
        self.system, self.bench = system, system.bench
        self.journal = Journal(journal_path(system.rehearsal.state))
        self.trail = Trail(system.rehearsal.run / "kiosk.log")
        self.trail.read()
        self.trail.lines.clear()
        self.coins = Coins()
        self.papers: list[Sheet] = []
        self.laid: set[str] = set()
        self.names: set[str] = set()  # of those whose cards they are
        self.causes: set[str] = set()
        self._logs = {name: (system.rehearsal.run / name).stat().st_size for name in LOGS}
        self._memory = private.Memory(system.kiosk.pid or 0)
        self._begun = self._asked = self.journal.verify()
        self._lies: tuple[str | None, float] = (None, 0.0)  # which card, and from when on the kiosk must know
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
            card=bench.on_reader is not None,
            reader=not bench.cable.cut_off,
            outlet=bench.sheets.waiting,
            held=bool(engine.held or engine.drawn),
            slot=bench.coins.acceptor.accepting,
            coins_hear=not bench.coins_mute,
            paused=self.journal.paused(),
            unfinished=bool(self.journal.unfinished()),
        )

    def written_beside_a_card(self) -> list[Entry]:
        """What the journal has got since the last question, if a card has lain there since well before that."""
        now, name = time.monotonic(), self.bench.on_reader
        fresh = self.journal.entries(after=self._asked)
        self._asked = fresh[-1].seq if fresh else self._asked
        if name is None or name != self._lies[0] or self.bench.cable.cut_off:
            self._lies = name, now + KNOWN_S
        known, self._known = self._known, now > self._lies[1] and name is not None
        return fresh if known and self._known else []

    def _money(self) -> int:
        return sum(self.bench.coins.acceptor.swallowed) - sum(self.bench.coins.paid_out)

    # -- afterwards

    def walked(self) -> list[Entry]:
        """What was written into the journal since."""
        return self.journal.entries(after=self._begun)

    def books(self) -> judge.Books:
        """Raises JournalBroken."""
        self.journal.verify()
        whole = [s for s in self.papers if s.printer == "sheets" and s.image.height >= WHOLE_SHEET]
        papers = [paper for sheet in whole for paper in _code(sheet)]
        return judge.Books(
            entries=self.walked(),
            papers=papers,
            unreadable=len(whole) - len(papers),
            slips=sum(sheet.printer == "receipts" for sheet in self.papers),
            orders=self._orders(),
            outcomes=self._outcomes(),
            open_at_city=self._open_at_city() - self._open,
            inside=self._money() - self._inside,
            uncounted=self.coins.uncounted,
            laid=frozenset(self.laid),
            causes=frozenset(self.causes),
        )

    def leaks(self) -> Iterator[judge.Fault]:
        """What is in logs, journal and memory that is a person's. Names of those who were here, at idle, in memory."""
        words, pins = private.words(), {label.pin for label in self.system.rehearsal.labels}
        texts = {name: self._said(name) for name in LOGS}
        texts["the journal"] = "\n".join(json.dumps(dict(entry.facts)) for entry in self.walked())
        for name, text in texts.items():
            for leak in private.leaks(text, words, pins):
                yield judge.Fault("p", f"{name}: {leak}")
        state = self.system.rehearsal.state
        for file in (path for path in state.iterdir() if path.is_file()):
            if any(word.encode() in file.read_bytes() for word in words):
                yield judge.Fault("p", f"{file.name} holds a name, an address or a number of a person")
        for pid in (self.system.kiosk.pid, self.trail.serving):
            if pid and self._memory.holds(pid, self.names):
                yield judge.Fault("d", "the name of somebody who was here is still in memory")

    def _said(self, name: str) -> str:
        with (self.system.rehearsal.run / name).open("rb") as log:
            log.seek(self._logs[name])
            return log.read().decode("utf-8", "replace")

    def lay(self, name: str) -> None:
        """This card was set down."""
        self._lies = None, 0.0
        self.names.add(private.names()[name])
        certificate = (self.system.rehearsal.cards[name] / "certificate.der").read_bytes()
        self.laid.add(hashlib.sha256(certificate).hexdigest())

    def _city(self, sql: str) -> list[tuple[str, ...]]:
        """Read only: it works while somebody keeps the city's database locked."""
        path = self.system.rehearsal.run / "city.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return database.execute(sql).fetchall()

    def _orders(self) -> dict[str, judge.AtCity]:
        rows = self._city(
            'SELECT "order", unique_number, session, card, orders.state FROM orders JOIN sessions USING (session)'
        )
        return {order: judge.AtCity(*facts) for order, *facts in rows}

    def _outcomes(self) -> dict[str, list[Outcome]]:
        found: dict[str, list[Outcome]] = defaultdict(list)
        for order, body in self._city('SELECT "order", body FROM outcomes'):
            found[order].append(msgspec.json.decode(body, type=Outcome))
        return found

    def _open_at_city(self) -> int:
        """Sessions that the city has heard no end of."""
        told = 'SELECT session FROM orders JOIN outcomes USING ("order")'
        sql = f"SELECT count(*) FROM sessions WHERE state = 'open' AND session NOT IN ({told})"  # noqa: S608 - fixed text
        return int(self._city(sql)[0][0])


def _code(sheet: Sheet) -> list[judge.Paper]:
    for found in zxingcpp.read_barcodes(sheet.image.convert("L")):
        try:
            code = SheetCode.decode(base45.decode(found.text)[:CODE_HEAD])
        except ValueError:
            continue
        return [judge.Paper(code.unique_number, code.page, code.pages)]
    return []
