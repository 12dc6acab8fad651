"""Commands for the card and for the PIN buffer."""

from __future__ import annotations

from typing import ClassVar

from firmware.flow import commands
from firmware.service.device_threads import ThreadName
from firmware.service.handlers.base import Handler, Table


class CardHandler(Handler):
    def read(self, command: commands.ReadCard) -> None:
        desk, threads = self.place.card, self.place.threads
        threads.run(ThreadName.CARD, desk.read, command.epoch, self.place.stays[command.stay])
        # Behind the reading, in the same thread: the reading ahead delays nothing.
        threads.run(ThreadName.CARD, desk.read_ahead, command.epoch)

    def authenticate(self, command: commands.Authenticate) -> None:
        terms = self.place.city.terms
        self.place.threads.run(
            ThreadName.CARD,
            self.place.card.authenticate,
            command.epoch,
            self.place.vault,
            self.place.config.kiosk.id,
            terms.challenge if terms else b"",
        )

    def forget_pin(self, _: commands.ForgetPin) -> None:
        self.place.vault.pin.wipe()

    def release(self, _: commands.ReleaseCard) -> None:
        self.place.devices.threads[ThreadName.CARD].submit(self.place.card.release)

    table: ClassVar[Table] = {
        commands.ReadCard: read,
        commands.Authenticate: authenticate,
        commands.ForgetPin: forget_pin,
        commands.ReleaseCard: release,
    }
