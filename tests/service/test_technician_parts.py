"""The parts of the technician's process, each without a kiosk."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from firmware.ledger.accounts import BOX
from firmware.service.cases import create_journal, journal_path
from firmware.service.config import Cash, HopperSection
from firmware.service.entry import Case
from firmware.service.journal import Journal
from firmware.service.listeners import Listeners
from firmware.service.service_key import KeyUse, KeyWatch
from firmware.service.stop import is_stopped, stop
from firmware.service.technician import counters, program
from firmware.service.technician.console import _ANSWERS, Console
from firmware.service.technician.drawing import draw
from firmware.service.technician.pages import (
    MOST_BESIDE,
    PAGES,
    POINTS,
    Act,
    Page,
    Touched,
    result_words,
)
from hal.faults import DeviceFault, Reason

SECTION = Cash(
    port="/dev/null",
    hoppers=(HopperSection(address=3, value=10), HopperSection(address=4, value=50)),
)


class PlayedKey:
    """What the driver says at each look; None: it raises."""

    def __init__(self, *says: bool | None) -> None:
        self.says = list(says)

    def turned(self) -> bool:
        said = self.says.pop(0)
        if said is None:
            raise DeviceFault("service_key", Reason.SILENT)
        return said

    def close(self) -> None:
        """Nothing."""


def told(folder: Path, *says: bool | None, was_turned: bool = False) -> list[bool]:
    heard: list[bool] = []

    async def run() -> None:
        with ThreadPoolExecutor(1) as thread:
            watch = KeyWatch(
                PlayedKey(*says), thread, heard.append, KeyUse(folder), was_turned=was_turned
            )
            for _ in says:
                await watch.look()

    asyncio.run(run())
    return heard


@pytest.mark.parametrize(
    ("says", "heard"),
    [
        ((True,), []),
        ((True, True), [True]),
        ((True, False, True, False), []),
        ((True, True, False), [True, False]),
        ((True, None, True, True), [True]),
        ((True, True, None, True, True), [True, False, True]),
        ((None, None), []),
    ],
    ids=["once", "twice", "bouncing", "turned back", "a gap", "nobody can tell", "never known"],
)
def test_turned_counts_when_it_is_seen_twice(
    tmp_path: Path, says: tuple[bool | None, ...], heard: list[bool]
) -> None:
    assert told(tmp_path, *says) == heard


@pytest.mark.parametrize("says", [(False,), (None,)], ids=["turned back", "nobody can tell"])
def test_whoever_begins_with_a_turned_key_hears_of_its_end(
    tmp_path: Path, says: tuple[bool | None, ...]
) -> None:
    assert told(tmp_path, *says, was_turned=True) == [False]


def test_a_turn_is_spent_until_the_key_is_seen_turned_back(tmp_path: Path) -> None:
    use = KeyUse(tmp_path)
    use.spend()
    told(tmp_path, True, True, None)
    assert use.is_spent()
    told(tmp_path, False)
    assert not use.is_spent()


def test_out_of_service_lasts_until_it_is_lifted(tmp_path: Path) -> None:
    create_journal(tmp_path)
    for stopped in (True, False, True):
        journal = Journal(journal_path(tmp_path))
        assert is_stopped(journal) is not stopped
        assert stop(journal, stopped=stopped)
        assert not stop(journal, stopped=stopped), "it is so already"
        journal.close()
    journal = Journal(journal_path(tmp_path))
    assert is_stopped(journal)
    journal.verify()
    journal.close()


# -- pages as data


def test_every_page_act_and_touch_has_its_place() -> None:
    assert set(PAGES) == set(Page)
    assert set(program._ACTS) == set(Act)
    assert set(_ANSWERS) == set(Touched) - {Touched.LEAVE}
    offered = {each.value for spec in PAGES.values() for each in spec.buttons}
    assert {act.value for act in Act} <= offered


def test_every_page_is_reached_and_left_by_touch_alone() -> None:
    met: set[Page] = set()
    todo: list[tuple[tuple[str, str], ...]] = [()]
    while todo:
        way = todo.pop(0)
        console = Console(SECTION, stopped=len(way) > 0 and way[0] == ("open", "resume"))
        for touch in way:
            console.touched(*touch)
        if console.page in met or len(way) > 8:
            continue
        met.add(console.page)
        above = PAGES[console.page].above
        todo += [(*way, (each.action.value, each.value)) for each in console.buttons]
        if console.page is Page.HOME:
            todo += [(("open", "resume"),)]
        if console.page is Page.COINS:
            enters = (("enter", ""),) * len(console.form.values)
            todo.append((*way, *enters))
        if above is not None:
            assert console.offers("open", above.value)
    assert met >= set(Page) - {Page.WAIT, Page.RESUME}


@pytest.mark.parametrize("page", Page)
def test_a_touch_on_what_is_not_offered_does_nothing(page: Page) -> None:
    console = Console(SECTION)
    console.page = page
    if page in (Page.PLACES, Page.COINS, Page.BOOK):
        console.form.choose("cash-count")
    if page in (Page.COINS, Page.BOOK):
        console.form.choose("hopper-3")
    offered = {(each.action.value, each.value) for each in console.buttons}
    for action in ("start", "digit", "do", "open", "choose", "language", "mode", "enter"):
        for value in ("", "1", "stop", "restart", "book", "home", "hopper-9", "ja"):
            if (action, value) not in offered and value != "home":
                assert console.touched(action, value) is None
                assert console.page is page


def test_resume_is_offered_only_where_it_is_stopped() -> None:
    for stopped in (True, False):
        console = Console(SECTION, stopped=stopped)
        assert console.offers("open", "resume") is stopped
        assert console.offers("open", "stop") is not stopped


def test_touches_beside_a_point_end_the_check() -> None:
    console = Console(SECTION)
    console.page = Page.CALIBRATE
    console.touched("open", "touch")
    for _ in POINTS:
        for _ in range(MOST_BESIDE):
            console.touched("beside", "")
        assert console.page is Page.TOUCH
        console.touched("point", "")
    assert (console.page, console.result) == (Page.CALIBRATE, "touch-well")
    console.touched("open", "touch")
    for _ in range(MOST_BESIDE + 1):
        console.touched("beside", "")
    assert (console.page, console.result) == (Page.CALIBRATE, "touch-beside")


def test_coins_are_typed_value_by_value() -> None:
    console = Console(SECTION)
    console.page = Page.CASH
    console.touched("choose", "cash-count")
    console.touched("choose", BOX)
    for typed in ("12", "", "0034", "5"):
        for digit in typed:
            console.touched("digit", digit)
        assert console.page is Page.COINS
        console.touched("enter", "")
    assert console.page is Page.BOOK
    assert console.form.coins == {10: 12, 50: 0, 100: 34, 500: 5}
    assert console.touched("do", "book") is Act.BOOK


def test_the_box_is_not_refilled() -> None:
    console = Console(SECTION)
    console.page = Page.CASH
    console.touched("choose", "cash-refill")
    assert [each.value for each in console.buttons] == ["hopper-3", "hopper-4"]


# -- what is shown


@pytest.mark.parametrize(
    "code", ["done", "receipt-paper-out", "sheets: silent", "<script>alert(1)</script>"]
)
def test_every_result_is_told_in_both_languages(code: str) -> None:
    console = Console(SECTION)
    console.result = code
    words = result_words(code)
    assert re.search("[ぁ-ん]", words.ja) and words.en
    assert "<script" not in draw(console)


def test_a_case_of_another_build_is_shown_with_its_code() -> None:
    rows = counters.cases([Case("a" * 32, "unheard.of", "", True, "")])
    assert rows[0].label.ja == "unheard.of"
    assert len(rows) == 2


@pytest.mark.parametrize("hangs", [False, True])
def test_an_act_that_fails_as_nobody_foresaw_ends_the_process(
    monkeypatch: pytest.MonkeyPatch, hangs: bool
) -> None:
    """And is not waited for until somebody comes: the key could not close the screens any more."""
    over = threading.Event()

    def carry_out(_: program.Technician, __: Act | None) -> None:
        if hangs:
            over.wait()
        raise ZeroDivisionError

    async def run() -> None:
        technician = program.Technician(SimpleNamespace(), Listeners(panel, None), lambda _: None)
        technician._closed = asyncio.get_running_loop().create_future()
        technician._console = Console(SECTION, stopped=False)
        try:
            await technician._do(Act.UNITS)
            with pytest.raises(TimeoutError if hangs else ZeroDivisionError):
                await asyncio.wait_for(technician._closed, 60)
        finally:
            over.set()
            panel.close()

    panel = socket.socket()
    monkeypatch.setattr(program, "ACT_S", 0.05 if hangs else 300.0)
    monkeypatch.setattr(program.Technician, "_carry_out", carry_out)
    monkeypatch.setattr(program.Technician, "_show", lambda _: None)
    asyncio.run(run())


def test_screens_that_cannot_be_noted_as_opened_do_not_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that is full: they would come again and again, as long as the key is turned."""
    config = SimpleNamespace(kiosk=SimpleNamespace(runtime=tmp_path / "gone"))
    said: list[str] = []
    with socket.socket() as panel:
        technician = program.Technician(config, Listeners(panel, None), said.append)  # type: ignore[arg-type]
        with caplog.at_level("INFO", "madoguchi"):
            assert asyncio.run(technician.run()) == 0
    assert said == []
    assert "technician.refused" in caplog.text
