"""One card beside one reader: laid on it, taken off, and made anew where something is burnt in."""

from __future__ import annotations

from pathlib import Path

from hal.sim.card.faults import CardTrouble
from hal.sim.card.wire import CardProgram


class CardStand:
    """Makes its card at once. Raises OSError, ValueError, TypeError where the folder has none."""

    def __init__(
        self, folder: Path, address: tuple[str, int], card: CardTrouble, remember: bool = False
    ) -> None:
        self.address = address
        self.card = card
        self.phone_asleep = False
        self._folder = folder
        self._remember = remember
        self.program = self._made(None)
        self._made_with = card.of_next

    def lay(self) -> None:
        """As it is to be now; nothing happens while it lies there. Raises as the making does."""
        if self.program.inserted:
            return
        if self._made_with != self.card.of_next:
            self.program = self._made(self.program.applet.tries)
            self._made_with = self.card.of_next
        self.program.asleep = self.phone_asleep and self._is_phone
        self.program.insert()

    def take_off(self) -> None:
        self.program.remove()

    def sleep_phone(self, asleep: bool) -> None:
        """Its screen goes dark, or its holder unlocks it; plastic does neither."""
        self.phone_asleep = asleep
        if self._is_phone and asleep:
            self.program.sleep()
        elif self._is_phone:
            self.program.wake()

    def __str__(self) -> str:
        where = "on the reader" if self.program.inserted else "off"
        return f"{where} tries {self.program.applet.tries} apdus {self.program.apdus}"

    @property
    def _is_phone(self) -> bool:
        return self.program.applet.options.kind != "card"

    def _made(self, tries: int | None) -> CardProgram:
        applet = self.card.make_card(self._folder, tries, self._remember)
        return CardProgram(applet, self.address, self.card.faults)
