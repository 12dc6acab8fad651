"""Whatever is done to the log is found, and nothing in it is about a person."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from pathlib import Path

import pytest
from city_bench import Direct, Rehearsal, Visit, both, outcome_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text

from city import audit, cases, sample, tables
from city.audit import Head, Verdict
from city.cards import fingerprint
from city.database import Mode, connect, transact
from firmware.link import messages
from firmware.link.client import CityRefusal
from firmware.tools.cli import main

ENTRIES = 12


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Head]:
    """A log file whose guards are gone, as for somebody who has the file."""
    path = tmp_path_factory.mktemp("log") / "city.db"
    engine = connect(f"sqlite:///{path}")
    for number in range(ENTRIES):
        transact(
            engine, Mode.DECIDE, lambda c, n=number: audit.append(c, "test", n, order=f"{n:032x}")
        )
    with engine.begin() as connection:
        head = audit.verify(connection).head
        for guard in ("audit_no_update", "audit_no_delete"):
            connection.execute(text(f"DROP TRIGGER {guard}"))
    engine.dispose()
    return path, head


def verdict_after(
    log: tuple[Path, Head], *statements: tuple[str, tuple[object, ...]], kept: bool = False
) -> Verdict:
    """Do it to the file behind everybody's back, look, and take it back."""
    path, head = log
    engine = connect(f"sqlite:///{path}")
    raw = sqlite3.connect(path)
    saved = raw.execute("SELECT seq, CAST(entry AS BLOB), hash FROM audit").fetchall()
    try:
        for statement, values in statements:
            raw.execute(statement, values)
        raw.commit()
        with engine.begin() as connection:
            return audit.verify(connection, head if kept else None)
    finally:
        raw.execute("DELETE FROM audit")
        raw.executemany("INSERT INTO audit VALUES (?, CAST(? AS TEXT), ?)", saved)
        raw.commit()
        raw.close()
        engine.dispose()


entries = st.integers(1, ENTRIES)
many = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_a_log_as_it_was_written_is_sound(log: tuple[Path, Head]) -> None:
    assert verdict_after(log, kept=True) == Verdict(log[1])
    assert log[1].entries == ENTRIES


@many
@given(
    seq=entries,
    column=st.sampled_from(("entry", "hash")),
    at=st.integers(0, 10_000),
    byte=st.integers(1, 255),
)
def test_any_byte(log: tuple[Path, Head], seq: int, column: str, at: int, byte: int) -> None:
    """Changed to any other; what results need not be text."""
    raw = sqlite3.connect(log[0])
    [found] = raw.execute(
        f"SELECT CAST({column} AS BLOB) FROM audit WHERE seq = ?", (seq,)
    ).fetchone()
    raw.close()
    changed = bytearray(found)
    changed[at % len(changed)] ^= byte
    statement = f"UPDATE audit SET {column} = CAST(? AS TEXT) WHERE seq = ?"
    assert verdict_after(log, (statement, (bytes(changed), seq))).broken == seq


@many
@given(seq=entries, words=st.text(max_size=20), at_end=st.booleans())
def test_anything_more_or_less_in_an_entry(
    log: tuple[Path, Head], seq: int, words: str, at_end: bool
) -> None:
    statement = (
        "UPDATE audit SET entry = entry || ? WHERE seq = ?"
        if at_end
        else "UPDATE audit SET entry = ? WHERE seq = ?"
    )
    found = verdict_after(log, (statement, (words, seq)))
    assert found.broken == (None if at_end and not words else seq)


@many
@given(first=st.integers(1, ENTRIES - 1), many_=st.integers(1, 3))
def test_entries_taken_out(log: tuple[Path, Head], first: int, many_: int) -> None:
    last = min(first + many_ - 1, ENTRIES - 1)  # not up to the tail
    assert (
        verdict_after(log, ("DELETE FROM audit WHERE seq BETWEEN ? AND ?", (first, last))).broken
        == first
    )


@many
@given(first=st.integers(1, ENTRIES - 1), many_=st.integers(1, 3))
def test_entries_taken_out_and_the_gap_closed(
    log: tuple[Path, Head], first: int, many_: int
) -> None:
    last = min(first + many_ - 1, ENTRIES - 1)
    gone = ("DELETE FROM audit WHERE seq BETWEEN ? AND ?", (first, last))
    close = [
        ("UPDATE audit SET seq = ? WHERE seq = ?", (seq - (last - first + 1), seq))
        for seq in range(last + 1, ENTRIES + 1)
    ]
    assert verdict_after(log, gone, *close).broken == first


@many
@given(one=entries, other=entries)
def test_two_in_each_others_place(log: tuple[Path, Head], one: int, other: int) -> None:
    swap = [
        (f"UPDATE audit SET seq = {to} WHERE seq = {at}", ())
        for at, to in ((one, -1), (other, one), (-1, other))
    ]
    assert verdict_after(log, *swap).broken == (None if one == other else min(one, other))


@many
@given(seq=entries, words=st.sampled_from(("copy", "new")))
def test_one_put_in(log: tuple[Path, Head], seq: int, words: str) -> None:
    aside = [
        (f"UPDATE audit SET seq = {at + 1} WHERE seq = {at}", ())
        for at in range(ENTRIES, seq - 1, -1)
    ]
    source = "entry, hash" if words == "copy" else "'{}', hash"
    put = (f"INSERT INTO audit SELECT ?, {source} FROM audit WHERE seq = ?", (seq, seq + 1))
    broken = seq + 1 if words == "copy" else seq  # of two alike the second is one too many
    assert verdict_after(log, *aside, put).broken == broken


@many
@given(left=st.integers(0, ENTRIES - 1))
def test_the_tail_cut_off_is_found_by_who_kept_the_head(log: tuple[Path, Head], left: int) -> None:
    cut = ("DELETE FROM audit WHERE seq > ?", (left,))
    assert verdict_after(log, cut) == Verdict(verdict_after(log, cut).head)
    assert verdict_after(log, cut, kept=True).broken == left + 1


@many
@given(begin=entries)
def test_a_log_written_anew_is_found_by_who_kept_the_head(
    log: tuple[Path, Head], begin: int
) -> None:
    """All hashes right, from some entry on: the chain itself cannot tell."""
    raw = sqlite3.connect(log[0])
    rows = raw.execute("SELECT entry, hash FROM audit ORDER BY seq").fetchall()
    raw.close()
    previous = rows[begin - 2][1] if begin > 1 else audit.GENESIS
    forged = []
    for seq in range(begin, ENTRIES + 1):
        entry = f'{{"forged":{seq}}}'
        previous = audit._chain(previous, entry.encode())
        forged.append(
            ("UPDATE audit SET entry = ?, hash = ? WHERE seq = ?", (entry, previous, seq))
        )
    assert verdict_after(log, *forged).broken is None
    assert verdict_after(log, *forged, kept=True).broken == ENTRIES


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
