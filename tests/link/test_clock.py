"""A board whose clock is wrong: what is valid is judged by the city's time, and never by a clock
that is known to be wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import format_datetime
from pathlib import Path

import msgspec
import pytest
from test_client import HELLO, TERMS, config, http, read_request, server_tls

from city import pki
from city.pki import Files
from firmware.link import messages
from firmware.link.client import Line, LineFault, LineReason
from firmware.link.clock import CityClock, clock_of
from firmware.link.tls import NO_CHECK_TIME

JST = timezone(timedelta(hours=9))
HOUR = 3600.0
YEARS = timedelta(days=365 * 15)
CANCEL = "0" * 32


def told(now: datetime) -> bytes:
    terms = msgspec.structs.replace(TERMS, now=now.astimezone(JST).isoformat())
    return http(msgspec.json.encode(terms))


def papers(folder: Path, off: timedelta, monkeypatch: pytest.MonkeyPatch) -> Files:
    """All certificates of the line, as they are when the board's clock is `off` behind."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + off

    monkeypatch.setattr(pki, "datetime", Later)
    return pki.make(folder)


def meet(
    files: Files,
    answers: Callable[[int], bytes],
    talk: Callable[[Line], Awaitable[None]],
    **changes: object,
) -> list[bytes]:
    """What a city was asked that answers so. Its own clock is right: it takes the kiosk's
    certificate.
    """
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked.append((await read_request(reader)).split(b" ")[1])
                writer.write(answers(len(asked)))
                await writer.drain()
        except (OSError, EOFError):
            writer.close()

    async def run() -> None:
        tls = server_tls(files)
        tls.verify_flags |= NO_CHECK_TIME
        tls.num_tickets = 0  # a connection anew is judged anew
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        given = {"clock_s": HOUR, **changes}
        try:
            async with Line(replace(config(files, url), **given)) as line:
                await talk(line)
        finally:
            server.close()

    asyncio.run(run())
    return asked


async def refused(call: Awaitable[object]) -> LineReason:
    with pytest.raises(LineFault) as caught:
        await call
    return caught.value.reason


@pytest.mark.parametrize("off", [YEARS, -YEARS], ids=["board in the past", "board in the future"])
def test_a_board_with_a_wrong_clock_learns_the_citys_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, off: timedelta
) -> None:
    async def talk(line: Line) -> None:
        await line.hello(HELLO)
        assert line.clock.is_wrong()
        assert abs(line.clock.off_s() + off.total_seconds()) < HOUR

    files = papers(tmp_path, off, monkeypatch)
    assert meet(files, lambda _: told(datetime.now(UTC) + off), talk) == [b"/v2/hello"]


def test_a_certificate_that_is_over_by_the_citys_own_time_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The board's clock is right, and the city's certificate ended years ago."""

    async def talk(line: Line) -> None:
        assert await refused(line.hello(HELLO)) is LineReason.TLS
        assert not line.clock.is_set
        assert await refused(line.cancel(CANCEL)) is LineReason.TLS

    files = papers(tmp_path, -YEARS, monkeypatch)
    assert meet(files, lambda _: told(datetime.now(UTC)), talk) == [b"/v2/hello"]


def test_who_tells_an_old_time_with_an_old_certificate_gets_nothing_but_a_hello(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody has a certificate of the city that is over, and its key. The board's clock, or the
    time that the city told before, says that it is over.
    """

    async def talk(line: Line) -> None:
        await line.hello(HELLO)
        assert line.clock.is_wrong()

    async def later(line: Line) -> None:
        line.clock.set_time(datetime.now(UTC))
        assert await refused(line.hello(HELLO)) is LineReason.TLS
        assert await refused(line.cancel(CANCEL)) is LineReason.TLS

    files = papers(tmp_path, -YEARS, monkeypatch)
    assert meet(files, lambda _: told(datetime.now(UTC) - YEARS), talk) == [b"/v2/hello"]
    assert meet(files, lambda _: told(datetime.now(UTC) - YEARS), later) == []


def test_where_clocks_are_not_compared_the_boards_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def talk(line: Line) -> None:
        assert await refused(line.hello(HELLO)) is LineReason.TLS

    files = papers(tmp_path, YEARS, monkeypatch)
    assert meet(files, lambda _: told(datetime.now(UTC) + YEARS), talk, clock_s=0) == []


def test_nothing_is_sent_to_a_city_whose_dates_nobody_can_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a hello goes out before the city has told its time."""

    async def talk(line: Line) -> None:
        assert await refused(line.cancel(CANCEL)) is LineReason.TLS
        assert await refused(line.hello(HELLO)) is LineReason.MALFORMED  # dated from here on
        assert await refused(line.cancel(CANCEL)) is LineReason.TLS

    files = papers(tmp_path, YEARS, monkeypatch)
    assert meet(files, lambda _: http(b"{}"), talk) == [b"/v2/hello"]


def test_a_line_that_is_cut_comes_back_while_the_board_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = http(msgspec.json.encode(messages.Done(accepted=True)))

    async def talk(line: Line) -> None:
        await line.hello(HELLO)
        await line.close()
        await line.cancel(CANCEL)

    files = papers(tmp_path, YEARS, monkeypatch)
    answers = lambda n: told(datetime.now(UTC) + YEARS) if n == 1 else done  # noqa: E731
    assert meet(files, answers, talk) == [b"/v2/hello", b"/v2/cancel"]


def test_every_answer_tells_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that is set while somebody is served is noticed, and a drift of either clock."""
    later = datetime.now(UTC) + timedelta(hours=2)
    date = f"Date: {format_datetime(later, usegmt=True)}\r\n"
    done = http(msgspec.json.encode(messages.Done(accepted=True)), headers=date)

    async def talk(line: Line) -> None:
        await line.hello(HELLO)
        assert not line.clock.is_wrong()
        await line.cancel(CANCEL)
        assert line.clock.is_wrong()

    files = papers(tmp_path, timedelta(0), monkeypatch)
    meet(files, lambda n: told(datetime.now(UTC)) if n == 1 else done, talk)


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 27 Nov 2026 24:99:00 GMT", "0", "\x00"])
def test_a_date_that_cannot_be_read_tells_nothing(date: str) -> None:
    assert clock_of(date) is None


class Board:
    """A board's two clocks."""

    def __init__(self) -> None:
        self.at, self.ticks = datetime(2026, 11, 24, 3, tzinfo=UTC), 100.0

    def clock(self, limit_s: float = HOUR) -> CityClock:
        return CityClock(limit_s, lambda: self.at, lambda: self.ticks)

    def wait(self, seconds: float, drift: float = 0.0) -> None:
        self.ticks += seconds
        self.at += timedelta(seconds=seconds * (1 + drift))


def test_a_clock_that_is_set_is_noticed_without_a_question() -> None:
    board = Board()
    clock = board.clock()
    assert clock.now() is None
    assert not clock.is_wrong()  # not known: nobody is served before a hello
    clock.set_time(board.at + timedelta(seconds=20))
    board.wait(120)
    assert not clock.is_wrong()
    right = clock.now()
    for wrong in (datetime(1970, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)):
        board.at = wrong
        assert clock.is_wrong()
        assert clock.now() == right


def test_a_slow_drift_is_noticed_when_it_reaches_the_bound() -> None:
    board = Board()
    clock = board.clock(60)
    city = board.at
    for _ in range(50):
        board.wait(3600, drift=0.001)  # 3.6 s in an hour
        city += timedelta(seconds=3600)
        clock.set_time(city)
        assert clock.is_wrong() == (clock.off_s() > 60)
    assert clock.is_wrong()


def test_a_rehearsals_city_lives_at_a_date_of_its_own() -> None:
    board = Board()
    clock = board.clock(0)
    clock.set_time(datetime(2040, 1, 1, tzinfo=UTC))
    assert clock.now() == board.at
    assert not clock.is_wrong()


def test_a_time_at_the_end_of_all_calendars_is_no_time() -> None:
    board = Board()
    clock = board.clock()
    clock.set_time(datetime.max.replace(tzinfo=UTC))
    board.wait(1)
    assert clock.now() is None


def test_a_wrong_board_still_checks_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own certificate, of a CA of the same name."""
    files = papers(tmp_path / "ours", YEARS, monkeypatch)
    others = papers(tmp_path / "others", YEARS, monkeypatch)
    for path in (files.gateway, files.gateway_key):
        path.write_bytes((others.folder / path.name).read_bytes())

    async def talk(line: Line) -> None:
        assert await refused(line.hello(HELLO)) is LineReason.TLS

    assert meet(files, lambda _: told(datetime.now(UTC) + YEARS), talk) == []


def test_a_file_that_goes_while_the_city_is_to_be_judged_is_a_fault_of_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are read again only then: no other kind of error may leave a call."""
    files = papers(tmp_path, YEARS, monkeypatch)

    async def talk(line: Line) -> None:
        for path in tmp_path.rglob("*.pem"):
            path.unlink()
        assert await refused(line.hello(HELLO)) is LineReason.TLS

    assert meet(files, lambda _: told(datetime.now(UTC) + YEARS), talk) == []
