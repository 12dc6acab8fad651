"""What one resident's process works with: its desks, its devices' threads, the journal, the vault.

The executor hands a command to a handler (`handlers/`), and the handler finds everything here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from firmware.flow import events
from firmware.service.announcer import Announcer
from firmware.service.card_desk import CardDesk
from firmware.service.cash_desk import CashDesk
from firmware.service.cashless_desk import CashlessDesk
from firmware.service.city_desk import CityDesk
from firmware.service.config import Config
from firmware.service.device_threads import DeviceThreads, ThreadName
from firmware.service.devices import Devices
from firmware.service.entry import NewEntry
from firmware.service.health_desk import HealthDesk
from firmware.service.journal import Journal
from firmware.service.paper_desk import PaperDesk
from firmware.service.record import Record, to_the_log
from firmware.service.renewal_desk import RenewDesk
from firmware.service.slip_desk import SlipDesk
from firmware.service.teller import Teller
from firmware.service.vault import Vault
from firmware.texts.texts import Texts
from hal.card.contract import Stay
from hal.panel.contract import Panel


@dataclass
class Workplace:
    """`post` puts an event into the journey's queue; `failed` takes an error that no desk foresaw.
    `keep` takes a journal entry that the disk did not take.
    """

    config: Config
    post: Callable[[events.Event], None]
    failed: Callable[[Exception], None]
    devices: Devices
    journal: Journal
    vault: Vault
    panel: Panel
    announcer: Announcer
    texts: dict[str, Texts]
    card: CardDesk
    city: CityDesk
    paper: PaperDesk
    cash: CashDesk
    renewal: RenewDesk
    cashless: CashlessDesk = field(default_factory=lambda: CashlessDesk(None))
    keep: Callable[[NewEntry], None] = to_the_log
    stays: dict[str, Stay] = field(default_factory=dict)
    limit_ends: float | None = None  # when the screen's time is over, by the event loop's clock
    opening: int = 0  # so often the coin slot was asked to open, and has not yet
    opened: Callable[[], None] = lambda: None  # called when it has
    teller: Teller = field(default_factory=Teller)
    ended: bool = False  # the session; the process follows
    technician: bool = False  # the next process is the technician's

    def __post_init__(self) -> None:
        self.record = Record(self.journal, self.keep)
        self.threads = DeviceThreads(self.devices.threads, self.post, self.failed)
        self.slips = SlipDesk(self.config, self.city, self.paper, self.record, self.threads)
        self.health = HealthDesk(
            self.config,
            self.city,
            self.paper,
            self.cash,
            self.card,
            self.record,
            self.threads,
            self.vault.session,
            self.teller,
        )

    def write(self, kind: str, **facts: str | int | bool) -> None:
        """Before something is done. Raises JournalBroken: then it is not to be done."""
        self.record.write(self.vault.session, kind, **facts)

    def happened(self, kind: str, **facts: str | int | bool) -> None:
        """What cannot be undone is written down, or kept until it can be."""
        self.record.happened(self.vault.session, kind, **facts)

    def own_entries(self) -> list[NewEntry]:
        """What is written, or kept, of the session of this process."""
        return [given for given in self.record.entries if given.session == self.vault.session]

    async def ask_cash(
        self, work: Callable[..., events.Event | None], *args: Any
    ) -> events.Event | None:
        """In the coin unit's thread, behind whatever it is doing; the answer is not posted."""
        return await self.threads.call(ThreadName.CASH, work, *args)
