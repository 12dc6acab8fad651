"""One resident's process between far ends that only listen, each made from its contract."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pytest_mock import MockerFixture
from stand_ins import stand_in

from firmware.flow import commands, events
from firmware.link.client import Line
from firmware.service.announcer import Announcer
from firmware.service.card_desk import CardDesk
from firmware.service.cash_desk import CashDesk
from firmware.service.city_desk import CityDesk
from firmware.service.devices import Devices, ThreadName
from firmware.service.executor import Executor
from firmware.service.journal import Journal
from firmware.service.listeners import Listeners
from firmware.service.paper_desk import PaperDesk
from firmware.service.renewal_desk import RenewDesk
from firmware.service.resident import Resident
from firmware.service.vault import Vault
from hal.card.contract import CardReader
from hal.cash.contract import CoinUnit
from hal.panel.contract import Panel
from hal.printer.contract import Printer
from hal.speaker.contract import Speaker


class Bench:
    """The journal is a real one. `reader`, `sheets`, `receipts`, `cash` and `speaker` are devices,
    `line` is the city's end of the line.
    """

    def __init__(self, folder: Path, mocker: MockerFixture) -> None:
        self.journal = Journal.create(folder / "journal.sqlite")
        self.reader = stand_in(mocker, CardReader)
        self.sheets, self.receipts = stand_in(mocker, Printer), stand_in(mocker, Printer)
        self.cash, self.speaker = stand_in(mocker, CoinUnit), stand_in(mocker, Speaker)
        self.line = stand_in(mocker, Line)
        kiosk = SimpleNamespace(pace=1.0, state=folder, languages=("ja",))
        config: Any = SimpleNamespace(kiosk=kiosk)
        nobody: Any = SimpleNamespace()
        self.resident = Resident(config, Listeners(nobody, None), lambda _: None)
        self.executor = Executor(
            config=config,
            post=self.resident.post,
            failed=self.resident.fail,
            devices=Devices(
                self.reader,
                self.sheets,
                self.receipts,
                self.cash,
                self.speaker,
                threads={name: ThreadPoolExecutor(1) for name in ThreadName},
            ),
            journal=self.journal,
            vault=Vault("5" * 32),
            panel=stand_in(mocker, Panel),
            announcer=stand_in(mocker, Announcer),
            texts={},
            card=stand_in(mocker, CardDesk),
            city=CityDesk(config, self.line, nobody),
            paper=PaperDesk(self.sheets, self.receipts),
            cash=CashDesk(self.cash, lambda _: None),
            renewal=stand_in(mocker, RenewDesk),
        )

    def serve(self, wants: Any) -> int:
        """One event comes; the machine wants this of the world."""

        def handle(event: events.Event) -> commands.Commands:
            if isinstance(wants, Exception):
                raise wants
            return (wants,)

        self.resident._flow.handle = handle  # type: ignore[method-assign]
        self.resident.post(events.CardAbsent())

        async def run() -> int:
            code = await self.resident._serve(self.executor)
            await self.executor.finish()
            return code

        return asyncio.run(run())

    def close(self) -> None:
        for thread in self.executor.devices.threads.values():
            thread.shutdown()
        self.journal.close()
