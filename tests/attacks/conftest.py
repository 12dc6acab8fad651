from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

sys.path.append(str(Path(__file__).parents[1] / "city"))  # the city's bench is used here too

from attack_bench import Attack
from attack_judge import Table
from city_bench import NOON, Authority, Rehearsal
from postgres_server import Postgres, running

from city import municipality, pki, sample
from city.database import connect, migrate
from city.pki import Files

KIOSKS = ("kiosk-1", "kiosk-2", "kiosk-3", "kiosk-4")


@pytest.fixture(scope="session")
def line_pki(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return pki.make(tmp_path_factory.mktemp("pki"), kiosks=KIOSKS)


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


@pytest.fixture
def city(
    tmp_path: Path, line_pki: Files, authority: Authority, card_key: RSAPrivateKey, seeded: Path
) -> Iterator[Rehearsal]:
    made = Rehearsal(tmp_path, line_pki, authority, card_key, seeded=seeded)
    yield made
    made.city.engine.dispose()


@pytest.fixture
def city_on_postgres(
    tmp_path: Path,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
    postgres: Postgres,
) -> Iterator[Rehearsal]:
    url = postgres.url(postgres.create())
    migrate(url)
    engine = connect(url)
    from city_bench import AKASHI

    sample.seed(engine, lambda: NOON, municipality.load(AKASHI))
    engine.dispose()
    made = Rehearsal(tmp_path, line_pki, authority, card_key, database=url)
    yield made
    made.city.engine.dispose()


@pytest.fixture
def attack(city: Rehearsal, tmp_path: Path) -> Attack:
    return Attack(city, tmp_path)


@pytest.fixture(scope="session")
def all_attempts() -> Iterator[Table]:
    """What was tried in this run, and what it was caught by; shown with -s."""
    made = Table()
    yield made
    print(made)


@pytest.fixture
def table(all_attempts: Table) -> Iterator[Table]:
    """What this test tries: a judgement on it must not depend on the tests that ran before."""
    made = Table()
    yield made
    all_attempts.rows.update(made.rows)
