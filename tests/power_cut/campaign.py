"""One point: a journey, the cut, everything comes to rest, the operator does what is asked, and the
judge is called.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from power_cut.books import Books
from power_cut.customer import Customer
from power_cut.cuts import CUTS, Site, mend
from power_cut.instants import Watch
from power_cut.journeys import JOURNEYS
from power_cut.judge import Evidence, Verdict, judge
from power_cut.paper import NUMBER_DIGITS, read_sheet, read_slip
from power_cut.points import Point

from firmware.service import till
from firmware.service.cases import journal_path, list_cases
from firmware.service.config import load
from firmware.service.entry import JournalBroken
from firmware.service.till import Fee
from testbed.customer import Watcher

OUT = (
    "fault",
    "closed",
    "uncollected",
)  # the last: a printer that does not say that its outlet is empty
REST = ("menu", *OUT)
READY_S = 30.0  # for the menu before the journey
JOURNEY_S = 60.0  # then it is cut, wherever it is
REST_S, HOME_S = (
    60.0,
    45.0,
)  # from the cut until nothing moves; from the operator's visit until the menu is back
QUIET_S, CALM_S = (
    1.0,
    0.5,
)  # without a new screen, with nothing moving: at rest, and behind the operator
UNHEARD_S = 0.6  # a coin that fell in so shortly before a cut may not have been counted


@dataclass(frozen=True)
class Played:
    """`reached`: the instant came, and was not cut at the end instead. `evidence`: for people, in
    plain words.
    """

    point: Point
    verdict: Verdict
    reached: bool
    seconds: float
    evidence: dict[str, Any] = field(default_factory=dict)


class NotReady(Exception):
    """The menu does not even come before the journey."""


async def play(site: Site, point: Point) -> Played:
    """The kiosk is idle before and, unless the verdict says otherwise, after."""
    async with Watcher(
        site.system.rehearsal.panel, site.system.rehearsal.panel_key
    ).watching() as watcher:
        return await _Play(site, point, watcher).run()


class _Play:
    def __init__(self, site: Site, point: Point, watcher: Watcher) -> None:
        self._site, self._point, self._bench = site, point, site.bench
        self._journey = JOURNEYS[point.journey]
        self._books = Books(journal_path(site.system.rehearsal.state))
        self._customer = Customer(site.system, watcher, self._journey)
        self._reached = False
        self._cut_at = self._began = math.inf

    async def run(self) -> Played:
        began = time.monotonic()
        if not await self._until(self._at_home, READY_S, 0, begin=False):
            raise NotReady(f"nobody is served: {self._shown()}")
        self._lay_out()
        before = self._counted()
        watch, over = Watch(self._bench, self._books), asyncio.Event()
        cutter = asyncio.create_task(self._cut(watch, over))
        self._began = time.monotonic()
        await self._customer.begin()
        try:
            await self._until(
                lambda: self._over(over) and cutter.done() and self._rests(),
                REST_S,
                QUIET_S,
                after=cutter,
            )
            await cutter
        finally:
            cutter.cancel()
        at_rest, rested = self._shown(), time.monotonic()
        home = await self._operator()
        moved = [now - then for now, then in zip(self._counted(), before, strict=True)]
        evidence = self._evidence(*moved, home=home)
        words = {"rested_s": round(rested - began, 1), **self._words(evidence, at_rest)}
        return Played(
            self._point, judge(evidence), self._reached, round(time.monotonic() - began, 1), words
        )

    # -- the journey and its cut

    def _lay_out(self) -> None:
        """Nothing of an earlier customer lies about; the machine is as this journey wants it."""
        bench = self._bench
        self._customer.take()
        self._customer.papers.clear()
        bench.new_cards()
        for device in (bench.coins.acceptor, *bench.coins.hoppers):
            device.received.clear()
        if self._journey.hoppers is not None:
            for hopper in bench.coins.hoppers:
                hopper.coins = self._journey.hoppers
        if self._journey.tears is not None:
            bench.tear_after(self._journey.tears)
        self._books = Books(journal_path(self._site.system.rehearsal.state))

    def _counted(self) -> tuple[int, int, int]:
        """Yen that fell in, that the hoppers paid, and that the terminal took: by the units' own
        counts.
        """
        coins, terminal = self._bench.coins, self._bench.terminal.terminal
        paid = sum(hopper.value * hopper.paid_out for hopper in coins.hoppers)
        return sum(coins.acceptor.swallowed), paid, terminal.balance

    async def _cut(self, watch: Watch, over: asyncio.Event) -> None:
        point = self._point
        self._reached = await watch.reached(point.event, point.times, over)
        await asyncio.sleep(point.delay_ms / 1000)
        self._cut_at = time.monotonic()
        await CUTS[point.cut].act(self._site)

    async def _until(
        self,
        holds: Callable[[], bool],
        limit_s: float,
        quiet_s: float,
        *,
        begin: bool = True,
        after: asyncio.Task[None] | None = None,
    ) -> bool:
        """The customer looks and acts until this holds for a while. The limit begins when `after`
        is done.
        """
        end, since = time.monotonic() + limit_s, 0.0
        seen = None
        while time.monotonic() < end:
            await self._customer.look(begin=begin)
            now = time.monotonic()
            if after is not None and not after.done():
                end = now + limit_s
            if not holds() or self._customer.seen is not seen:
                seen, since = self._customer.seen, now
            elif now - since > quiet_s:
                return True
        return False

    def _over(self, over: asyncio.Event) -> bool:
        """The customer has gone, or nobody is served."""
        out = bool(self._site.dark) or self._seen in OUT
        gone = (
            self._customer.left
            or (self._customer.began and out)
            or time.monotonic() > self._began + JOURNEY_S
        )
        if gone:
            over.set()
        return gone

    @property
    def _seen(self) -> str:
        return self._customer.seen.name if self._customer.seen else ""

    def _rests(self) -> bool:
        """Nothing moves, and no unit is about to."""
        bench = self._bench
        engines = (bench.sheets.engine, bench.receipts.engine)
        still = not any(engine.busy for engine in engines) and not any(
            h.turning for h in bench.coins.hoppers
        )
        shown = self._seen in REST or bool(self._site.dark)
        return shown and still and not bench.coins.acceptor.accepting

    # -- the operator

    async def _operator(self) -> bool:
        """Mends what is broken, looks into the cases. True when the menu came back."""
        await mend(self._site)
        self._bench.remove_card()
        self._customer.left = True

        return await self._until(self._at_home, HOME_S, CALM_S)

    def _at_home(self) -> bool:
        return not self._close_cases() and self._seen == "menu" and self._rests()

    def _close_cases(self) -> int:
        """How many were open."""
        state = self._site.system.rehearsal.state
        with suppress(JournalBroken):
            cases = list_cases(state)
            config = load(self._site.system.rehearsal.kiosk_toml)
            for case in cases:
                # Whatever the operator finds: the campaign has judged before.
                till.close_case(config, case.id, "power cut", Fee.RETURNED)
            return len(cases)
        return 1  # nobody can tell

    # -- what it came to

    def _evidence(self, coins_in: int, coins_out: int, charged: int, *, home: bool) -> Evidence:
        cases = self._books.cases()
        numbers = [case.number for case in cases]
        papers = self._customer.papers
        sheets = [read_sheet(paper.image) for paper in papers if paper.printer == "sheets"]
        return Evidence(
            order=self._journey.order,
            coins_in=coins_in,
            coins_out=coins_out,
            charged=charged,
            sheets=tuple(sheet for sheet in sheets if sheet is not None),
            slips=tuple(
                read_slip(paper.image, numbers) for paper in papers if paper.printer == "receipts"
            ),
            cases=cases,
            owed_or_held=self._books.owed_or_held(),
            unheard=sum(
                value for at, value in self._customer.fell if at > self._cut_at - UNHEARD_S
            ),
            home=home,
        )

    def _shown(self) -> str:
        seen = self._customer.seen
        if seen is None or self._site.dark:
            return "dark"
        facts = {
            name: fact
            for name, fact in seen.facts.items()
            if name in ("problem", "number", "owed", "returned")
        }
        return f"{seen.name} {facts}" if facts else seen.name

    def _numbered(self, evidence: Evidence) -> bool:
        """Whether the customer was told the number of a case, on a screen or on a slip."""
        on_slips = any(slip.number for slip in evidence.slips)
        shown = "\n".join(self._customer.read)
        return on_slips or any(case.number[:NUMBER_DIGITS] in shown for case in evidence.cases)

    def _words(self, evidence: Evidence, at_rest: str) -> dict[str, Any]:
        return {
            "coins_in": evidence.coins_in,
            "coins_out": evidence.coins_out,
            "charged": evidence.charged,
            "sheets": [f"{sheet.page}/{sheet.pages}" for sheet in evidence.sheets],
            "slips": [f"{slip.kind or '?'} {slip.amount or ''}".strip() for slip in evidence.slips],
            "cases": [case.code for case in evidence.cases],
            "owed_or_held": evidence.owed_or_held,
            "numbered": self._numbered(evidence),
            "shown": at_rest,
            "entries": self._books.kinds(),
        }
