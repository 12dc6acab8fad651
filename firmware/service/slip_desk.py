"""Receipts and claim slips of this kiosk: laid out with the city's words, printed in the receipt
printer's thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from firmware.flow import commands, events
from firmware.service import slips
from firmware.service.city_desk import CityDesk
from firmware.service.config import Config
from firmware.service.device_threads import DeviceThreads, ThreadName
from firmware.service.entry import new_id
from firmware.service.paper_desk import PaperDesk
from firmware.service.record import Record
from firmware.sheets.slip import draw


def short(number: str) -> str:
    """What people are told of a number: they read it out over the telephone."""
    return number[:12]


@dataclass
class SlipDesk:
    config: Config
    city: CityDesk
    paper: PaperDesk
    record: Record
    threads: DeviceThreads

    def receipt(self, command: commands.PrintReceipt, kind: str) -> events.Event:
        """In the receipt printer's thread."""
        terms = self.city.terms
        if terms is None:
            return events.ReceiptDone(epoch=command.epoch, printed=False)
        elapsed = time.monotonic() - self.city.terms_at
        kiosk = self.config.kiosk.id
        content = slips.receipt(command, terms, elapsed, kind, kiosk, short(new_id()))
        printed = self.paper.print_slip(draw(content.lines(), *slips.look(self.config)))
        return events.ReceiptDone(epoch=command.epoch, printed=printed)

    async def claim(self, session: str, owed: int, case: str) -> None:
        """Written down when it is out; one that is not is tried again by the next process."""
        terms = self.city.terms
        if terms is None:
            return
        elapsed = time.monotonic() - self.city.terms_at
        content = slips.claim(owed, short(case), terms, elapsed, self.config.kiosk.id)
        slip = draw(content.lines(), *slips.look(self.config))
        if await self.threads.call(ThreadName.RECEIPTS, self.paper.print_slip, slip):
            self.record.happened(session, "slip", amount=owed)

    async def claims_due(self) -> None:
        """Somebody whose process was killed still stands there, or comes back: their money is on a
        slip at least.
        """
        for session, owed, case in self.record.journal.slips_due():
            await self.claim(session, owed, case)
