"""The devices of a kiosk under attack: printers and a coin unit that are lists, a card that is a
key.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from city_bench import Card

from firmware.flow import events
from firmware.link import messages, sealing
from firmware.service.vault import Vault
from hal.card.contract import Stay
from hal.cash.contract import CashEvent, CashStatus, CoinAccepted, Dispense, HopperLevel, Missed
from hal.printer.contract import Bitmap, Outlet, PaperSupply, PrinterState, PrinterStatus

COIN: Final = 100


class Paper:
    """A printer that keeps what it printed."""

    def __init__(self) -> None:
        self.pages: list[Bitmap] = []
        self.bytes_sent = 0

    def status(self) -> PrinterStatus:
        return PrinterStatus(PrinterState.READY, PaperSupply.ADEQUATE, Outlet.CLEAR)

    def print_page(self, page: Bitmap) -> None:
        self.pages.append(page)

    def purge(self) -> None: ...

    def close(self) -> None: ...


class Coins:
    """A coin unit and the purse of the person before it, yen."""

    def __init__(self) -> None:
        self.inserted = self.paid_out = 0
        self._open, self._wanted = False, 0
        self._notify: Callable[[CashEvent], None] = lambda _: None

    def start(self, notify: Callable[[CashEvent], None], _: int | None = None) -> Missed:
        self._notify = notify
        return Missed()

    def status(self) -> CashStatus:
        return CashStatus(ready=True, hoppers=(HopperLevel(COIN, least=50),))

    def accept(self, _: frozenset[int], before: Callable[[int], None] | None = None) -> int:
        self._open = True
        self._drop()
        return 0

    def stop(self) -> int:
        self._open = False
        return 0

    def last_payout(self) -> tuple[()]:
        return ()

    def pay(self, amount: int, _: Callable[[Dispense], None] | None = None) -> None:
        self.paid_out += amount

    def close(self) -> None: ...

    def want(self, amount: int) -> None:
        self._wanted = amount
        self._drop()

    def _drop(self) -> None:
        if self._open and self._wanted > 0:
            self._wanted -= COIN
            self.inserted += COIN
            self._notify(CoinAccepted(COIN))


class KeyDesk:
    """The card's part: a key that signs the transcript."""

    def __init__(self, card: Card) -> None:
        self._card = card

    def read(self, epoch: int, _: Stay) -> events.Event:
        return events.CardRead(epoch=epoch, tries=3)

    def read_ahead(self, _: int) -> None: ...

    def release(self) -> None: ...

    def trouble(self) -> str:
        return ""

    def authenticate(self, epoch: int, vault: Vault, kiosk: str, challenge: bytes) -> events.Event:
        vault.key, vault.certificate, vault.challenge = (
            sealing.generate(),
            self._card.der,
            challenge,
        )
        digest = messages.transcript_digest(
            kiosk, vault.session, challenge, self._card.der, vault.key.public
        )
        vault.signature = self._card.sign(digest)
        return events.CardAuthenticated(epoch=epoch, card="card")
