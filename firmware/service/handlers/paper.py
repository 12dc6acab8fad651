"""Commands for the printers: sheets, their outlet, receipts and claim slips."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from firmware.flow import commands, events
from firmware.service.device_threads import ThreadName
from firmware.service.flight_record import keep_for_case
from firmware.service.handlers.base import Handler, Table
from hal.printer.contract import Outlet

OUTLET_POLL_S = 0.25  # the printer does not report by itself that its outlet is clear


class PaperHandler(Handler):
    def print_sheet(self, command: commands.PrintSheet) -> None:
        place = self.place
        place.write("sheet-begun", sheet=command.sheet)
        sheet = place.vault.sheets[(command.sheet - 1) % len(place.vault.sheets)]
        place.threads.run(
            ThreadName.SHEETS, place.paper.print_sheet, command.epoch, command.sheet, sheet
        )

    def purge(self, _: commands.PurgePrinter) -> None:
        self.place.happened("purge-needed")
        self.place.vault.sheets = ()
        self.place.threads.spawn(self._purge())

    async def _purge(self) -> None:
        if await self.place.threads.call(ThreadName.SHEETS, self.place.paper.purge):
            self.place.happened("purged")

    def watch_outlet(self, _: commands.WatchOutlet) -> None:
        if self.place.config.sheets.outlet_sensor:
            self.place.threads.spawn(self._watch_outlet())

    async def _watch_outlet(self) -> None:
        threads, paper = self.place.threads, self.place.paper
        while await threads.call(ThreadName.SHEETS, paper.outlet) is not Outlet.CLEAR:  # noqa: ASYNC110
            await asyncio.sleep(OUTLET_POLL_S)
        self.place.post(events.PaperTaken())

    def print_receipt(self, command: commands.PrintReceipt) -> None:
        kind = self.place.record.last("ordered", "certificate")
        self.place.threads.run(ThreadName.RECEIPTS, self.place.slips.receipt, command, kind)

    def print_claim(self, command: commands.PrintClaim) -> None:
        place = self.place
        session = place.vault.session
        place.happened("owed", amount=command.owed)
        case = place.record.open_case(session, "claim", pauses=False)
        keep_for_case(place.config.kiosk.state, case, "claim")
        place.threads.spawn(place.slips.claim(session, command.owed, case))

    table: ClassVar[Table] = {
        commands.PrintSheet: print_sheet,
        commands.PurgePrinter: purge,
        commands.WatchOutlet: watch_outlet,
        commands.PrintReceipt: print_receipt,
        commands.PrintClaim: print_claim,
    }
