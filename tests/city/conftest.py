from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from city_bench import AKASHI, CITY_FILES, NOON, Authority, Rehearsal
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from postgres_server import Postgres, running

from city import municipality, pki, sample
from city.database import connect, migrate
from city.pki import Files
from city.typesetting import people_on_sheets, typeset


@pytest.fixture(autouse=True)
def a_patient_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine makes a statement slow. Tests of the limits set their own."""
    for limit in ("STATEMENT_MS", "LOCK_MS", "IDLE_MS"):
        monkeypatch.setattr(f"city.database.{limit}", 100_000)


@pytest.fixture(scope="session")
def line_pki(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return pki.make(tmp_path_factory.mktemp("pki"), kiosks=("kiosk-1", "kiosk-2"))


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def card_key() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def seeded(
    tmp_path_factory: pytest.TempPathFactory,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
) -> Path:
    folder = tmp_path_factory.mktemp("seeded")
    Rehearsal(folder, line_pki, authority, card_key).city.engine.dispose()
    return folder / "city.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """A seeded database on the server, to be copied."""
    name = postgres.create()
    url = postgres.url(name)
    migrate(url)
    engine = connect(url)
    sample.seed(engine, lambda: NOON, municipality.load(AKASHI))
    engine.dispose()
    return name


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Which one the city has; `both` runs a test on each."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def rehearsal(
    tmp_path: Path,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
    seeded: Path,
    database: str,
    request: pytest.FixtureRequest,
) -> Iterator[Rehearsal]:
    if database == "sqlite":
        made = Rehearsal(tmp_path, line_pki, authority, card_key, seeded=seeded)
    else:
        template, postgres = (
            request.getfixturevalue("template"),
            request.getfixturevalue("postgres"),
        )
        url = postgres.url(postgres.create(template))
        made = Rehearsal(tmp_path, line_pki, authority, card_key, database=url)
    yield made
    made.city.engine.dispose()


@pytest.fixture(scope="module", params=CITY_FILES)
def town(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
) -> Iterator[Rehearsal]:
    """A city that sets real paper."""
    folder = tmp_path_factory.mktemp(request.param)
    made = Rehearsal(folder, line_pki, authority, card_key, city_file=CITY_FILES[request.param])
    made.typeset, made.paginate = typeset, people_on_sheets
    yield made
    made.city.engine.dispose()
