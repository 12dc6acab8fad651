"""Commands for the city: its terms, the session there, the order and its release."""

from __future__ import annotations

from typing import ClassVar

from firmware.flow import commands, events
from firmware.service.device_threads import ThreadName
from firmware.service.handlers.base import Handler, Table
from firmware.service.handlers.cases import open_case
from firmware.service.handlers.outbox import deliver_later


class CityHandler(Handler):
    def fetch_terms(self, _: commands.FetchTerms) -> None:
        self.place.threads.once("terms", self._hello)

    async def _hello(self) -> events.Event:
        place, city = self.place, self.place.city
        event = await city.fetch_terms()
        if isinstance(event, events.TermsReceived):
            if not self._journal_is_the_one_the_city_knows():
                # Nothing of this city is offered, and no outcome is sent to it.
                return events.LineLost()
            deliver_later(place)
            place.threads.once("slips", place.slips.claims_due)
            place.threads.once("renewal", place.renewal.renew)
        return event

    def _journal_is_the_one_the_city_knows(self) -> bool:
        """Otherwise a case is opened, once. A head that was compared goes with the next hello."""
        place, city = self.place, self.place.city
        kept = city.terms.journal if city.terms else None
        city.journal_behind = kept is not None and not place.journal.has(kept)
        city.journal = None
        if city.journal_behind:
            if not place.record.known_case("journal.behind"):
                open_case(place, commands.OpenCase(code="journal.behind", pauses=True))
            return False
        head = place.journal.head()
        city.journal = head if head.seq else None
        return True

    def open_session(self, command: commands.OpenSession) -> None:
        self.place.threads.answer(self.place.city.open_session(command.epoch, self.place.vault))

    def place_order(self, command: commands.PlaceOrder) -> None:
        place = self.place
        place.write("ordered", certificate=command.kind)
        thread = place.devices.threads[ThreadName.DOCUMENT]
        place.threads.answer(place.city.place_order(command, place.vault, thread))

    def release_order(self, command: commands.ReleaseOrder) -> None:
        place = self.place
        place.write("release-asked", order=place.vault.order, document=command.document)
        place.threads.answer(place.city.release(command.epoch, place.vault, command.paid))

    def cancel(self, _: commands.CancelAtCity) -> None:
        place = self.place
        opened = place.vault.opened
        place.vault.destroy()
        if opened:
            place.threads.spawn(place.city.cancel(place.vault.session))

    table: ClassVar[Table] = {
        commands.FetchTerms: fetch_terms,
        commands.OpenSession: open_session,
        commands.PlaceOrder: place_order,
        commands.ReleaseOrder: release_order,
        commands.CancelAtCity: cancel,
    }
