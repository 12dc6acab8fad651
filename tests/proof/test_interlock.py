"""The interlock stands by itself: whatever the machine believes, the executor lets nothing forbidden out.

Every wrong machine that ever asks for something forbidden is led there, event by event, through the service's own loop,
executor, permits and journal. What reaches a device is what was allowed until then, and the safe stop; no more.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.machine import Flow
from firmware.service.cash_work import CashDesk
from firmware.service.devices import Devices
from firmware.service.executor import METHODS, Executor
from firmware.service.journal import Journal
from firmware.service.paper_work import PaperDesk
from firmware.service.replay import settle
from firmware.service.resident import Listeners, Resident
from firmware.service.vault import Vault
from madoguchi.proof.defects import Defect, named
from madoguchi.proof.kiosk import PANEL
from madoguchi.proof.search import Search
from madoguchi.proof.world import Happening, happenings

ASKED: dict[type[c.Command], str] = {
    c.ReadCard: "read",
    c.Authenticate: "authenticate",
    c.OpenSession: "open_session",
    c.PlaceOrder: "place_order",
    c.ReleaseOrder: "release",
    c.AcceptCoins: "accept",
    c.StopCoins: "stop",
    c.PayOut: "pay",
    c.PrintSheet: "print_page",
    c.PurgePrinter: "purge",
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


class FarEnd:
    """Any device, or the city: does what it is asked, says nothing, and remembers it."""

    terms = None

    def __init__(self, asked: Counter[str], *, slow: bool = False) -> None:
        self._asked, self._slow = asked, slow

    def __getattr__(self, name: str) -> Any:
        async def nothing() -> None:
            pass

        def ask(*_: object) -> Any:
            self._asked[name] += 1
            return nothing() if self._slow else None

        return ask


class Way:
    """The resident's queue: what happens next, in terms of the moment its machine has come to."""

    def __init__(self, happened: list[Happening], flow: Flow) -> None:
        self._events = iter([happening.event for happening in happened])
        self._flow = flow
        self._stays = 0

    async def get(self) -> e.Event:
        moment = self._flow.moment
        event = next(self._events)
        match event:
            case e.Touch() | e.PinDigit():
                return replace(event, screen=moment.screen.number)
            case e.TimerFired(name=name):
                return replace(event, generation=moment.limit if name == "limit" else moment.remind)
            case e.CardPresent():
                self._stays += 1
                return replace(event, stay=f"stay {self._stays}")
            case e.Answer():
                return replace(event, epoch=moment.session.epoch)
        assert event is not None
        return event


class Stays(dict[str, Any]):
    def __missing__(self, stay: str) -> str:
        return stay


class Service:
    """A resident's process whose machine is wrong, between far ends that only listen."""

    def __init__(self, folder: Path, flow: Any) -> None:
        self.asked: Counter[str] = Counter()
        self.journal = Journal(folder / "journal.sqlite")
        config: Any = SimpleNamespace(
            kiosk=SimpleNamespace(pace=1.0, state=folder, languages=("ja",), id="kiosk"),
            sheets=SimpleNamespace(outlet_sensor=False),
        )
        far: Any = FarEnd(self.asked)
        city: Any = FarEnd(self.asked, slow=True)
        vault = Vault("5" * 32)
        sheet: Any = SimpleNamespace(width=8, height=1, rows=b"\0")
        vault.sheets = (sheet,)
        self.devices = Devices(far, far, far, far, far)
        self.resident = Resident(config, Listeners(far, None), lambda _: None, flow)
        self.broken: list[Exception] = []
        self.executor = Executor(
            config=config,
            post=lambda _: None,  # the world of the search answers
            failed=self.broken.append,
            devices=self.devices,
            journal=self.journal,
            vault=vault,
            panel=far,
            announcer=far,
            texts={},
            card=far,
            city=city,
            paper=PaperDesk(far, far),
            cash=CashDesk(far, lambda _: None),
            renewal=far,
            stays=Stays(),
        )

    async def live(self, happened: list[Happening]) -> int:
        flow = self.resident._flow
        self.resident._queue = Way(happened, flow)  # type: ignore[assignment]
        self.resident._carry(self.executor, flow.start())
        code = await self.resident._serve(self.executor)
        await self.executor.finish()
        return code


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody looks at the panel, for the model's offers have no words; how the printers are the model says."""
    for kind in (*PANEL, c.CheckPrinters):
        monkeypatch.setitem(METHODS, kind, lambda *_: None)
    yield


def way_to_a_refusal(defect: Defect) -> tuple[str, list[Happening], Counter[str]]:
    """What was refused, what happens until then, and what was asked of devices on the way."""
    search = Search(defect.kiosk(), first=True, stops=True)
    search.run()
    ((refused, path),) = search.refusals.items()
    again = Search(defect.kiosk(), stops=True)
    number, happened, asked = again.begin(), [], Counter[str]()
    for label in path:
        node = again.nodes[number]
        moment = again.kiosk.moments[node.moment]
        happening = next(h for h in happenings(node.world, moment) if h.label == label)
        assert happening.event is not None
        happened.append(happening)
        step = again.kiosk.step(node.moment, node.facts, happening.event)
        asked.update(ASKED[type(command)] for command in step.commands if type(command) in ASKED)
        number = again.follow(number, happening) or 0
    return refused, happened, asked


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", FORBIDDEN)
def test_a_wrong_machine_gets_nothing_forbidden_out(name: str, tmp_path: Path) -> None:
    defect = named(name)
    refused, happened, asked = way_to_a_refusal(defect)
    service = Service(tmp_path, defect.flow)
    try:
        assert asyncio.run(service.live(happened)) == 1, refused
    finally:
        for lane in service.devices.lanes.values():
            lane.shutdown()
    assert not service.broken
    stop = {"stop": 1, "purge": 1}
    assert {k: n for k, n in service.asked.items() if k in ASKED.values()} == asked + Counter(stop), refused
    assert [(case.code, case.pauses) for case in service.journal.cases()][-1] == ("permit.refused", True)
    settle(service.journal)
    assert service.journal.unfinished() == []
    service.journal.close()
