"""`kiosk cash` against simulated coin units and printer: what an operator types and gets."""

from __future__ import annotations

import asyncio
import csv
import json
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware.service.cases import create_journal, journal_was_made
from firmware.service.config import Config, load
from firmware.tools import cash as cash_command
from firmware.tools.cash import DIFFERENT, WELL, WRONG, main
from firmware.tools.cli import main as kiosk
from firmware.tools.diagnose.system import Listener
from hal.sim.bench import Bench
from testbed import rehearsal
from testbed.demo import FOLDER

pytestmark = pytest.mark.wires
FULL = ("hopper-3:10x60", "hopper-4:50x40", "hopper-5:100x60")
EMPTY_BOX = "box:"


class Site:
    """The far ends in a loop of their own; the commands run in the test's thread."""

    def __init__(self, run: Path) -> None:
        made = rehearsal.prepare(FOLDER, run)
        self.toml = made.kiosk_toml
        self.config: Config = load(made.kiosk_toml)
        if not journal_was_made(self.config.kiosk.state):
            create_journal(self.config.kiosk.state)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.bench = Bench(made.wiring, made.cards, rehearsal.HOPPERS)
        self.do(self.bench.start())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def cash(self, action: str, *words: str) -> int:
        return main([action, *words, "--config", str(self.toml)])

    def close(self) -> None:
        self.do(self.bench.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    found = Site(tmp_path / "run")
    yield found
    found.close()


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_the_operators_day(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert site.cash("refill", *FULL) == WELL
    assert "補充　ホッパー3　600円" in capsys.readouterr().out
    assert site.cash("show") == WELL
    assert "ホッパー5　100円　60枚　6,000円" in capsys.readouterr().out
    assert site.cash("count", EMPTY_BOX, *FULL) == WELL
    capsys.readouterr()
    assert site.cash("close", "--csv", str(tmp_path / "day.csv"), "--print") == WELL
    said = capsys.readouterr().out
    for word in (
        "日　計　表",
        "締め番号　1",
        "機器番号　",
        "手数料収入",
        "未払い",
        "預り金",
        "現金過不足",
        "機器照合",
    ):
        assert word in said
    assert "60枚       6,000円" in said
    [paper] = site.do(_papers(site.bench))
    assert paper.image.width == 576
    black = np.asarray(paper.image.convert("L")) < 128
    assert 0.01 < black.mean() < 0.2
    assert not site.bench.violations


async def _papers(bench: Bench) -> list[Any]:
    return bench.take_receipt()


def test_the_spreadsheet(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.cash("refill", *FULL)
    file = tmp_path / "day.csv"
    assert site.cash("report", "--csv", str(file)) == WELL
    assert file.read_bytes().startswith(b"\xef\xbb\xbf"), (
        "a spreadsheet program in Japan takes it for UTF-8"
    )
    table = list(csv.DictReader(file.read_text("utf-8-sig").splitlines()))
    coins = {
        row["項目"]: (row["枚数"], row["金額（円）"])
        for row in table
        if row["区分"] == "金種別在高"
    }
    assert coins["ホッパー4　50円"] == ("40", "2000")
    assert coins["現金合計"] == ("", "8600")
    assert site.cash("report", "--csv", str(file)) == WRONG, "what is there is not written over"
    assert "Traceback" not in capsys.readouterr().err


def test_a_difference_is_seen_and_has_a_case(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site.cash("refill", *FULL)
    capsys.readouterr()
    assert site.cash("count", "hopper-5:100x58", "--json") == DIFFERENT
    [one] = told(capsys)
    assert (one["place"], one["difference"]) == ("hopper-5", -200)
    assert kiosk(["cases", "list", "--config", str(site.toml)]) == 0
    assert one["case"] in capsys.readouterr().out
    assert site.cash("report") == DIFFERENT
    assert f"案件 {one['case'][:12]}" in capsys.readouterr().out


def test_a_hopper_that_holds_more_than_the_books_say(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has written down that it was filled: the low sensors know of coins."""
    assert site.cash("show", "--json") == DIFFERENT
    assert {one["yen"] for one in told(capsys)["units"]} == {100, 500, 1000}
    assert site.cash("close") == DIFFERENT
    kiosk(["cases", "list", "--config", str(site.toml)])
    assert "cash.units" in capsys.readouterr().out


@pytest.mark.parametrize(
    "action", ["count", "refill", "empty", "close", "close --print", "report --print"]
)
def test_a_running_kiosk_keeps_its_devices(
    site: Site, action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cash_command, "who_listens", lambda _config: Listener.KIOSK)
    words = action.split()
    coins = [FULL[0]] if words[0] in ("count", "refill", "empty") else []
    assert site.cash(*words, *coins) == WRONG
    assert "systemctl stop" in capsys.readouterr().err
    assert site.cash("show", "--json") == WELL
    assert told(capsys) == {"balances": [], "units": None}
    assert site.cash("close", "--no-units") == WELL
    assert "未実施" in capsys.readouterr().out


def test_silent_units_close_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    async def mute() -> None:
        site.bench.coins.mute(2, 3, 4, 5)

    site.do(mute())
    assert site.cash("close") == WRONG
    assert site.cash("report", "--number", "1") == WRONG
    assert "no close 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("count", "box:100"),
        ("count", "box:100x-1"),
        ("count", "box:200x1"),
        ("count", "box:100x1,100x2"),
        ("count", "box"),
        ("count",),
        ("report", "--day", "2026-13-01"),
        ("report", "--day", "2026-11-24", "--number", "1"),
        (),
    ],
)
def test_misuse_ends_with_2(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("count", "hopper-9:10x1"),
        ("refill", "box:10x1"),
        ("refill", "hopper-3:50x1"),
        ("count", "box:", "box:"),
    ],
)
def test_what_cannot_be_is_one_line(
    site: Site, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert site.cash(*words) == WRONG
    assert capsys.readouterr().err.count("\n") == 1
