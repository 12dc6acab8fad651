"""`kiosk diagnose --guided`: a scripted person does at the far ends what each step asks for."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from ledger.test_cash_command import FULL, Site

from firmware.ledger.ledger import Ledger
from firmware.service import devices, till
from firmware.service.cases import journal_path
from firmware.service.cash_desk import CashDesk
from firmware.service.coin_recovery import COUNTED, known
from firmware.service.config import Config
from firmware.service.journal import Journal
from firmware.service.preflight import lock_state
from firmware.tools.cash import WELL
from firmware.tools.cli import main as kiosk
from firmware.tools.diagnose import guided
from firmware.tools.diagnose.finding import Finding, Verdict
from firmware.tools.diagnose.guided import human, panel
from firmware.tools.diagnose.guided.human import Answer, Gone, Request, Terminal
from firmware.tools.diagnose.system import Listener
from hal.cash.contract import CashEvent, CoinUnit
from hal.faults import DeviceFault, Reason

pytestmark = pytest.mark.wires
COIN = re.compile(r"(\d+)円硬貨")
URL = re.compile(r"http://(\S+)/panel#(\S+)")
Act = Callable[[Request], Answer]


class Person:
    """`instead`: by a word of the request, what this person does otherwise than asked."""

    name = "係員 7"

    def __init__(self, site: Site, instead: dict[str, Act] | None = None) -> None:
        self._site = site
        self._instead = instead or {}
        self.asked: list[Request] = []
        self.touch: Callable[[str], list[str]] = one_touch

    def ask(self, request: Request) -> Answer:
        self.asked.append(request)
        for word, act in self._instead.items():
            if word in request.ja:
                return act(request)
        if found := COIN.search(request.ja):
            self.put(int(found[1]))
        if found := URL.search(request.hint):
            browser = self._panel(*found.groups())
            threading.Thread(target=asyncio.run, args=(browser,), daemon=True).start()
        return Answer.DONE

    def put(self, *values: int) -> None:
        async def drop() -> None:
            for value in values:
                self._site.bench.coin(value)

        self._site.do(drop())

    async def _panel(self, address: str, key: str) -> None:
        """A browser with a finger, as long as there is a panel."""
        async with aiohttp.ClientSession() as client:
            wire = None
            while wire is None:
                with contextlib.suppress(aiohttp.ClientConnectorError):
                    wire = await client.ws_connect(
                        f"http://{address}/panel/wire?key={key}",
                        headers={"Origin": f"http://{address}"},
                    )
                await asyncio.sleep(0.01)
            async for message in wire:
                shown = json.loads(message.data)
                for action in self.touch(shown["html"]):
                    await wire.send_json({"screen": shown["screen"], "action": action})


def one_touch(html: str) -> list[str]:
    return re.findall(r'data-action="([a-z]+)"', html)[-1:]


def failed(_: Request) -> Answer:
    return Answer.FAILED


def gone(_: Request) -> Answer:
    raise Gone("stopped")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """For a test that moves coins."""
    found = Site(tmp_path / "run")
    yield found
    found.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """For those that leave nothing behind."""
    found = Site(tmp_path_factory.mktemp("guided") / "run")
    yield found
    found.close()


def walked(config: Config, person: Person, *names: str) -> dict[str, Finding]:
    done = guided.walk(config, person, names or guided.NAMES)
    return {step.finding.name: step.finding for step in done}


def newest_counter(config: Config) -> dict[str, Any]:
    with contextlib.closing(Journal(journal_path(config.kiosk.state))) as journal:
        entry = journal.newest("coin-counter")
        assert entry
        return dict(entry.facts)


def box(config: Config) -> dict[int, int]:
    """Yen in the cash box by the books, by value."""
    ledger = Ledger.of(till.read(config), till.layout(config.cash))
    return {account.value: yen for account, yen in ledger.cash("box").items() if yen}


# -- all steps


def test_every_step_is_done_and_recorded(site: Site, tmp_path: Path) -> None:
    record = tmp_path / "2026-11-28.json"
    words = ["--config", str(site.toml), "--record", str(record)]
    assert guided.main(words, Person(site)) == 0
    found = json.loads(record.read_text("utf-8"))
    assert [(step["name"], step["verdict"]) for step in found["steps"]] == [
        (name, "OK") for name in guided.NAMES
    ]
    assert found["ok"] is True
    assert (found["by"], found["kiosk"]) == (Person.name, site.config.kiosk.id)
    assert {"at", "build", "board", "format"} <= set(found)
    by_name = {step["name"]: step["answers"] for step in found["steps"]}
    assert [each["by"] for each in by_name["touch"]] == [Person.name, *["panel"] * 9]
    assert [COIN.search(each["ja"])[1] for each in by_name["coins"]] == ["10", "50", "100", "500"]  # type: ignore[index]
    assert all(each["seconds"] >= 0 for answers in by_name.values() for each in answers)
    assert "/panel#" not in record.read_text("utf-8"), "the key to the panel is recorded"
    text = record.with_name(f"{record.name}.txt").read_text("utf-8")
    assert "OK  sound  音: two tones heard" in text
    assert "done: 係員 7" in text

    assert "♪♪" in [each.text for each in site.bench.spoken]
    [sheet] = site.bench.waiting
    assert sheet.printer == "sheets"
    assert not site.bench.violations
    with pytest.raises(guided.GuidedError, match="is there already"):
        guided.main(words, Person(site))


def test_the_coins_are_in_the_books_and_the_slot_is_shut(site: Site) -> None:
    site.cash("refill", *FULL)
    assert walked(site.config, Person(site), "coins")["coins"].ok
    assert not site.bench.coins.acceptor.accepting
    assert newest_counter(site.config) == {
        "counter": site.bench.coins.acceptor.counter,
        "open": False,
    }
    assert box(site.config) == {10: 10, 50: 50, 100: 100, 500: 500}
    assert _told_at_the_next_start(site.config) == []
    assert site.cash("count", "box:10x1,50x1,100x1,500x1") == WELL
    assert site.cash("close") == WELL, "the units and the books say the same"


# -- what is wrong


def test_what_the_person_says_is_wrong(shared: Site) -> None:
    found = walked(
        shared.config,
        Person(shared, {"高い音": failed, "むらなく": failed, "罫線": failed}),
        "sound",
        "colours",
        "sheet",
    )
    assert {name: each.code for name, each in found.items()} == {
        "sound": "guided.sound",
        "colours": "guided.colours",
        "sheet": "guided.sheet",
    }
    assert all(each.remedy for each in found.values())


def test_a_coin_that_is_not_told_and_one_too_many(site: Site) -> None:
    person = Person(site)
    person._instead = {
        "10円": lambda _: person.put(500) or Answer.DONE,  # it comes back: the slot is for 10 yen
        "100円": lambda _: person.put(100, 100) or Answer.DONE,
        "50円": failed,
    }
    found = walked(site.config, person, "coins")["coins"]
    assert found.code == "guided.coins"
    assert found.detail == (
        "10 yen: the acceptor told no coin; 50 yen: the acceptor told no coin; "
        "100 yen: the acceptor told 2 of 100 yen"
    )
    assert box(site.config) == {100: 200, 500: 500}


def test_a_panel_that_feels_beside_the_finger(shared: Site) -> None:
    person = Person(shared)
    person.touch = lambda html: ["beside"] if "middle-left" in html else one_touch(html)
    found = walked(shared.config, person, "touch")["touch"]
    assert found.code == "guided.touch"
    assert found.detail.startswith("middle-left")


def test_nobody_touches(shared: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel, "TOUCH_S", 0.01)
    person = Person(shared, {"画面の前": lambda _: Answer.DONE})
    assert walked(shared.config, person, "colours")["colours"].code == "guided.panel"


def test_a_dead_device_is_named_and_the_walk_goes_on(shared: Site) -> None:
    shared.do(shared.bench.stop())
    found = walked(shared.config, Person(shared), "sound", "sheet", "coins")
    shared.do(shared.bench.start())
    assert {each.code for each in found.values()} == {"guided.device"}


# -- what must not happen


def test_who_stops_leaves_the_slot_shut_and_the_coins_booked(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.json"
    words = ["--config", str(site.toml), "--only", "coins", "--record", str(record)]
    assert guided.main(words, Person(site, {"50円": gone})) == 3
    assert "NOT CHECKED  coins" in capsys.readouterr().out
    assert not site.bench.coins.acceptor.accepting
    assert box(site.config) == {10: 10}
    assert newest_counter(site.config)["open"] is False
    [step] = json.loads(record.read_text("utf-8"))["steps"]
    assert step["code"] == "guided.stopped"
    assert len(step["answers"]) == 1


def test_coins_in_front_of_a_slot_that_does_not_answer_any_more_are_booked_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start of the kiosk asks for what came behind them."""

    made = devices.coin_unit

    def breaking(section: Any) -> CoinUnit:
        unit = made(section)
        stop = unit.stop

        def silent() -> int:
            stop()
            raise DeviceFault("cash", Reason.SILENT)

        monkeypatch.setattr(unit, "stop", silent)
        return unit

    monkeypatch.setattr(devices, "coin_unit", breaking)
    assert walked(site.config, Person(site), "coins")["coins"].code == "guided.device"
    assert box(site.config) == {10: 10}
    counter = site.bench.coins.acceptor.counter
    assert newest_counter(site.config) == {"counter": counter, "open": True}


def test_nothing_is_asked_after_somebody_has_gone(shared: Site) -> None:
    person = Person(shared, {"音": gone})
    found = walked(shared.config, person)
    assert {each.verdict for each in found.values()} == {Verdict.NOT_CHECKED}
    assert len(person.asked) == 1


def test_beside_a_running_kiosk_nothing_is_begun(
    shared: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed, spoken = len(shared.bench.waiting), len(shared.bench.spoken)
    for who in (Listener.KIOSK, Listener.SILENT, Listener.STRANGER):
        monkeypatch.setattr(guided, "who_listens", lambda _, who=who: who)
        assert kiosk(["diagnose", "--guided", "--config", str(shared.toml)]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert "systemctl stop madoguchi-kiosk" in line
    assert len(shared.bench.waiting) == printed
    assert len(shared.bench.spoken) == spoken


def test_a_kiosk_that_does_not_listen_yet_holds_its_state(site: Site) -> None:
    lock_state(site.config)
    with pytest.raises(guided.GuidedError, match="kiosk is running"):
        guided.main(["--config", str(site.toml)], Person(site))


def test_without_a_journal_no_coin_is_asked_for(shared: Site, tmp_path: Path) -> None:
    kiosk_section = msgspec.structs.replace(shared.config.kiosk, state=tmp_path / "none")
    person = Person(shared)
    config = msgspec.structs.replace(shared.config, kiosk=kiosk_section)
    assert walked(config, person, "coins")["coins"].code == "guided.journal"
    assert not person.asked


def test_what_is_not_settled_comes_first(site: Site) -> None:
    """A session that nobody ended, a slot that was left open, a coin that nobody wrote down."""
    person = Person(site)
    with contextlib.closing(Journal(journal_path(site.config.kiosk.state))) as journal:
        journal.write("s", "begun")
        first = walked(site.config, person, "coins")["coins"]
        journal.write("s", "ended", kept=0, returned=0, owed=0, held=0)
        journal.write("", "coin-counter", counter=3, open=True)
        second = walked(site.config, person, "coins")["coins"]
        counter = site.bench.coins.acceptor.counter
        journal.write("", "coin-counter", counter=counter, open=False)
        _swallow(site.config, person)
        third = walked(site.config, person, "coins")["coins"]
    assert {first.code, second.code, third.code} == {"guided.coins-unsettled"}
    assert not person.asked
    assert not box(site.config)


def _swallow(config: Config, person: Person) -> None:
    """A coin falls in, and no journal hears of it."""
    unit = devices.coin_unit(config.cash)
    unit.start(lambda _: None)
    unit.accept(frozenset({10}))
    person.put(10)
    unit.stop()
    unit.close()


def _told_at_the_next_start(config: Config) -> list[CashEvent]:
    """What the kiosk's next process hears of the acceptor."""
    with contextlib.closing(Journal(journal_path(config.kiosk.state))) as journal:
        newest = journal.newest(*COUNTED)
    assert newest
    told: list[CashEvent] = []
    desk = CashDesk(devices.coin_unit(config.cash), told.append, known(newest))
    assert desk.start() is not None
    desk.unit.close()
    return told


# -- somebody at a terminal


@pytest.mark.parametrize(
    ("typed", "answer"),
    [("\n", Answer.DONE), ("OK\n", Answer.DONE), ("n\n", Answer.FAILED), ("?\nn\n", Answer.FAILED)],
)
def test_at_a_terminal(typed: str, answer: Answer) -> None:
    out = io.StringIO()
    assert Terminal(io.StringIO(typed), out, "x").ask(Request("左", "left", "hint")) is answer
    assert "左\n  left\n  hint\n" in out.getvalue()
    assert out.getvalue().count(human.KEYS) == typed.count("\n")


@pytest.mark.parametrize("typed", ["", "q\n", "?\n"])
def test_a_terminal_that_ends(typed: str) -> None:
    with pytest.raises(Gone):
        Terminal(io.StringIO(typed), io.StringIO(), "x").ask(Request("左", "left"))
