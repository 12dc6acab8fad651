"""What is wrong with a board that was well before: each has a code and one line in `kiosk status`
and on the screen, nothing is damaged by it, and the kiosk starts when it is gone.

The starts are those of the production program, up to the first resident. What a running kiosk finds
is looked at by the same health check that its screen follows.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from disk import small_disk
from out_of_service import screen
from test_wrong_clock import health
from updated_board import Build, UpdatedBoard

from firmware.flow import events
from firmware.link.client import LineFault, LineReason
from firmware.link.clock import CityClock
from firmware.service import start_trouble, status, supervisor
from firmware.service.cases import journal_path
from firmware.service.city_desk import CERTIFICATE, CityDesk
from firmware.service.config import load
from firmware.service.room import storage_trouble
from firmware.service.status import Availability
from firmware.tools import status as command
from testbed.demo import FOLDER
from testbed.rehearsal import prepare

NOBODY = 65_534
START = 0  # what the program returns when it has come as far as the first resident


@dataclass
class Site:
    """A kiosk that is set up, and starts."""

    config: Path

    def __post_init__(self) -> None:
        loaded = load(self.config)
        self.state, self.runtime = loaded.kiosk.state, loaded.kiosk.runtime
        self.key, self.recordings = loaded.line.key, loaded.voice.recordings

    def start(self) -> int:
        return supervisor.main(self.config)


class ToTheFirstResident:
    """In place of the supervisor's loop."""

    def __init__(self, _: object, listeners: Any, *__: object, **___: object) -> None:
        for each in (listeners.panel,):
            each.close()

    def run(self, **_: object) -> int:
        return START


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Every test leaves it as it was: that is what is tested."""
    return Site(prepare(FOLDER, tmp_path_factory.mktemp("site")).kiosk_toml)


@pytest.fixture
def site(prepared: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(supervisor, "Supervisor", ToTheFirstResident)
    monkeypatch.setattr(supervisor, "lock_state", lambda _: None)
    monkeypatch.setattr(supervisor, "configure", lambda _: None)  # the log is this process's
    monkeypatch.setattr(start_trouble, "RUNTIME", prepared.runtime)  # where units have it
    return prepared


Wrong = Callable[[Site], Any]


@contextmanager
def corrupt(site: Site) -> Iterator[None]:
    """A data partition that has bad blocks."""
    path = journal_path(site.state)
    sound = path.read_bytes()
    path.write_bytes(sound[:4096] + b"\xa5" * 4096 + sound[8192:])
    yield
    path.write_bytes(sound)


@contextmanager
def lost(site: Site) -> Iterator[None]:
    """A data partition that is new, or was not mounted."""
    site.state.rename(site.state.with_name("elsewhere"))
    yield
    shutil.rmtree(site.state)
    site.state.with_name("elsewhere").rename(site.state)


@contextmanager
def unreadable_key(site: Site) -> Iterator[None]:
    """It belongs to root alone, and systemd does not hand it over."""
    site.key.chmod(0)
    with another_user(site):
        yield
    site.key.chmod(0o600)


@contextmanager
def unreadable_journal(site: Site) -> Iterator[None]:
    """Somebody looked at it as root, and it is root's since."""
    path = journal_path(site.state)
    path.chmod(0)
    with another_user(site):
        yield
    path.chmod(0o600)


@contextmanager
def another_user(site: Site) -> Iterator[None]:
    """Root may read everything: the service's user may not."""
    if os.geteuid():
        yield
        return
    top = site.config.parent
    for path in (top, *top.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    ways = [path for path in top.parents if not path.stat().st_mode & 1]
    for path in ways:
        path.chmod(path.stat().st_mode | 0o011)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        for path in ways:
            path.chmod(path.stat().st_mode & ~0o011)


@contextmanager
def newer_configuration(site: Site) -> Iterator[None]:
    text = site.config.read_text()
    site.config.write_text(text.replace("[panel]", "[panel]\nof_a_later_build = 1\n"))
    yield
    site.config.write_text(text)


@contextmanager
def torn_configuration(site: Site) -> Iterator[None]:
    text = site.config.read_text()
    site.config.write_text(text[: text.index("[panel]") + 3])
    yield
    site.config.write_text(text)


@contextmanager
def no_recordings(site: Site) -> Iterator[None]:
    text = site.config.read_text()
    site.config.write_text(text.replace(str(site.recordings), "/nowhere/voice"))
    yield
    site.config.write_text(text)


# What is wrong, the code, and a word of the line.
STARTS: tuple[tuple[Wrong, str, str], ...] = (
    (corrupt, "start.journal", "malformed"),
    (lost, "start.journal", "kiosk journal create"),
    (unreadable_key, "start.permission", "Permission denied"),
    (unreadable_journal, "start.permission", "Permission denied"),
    (newer_configuration, "start.configuration", "of_a_later_build"),
    (torn_configuration, "start.configuration", "kiosk.toml"),
    (no_recordings, "start.part", "recordings"),
)


@pytest.mark.parametrize(
    ("wrong", "code", "word"), STARTS, ids=[each[0].__name__ for each in STARTS]
)
def test_it_is_named_and_the_kiosk_starts_when_it_is_gone(
    site: Site,
    wrong: Wrong,
    code: str,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    assert site.start() == START
    with wrong(site):
        assert site.start() == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert word in said
    told = status.read(site.runtime)
    assert told and told.report.availability is Availability.STOPPED
    assert (told.case, f"kiosk: {told.why}") == (code, said)
    monkeypatch.setattr(screen, "STATUS", status.status_file(site.runtime))
    monkeypatch.setattr(screen, "CONSOLE", tmp_path / "console")
    screen.write_cause()
    shown = (tmp_path / "console").read_text()
    assert shown.startswith(f"{screen.LAST_LINE}{code}: ")
    assert "\n" not in shown
    assert site.start() == START
    assert command.main(["--config", str(site.config)]) in (0, 1)
    assert code not in capsys.readouterr().out


def test_every_code_of_a_start_is_tried() -> None:
    """The others are errors of a disk."""
    of_disk = {"start.read-only", "start.full", "start.disk"}
    assert {code for _, code, _ in STARTS} | of_disk | {"start.attestation"} == {
        *start_trouble.CODES
    }


@pytest.mark.parametrize(
    ("number", "code"), [(28, "start.full"), (30, "start.read-only"), (5, "start.disk")]
)
def test_an_error_of_the_disk_has_its_own_code(number: int, code: str) -> None:
    assert start_trouble.code_of(OSError(number, os.strerror(number))) == code


def test_a_disk_that_takes_nothing_closes_the_kiosk_and_it_comes_back(tmp_path: Path) -> None:
    """How the screen says it: test_full_disk.py and test_service_supervisor.py."""
    with small_disk(tmp_path / "disk") as disk:
        assert storage_trouble(disk.folder) == ""
        disk.fill()
        assert storage_trouble(disk.folder)
        disk.free()
        disk.read_only(True)
        assert storage_trouble(disk.folder)
        disk.read_only(False)
        assert storage_trouble(disk.folder) == ""


@pytest.mark.parametrize("year", [1970, 2040])
def test_a_clock_that_is_wrong_by_decades(year: int, tmp_path: Path) -> None:
    at = [datetime(year, 1, 1, tzinfo=UTC)]
    clock = CityClock(3600, lambda: at[0])
    clock.set_time(datetime.now(UTC))
    desk = health(clock, tmp_path)
    desk.city.certificate_over = True  # as it looks by such a clock
    assert asyncio.run(desk.look()) == events.Health(problem="clock")
    assert desk.teller.report.devices["city"] == "clock"
    at[0] = datetime.now(UTC)
    desk.city.certificate_over = False
    assert asyncio.run(desk.look()) == events.Health(problem="", exact_only=False)


def test_a_certificate_that_is_over_is_named(site: Site, tmp_path: Path) -> None:
    """The city cuts such a connection without a word."""
    board = [datetime.now(UTC)]
    clock = CityClock(3600, lambda: board[0])
    config: Any = SimpleNamespace(
        line=load(site.config).line, trust=SimpleNamespace(phone_policies=())
    )

    async def hello(_: object) -> object:
        raise LineFault(LineReason.TLS)

    line: Any = SimpleNamespace(clock=clock, hello=hello)
    desk = health(clock, tmp_path)
    desk.city = CityDesk(config, line, SimpleNamespace())  # type: ignore[arg-type]
    assert isinstance(asyncio.run(desk.city.fetch_terms()), events.LineLost)
    assert asyncio.run(desk.look()).problem == "", "not the certificate: the line"  # type: ignore[attr-defined]
    clock.set_time(board[0] + timedelta(days=36_500))
    clock.limit_s = 10**10
    asyncio.run(desk.city.fetch_terms())
    assert asyncio.run(desk.look()) == events.Health(problem="config", number=CERTIFICATE)
    assert desk.teller.report.devices["city"] == CERTIFICATE


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (Build("21", model="raspberry-pi-5"), "21 not installed: other-board"),
        (Build("21", key=b"a stranger's"), "21 not installed: not-installed"),
        (Build("21", journal=99), "21 not installed: other-journal"),
        (Build("21", starts=False), "fell back from 21: no-start"),
        (Build("21"), "on trial"),
    ],
)
def test_what_became_of_an_update_is_in_the_status(
    build: Build, said: str, tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle for another board, a wrong signature; half an update is in test_update_cut.py."""
    build.bundle(tmp_path)
    board = UpdatedBoard.made(tmp_path / "board", tmp_path, Build("20"), build)
    board.told("21")
    board.night()
    monkeypatch.setattr(command, "for_the_city", board.report)
    site.start()
    told = status.read(site.runtime)
    lines = dict(command.lines(load(site.config), told, 0.0))
    assert said in lines["image"]
    assert [left for version, _, left in board.entries().values() if version == "20"] == [None]
