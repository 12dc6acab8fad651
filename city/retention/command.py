"""`kiosk city retention show|run|verify|hold|release`: how long what is kept, and its deletion.

0 when all is well; 1 when something is not as it should be; 2 when nothing was done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

import msgspec
from sqlalchemy import Connection, Engine, delete, select
from sqlalchemy.exc import ProgrammingError

from city import audit, database, municipality
from city.clock import JST, starting
from city.config import ConfigError, Records, load
from city.database import DatabaseError, Unavailable
from city.keeping import Period, Retention
from city.registry import INSERT
from city.retention import archive, due
from city.retention.erase import erase
from city.retention.holdings import OTHERS, Holding, holdings
from city.retention.run import ARCHIVES, Books, check_clock, look, ran, run
from city.tables import holds, orders
from city.terms import load_terms_key

NAME_LENGTH = 400
DAY_S = 86_400


@dataclass(frozen=True)
class Desk:
    """What every action works with."""

    books: Books
    given: argparse.Namespace


def main(argv: Sequence[str]) -> int:
    """Raises ConfigError, DatabaseError, ClockError, ArchiveError, OSError."""
    parser = argparse.ArgumentParser(prog="kiosk city retention", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    showing = _action(actions, "show", "what is kept, why, how long, and what is due", _show)
    showing.add_argument("--columns", action="store_true", help="every column of every table")
    running = _action(actions, "run", "what is due; with --apply it is deleted", _run)
    running.add_argument("--apply", action="store_true", help="delete it")
    running.add_argument(
        "--confirm",
        type=date.fromisoformat,
        metavar="DATE",
        help="today's date, read from another clock",
    )
    running.add_argument(
        "--rewrite", action="store_true", help="write the tables anew; nobody is served meanwhile"
    )
    _action(actions, "verify", "nothing due is left, and the archives are whole", _verify)
    holding = _action(actions, "hold", "keep a journey, whatever its period", _hold)
    holding.add_argument("--note", required=True, help="why; no names")
    releasing = _action(actions, "release", "no longer keep it", _release)
    for each in (holding, releasing):
        each.add_argument("number", metavar="NUMBER", help="the unique number on a sheet of it")
    given = parser.parse_args(argv)
    act: Callable[[Desk], int] = given.act
    try:
        return _at_the_desk(given, act)
    except Unavailable:
        raise DatabaseError("the database does not answer: run it again") from None
    except ProgrammingError as error:  # above all, a role that may not delete
        raise DatabaseError(f"{str(error.orig).splitlines()[0]}: see docs/retention.md") from None


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    act: Callable[[Desk], int],
) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text, description=text)
    action.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
    )
    action.add_argument("--json", action="store_true")
    action.set_defaults(act=act)
    return action


def _at_the_desk(given: argparse.Namespace, act: Callable[[Desk], int]) -> int:
    config = load(given.config)
    records = config.records
    if records is None:
        raise ConfigError(f"{given.config}: no section [records]: where do older records go?")
    terms = municipality.load(config.gateway.city).retention
    if terms is None:
        raise ConfigError(f"{config.gateway.city}: no [retention]: nothing is ever deleted")
    engine = database.connect(records.database or config.gateway.database, 2)
    try:
        now = starting(config.clock.start)()
        return act(Desk(_books(engine, records, terms, now), given))
    finally:
        engine.dispose()


def _books(engine: Engine, records: Records, terms: Retention, now: datetime) -> Books:
    return Books(engine, terms, records.archive, load_terms_key(records.key), now)


# -- show ------------------------------------------------------------------------------------------


def _show(desk: Desk) -> int:
    books = desk.books
    found = look(books)
    last = books.read(ran)
    if desk.given.json:
        _say(
            {
                "periods": [
                    {**asdict(each), "ran": last.get(each.period)}
                    | msgspec.to_builtins(books.terms.periods()[each.period])
                    for each in found
                ],
                "tables": holdings().tables,
                "kiosk": holdings().kiosk,
            }
        )
        return 0
    for each in found:
        period = books.terms.periods()[each.period]
        _write(each.period, length(period), f"before {each.before}: {each.rows} due")
        _write("", period.reason["ja"], period.source)
        _write("", f"last run {_day(last.get(each.period))}")
    for name, holding in holdings().tables.items():
        _write(name, holding.what["ja"], _kinds(holding), _until(holding, books.terms))
        if desk.given.columns:
            for column, (kind, ja, _) in holding.columns.items():
                _write("", column, kind, ja)
    return 0


def length(period: Period) -> str:
    years, months = divmod(period.months, 12)
    words = [f"{years}年" if years else "", f"{months}か月" if months else ""]
    begin = "翌年度から" if period.counted == "fiscal-year" else ""
    return begin + "".join(words)


def _kinds(holding: Holding) -> str:
    return ", ".join(sorted(holding.kinds() - {"none"})) or "none"


def _until(holding: Holding, terms: Retention) -> str:
    period = terms.periods().get(holding.period)
    return length(period) if period else OTHERS[holding.period][0]


def _day(at: int | None) -> str:
    return "never" if at is None else datetime.fromtimestamp(at, JST).date().isoformat()


# -- run -------------------------------------------------------------------------------------------


def _run(desk: Desk) -> int:
    books = desk.books
    found = look(books)
    if not desk.given.apply:
        if desk.given.json:
            _say({"due": [asdict(each) for each in found]})
        else:
            for each in found:
                _write(each.period, f"before {each.before}", f"{each.rows} due")
            _write("nothing was deleted; with --apply it is")
        return 0
    check_clock(books, desk.given.confirm)
    tell = (lambda _: None) if desk.given.json else _write
    removed = run(books, tell)
    undone = erase(books.engine, desk.given.rewrite)
    if desk.given.json:
        _say({"removed": removed, "undone": undone})
    for line in undone:
        sys.stderr.write(f"city: {line}\n")
    return 1 if undone else 0


# -- verify ----------------------------------------------------------------------------------------


def _verify(desk: Desk) -> int:
    books = desk.books
    wrong = [*_left(books), *books.read(lambda connection: list(_of_archives(connection, books)))]
    cutoff = max(books.cutoff(books.terms.journeys), books.cutoff(books.terms.holders))
    kept = books.read(lambda connection: due.kept_back(connection, cutoff))
    if desk.given.json:
        _say({"wrong": wrong, "kept": kept})
    else:
        for reason, journeys in kept.items():
            _write(f"{journeys} journeys stay", reason)
        for line in wrong or ["sound: nothing due is left"]:
            _write(line)
    return 1 if wrong else 0


def _left(books: Books) -> Iterator[str]:
    last = books.read(ran)
    late = books.at - books.terms.gap_days * DAY_S
    for each in look(books):
        if each.rows:
            yield f"{each.period}: {each.rows} due and not deleted"
        if last.get(each.period, 0) < late:
            yield f"{each.period}: last run {_day(last.get(each.period))}"


def _of_archives(connection: Connection, books: Books) -> Iterator[str]:
    gone = books.cutoff(books.terms.periods()[ARCHIVES])
    yield from archive.faults(connection, books.folder, books.key.public_key(), gone)
    verdict = audit.verify(connection)
    if verdict.broken:
        yield f"the log is broken at entry {verdict.broken}"


# -- hold ------------------------------------------------------------------------------------------


def _hold(desk: Desk) -> int:
    books, note = desk.books, str(desk.given.note)[:NAME_LENGTH]

    def keep(connection: Connection) -> bool:
        session = _session_of(connection, desk.given.number)
        if not session:
            return False
        insert = INSERT[connection.dialect.name](holds)
        row = insert.values(session=session, since=books.at, note=note)
        made = connection.execute(row.on_conflict_do_nothing().returning(holds.c.session)).first()
        if made:
            audit.append(connection, "hold", books.at, session=session)
        return True

    return _answer(desk, books.decide(keep), "on hold")


def _release(desk: Desk) -> int:
    books = desk.books

    def let_go(connection: Connection) -> bool:
        session = _session_of(connection, desk.given.number)
        gone = connection.execute(delete(holds).where(holds.c.session == session)).rowcount == 1
        if gone:
            audit.append(connection, "hold-released", books.at, session=session)
        return gone

    return _answer(desk, books.decide(let_go), "released")


def _session_of(connection: Connection, number: str) -> str:
    query = select(orders.c.session).where(orders.c.unique_number == number)
    return connection.execute(query).scalar() or ""


def _answer(desk: Desk, done: bool, words: str) -> int:
    if not done:
        sys.stderr.write(f"city: no such journey: {desk.given.number}\n")
        return 1
    _say({words: desk.given.number}) if desk.given.json else _write(desk.given.number, words)
    return 0


# -- words -----------------------------------------------------------------------------------------


def _write(*words: str) -> None:
    sys.stdout.write("\t".join(words) + "\n")


def _say(value: object) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
