from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from city_bench import Authority, Rehearsal
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

from city import pki
from city.pki import Files


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
    tmp_path_factory: pytest.TempPathFactory, line_pki: Files, authority: Authority, card_key: RSAPrivateKey
) -> Path:
    folder = tmp_path_factory.mktemp("seeded")
    Rehearsal(folder, line_pki, authority, card_key).city.engine.dispose()
    return folder / "city.db"


@pytest.fixture
def rehearsal(
    tmp_path: Path, line_pki: Files, authority: Authority, card_key: RSAPrivateKey, seeded: Path
) -> Iterator[Rehearsal]:
    made = Rehearsal(tmp_path, line_pki, authority, card_key, seeded=seeded)
    yield made
    made.city.engine.dispose()
