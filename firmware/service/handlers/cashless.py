"""Commands for the payment terminal. A charge and a reversal are in the journal before the terminal
is asked for them.
"""

from __future__ import annotations

from typing import ClassVar

from firmware.flow import commands
from firmware.service.cashless_desk import reference
from firmware.service.device_threads import ThreadName
from firmware.service.handlers.base import Handler, Table
from firmware.service.room import journey_entries


class CashlessHandler(Handler):
    def charge(self, command: commands.Charge) -> None:
        place = self.place
        place.journal.reserve(journey_entries(command.amount, len(place.vault.sheets)))
        place.write("charge-begun", amount=command.amount)
        count = sum(given.kind == "charge-begun" for given in place.own_entries())
        name = reference(place.vault.session, count)
        place.cashless.begin(name)
        place.threads.run(ThreadName.CASHLESS, place.cashless.charge, command.amount, name)

    def cancel(self, _: commands.CancelCharge) -> None:
        self.place.cashless.cancel()

    def reverse(self, command: commands.Reverse) -> None:
        place = self.place
        place.write("reversal-begun", amount=command.amount, reference=command.transaction)
        place.threads.run(
            ThreadName.CASHLESS, place.cashless.reverse, command.transaction, command.amount
        )

    table: ClassVar[Table] = {
        commands.Charge: charge,
        commands.CancelCharge: cancel,
        commands.Reverse: reverse,
    }
