"""Commands that ask whether the next person can be served, and whether this one can pay."""

from __future__ import annotations

from typing import ClassVar

from firmware.flow import commands, events
from firmware.service.device_threads import ThreadName
from firmware.service.entry import JournalFull
from firmware.service.handlers.base import Handler, Table
from firmware.service.log import log
from firmware.service.room import journey_entries


class ReadinessHandler(Handler):
    def check_health(self, _: commands.CheckHealth) -> None:
        self.place.threads.once("health", self.place.health.look)

    def check_printers(self, command: commands.CheckPrinters) -> None:
        self.place.threads.answer(self._before_payment(command.epoch))

    async def _before_payment(self, epoch: int) -> events.Event:
        """Nobody pays for what cannot be printed, or not be written down."""
        place = self.place
        found = await place.health.printers_trouble() or self._room_trouble()
        if found:
            return events.PrintersNotReady(epoch=epoch, reason=found)
        # A coin unit that was silent for a moment is started again.
        await place.threads.call(ThreadName.CASH, place.cash.trouble)
        cash = await place.threads.call(ThreadName.CASH, place.cash.status)
        cashless = await place.threads.call(ThreadName.CASHLESS, place.cashless.is_ready)
        return events.PrintersReady(
            epoch=epoch,
            outlet_sensor=place.config.sheets.outlet_sensor,
            exact_only=cash.exact_only,
            cashless=cashless,
        )

    def _room_trouble(self) -> str:
        """Nobody pays, and nothing is released, unless all that follows can be written down."""
        place = self.place
        fee = int(place.record.last("checked", "fee") or 0)
        try:
            place.journal.reserve(journey_entries(fee, len(place.vault.sheets)))
        except JournalFull as error:
            log("error", where="journal", what=str(error))
            return "storage"
        return ""

    table: ClassVar[Table] = {
        commands.CheckHealth: check_health,
        commands.CheckPrinters: check_printers,
    }
