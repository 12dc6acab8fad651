"""The log is chained and signed behind the decisions: every committed entry comes into the chain
once, whoever is late, killed or cut off, and says what was decided.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import log_judge
import msgspec
import pytest
from city_bench import NOON, Direct, Rehearsal, Visit, both, outcome_of
from sqlalchemy import Connection, Engine, event, text, update
from sqlalchemy.exc import DBAPIError

from city import audit, audit_seals, cases, keeper, registry, tables
from city.audit_seals import Unsealable
from city.database import Mode, Unavailable, connect, transact
from city.handlers import City
from city.keeper import Keeper
from firmware.link import messages
from firmware.link.client import CityRefusal
from firmware.tools.cli import main

WRITERS = 6  # at each of two gateways
EACH = 6  # entries of a writer
WITHIN_S = 30.0


def sealing(city: City) -> Callable[[Connection], object]:
    return lambda connection: audit_seals.seal(connection, city.issuing, 1)


def judged(city: City) -> list[str]:
    """With everything in the chain."""
    transact(city.engine, Mode.STEP, sealing(city))
    assert not log_judge.read(city.engine).waiting
    return list(log_judge.faults(city.engine, city.issuing.public_key()))


def written(city: City) -> Counter[str]:
    return Counter(e["token"] for e in log_judge.read(city.engine).entries if e["event"] == "test")


def note(city: City, token: str) -> None:
    transact(city.engine, Mode.STEP, lambda c: audit.append(c, "test", 0, token=token))


@pytest.fixture
def beside(rehearsal: Rehearsal) -> Iterator[City]:
    """Another gateway on the same database."""
    made = rehearsal.beside()
    yield made
    made.engine.dispose()


# -- the chain -------------------------------------------------------------------------------------


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_who_commits_late_comes_into_the_chain_behind_what_is_sealed(
    rehearsal: Rehearsal, beside: City
) -> None:
    city = rehearsal.city
    with beside.engine.connect() as late, late.begin():
        audit.append(late, "test", 0, token="late")
        note(city, "early")
        assert judged(city) == []
        assert written(city) == {"early": 1}
    assert len(log_judge.read(city.engine).waiting) == 1
    assert judged(city) == []
    tokens = [entry.get("token") for entry in log_judge.read(city.engine).entries]
    assert tokens[-2:] == ["early", "late"]


class Changed(Exception):
    """A decision that is taken back."""


@both
@pytest.mark.parametrize("seed", range(2))
def test_what_was_committed_is_in_the_chain_once_and_nothing_else(
    rehearsal: Rehearsal, beside: City, seed: int
) -> None:
    """Decisions that last, fail and overtake each other, beside two who seal and are cut off."""
    gateways, kept = (rehearsal.city, beside), Counter[str]()
    working, lock = threading.Event(), threading.Lock()

    def write(n: int) -> None:
        drawn = random.Random(f"{seed} {n}")
        for number in range(EACH):
            token = f"{n}.{number}"
            fails, waits = drawn.random() < 0.25, drawn.choice((0, 0, 0, 0.002, 0.02))

            def decide(
                c: Connection, token: str = token, fails: bool = fails, waits: float = waits
            ) -> None:
                audit.append(c, "test", 0, token=token)
                time.sleep(waits)
                if fails:
                    raise Changed

            try:
                transact(gateways[n % 2].engine, Mode.STEP, decide)
            except (Changed, Unavailable):  # of SQLite's one writer another had too many turns
                continue
            with lock:
                kept[token] += 1

    def seal(n: int) -> None:
        drawn = random.Random(f"{seed} seal {n}")
        while not working.is_set():
            with cut_off(gateways[n], drawn.choice((0, 0, 1, 2, 3, 4, 5, 6))):
                try:
                    transact(gateways[n].engine, Mode.STEP, sealing(gateways[n]))
                except (Unavailable, Cut):
                    pass

    writers = [threading.Thread(target=write, args=(n,)) for n in range(2 * WRITERS)]
    sealers = [threading.Thread(target=seal, args=(n,)) for n in range(2)]
    for thread in (*writers, *sealers):
        thread.start()
    for thread in writers:
        thread.join(WITHIN_S)
    working.set()
    for thread in sealers:
        thread.join(WITHIN_S)
    assert judged(rehearsal.city) == []
    assert written(rehearsal.city) == kept
    assert 0 < len(kept) < 2 * WRITERS * EACH
    tokens = [entry["token"] for entry in log_judge.read(rehearsal.city.engine).entries]
    for n in range(2 * WRITERS):  # what one did after the other stands in that order
        mine = [int(token.split(".")[1]) for token in tokens if token.startswith(f"{n}.")]
        assert mine == sorted(mine)


class Cut(Exception):
    """The process of who seals ends here."""


@contextmanager
def cut_off(city: City, at: int) -> Iterator[None]:
    """Whoever works on this thread loses the database before statement `at`, counted from 1; never
    for 0.
    """
    me, seen = threading.get_ident(), 0

    def cut(connection: Connection, *_: object) -> None:
        nonlocal seen
        if threading.get_ident() != me:
            return
        seen += 1
        if seen == at:
            if city.engine.dialect.name == "postgresql":
                kill(connection)
            else:
                raise Cut

    event.listen(city.engine, "before_cursor_execute", cut)
    try:
        yield
    finally:
        event.remove(city.engine, "before_cursor_execute", cut)


def kill(connection: Connection) -> None:
    """The server ends this connection as the operating system ends a process's."""
    raw = connection.connection.dbapi_connection
    assert raw is not None
    raw.close()


@both
@pytest.mark.parametrize("at", range(1, 8))
def test_a_keeper_cut_off_anywhere_leaves_nothing_half(
    rehearsal: Rehearsal, beside: City, at: int
) -> None:
    for token in "abc":
        note(rehearsal.city, token)
    with cut_off(rehearsal.city, at):
        try:
            with rehearsal.city.engine.begin() as connection:
                sealing(rehearsal.city)(connection)
        except (Cut, DBAPIError):
            pass
    assert list(log_judge.faults(beside.engine, beside.issuing.public_key())) == []
    assert judged(beside) == []
    assert written(beside) == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_nobody_waits_for_a_keeper_that_stands_still(rehearsal: Rehearsal, beside: City) -> None:
    """It has sealed and does not commit: decisions and the other keeper go on."""
    note(rehearsal.city, "before")
    with rehearsal.city.engine.connect() as stands, stands.begin() as transaction:
        assert audit_seals.seal(stands, rehearsal.city.issuing, 1) is not None
        note(beside, "meanwhile")
        assert transact(beside.engine, Mode.STEP, sealing(beside)) is None
        transaction.rollback()
    assert judged(beside) == []
    assert written(beside) == {"before": 1, "meanwhile": 1}


# -- what is not sealed yet ------------------------------------------------------------------------


@both
def test_what_waits_is_told_with_its_age(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["city", "audit", "verify", "--config", str(rehearsal.folder / "city.toml")]
    note(rehearsal.city, "now")
    assert main(words) == 0
    assert "1 entries wait for a signature" in capsys.readouterr().out
    old = int(time.time()) - 600
    with rehearsal.city.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO audit (entry, written) VALUES ('{}', :old)"), {"old": old}
        )
    assert main(words) == 1
    assert "the oldest for 60" in capsys.readouterr().out
    assert judged(rehearsal.city) == []
    assert main(words) == 0
    assert "wait" not in capsys.readouterr().out


# -- the keeper ------------------------------------------------------------------------------------


def without_guards(engine: Engine, *statements: str) -> None:
    """As whoever owns the database can."""
    guards = [f"{t}_no_{e}" for t in ("audit", "audit_seals") for e in ("update", "delete")]
    with engine.begin() as connection:
        for guard in guards:
            on = "" if engine.dialect.name == "sqlite" else f" ON {guard.rpartition('_no_')[0]}"
            connection.execute(text(f"DROP TRIGGER IF EXISTS {guard}{on}"))
        for statement in statements:
            connection.execute(text(statement))


@both
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM audit WHERE position = (SELECT MAX(position) FROM audit)",
        "UPDATE audit SET hash = '00' WHERE position = (SELECT MAX(position) FROM audit)",
        "DELETE FROM audit_seals",
        "DELETE FROM audit_seals WHERE entries = (SELECT MAX(entries) FROM audit_seals)",
        "UPDATE audit_seals SET hash = '00'",
    ],
)
def test_a_running_keeper_stops_everything_when_the_log_is_not_what_it_was(
    rehearsal: Rehearsal, statement: str
) -> None:
    city = rehearsal.city
    kept = Keeper(city)
    for token in "ab":
        note(city, token)
        kept.work()
    note(city, "c")
    without_guards(city.engine, statement)
    kept.work()
    with city.engine.begin() as connection:
        [case] = cases.listed(connection)
    assert (case.code, case.pauses) == (cases.AUDIT_BROKEN, "everything")
    assert len(log_judge.read(city.engine).waiting) > 0, "nothing is signed any more"


def test_an_empty_log_is_what_it_was(rehearsal: Rehearsal) -> None:
    kept = Keeper(rehearsal.city)
    for _ in range(2):
        kept.work()
    assert not log_judge.read(rehearsal.city.engine).entries
    note(rehearsal.city, "first")
    kept.work()
    assert judged(rehearsal.city) == []
    with rehearsal.city.engine.begin() as connection:
        assert not cases.listed(connection)


@both
def test_a_log_without_any_signature_waits_for_a_persons_word(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    """After an update from a build before signatures: the entries wait, and are lost nowhere."""
    city = rehearsal.city
    config = ["--config", str(rehearsal.folder / "city.toml")]
    for token in "ab":
        note(city, token)
    assert judged(city) == []
    without_guards(city.engine, "DELETE FROM audit_seals")
    note(city, "c")
    Keeper(city).work()
    assert len(log_judge.read(city.engine).waiting) == 1
    with pytest.raises(Unsealable, match="kiosk city audit seal"), city.engine.begin() as c:
        audit_seals.seal(c, city.issuing, 1)
    assert main(["city", "audit", "verify", *config]) == 1
    assert "no signature" in capsys.readouterr().out
    with city.engine.begin() as connection:
        assert not cases.listed(connection)
    assert main(["city", "audit", "seal", *config]) == 0
    assert list(log_judge.faults(city.engine, city.issuing.public_key())) == []
    assert not log_judge.read(city.engine).waiting


def test_a_chain_that_does_not_hold_is_not_signed_by_hand(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    for token in "ab":
        note(rehearsal.city, token)
    assert judged(rehearsal.city) == []
    without_guards(
        rehearsal.city.engine,
        "DELETE FROM audit_seals",
        "UPDATE audit SET entry = '{}' WHERE position = 1",
    )
    words = ["city", "audit", "seal", "--config", str(rehearsal.folder / "city.toml")]
    assert main(words) == 2
    assert "broken at entry 1" in capsys.readouterr().err


# -- decisions -------------------------------------------------------------------------------------


@dataclass
class Shared:
    """One resident at one kiosk, for whom several requests come at once at two gateways."""

    visit: Visit
    cities: tuple[City, City]
    manifests: list[messages.Manifest] = field(default_factory=list)
    released: Counter[str] = field(default_factory=Counter)
    wrong: list[BaseException] = field(default_factory=list)

    def acts(self, drawn: random.Random) -> None:
        for _ in range(8):
            line = Direct(drawn.choice(self.cities), self.visit.kiosk)
            try:
                self._act(drawn, line)
            except CityRefusal:
                pass
            except Exception as error:
                self.wrong.append(error)

    def _act(self, drawn: random.Random, line: Direct) -> None:
        match drawn.choices(
            ("order", "again", "release", "outcome", "change", "sweep", "cancel"),
            (3, 1, 6, 3, 0.5, 1, 0.3),
        )[0]:
            case "order":
                self._order(line, self.visit.asks("juminhyo"))
            case "again":
                self._order(line, self.visit.order)
            case "release" if self.manifests:
                manifest = drawn.choice(self.manifests[-2:])
                line.ask("release", self.visit.pays(manifest))
                self.released[manifest.order] += 1
            case "outcome" if self.released:
                told = drawn.choice([m for m in self.manifests if self.released[m.order]])
                line.ask("outcome", outcome_of(told))
            case "change":
                change(line.city, drawn.choice("12"))
            case "sweep":
                line.city.step(lambda c: registry.sweep(c, int(NOON.timestamp())))
            case "cancel":
                line.ask("cancel", messages.CancelRequest(session=self.visit.request.session))

    def _order(self, line: Direct, request: messages.OrderRequest) -> None:
        answer = line.ask("orders", request)
        self.visit.order = request
        self.manifests.append(msgspec.json.decode(answer.manifest, type=messages.Manifest))


def change(city: City, number: str) -> None:
    with city.engine.begin() as connection:
        connection.execute(
            update(tables.residents)
            .where(tables.residents.c.id == "hanako")
            .values(previous_address=f"兵庫県明石市二見町東二見{number}番地")
        )


@both
@pytest.mark.parametrize("seed", range(2))
def test_whatever_comes_at_once_the_books_and_the_log_say_the_same(
    rehearsal: Rehearsal, beside: City, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three threads for each resident, two gateways, their keepers."""
    monkeypatch.setattr(keeper, "EVERY_S", 0.01)
    residents = ("taro", "hanako", "yoshiko", "tetsuo")
    shared = []
    for n, resident in enumerate(residents):
        kiosk = f"kiosk-{n}"
        visit = Visit(Direct(rehearsal.city, kiosk), rehearsal.card(resident), kiosk=kiosk)
        asyncio.run(visit.enter())
        manifest, _ = asyncio.run(visit.orders("juminhyo"))
        shared.append(Shared(visit, (rehearsal.city, beside), [manifest]))
    visit.line.ask("release", visit.pays(manifest))  # one at least, however the others fare
    shared[-1].released[manifest.order] += 1
    keepers = [Keeper(city) for city in (rehearsal.city, beside)]
    threads = [
        threading.Thread(target=one.acts, args=(random.Random(f"{seed} {n} {m}"),))
        for n, one in enumerate(shared)
        for m in range(3)
    ]
    for thread in (*keepers, *threads):
        thread.start()
    for thread in threads:
        thread.join(WITHIN_S)
    for each in keepers:
        each.stop()
    assert [error for one in shared for error in one.wrong] == []
    assert judged(rehearsal.city) == []
    assert list(log_judge.books(rehearsal.city.engine)) == []
    released = Counter[str]()
    for one in shared:
        released += one.released
    issued = {
        entry["order"]
        for entry in log_judge.read(rehearsal.city.engine).entries
        if entry["event"] == "issued"
    }
    assert released == dict.fromkeys(issued, 1), "answered as released, and issued, once each"
    assert issued


@both
def test_who_stops_the_city_waits_for_who_has_looked_and_then_nobody_goes_on(
    rehearsal: Rehearsal, beside: City
) -> None:
    """A release that found nothing to stop it commits before the case that would have."""
    order: list[str] = []

    def stop() -> None:
        transact(beside.engine, Mode.DECIDE, lambda c: cases.open_case(c, cases.MIX_UP, 1))
        order.append("stopped")

    stopper = threading.Thread(target=stop)

    def release(connection: Connection) -> None:
        assert not cases.paused(connection, hold=True).everything
        stopper.start()
        stopper.join(0.3)
        order.append("released")

    transact(rehearsal.city.engine, Mode.STEP, release)
    stopper.join(WITHIN_S)
    assert order == ["released", "stopped"]
    assert transact(beside.engine, Mode.STEP, lambda c: cases.paused(c, hold=True)).everything


def test_the_judge_finds_what_is_wrong(rehearsal: Rehearsal) -> None:
    """It shares no code with the product, so it is shown each fault."""
    city = rehearsal.city
    for token in "abc":
        note(city, token)
    assert judged(city) == []
    for statement in (
        "UPDATE audit SET entry = '{}' WHERE position = 2",
        "DELETE FROM audit WHERE position = 2",
        "DELETE FROM audit WHERE position = 3",
        "UPDATE audit SET position = 9 WHERE position = 3",
        "UPDATE audit_seals SET at = 2",
        "UPDATE audit_seals SET signature = zeroblob(64)",
        "DELETE FROM audit_seals",
        "UPDATE audit SET position = NULL WHERE position = 3",
    ):
        spoilt = rehearsal.folder / "spoilt.db"
        copy(rehearsal.folder / "city.db", spoilt)
        engine = connect(f"sqlite:///{spoilt}", 2)
        without_guards(engine, statement)
        assert list(log_judge.faults(engine, city.issuing.public_key())), statement
        engine.dispose()


def copy(whole: Path, to: Path) -> None:
    to.unlink(missing_ok=True)
    with closing(sqlite3.connect(whole)) as source, closing(sqlite3.connect(to)) as target:
        source.backup(target)
