"""The interlock stands by itself: whatever the machine believes, the executor lets nothing
forbidden out.

Every wrong machine that ever asks for something forbidden is led there, event by event, through the
service's own loop, executor, permits and journal. What reaches a device is what was allowed until
then, and the safe stop; no more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_mock import MockerFixture
from stand_ins import asked, stand_in

from firmware.flow import commands, events
from firmware.flow.machine import Flow
from firmware.service.announcer import Announcer
from firmware.service.card_desk import CardDesk
from firmware.service.cash_desk import CashDesk
from firmware.service.city_desk import CityDesk
from firmware.service.devices import Devices
from firmware.service.executor import Executor
from firmware.service.journal import Journal
from firmware.service.listeners import Listeners
from firmware.service.paper_desk import PaperDesk
from firmware.service.recovery import settle
from firmware.service.renewal_desk import RenewDesk
from firmware.service.resident import Resident
from firmware.service.vault import Vault
from hal.card.contract import CardReader
from hal.cash.contract import CashStatus, CoinUnit
from hal.panel.contract import Panel
from hal.printer.contract import Printer
from hal.speaker.contract import Speaker
from testbed.model_check.defects import Defect, find_defect
from testbed.model_check.hunt import explore_until_stopped
from testbed.model_check.kiosk import PANEL
from testbed.model_check.search import Search
from testbed.world.answers import Happening
from testbed.world.happenings import list_happenings

# The far end that a command ends at, and what it is asked there.
ASKED: dict[type[commands.Command], tuple[str, str]] = {
    commands.ReadCard: ("card", "read"),
    commands.Authenticate: ("card", "authenticate"),
    commands.OpenSession: ("city", "open_session"),
    commands.PlaceOrder: ("city", "place_order"),
    commands.ReleaseOrder: ("city", "release"),
    commands.AcceptCoins: ("cash", "accept"),
    commands.StopCoins: ("cash", "stop"),
    commands.PayOut: ("cash", "pay"),
    commands.PrintSheet: ("sheets", "print_page"),
    commands.PurgePrinter: ("sheets", "purge"),
}
FORBIDDEN = (
    "paying goes on with a card",
    "printing goes on while nobody knows",
    "choosing goes on with a card",
    "unknown counts as taken",
    "hold gives up and goes on",
    "a card pulled at the PIN is swallowed",
    "a swapped card keeps the PIN",
    "coins are counted twice",
    "printing does not wait for the city",
    "printing does not wait for money",
    "any release will do",
    "the same sheet comes again",
)


class Way:
    """The resident's queue: what happens next, in terms of the moment its machine has come to."""

    def __init__(self, happened: list[Happening], flow: Flow) -> None:
        self._events = iter([happening.event for happening in happened])
        self._flow = flow
        self._stays = 0

    async def get(self) -> events.Event:
        moment = self._flow.moment
        event = next(self._events)
        match event:
            case events.Touch() | events.PinDigit():
                return replace(event, screen=moment.screen.number)
            case events.TimerFired(name=name):
                return replace(event, generation=moment.limit if name == "limit" else moment.remind)
            case events.CardPresent():
                self._stays += 1
                return replace(event, stay=f"stay {self._stays}")
            case events.Answer():
                return replace(event, epoch=moment.session.epoch)
        assert event is not None
        return event


class Stays(dict[str, Any]):
    def __missing__(self, stay: str) -> str:
        return stay


class Service:
    """A resident's process whose machine is wrong, between far ends that only listen."""

    def __init__(self, folder: Path, flow: Any, mocker: MockerFixture) -> None:
        self.far: dict[str, Any] = {
            "card": stand_in(mocker, CardDesk),
            "city": stand_in(mocker, CityDesk),
            "cash": stand_in(mocker, CoinUnit, status=lambda: CashStatus(ready=True)),
            "sheets": stand_in(mocker, Printer),
        }
        self.journal = Journal.create(folder / "journal.sqlite")
        config: Any = SimpleNamespace(
            kiosk=SimpleNamespace(pace=1.0, state=folder, languages=("ja",), id="kiosk"),
            sheets=SimpleNamespace(outlet_sensor=False),
        )
        vault = Vault("5" * 32)
        sheet: Any = SimpleNamespace(width=8, height=1, rows=b"\0", back=b"")
        vault.sheets = (sheet,)
        receipts, speaker = stand_in(mocker, Printer), stand_in(mocker, Speaker)
        self.devices = Devices(
            stand_in(mocker, CardReader), self.far["sheets"], receipts, self.far["cash"], speaker
        )
        nobody: Any = SimpleNamespace()
        self.resident = Resident(config, Listeners(nobody, None), lambda _: None, flow)
        self.broken: list[Exception] = []
        self.executor = Executor(
            config=config,
            post=lambda _: None,  # the world of the search answers
            failed=self.broken.append,
            devices=self.devices,
            journal=self.journal,
            vault=vault,
            panel=stand_in(mocker, Panel),
            announcer=stand_in(mocker, Announcer),
            texts={},
            card=self.far["card"],
            city=self.far["city"],
            paper=PaperDesk(self.far["sheets"], receipts),
            cash=CashDesk(self.far["cash"], lambda _: None),
            renewal=stand_in(mocker, RenewDesk),
            stays=Stays(),
        )
        # Nobody looks at the panel, for the model's offers have no words; how the printers are the
        # model says.
        for kind in (*PANEL, commands.CheckPrinters):
            self.executor.methods[kind] = lambda _: None

    @property
    def asked(self) -> Counter[tuple[str, str]]:
        return Counter((name, what) for name, end in self.far.items() for what in asked(end))

    async def live(self, happened: list[Happening]) -> int:
        flow = self.resident._flow
        self.resident._queue = Way(happened, flow)  # type: ignore[assignment]
        self.resident._carry(self.executor, flow.start())
        code = await self.resident._serve(self.executor)
        await self.executor.finish()
        return code


def way_to_a_refusal(defect: Defect) -> tuple[str, list[Happening], Counter[tuple[str, str]]]:
    """What was refused, what happens until then, and what was asked of devices on the way."""
    refused, path = next(iter(explore_until_stopped(defect, first=True).refusals.items()))
    again = Search(defect.kiosk(), stops=True)
    number, happened, wanted = again.begin(), [], Counter[tuple[str, str]]()
    for label in path:
        node = again.nodes[number]
        moment = again.kiosk.moments[node.moment]
        happening = next(h for h in list_happenings(node.world, moment) if h.label == label)
        assert happening.event is not None
        happened.append(happening)
        step = again.kiosk.step(node.moment, node.facts, happening.event)
        wanted.update(ASKED[type(command)] for command in step.commands if type(command) in ASKED)
        number = again.follow(number, happening) or 0
    return refused, happened, wanted


@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_wrong_machine_gets_nothing_forbidden_out(
    name: str, tmp_path: Path, mocker: MockerFixture
) -> None:
    defect = find_defect(name)
    refused, happened, wanted = way_to_a_refusal(defect)
    service = Service(tmp_path, defect.flow, mocker)
    try:
        assert asyncio.run(service.live(happened)) == 1, refused
    finally:
        for thread in service.devices.threads.values():
            thread.shutdown()
    assert not service.broken
    stop = Counter([ASKED[commands.StopCoins], ASKED[commands.PurgePrinter]])
    counted = {what: n for what, n in service.asked.items() if what in ASKED.values()}
    assert counted == wanted + stop, refused
    assert [(case.code, case.pauses) for case in service.journal.cases()][-1] == (
        "permit.refused",
        True,
    )
    settle(service.journal)
    assert service.journal.unfinished() == []
    service.journal.close()
