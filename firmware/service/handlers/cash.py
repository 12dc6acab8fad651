"""Commands for the coin unit. A payout is in the journal before the unit gets it."""

from __future__ import annotations

from typing import ClassVar

from firmware.flow import commands, events
from firmware.service.device_threads import ThreadName
from firmware.service.handlers.base import Handler, Table
from firmware.service.room import journey_entries


class CashHandler(Handler):
    def accept(self, command: commands.AcceptCoins) -> None:
        place = self.place
        place.journal.reserve(journey_entries(command.due, len(place.vault.sheets)))
        place.opening += 1
        place.threads.answer(self._open(command.due))

    async def _open(self, due: int) -> events.Event | None:
        """Coins are asked for only when the slot lets them in: see `PanelHandler`."""
        place = self.place
        try:
            failed = await place.threads.call(ThreadName.CASH, place.cash.accept, due)
        finally:
            place.opening -= 1
        if failed is None:
            place.opened()
        return failed

    def stop(self, _: commands.StopCoins) -> None:
        self.place.threads.run(ThreadName.CASH, self.place.cash.stop)

    def pay_out(self, command: commands.PayOut) -> None:
        self.place.write("payout-begun", amount=command.amount)
        self.place.threads.run(ThreadName.CASH, self.place.cash.pay, command.amount)

    table: ClassVar[Table] = {
        commands.AcceptCoins: accept,
        commands.StopCoins: stop,
        commands.PayOut: pay_out,
    }
