"""Everything that is kept is classified, and the city says for how long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from city_bench import AKASHI, CITY_FILES, Direct, Rehearsal, Visit, both, outcome_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from retention_bench import terms
from sqlalchemy import inspect, select

from city import commitments, municipality, tables
from city.cards import fingerprint
from city.config import ConfigError
from city.database import connect
from city.retention.holdings import OTHERS, holdings
from firmware.service import exchange_record, flight_record
from firmware.tools.cli import main


def test_every_column_of_the_database_is_classified(tmp_path: Path) -> None:
    """From the schema as the migrations made it. When this fails: describe the new column in
    city/retention/holdings.toml, and run `python -m docs.generate.holdings`.
    """
    engine = connect(f"sqlite:///{tmp_path / 'city.db'}")
    schema = inspect(engine)
    found = {
        table: {column["name"] for column in schema.get_columns(table)}
        for table in schema.get_table_names()
    }
    engine.dispose()
    told = {table: set(holding.columns) for table, holding in holdings().tables.items()}
    assert told == found


def test_every_period_is_one_that_the_city_decides_or_that_is_explained() -> None:
    decided = terms().periods().keys()
    for name, holding in holdings().tables.items():
        assert holding.period in decided | OTHERS.keys(), name
        for period, columns in holding.earlier.items():
            assert period in decided
            assert set(columns) <= holding.columns.keys()
        for names in (holding.what, holding.purpose, holding.basis):
            assert {"ja", "en"} <= names.keys(), name


def test_no_word_about_a_person_is_in_what_is_kept_without_an_end() -> None:
    for name, holding in holdings().tables.items():
        if holding.period in ("public", "newest", "swept"):
            assert holding.kinds() <= {"none", "id"}, name


def test_what_a_kiosk_keeps_is_named_as_its_files_are(tmp_path: Path) -> None:
    files = {each.file for each in holdings().kiosk.values()}
    assert exchange_record.path(tmp_path).name in files
    assert flight_record.path(tmp_path).name in files
    assert "flight-case-*.steps" in files
    assert str(flight_record.CASES_KEPT) in holdings().kiosk["flight-case"].kept["en"]


@pytest.mark.parametrize("city", CITY_FILES)
def test_the_sample_cities_say_everything(city: str) -> None:
    data = municipality.load(CITY_FILES[city])
    assert data.retention is not None and data.transparency is not None
    assert not list(data.retention.faults())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("months = 12\n", "months = 61\n", "retention.holders: longer than"),
        ("months = 36\n", "months = 2\n", "retention.log: months: at least 3"),
        ('source = "市の文書管理規程"', 'source = " "', "retention.archives.source: is empty"),
        ("[retention.archives]", "[retention.archive]", "archive"),
        ("hidden_below = 5", "hidden_below = 2", "transparency.hidden_below"),
    ],
)
def test_a_mistake_in_the_periods_is_one_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = AKASHI.read_text("utf-8")
    assert old in text
    path = tmp_path / "city.toml"
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises(ConfigError, match=said):
        municipality.load(path)


# -- the commands ----------------------------------------------------------------------------------


@pytest.fixture
def config(rehearsal: Rehearsal) -> Path:
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (rehearsal.folder / "records.pem").write_bytes(pem)
    path = rehearsal.folder / "city.toml"
    path.write_text(
        path.read_text("utf-8")
        + '[records]\narchive = "archive"\nkey = "records.pem"\n'
        + "[clock]\nstart = 2028-01-10T03:00:00+09:00\n",
        "utf-8",
    )
    return path


def asked(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str]:
    code = main(["city", "retention", *map(str, words)])
    return code, capsys.readouterr().out


async def journey(rehearsal: Rehearsal) -> Visit:
    visit = Visit(Direct(rehearsal.city), rehearsal.card("hanako"))
    await visit.enter()
    manifest, _ = await visit.orders("juminhyo")
    await visit.line.release(visit.pays(manifest))
    await visit.line.outcome(outcome_of(manifest))
    await visit.line.cancel(visit.request.session)
    return visit


@both
def test_a_card_cannot_be_found_any_more_when_its_period_is_over(
    rehearsal: Rehearsal, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visit = asyncio.run(journey(rehearsal))
    engine = rehearsal.city.engine
    with engine.connect() as connection:
        row = connection.execute(select(tables.sessions)).one()
        entries = connection.execute(select(tables.audit.c.entry)).scalars()
        log = "\n".join(entry for entry in entries if '"enrolled"' not in entry)
        number = connection.execute(select(tables.orders.c.unique_number)).scalar_one()
    card = fingerprint(visit.card.der)
    assert row.card == card and card not in log
    assert commitments.pseudonym(row.commitment_seed, card) in log, "the two can be compared"
    with engine.begin() as connection:  # as it is after the last hello of the day
        connection.execute(tables.fleet.delete())
    there = ("--config", config)
    assert asked(capsys, "verify", *there)[0] == 1
    code, said = asked(capsys, "run", *there)
    assert code == 0 and "holders\tbefore 2027-01-10\t1 due" in said
    assert "nothing was deleted" in said
    assert asked(capsys, "hold", number, "--note", "a dispute", *there)[0] == 0
    code, said = asked(capsys, "run", "--apply", "--confirm", "2028-01-10", "--json", *there)
    assert (code, json.loads(said)["removed"]["holders"]) == (0, 0)
    assert "1 journeys stay\ton hold" in asked(capsys, "verify", *there)[1]
    assert asked(capsys, "release", number, *there)[0] == 0
    assert asked(capsys, "release", number, *there)[0] == 1
    assert json.loads(asked(capsys, "run", "--apply", "--json", *there)[1])["removed"] == {
        "journeys": 0,
        "holders": 1,
        "cases": 0,
        "log": 0,
        "archives": 0,
    }
    assert "sound" in asked(capsys, "verify", *there)[1]
    with engine.connect() as connection:
        row = connection.execute(select(tables.sessions)).one()
        assert (row.card, row.commitment_seed, row.record_version) == (None, None, None)
    shown = asked(capsys, "show", "--columns", *there)[1]
    assert "地方自治法第236条" in shown and "個人番号" in shown
    assert json.loads(asked(capsys, "show", "--json", *there)[1])["periods"][1]["months"] == 12


def refused(capsys: pytest.CaptureFixture[str], words: Sequence[str | Path]) -> str:
    assert main(["city", "retention", *map(str, words)]) == 2
    return capsys.readouterr().err


def test_without_a_word_of_the_city_nothing_is_deleted(
    rehearsal: Rehearsal, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ("run", "--apply", "--config", config)
    assert "first run: look at another clock" in refused(capsys, there)
    silent = rehearsal.folder / "silent.toml"
    head, _, _ = AKASHI.read_text("utf-8").partition("# How long what is kept.")
    silent.write_text(head, "utf-8")
    config.write_text(config.read_text("utf-8").replace(str(AKASHI), str(silent)), "utf-8")
    assert "no [retention]: nothing is ever deleted" in refused(capsys, there)
    config.write_text(config.read_text("utf-8").partition("[records]")[0], "utf-8")
    assert "no section [records]" in refused(capsys, there)
