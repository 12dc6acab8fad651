"""Whatever is done to the log is found, and nothing in it is about a person."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from city_bench import Direct, Rehearsal, Visit, both, outcome_of, sealed
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from city import audit, audit_seals, cases, sample, tables
from city.audit import Verdict
from city.audit_seals import GENESIS, Head, chain
from city.cards import fingerprint
from city.database import Mode, connect, transact
from firmware.link import messages, signing
from firmware.link.client import CityRefusal
from firmware.tools.cli import main

ENTRIES = 12
BATCH = 4  # under each signature
KEY, OTHER_KEY = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = [KEY.public_key()]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Head]:
    """A log file whose guards are gone, as for somebody who has the file."""
    path = tmp_path_factory.mktemp("log") / "city.db"
    engine = connect(f"sqlite:///{path}")
    for number in range(ENTRIES):
        transact(
            engine, Mode.STEP, lambda c, n=number: audit.append(c, "test", n, order=f"{n:032x}")
        )
        if number % BATCH == BATCH - 1:
            transact(engine, Mode.STEP, lambda c, n=number: audit_seals.seal(c, KEY, n))
    with engine.begin() as connection:
        head = audit.verify(connection, keys=KEYS).head
        for guard in ("audit_no_update", "audit_no_delete", *SEAL_GUARDS):
            connection.execute(text(f"DROP TRIGGER {guard}"))
    engine.dispose()
    return path, head


SEAL_GUARDS = ("audit_seals_no_update", "audit_seals_no_delete")
COLUMNS = {
    "audit": ("seq", "entry", "written", "position", "hash"),
    "audit_seals": ("entries", "hash", "at", "key", "signature"),
}
AS_TEXT = {"entry", "hash"}  # what an attack left there need not be any


def verdict_after(
    log: tuple[Path, Head],
    *statements: tuple[str, tuple[object, ...]],
    kept: bool = False,
    keys: Sequence[Ed25519PublicKey] | None = None,
) -> Verdict:
    """Do it to the file behind everybody's back, look, and take it back."""
    path, head = log
    engine = connect(f"sqlite:///{path}")
    raw = sqlite3.connect(path)
    saved = {table: _rows(raw, table) for table in COLUMNS}
    try:
        for statement, values in statements:
            raw.execute(statement, values)
        raw.commit()
        with engine.begin() as connection:
            return audit.verify(connection, head if kept else None, keys)
    finally:
        for table, names in COLUMNS.items():
            raw.execute(f"DELETE FROM {table}")
            values = ", ".join("CAST(? AS TEXT)" if name in AS_TEXT else "?" for name in names)
            raw.executemany(f"INSERT INTO {table} VALUES ({values})", saved[table])
        raw.commit()
        raw.close()
        engine.dispose()


def _rows(raw: sqlite3.Connection, table: str) -> list[tuple[object, ...]]:
    names = (f"CAST({name} AS BLOB)" if name in AS_TEXT else name for name in COLUMNS[table])
    return raw.execute(f"SELECT {', '.join(names)} FROM {table}").fetchall()


entries = st.integers(1, ENTRIES)
seals = st.sampled_from(range(BATCH, ENTRIES + 1, BATCH))
many = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_log_as_it_was_written_is_sound(log: tuple[Path, Head]) -> None:
    assert verdict_after(log, kept=True) == Verdict(log[1])
    assert verdict_after(log, kept=True, keys=KEYS) == Verdict(log[1])
    assert log[1].entries == ENTRIES


@many
@given(
    position=entries,
    column=st.sampled_from(("entry", "hash")),
    at=st.integers(0, 10_000),
    byte=st.integers(1, 255),
)
def test_any_byte(log: tuple[Path, Head], position: int, column: str, at: int, byte: int) -> None:
    """Changed to any other; what results need not be text."""
    raw = sqlite3.connect(log[0])
    [found] = raw.execute(
        f"SELECT CAST({column} AS BLOB) FROM audit WHERE position = ?", (position,)
    ).fetchone()
    raw.close()
    changed = bytearray(found)
    changed[at % len(changed)] ^= byte
    statement = f"UPDATE audit SET {column} = CAST(? AS TEXT) WHERE position = ?"
    assert verdict_after(log, (statement, (bytes(changed), position))).broken == position


@many
@given(position=entries, words=st.text(max_size=20), at_end=st.booleans())
def test_anything_more_or_less_in_an_entry(
    log: tuple[Path, Head], position: int, words: str, at_end: bool
) -> None:
    statement = (
        "UPDATE audit SET entry = entry || ? WHERE position = ?"
        if at_end
        else "UPDATE audit SET entry = ? WHERE position = ?"
    )
    found = verdict_after(log, (statement, (words, position)))
    assert found.broken == (None if at_end and not words else position)


def taken_out(first: int, last: int) -> list[tuple[str, tuple[object, ...]]]:
    return [("DELETE FROM audit WHERE position BETWEEN ? AND ?", (first, last))]


def closed_up(first: int, last: int) -> list[tuple[str, tuple[object, ...]]]:
    return [
        ("UPDATE audit SET position = ? WHERE position = ?", (place - (last - first + 1), place))
        for place in range(last + 1, ENTRIES + 1)
    ]


@many
@given(first=st.integers(1, ENTRIES - 1), many_=st.integers(1, 3), close=st.booleans())
def test_entries_taken_out(log: tuple[Path, Head], first: int, many_: int, close: bool) -> None:
    """With the gap left, and closed."""
    last = min(first + many_ - 1, ENTRIES - 1)  # not up to the tail
    more = closed_up(first, last) if close else []
    assert verdict_after(log, *taken_out(first, last), *more).broken == first


@many
@given(first=entries)
def test_entries_put_back_among_those_that_wait(log: tuple[Path, Head], first: int) -> None:
    statement = "UPDATE audit SET position = NULL, hash = NULL WHERE position >= ?"
    found = verdict_after(log, (statement, (first,)), keys=KEYS)
    assert (found.broken, found.waiting) == (first, ENTRIES - first + 1)


@many
@given(one=entries, other=entries)
def test_two_in_each_others_place(log: tuple[Path, Head], one: int, other: int) -> None:
    swap = [
        (f"UPDATE audit SET position = {to} WHERE position = {at}", ())
        for at, to in ((one, -1), (other, one), (-1, other))
    ]
    assert verdict_after(log, *swap).broken == (None if one == other else min(one, other))


@many
@given(position=entries, words=st.sampled_from(("copy", "new")))
def test_one_put_in(log: tuple[Path, Head], position: int, words: str) -> None:
    aside = [
        (f"UPDATE audit SET position = {at + 1} WHERE position = {at}", ())
        for at in range(ENTRIES, position - 1, -1)
    ]
    source = "entry, 0, ?, hash" if words == "copy" else "'{}', 0, ?, hash"
    put = (
        f"INSERT INTO audit (entry, written, position, hash) "
        f"SELECT {source} FROM audit WHERE position = ?",
        (position, position + 1),
    )
    # of two alike the second is one too many
    broken = position + 1 if words == "copy" else position
    assert verdict_after(log, *aside, put).broken == broken


@many
@given(left=st.integers(0, ENTRIES - 1))
def test_the_tail_cut_off(log: tuple[Path, Head], left: int) -> None:
    """The signatures show it; without those that went beyond, only who kept the head."""
    cut = ("DELETE FROM audit WHERE position > ?", (left,))
    assert verdict_after(log, cut).broken is None
    assert verdict_after(log, cut, keys=KEYS).broken == left + 1
    seals_too = ("DELETE FROM audit_seals WHERE entries > ?", (left,))
    at_a_signature = left % BATCH == 0 or left < BATCH
    found = verdict_after(log, cut, seals_too, keys=KEYS)
    assert found.broken == (None if at_a_signature else left // BATCH * BATCH + 1)
    assert found.unsigned is (0 < left < BATCH)
    assert verdict_after(log, cut, seals_too, kept=True).broken == left + 1


@many
@given(begin=entries, anew=st.booleans())
def test_a_log_written_anew_is_found_by_its_signatures(
    log: tuple[Path, Head], begin: int, anew: bool
) -> None:
    """All hashes right, from some entry on: the chain itself cannot tell. `anew`: signed again, by
    another key.
    """
    raw = sqlite3.connect(log[0])
    rows = raw.execute("SELECT entry, hash FROM audit ORDER BY position").fetchall()
    raw.close()
    previous = rows[begin - 2][1] if begin > 1 else GENESIS
    forged: list[tuple[str, tuple[object, ...]]] = []
    for place in range(begin, ENTRIES + 1):
        entry = f'{{"forged":{place}}}'
        previous = chain(previous, entry.encode())
        forged.append(
            ("UPDATE audit SET entry = ?, hash = ? WHERE position = ?", (entry, previous, place))
        )
        if place % BATCH == 0 and anew:
            forged.append(_signed_anew(place, previous))
    assert verdict_after(log, *forged).broken is None
    assert verdict_after(log, *forged, kept=True).broken == ENTRIES
    assert verdict_after(log, *forged, keys=KEYS).broken == (begin - 1) // BATCH * BATCH + 1


def _signed_anew(place: int, digest: str) -> tuple[str, tuple[object, ...]]:
    """By whoever has the file and no key of the city's, under the name of the city's."""
    values = (
        digest,
        signing.reference(KEY.public_key()),
        OTHER_KEY.sign(audit_seals._signed(Head(place, digest), place - 1)),
        place,
    )
    return "UPDATE audit_seals SET hash = ?, key = ?, signature = ? WHERE entries = ?", values


@many
@given(seal=seals, column=st.sampled_from(("hash", "at", "key", "signature")), byte=st.binary())
def test_a_signature_that_was_changed(
    log: tuple[Path, Head], seal: int, column: str, byte: bytes
) -> None:
    """Whatever stands there now."""
    value = {"hash": byte.hex()[:64], "at": int.from_bytes(byte[:4], "big") + 100}.get(column, byte)
    change = (f"UPDATE audit_seals SET {column} = ? WHERE entries = ?", (value, seal))
    assert verdict_after(log, change, keys=KEYS).broken == seal - BATCH + 1


def test_without_any_signature_the_log_says_so(log: tuple[Path, Head]) -> None:
    """After an update from a build before signatures; or somebody has removed them all."""
    found = verdict_after(log, ("DELETE FROM audit_seals", ()), keys=KEYS)
    assert found == Verdict(log[1], unsigned=True)


# -- the command -----------------------------------------------------------------------------------


@both
def test_verify_tells_the_head_takes_it_and_stops_everything_when_the_log_is_broken(
    rehearsal: Rehearsal, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ["--config", str(rehearsal.folder / "city.toml")]
    engine = rehearsal.city.engine
    for number in range(3):
        transact(engine, Mode.DECIDE, lambda c, n=number: audit.append(c, "test", n))

    def verify(*more: str) -> tuple[int, str]:
        code = main(["city", "audit", "verify", *config, *more])
        return code, capsys.readouterr().out.strip()

    code, said = verify()
    assert code == 0
    assert "; 3 entries wait for a signature" in said
    sealed(rehearsal.city)
    code, said = verify()
    assert code == 0
    head = re.fullmatch(r"sound: 3 entries, head (3:[0-9a-f]{64})", said)
    assert head is not None
    assert verify("--kept", head[1])[0] == 0
    transact(engine, Mode.DECIDE, lambda c: audit.append(c, "test", 4))
    assert verify("--kept", head[1])[0] == 0
    assert verify("--kept", f"3:{'0' * 64}")[0] == 1
    code, said = verify("--kept", f"9:{'0' * 64}", "--json")
    assert (code, json.loads(said)["broken"]) == (
        1,
        6,
    )  # the case of the time before is an entry too
    with engine.begin() as connection:
        [case] = cases.listed(connection)
        assert (case.code, case.pauses) == ("audit-broken", "everything")
    with pytest.raises(SystemExit):
        verify("--kept", "head")


# -- no content ------------------------------------------------------------------------------------


@both
def test_after_everybodys_journey_nothing_about_anybody_is_in_log_or_cases(
    rehearsal: Rehearsal,
) -> None:
    people = [resident for resident in sample.load() if resident.card]
    cards = {resident.id: rehearsal.card(resident.id) for resident in people}
    for card in cards.values():
        asyncio.run(_everything(Visit(Direct(rehearsal.city), card)))
    with rehearsal.city.engine.begin() as connection:
        rows = connection.execute(select(tables.residents)).mappings().all()
        entries = [row.entry for row in connection.execute(select(tables.audit))]
        written = "\n".join(
            [*entries, *(str(case) for case in cases.listed(connection, closed=True))]
        )
        outcomes = b"\n".join(connection.execute(select(tables.outcomes.c.body)).scalars())
    assert len(entries) > len(people)
    assert "issued" in written
    # A card has another name in every session, made of what is deleted with the session.
    of_journeys = "\n".join(entry for entry in entries if '"enrolled"' not in entry)
    assert not [one for one in cards.values() if fingerprint(one.der) in of_journeys]
    assert '"card":"' in written
    everything = written + outcomes.decode()
    for row in rows:
        for name in PERSONAL:
            value = str(row[name] or "")
            for word in {value, *re.split(r"[\s　]", value)}:
                assert len(word) < 2 or word not in everything, f"{name} of {row['id']}"
        assert f'"{row["id"]}"' not in everything


PERSONAL = (
    "name",
    "kana",
    "alias",
    "former_surname",
    "birth",
    "address",
    "previous_address",
    "domicile",
    "domicile_head",
    "nationality",
    "residence_status",
    "residence_card",
    "mynumber",
)


async def _everything(visit: Visit) -> None:
    """As far as this person gets, with a second release and a contrary outcome at the end."""
    try:
        offers = (await visit.enter()).offers
        for offer in offers:
            if offer.refusal is None:
                manifest, _ = await visit.orders(offer.kind)
        await visit.line.release(visit.pays(manifest))
        told = outcome_of(manifest)
        await visit.line.outcome(told)
        for again in (visit.line.release(visit.pays(manifest)), visit.line.outcome(contrary(told))):
            with pytest.raises(CityRefusal):
                await again
    except CityRefusal:
        pass
    finally:
        try:
            await visit.line.cancel(visit.request.session)
        except CityRefusal:
            pass


def contrary(outcome: messages.Outcome) -> messages.Outcome:
    return messages.Outcome(
        outcome=outcome.outcome,
        session=outcome.session,
        order=outcome.order,
        result=messages.Result.FAILED,
        sheets=0,
        kept=0,
        returned=outcome.kept,
        owed=0,
    )
