from __future__ import annotations

import socket
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from city import config as city_config
from city import municipality, sample, terms
from city.clock import starting
from city.opening import opening
from firmware.link.signing import load_public
from firmware.service import config as kiosk_config
from firmware.sheets.admit import SignedTerms, read_terms
from hal.sim.card.pki import load_card
from testbed import ports, rehearsal
from testbed.rehearsal_error import RehearsalError

CITIES = Path(__file__).parents[1] / "city" / "cities"
PEOPLE = tuple(
    person for person in sample.load() if person.id in ("taro", "kiyoshi", "sachiko", "shinobu")
)


@pytest.fixture(scope="module", autouse=True)
def few_people_and_no_voice() -> object:
    patch = pytest.MonkeyPatch()
    patch.setattr(sample, "load", lambda: PEOPLE)
    patch.setattr(rehearsal, "_voice", lambda *_: None)
    yield
    patch.undo()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    rehearsal.prepare(folder)
    return folder


def _kept(folder: Path) -> Mapping[Path, bytes]:
    """What a second start must not touch."""
    files = (
        path for room in ("pki", "cards") for path in (folder / room).rglob("*") if path.is_file()
    )
    return {path: path.read_bytes() for path in files}


def test_a_second_start_makes_nothing_anew(folder: Path) -> None:
    before, reported = _kept(folder), []
    made = rehearsal.prepare(folder, report=reported.append)
    assert _kept(folder) == before and not reported
    assert made.pin("taro") == "1234"
    assert load_card(made.cards["sachiko"]).tries == 0


def test_both_configurations_can_be_read(folder: Path) -> None:
    made = rehearsal.prepare(folder, pace=0.5, kiosk={"kiosk": {"log": "debug"}})
    kiosk, city = kiosk_config.load(made.kiosk_toml), city_config.load(made.city_toml)
    assert (kiosk.kiosk.pace, kiosk.kiosk.log, kiosk.kiosk.state) == (0.5, "debug", made.state)
    for path in (
        kiosk.line.city_ca,
        kiosk.line.certificate,
        kiosk.line.key,
        *kiosk.trust.card_ca,
        city.issuing.key,
    ):
        assert path.is_file()
    assert f"https://127.0.0.1:{made.wiring.line[1]}" == kiosk.line.city
    assert city.gateway.listen == f"127.0.0.1:{made.wiring.city[1]}"


def test_the_kiosk_believes_the_terms_that_the_city_hands_on_and_its_page_is_served_here(
    folder: Path,
) -> None:
    made = rehearsal.prepare(folder, city={"verification": "手元のコードで確認できます。"})
    city, kiosk = city_config.load(made.city_toml), kiosk_config.load(made.kiosk_toml)
    handed_on = terms.load_signed(city, municipality.load(city.gateway.city))
    believed = read_terms(
        SignedTerms(handed_on.body, handed_on.signature), load_public(kiosk.trust.terms_keys)
    )
    assert believed.verification == "手元のコードで確認できます。"
    assert (
        believed.verification_page
        == f"http://{city_config.load_verification(made.city_toml).listen}/v"
    )


def test_the_registry_knows_the_cards_it_should_know(folder: Path) -> None:
    made = rehearsal.prepare(folder)
    with create_engine(city_config.load(made.city_toml).gateway.database).connect() as connection:
        linked = {row[0] for row in connection.execute(text("SELECT resident FROM cards"))}
    assert linked == {"taro", "kiyoshi", "sachiko"}  # nobody knows Shinobu's


def test_cards_that_changed_are_made_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _kept(folder)
    monkeypatch.setattr(sample, "load", lambda: PEOPLE[:1])
    reported: list[str] = []
    rehearsal.prepare(folder, report=reported.append)
    assert reported and _kept(folder) != before


def test_ports_are_all_different_and_may_be_given(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        made = rehearsal.prepare(folder, ports={"panel": port})
    assert made.panel == f"http://127.0.0.1:{port}"
    wiring = made.wiring
    ends = (
        wiring.reader,
        wiring.city,
        wiring.cable,
        wiring.line,
        wiring.sheets,
        wiring.receipts,
        wiring.speaker,
    )
    verification = city_config.load_verification(made.city_toml).listen.rpartition(":")[2]
    assert len({port, *(end[1] for end in ends), int(verification)}) == len(ports.WIRES)
    with pytest.raises(RehearsalError, match="no such wire: phone"):
        rehearsal.prepare(folder, ports={"phone": 1})


def test_a_day_and_rules_of_its_own(folder: Path, tmp_path: Path) -> None:
    night = rehearsal.OPENING + timedelta(hours=14)
    made = rehearsal.prepare(folder, tmp_path, start=night, city={"session_s": 99})
    city = city_config.load(made.city_toml)
    assert city.clock.start == night
    assert tomllib.loads(city.gateway.city.read_text("utf-8"))["session_s"] == 99
    assert made.run == tmp_path


def test_the_rehearsal_opens_in_service_hours_of_a_working_day() -> None:
    assert rehearsal.OPENING.weekday() < 5 and 7 <= rehearsal.OPENING.hour < 20


def test_any_city_is_rehearsed_when_it_is_open_and_with_its_own_contacts(
    folder: Path, tmp_path: Path
) -> None:
    """Also one without tax certificates, and one whose kiosks stand at sites."""
    for name in ("tokushima", "miyako"):
        file = CITIES / f"{name}.toml"
        made = rehearsal.prepare(folder, tmp_path / name, data=file)
        config = city_config.load(made.city_toml)
        city = municipality.load(config.gateway.city).seen_by(rehearsal.KIOSK)
        assert city is not None
        assert opening(city, starting(config.clock.start)()).refusal is None
        assert city.contacts == municipality.load(file).contacts


def test_a_city_that_has_no_place_for_the_rehearsals_kiosk_is_one_line(
    folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "city.toml"
    text = (CITIES / "miyako.toml").read_text("utf-8")
    file.write_text(text.replace('"kiosk-1"', '"kiosk-8"'), "utf-8")
    with pytest.raises(RehearsalError, match=r"city\.toml: sites: none has"):
        rehearsal.prepare(folder, tmp_path / "run", data=file)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RehearsalError, match="file"):
        rehearsal.prepare(tmp_path / "file" / "below")


def test_what_is_running_keeps_its_configuration(folder: Path, tmp_path: Path) -> None:
    made = rehearsal.prepare(folder, tmp_path)
    before = made.kiosk_toml.read_bytes()
    with rehearsal.claim(tmp_path), pytest.raises(RehearsalError, match="is running in"):
        rehearsal.prepare(folder, tmp_path)
    assert made.kiosk_toml.read_bytes() == before
