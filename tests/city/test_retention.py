"""What is over its period goes, all of it and nothing else, whatever happens meanwhile."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from city_bench import both
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from retention_bench import (
    NOW,
    SEALER,
    Old,
    at,
    books,
    everything,
    journeys,
    log,
    months_of_log,
    terms,
    write,
)
from sqlalchemy import Engine, delete, event, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from city import audit, signed_files, tables
from city.clock import JST
from city.database import connect, migrate
from city.keeping import Counted, Period
from city.retention import archive, due
from city.retention.erase import erase
from city.retention.run import ClockError, check_clock, look, run

KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def engine(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'city.db'}"
    if database == "postgresql":
        postgres = request.getfixturevalue("postgres")
        url = postgres.url(postgres.create())
        migrate(url)
    made = connect(url, 2)
    yield made
    made.dispose()


def quiet(_: str) -> None:
    """A run is told nothing."""


# -- periods ---------------------------------------------------------------------------------------

days = st.dates(date(2017, 1, 1), date(2040, 12, 31))


def ended(event: date, months: int, counted: Counted) -> date:
    """The first day on which it is over: counted forwards, as a clerk does."""
    if counted is Counted.FISCAL_YEAR:
        event = date(event.year + (event.month >= 4), 4, 1)
    year, month = divmod(event.year * 12 + event.month - 1 + months, 12)
    for day in (event.day, 30, 29, 28):
        try:
            return date(year, month + 1, day)
        except ValueError:
            continue
    raise AssertionError


@given(event=days, today=days, months=st.integers(1, 200), counted=st.sampled_from(Counted))
def test_a_period_counted_backwards_is_the_one_counted_forwards(
    event: date, today: date, months: int, counted: Counted
) -> None:
    period = Period(months=months, counted=counted, reason={"ja": "x"}, source="x")
    over = event < period.cutoff(today)
    if event.day <= 28 and today.day <= 28:
        assert over == (ended(event, months, counted) <= today) or (
            # on the very day a whole period has gone by: kept until the next
            counted is Counted.DAY and ended(event, months, counted) == today
        )
    assert not (over and today < ended(event, months, counted)), "never too early"


# -- what goes -------------------------------------------------------------------------------------


def survivors(all_: list[Old]) -> tuple[set[str], set[str]]:
    """Sessions that must stay, and those of them that keep their holder."""
    kept = {o.session for o in all_ if o.held or o.ends >= at(date(2021, 4, 1), 0)}
    with_holder = {o.session for o in all_ if o.held or o.ends >= at(date(2025, 11, 24), 0)}
    return kept, with_holder


@both
@pytest.mark.parametrize("seed", [1, 2])
def test_exactly_what_is_over_and_held_by_nothing_goes(
    engine: Engine, tmp_path: Path, seed: int
) -> None:
    all_ = journeys(seed)
    with engine.begin() as connection:
        for old in all_:
            write(connection, old)
    before = list(everything(engine))
    counted = {each.period: each.rows for each in look(books(engine, tmp_path, KEY))}
    assert list(everything(engine)) == before, "to look changes nothing"
    removed = run(books(engine, tmp_path, KEY), quiet)
    kept, with_holder = survivors(all_)
    with engine.connect() as connection:
        s, o = tables.sessions.c, tables.orders.c
        assert set(connection.execute(select(s.session)).scalars()) == kept
        holders = connection.execute(select(s.session).where(s.card.is_not(None))).scalars()
        assert set(holders) == with_holder
        assert set(connection.execute(select(o.session)).scalars()) == kept
        assert set(connection.execute(select(tables.outcomes.c.order)).scalars()) == {
            each.order for each in all_ if each.session in kept and each.held not in UNTOLD
        }
        for column in ("document_key", "commitment_seed", "record_version"):
            left = connection.execute(select(s.session).where(s[column].is_not(None))).scalars()
            assert set(left) == with_holder
        assert audit.verify(connection).broken is None
    assert removed["journeys"] == len(all_) - len(kept) == counted["journeys"]
    again = run(books(engine, tmp_path, KEY), quiet)
    assert {name: again[name] for name in due.REMOVERS} == dict.fromkeys(due.REMOVERS, 0)


UNTOLD = ("untold", "reserved")


def test_every_reason_to_stay_is_told(tmp_path: Path, engine: Engine) -> None:
    reasons = ("session case", "hold", "untold")
    with engine.begin() as connection:
        for held in reasons:
            write(connection, Old(at(date(2019, 1, 1)), "kiosk-1", held))
        write(connection, Old(at(date(1970, 1, 2)), "kiosk-1", ""))
        kept = due.kept_back(connection, at(date(2021, 4, 1)))
    assert kept == {"open case": 1, "on hold": 1, "end not told": 1, "impossible date": 1}
    assert run(books(engine, tmp_path, KEY), quiet)["journeys"] == 0


def test_the_database_itself_keeps_what_is_on_hold(engine: Engine) -> None:
    old = Old(at(date(2019, 1, 1)), "kiosk-1", "hold")
    with engine.begin() as connection:
        write(connection, old)
    with pytest.raises(DBAPIError), engine.begin() as connection:
        connection.execute(delete(tables.outcomes))
        connection.execute(delete(tables.orders))
        connection.execute(delete(tables.sessions))


def test_many_go_in_pieces(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction holds the gateway for long."""
    monkeypatch.setattr(due, "PIECE", 7)
    with engine.begin() as connection:
        for _ in range(23):
            write(connection, Old(at(date(2019, 1, 1)), "kiosk-1", ""))
    run(books(engine, tmp_path, KEY), quiet)
    with engine.connect() as connection:
        found = list(connection.execute(select(tables.audit.c.entry)).scalars())
    assert [f'"rows":{n}' in entry for n, entry in zip((7, 7, 7, 2), found, strict=True)] == [
        True
    ] * 4


# -- a kill anywhere -------------------------------------------------------------------------------


def interrupted(folder: Path, after: int) -> bool:
    """A run in a process of its own, which dies at its nth step: a statement, a commit, or a file
    that gets its name. False when it was done before.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED
    try:
        dies(connect(f"sqlite:///{folder / 'city.db'}", 2), folder, after)
        os._exit(0)
    finally:
        os._exit(1)


KILLED = 77


def dies(engine: Engine, folder: Path, after: int) -> None:
    """No line of the program runs after its nth step."""
    steps = 0

    def step(*_: object, **__: object) -> None:
        nonlocal steps
        steps += 1
        if steps > after:
            os._exit(KILLED)

    settle = signed_files.settle

    def named(part: Path, path: Path) -> None:
        step()
        settle(part, path)
        step()

    event.listen(engine, "before_cursor_execute", step)
    event.listen(engine, "commit", step)
    pytest.MonkeyPatch().setattr(signed_files, "settle", named)
    run(books(engine, folder, KEY), quiet)


def test_killed_anywhere_and_run_again_it_ends_the_same(tmp_path: Path, all_wanted: bool) -> None:
    ends = []
    begin = tmp_path / "begin.db"
    first_engine = connect(f"sqlite:///{begin}", 2)
    with first_engine.begin() as connection:
        for each in journeys(3, 12):
            write(connection, each)
    log(first_engine, months_of_log()[::4])
    erase(first_engine)  # nothing is left in its write-ahead log
    first_engine.dispose()
    for after in count(0, 4 if all_wanted else 25):
        folder = tmp_path / str(after)
        folder.mkdir()
        shutil.copy(begin, folder / "city.db")
        killed = interrupted(folder, after)
        engine = connect(f"sqlite:///{folder / 'city.db'}", 2)
        run(books(engine, folder, KEY), quiet)
        with engine.connect() as connection:
            assert audit.verify(connection, keys=[SEALER.public_key()]).broken is None
            assert not list(archive.faults(connection, folder, KEY.public_key(), 0))
            first = connection.execute(select(func.min(tables.audit.c.seq))).scalar()
        rows = [row for row in everything(engine) if row[0] not in ("archives", "cases")]
        files = sorted(path.name for path in folder.glob("*log-*"))
        ends.append((rows, first, files))
        engine.dispose()
        if not killed:
            break
    assert after > 40, "the steps are counted"
    assert all(end == ends[-1] for end in ends), "as the one that was not killed"
    assert len(ends[-1][2]) == 2


# -- the clock -------------------------------------------------------------------------------------


def test_a_clock_that_jumps_deletes_nothing_without_a_person(
    engine: Engine, tmp_path: Path
) -> None:
    first = books(engine, tmp_path, KEY)
    with pytest.raises(ClockError, match="--confirm 2026-11-24"):
        check_clock(first, None)
    check_clock(first, date(2026, 11, 24))
    run(first, quiet)
    with engine.begin() as connection:  # kiosks that said hello under the wrong clock
        status = {"build": "1", "availability": "ready", "problem": "", "paper": {}, "cases": 0}
        connection.execute(
            insert(tables.fleet).values(
                kiosk="k", seen=at(date(2040, 1, 1)), exact_only=False, **status
            )
        )
    ahead = books(engine, tmp_path, KEY, datetime(2040, 1, 1, 3, tzinfo=JST))
    with pytest.raises(ClockError, match="the run before was on 2026-11-24"):
        check_clock(ahead, None)
    with pytest.raises(ClockError, match="set the clock"):
        check_clock(ahead, date(2026, 11, 25))
    with pytest.raises(ClockError, match="newer"):
        check_clock(books(engine, tmp_path, KEY, NOW + timedelta(days=1)), None)
    with pytest.raises(ClockError, match="newer"):
        check_clock(books(engine, tmp_path, KEY, datetime(1970, 1, 1, tzinfo=JST)), None)
    with engine.begin() as connection:
        connection.execute(delete(tables.fleet))
    check_clock(books(engine, tmp_path, KEY, NOW + timedelta(days=7)), None)
    with pytest.raises(ClockError):
        check_clock(books(engine, tmp_path, KEY, NOW + timedelta(days=8)), None)


# -- the log ---------------------------------------------------------------------------------------


@both
def test_the_log_goes_into_signed_files_and_stays_verifiable(
    engine: Engine, tmp_path: Path
) -> None:
    log(engine, months_of_log())
    with engine.connect() as connection:
        whole = audit.verify(connection).head
        assert whole.entries == len(months_of_log())
        begin = connection.execute(
            select(tables.audit.c.seq, tables.audit.c.entry).order_by("seq")
        ).all()
    run(books(engine, tmp_path, KEY), quiet)
    later = books(engine, tmp_path, KEY, NOW + timedelta(days=200))
    run(later, quiet)
    files = sorted(tmp_path.glob("log-*.jsonl"))
    assert len(files) == 2
    with engine.connect() as connection:
        found = audit.verify(connection, whole, [SEALER.public_key()])
        assert found.broken is None, "a head kept elsewhere still holds, and the signature over it"
        assert found.head == whole
        left = connection.execute(select(func.min(tables.audit_seals.c.entries))).scalar_one()
        assert left > max(each.last.entries for each, _ in archive.listed(connection))
        assert not list(archive.faults(connection, tmp_path, KEY.public_key(), 0))
        oldest = connection.execute(select(func.min(tables.audit.c.seq))).scalar_one()
        other = Ed25519PrivateKey.generate().public_key()
        assert len(list(archive.faults(connection, tmp_path, other, 0))) == 2
    assert oldest > 1
    archived = b"".join(path.read_bytes() for path in files)
    for seq, entry in begin:
        inside = entry.replace('"', '\\"').encode() in archived
        assert inside or seq >= oldest, "nothing is lost"
    public = tmp_path / "public.pem"
    public.write_bytes(
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin"]
    done = subprocess.run(
        [*command, "-in", files[0], "-sigfile", signed_files.signature_of(files[0])], check=False
    )
    assert done.returncode == 0


def test_a_file_that_the_database_never_named_does_not_stay(engine: Engine, tmp_path: Path) -> None:
    """A run was killed before it; the next one comes when more is due."""
    log(engine, months_of_log())
    early = books(engine, tmp_path, KEY)
    early.read(lambda connection: archive.write(connection, tmp_path, KEY, early.log_cutoff()))
    (tmp_path / ".log-000000000001.part").write_bytes(b"half")
    [orphan] = tmp_path.glob("log-*.jsonl")
    run(books(engine, tmp_path, KEY, NOW + timedelta(days=200)), quiet)
    [made] = tmp_path.glob("log-*.jsonl")
    assert made.name > orphan.name
    assert not list(tmp_path.glob(".log-*"))


@both
def test_an_entry_that_lies_in_no_archive_cannot_be_deleted(engine: Engine, tmp_path: Path) -> None:
    log(engine, months_of_log())
    run(books(engine, tmp_path, KEY), quiet)
    for statement in (
        "DELETE FROM audit",
        "DELETE FROM audit WHERE position IS NULL",
        "DELETE FROM audit_seals",
        "DELETE FROM archives",
        "UPDATE archives SET last = 999999",
    ):
        with pytest.raises(DBAPIError, match=r"append-only|never changed"), engine.begin() as raw:
            raw.execute(text(statement))


@given(at_=st.integers(0, 10**6), byte=st.integers(1, 255))
def test_any_byte_of_an_archive(archived: tuple[Engine, Path], at_: int, byte: int) -> None:
    engine, folder = archived
    for path in folder.glob("log-*"):
        content = path.read_bytes()
        changed = bytearray(content)
        changed[at_ % len(content)] ^= byte
        path.write_bytes(changed)
        with engine.connect() as connection:
            assert list(archive.faults(connection, folder, KEY.public_key(), 0))
        path.write_bytes(content)


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Path]]:
    folder = tmp_path_factory.mktemp("archived")
    engine = connect(f"sqlite:///{folder / 'city.db'}", 2)
    log(engine, months_of_log()[:60])
    run(books(engine, folder, KEY), quiet)
    yield engine, folder
    engine.dispose()


def test_archives_end_too_unless_something_is_open(engine: Engine, tmp_path: Path) -> None:
    log(engine, [at(date(2016, 1, day)) for day in range(1, 9)] + months_of_log()[-2:])
    with engine.begin() as connection:
        write(connection, Old(at(NOW.date()), "kiosk-1", "hold"))
    run(books(engine, tmp_path, KEY), quiet)
    assert len(list(tmp_path.glob("log-*"))) == 2
    with engine.begin() as connection:
        connection.execute(delete(tables.holds))
    run(books(engine, tmp_path, KEY), quiet)
    assert not list(tmp_path.glob("log-*"))
    with engine.connect() as connection:
        assert audit.verify(connection).broken is None
        cutoff = at(terms().archives.cutoff(NOW.date()), 0)
        assert not list(archive.faults(connection, tmp_path, KEY.public_key(), cutoff))
        assert list(archive.faults(connection, tmp_path, KEY.public_key(), 0))


# -- nothing stays ---------------------------------------------------------------------------------


def test_what_was_deleted_is_in_no_byte_of_the_files(engine: Engine, tmp_path: Path) -> None:
    """With a control: what was not deleted is found by the same search."""
    gone = [Old(at(date(2019, 1, 1)), "kiosk-1", "") for _ in range(30)]
    kept = Old(at(NOW.date()), "kiosk-1", "")
    with engine.begin() as connection:
        for old in (*gone, kept):
            write(connection, old)

    def found() -> set[bytes]:
        files = b"".join(path.read_bytes() for path in tmp_path.glob("city.db*"))
        needles = [needle for old in (*gone, kept) for needle in (old.card.encode(), old.seed)]
        return {needle for needle in needles if needle in files}

    assert len(found()) == 62
    run(books(engine, tmp_path, KEY), quiet)
    assert erase(engine) == []
    assert found() == {kept.card.encode(), kept.seed}
    assert erase(engine, rewrite=True) == []


def test_the_content_of_a_document_goes_when_it_is_issued(engine: Engine, tmp_path: Path) -> None:
    """`manifest` and `sealed` are emptied, not deleted: their pages must not keep them either."""
    old = Old(at(NOW.date()), "kiosk-1", "reserved")
    needle = b"unmistakable content" * 500
    with engine.begin() as connection:
        write(connection, old)
        connection.execute(tables.orders.update().values(manifest=needle, sealed=needle))
    with engine.begin() as connection:
        connection.execute(
            tables.orders.update().values(state="issued", manifest=None, sealed=None)
        )
    erase(engine)
    files = b"".join(path.read_bytes() for path in tmp_path.glob("city.db*"))
    assert b"unmistakable" not in files


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_postgresql_frees_and_writes_anew(engine: Engine) -> None:
    assert erase(engine) == []
    assert erase(engine, rewrite=True) == []
