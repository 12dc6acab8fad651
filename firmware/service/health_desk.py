"""May the next person be served? Everything that can be asked between two residents is
asked here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from firmware.flow import events
from firmware.service.card_desk import CardDesk
from firmware.service.case_counts import counted
from firmware.service.cash_desk import CashDesk
from firmware.service.city_desk import CityDesk
from firmware.service.config import Config
from firmware.service.device_threads import DeviceThreads, ThreadName
from firmware.service.log import log
from firmware.service.paper_desk import PaperDesk
from firmware.service.record import Record
from firmware.service.room import storage_trouble
from firmware.service.slip_desk import short
from firmware.service.stop import SUSPENDED, is_stopped
from firmware.service.teller import Teller


def case_open(case: str) -> events.Health:
    return events.Health(problem="case-open", number=short(case))


@dataclass
class HealthDesk:
    config: Config
    city: CityDesk
    paper: PaperDesk
    cash: CashDesk
    card: CardDesk
    record: Record
    threads: DeviceThreads
    session: str  # of this process
    teller: Teller = field(default_factory=Teller)
    _disk: str = ""  # what its trouble was when it was last looked at
    _clock: bool = False  # whether this board's was wrong then

    async def look(self) -> events.Event:
        journal = self.record.journal
        if journal.purge_due():
            if not await self.threads.call(ThreadName.SHEETS, self.paper.purge):
                return events.Health(problem="printer")
            self.record.happened(self.session, "purged")
        sheets, receipts = await self._printers()
        cash = await self.threads.call(ThreadName.CASH, self.cash.trouble)
        card = await self.threads.call(ThreadName.CARD, self.card.trouble)
        # Last, and nothing is awaited after it: a case may have been opened meanwhile.
        cases = journal.cases()
        pausing = [case for case in cases if case.pauses]
        disk, city = self._disk_trouble(), self._city_trouble()
        suspended = SUSPENDED if is_stopped(journal) else ""
        problem = suspended or disk or sheets or receipts or cash or card or city
        self.teller.looked(
            devices={
                "sheets": sheets,
                "receipts": receipts,
                "coins": cash,
                "card": card,
                "city": self.city.item() or city,
                "disk": disk,
            },
            paper=self.paper.supplies(),
            change=self.cash.change,
            exact_only=self.cash.exact_only,
            cases=len(cases),
            case_codes=counted(cases),
            waiting=len(journal.undelivered()),
            problem="case-open" if pausing and not suspended else problem,
        )
        if pausing and not suspended:
            newest = pausing[-1].session
            return case_open(next(case.id for case in pausing if case.session == newest))
        if problem:
            item = self.city.item() if problem == city else ""
            return events.Health(problem=problem, number=item)
        return events.Health(problem="", exact_only=self.cash.exact_only)

    async def printers_trouble(self) -> str:
        sheets, receipts = await self._printers()
        return sheets or receipts

    async def _printers(self) -> tuple[str, str]:
        sheets, receipts = await asyncio.gather(
            self.threads.call(ThreadName.SHEETS, self.paper.sheets_trouble),
            self.threads.call(ThreadName.RECEIPTS, self.paper.receipts_trouble),
        )
        return sheets, receipts

    def _city_trouble(self) -> str:
        clock = self.city.line.clock
        if clock.is_wrong() != self._clock:
            self._clock = clock.is_wrong()
            log("clock", wrong=self._clock, ahead_s=round(clock.off_s()))
        return self.city.problem()

    def _disk_trouble(self) -> str:
        found = storage_trouble(self.config.kiosk.state)
        if found != self._disk:
            self._disk = found
            log("disk", state=found or "well")
        return "storage" if found else ""
