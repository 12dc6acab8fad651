"""Everything a rehearsal needs, made at its first start: keys, cards, city, configurations,
recorded voice.

`folder` keeps what is made once and never changes; `run` what one run writes: database, journal,
configurations.
"""

from __future__ import annotations

import fcntl
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any, Final

from city import config as city_config
from city import database, municipality, sample, terms
from city import pki as city_pki
from city.clock import starting
from city.enroll import EnrollError
from city.opening import opening
from city.words_command import words
from firmware.service import toml
from firmware.service.cases import create_journal, journal_was_made
from firmware.service.entry import JournalBroken
from firmware.service.panel_key import key_file
from firmware.texts.engines import VoiceError
from firmware.texts.phrase import Phrase
from firmware.texts.texts import Texts, languages
from firmware.texts.voice import often, phrases
from firmware.tools import voice
from hal.sim.bench import RECEIPT_DOTS, SHEET_DOTS, Wiring
from hal.sim.card.pki import (
    PHONE_AUTHENTICATION,
)
from hal.sim.dock import CardLabel
from testbed.ports import HOST, WIRES, choose_ports
from testbed.rehearsal_error import RehearsalError
from testbed.rehearsed_cards import CARD_CAS, make_cards

KIOSK: Final = "kiosk-1"
SPOKEN: Final = ("ja", "en")  # before the kiosk starts; other languages speak when recorded
CITY_DATA: Final = Path(municipality.__file__).parent / "data" / "akashi.toml"
JST: Final = timezone(timedelta(hours=9), "JST")
OPENING: Final = datetime(
    2026, 11, 24, 10, tzinfo=JST
)  # a working day, in service hours: open whenever it is started
HOPPERS: Final = ((3, 10, 60), (4, 50, 40), (5, 100, 60))  # address, yen, coins
# What the rehearsal adds to the city's data: it takes phones.
REHEARSED: Final[Mapping[str, Any]] = {"phones": [{"from": date(2016, 1, 1), "taken": True}]}


@dataclass(frozen=True)
class Rehearsal:
    """What `prepare` made, ready to be started."""

    folder: Path
    run: Path
    kiosk_toml: Path
    city_toml: Path
    state: Path  # the kiosk's
    wiring: Wiring
    panel: str  # http://host:port
    panel_key: Path  # the file of the key to its wire
    cards: Mapping[str, Path]
    labels: tuple[CardLabel, ...]

    def pin(self, resident: str) -> str:
        return next(label.pin for label in self.labels if label.name == resident)


def prepare(
    folder: Path,
    run: Path | None = None,
    *,
    ports: Mapping[str, int] | None = None,
    pace: float = 1.0,
    start: datetime | None = None,
    cashless: bool = False,
    data: Path = CITY_DATA,
    city: Mapping[str, Any] | None = None,
    kiosk: Mapping[str, Any] | None = None,
    report: Callable[[str], None] = lambda _: None,
    seldom: bool = True,
    people: Collection[str] | None = None,
    spoken: Collection[str] = SPOKEN,
) -> Rehearsal:
    """Make what is not there yet, and fresh configurations. Raises RehearsalError.

    `ports` names ports for some of `WIRES`, the others are free ones. `data` is the city's file;
    `city` and `kiosk` are merged over it and the kiosk's configuration; `start` is where the city's
    clock begins, by itself when its service is open;
    with `cashless` the payment terminal is offered. `report` hears what takes its time. Without
    `seldom` the kiosk starts before everything is recorded that is seldom said. `people`: only
    these get cards (each takes a second of processor time). `spoken`: the languages that are
    recorded; without any the kiosk is mute.
    """
    folder = folder.absolute()
    run = (run or folder / "run").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        run.mkdir(parents=True, exist_ok=True)
        start = start or opens(data)
        with _alone(folder / "making"):
            keys = city_pki.make(folder / "pki", (KIOSK,))
            cards = make_cards(folder, start, report, people)
            _voice(folder / "voice", report, phrases if seldom else often, data, spoken)
        with claim(run):  # what runs there keeps its configuration
            kiosk = {
                "voice": {"languages": [*spoken] if seldom else ()},
                **({"cashless": {"address": str(run / "terminal")}} if cashless else {}),
                **(kiosk or {}),
            }
            return _configure(
                folder,
                run,
                keys,
                cards,
                choose_ports(ports or {}),
                pace,
                start,
                data,
                city or {},
                kiosk,
            )
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise RehearsalError(f"{where}{error.strerror or error}") from None
    except (EnrollError, city_config.ConfigError, database.DatabaseError, JournalBroken) as error:
        raise RehearsalError(str(error)) from None


def make_kiosk_keys(folder: Path, kiosks: tuple[str, ...]) -> city_pki.Files:
    """A certificate for each of these kiosks; what is there already stays. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder / "making"):
        return city_pki.make(folder / "pki", kiosks)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Two first starts at once make everything once."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def claim(run: Path) -> IO[str]:
    """One rehearsal in one folder, until this is closed. Raises RehearsalError."""
    lock = (run / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise RehearsalError(
            f"a rehearsal is running in {run} already; --folder names another place"
        ) from None
    return lock


# --- made once


def _voice(
    folder: Path,
    report: Callable[[str], None],
    of: Callable[[Texts], Iterable[Phrase]],
    data: Path,
    spoken: Collection[str],
) -> None:
    """With the words of this city."""
    city = [tuple(text.items()) for text in words(municipality.load(data)).texts]
    try:
        voice.record(folder, tuple(spoken), report, of, city)
    except VoiceError as error:
        raise RehearsalError(
            f"the recorded voice cannot be made: {error} (run ./scripts/setup)"
        ) from None


# --- for each run


def _configure(
    folder: Path,
    run: Path,
    keys: city_pki.Files,
    cards: Mapping[str, Path],
    ports: Mapping[str, int],
    pace: float,
    start: datetime,
    data: Path,
    city: Mapping[str, Any],
    kiosk: Mapping[str, Any],
) -> Rehearsal:
    at = {name: f"{HOST}:{port}" for name, port in ports.items()}
    coins = run / "coins"
    city_toml = run / "city.toml"
    kiosk_toml = run / "kiosk.toml"
    city_toml.write_text(toml.dumps(_city(folder, run, keys, at, start, data, city)))
    kiosk_toml.write_text(toml.dumps(toml.merge(_kiosk(folder, run, keys, at, coins, pace), kiosk)))
    _sign_terms(city_toml, keys)
    _registry(city_toml, cards)
    if not journal_was_made(run / "state"):
        create_journal(run / "state")
    ends = {name: (HOST, ports[name]) for name in WIRES if name not in ("panel", "verification")}
    return Rehearsal(
        folder=folder,
        run=run,
        kiosk_toml=kiosk_toml,
        city_toml=city_toml,
        state=run / "state",
        wiring=Wiring(coins=coins, terminal=run / "terminal", key=run / "key", **ends),
        panel=f"http://{at['panel']}",
        panel_key=key_file(run / "runtime"),
        cards=cards,
        labels=tuple(
            CardLabel(name, person.name, _note(person, card), card.pin, card.kind)
            for name, (person, card) in sample.tokens().items()
        ),
    )


def _note(person: sample.SampleResident, card: sample.SampleCard) -> str:
    """What is written on the tray beside it."""
    phone = {"card": "", "android": "スマートフォン（Android）", "iphone": "iPhone"}[card.kind]
    if not phone:
        return person.note
    return phone + ("。失効" if card.revoked else "")


def merged(over: Mapping[str, Any], data: Path = CITY_DATA) -> dict[str, Any]:
    """A city's data with what `over` says otherwise. Raises OSError."""
    return toml.merge(tomllib.loads(data.read_text("utf-8")), {**REHEARSED, **over})


def opens(data: Path) -> datetime:
    """A working day of this city, in its service hours. Raises ConfigError, RehearsalError."""
    city = municipality.load(data).seen_by(KIOSK)
    if city is None:
        raise RehearsalError(f"{data}: sites: none has the kiosk {KIOSK}, which rehearses here")
    when = opening(city, OPENING)
    if when.refusal and not when.opens_at:
        raise RehearsalError(f"{data}: hours: not open within 400 days of {OPENING:%Y-%m-%d}")
    return when.opens_at or OPENING


def _city(
    folder: Path,
    run: Path,
    keys: city_pki.Files,
    at: Mapping[str, str],
    start: datetime,
    data: Path,
    over: Mapping[str, Any],
) -> dict[str, Any]:
    rehearsed = run / "city-data.toml"
    page = {"verification_page": f"http://{at['verification']}/v"}
    rehearsed.write_text(toml.dumps(merged({**page, **over}, data)))
    return {
        "gateway": {
            "listen": at["city"],
            "database": f"sqlite:///{run / 'city.sqlite'}",
            "city": rehearsed,
        },
        "tls": {"certificate": keys.gateway, "key": keys.gateway_key, "kiosk_ca": keys.kiosk_ca},
        "issuing": {"key": keys.issuing_key},
        "terms": {"file": run / "form-terms.json", "key": keys.terms},
        "cards": {
            "ca": [folder / "cards" / ca / "ca.pem" for ca in CARD_CAS],
            "phone_policies": [PHONE_AUTHENTICATION.dotted_string],
            "allow_test": True,
        },
        "verification": {
            "listen": at["verification"],
            "keys": [{"key": keys.issuing, "from": date(2016, 1, 1)}],
        },
        "records": {"archive": run / "archive", "key": keys.records_key},
        "clock": {"start": start},
    }


def _kiosk(
    folder: Path, run: Path, keys: city_pki.Files, at: Mapping[str, str], coins: Path, pace: float
) -> dict[str, Any]:
    certificate, key = keys.kiosk(KIOSK)
    return {
        "kiosk": {
            "id": KIOSK,
            "state": run / "state",
            "runtime": run / "runtime",
            "pace": pace,
            "languages": languages(),
        },
        "panel": {"listen": at["panel"]},
        "card": {"driver": "vpcd", "listen": at["reader"], "cable": at["cable"]},
        "sheets": {"address": at["sheets"], "width": SHEET_DOTS, "dpi": 203, "outlet_sensor": True},
        "receipts": {"address": at["receipts"], "width": RECEIPT_DOTS, "dpi": 203},
        "cash": {
            "port": str(coins),
            "hoppers": [{"address": a, "value": v} for a, v, _ in HOPPERS],
        },
        "speaker": {"driver": "network", "address": at["speaker"]},
        "service_key": {"driver": "modbus", "port": run / "key"},
        "line": {
            "city": f"https://{at['line']}",
            "city_ca": keys.city_ca,
            "certificate": certificate,
            "key": key,
            "clock_s": 0,  # the rehearsal's city has a clock of its own
        },
        "trust": {
            "card_ca": [folder / "cards" / ca / "ca.pem" for ca in CARD_CAS],
            "phone_policies": [PHONE_AUTHENTICATION.dotted_string],
            "issuing_keys": [keys.issuing],
            "terms_keys": [keys.terms],
            "allow_test_cards": True,
        },
        "voice": {"recordings": folder / "voice"},
    }


def _sign_terms(city_toml: Path, keys: city_pki.Files) -> None:
    config = city_config.load(city_toml)
    signed = terms.sign(
        municipality.load(config.gateway.city), terms.load_terms_key(keys.terms_key)
    )
    config.terms.file.write_bytes(signed)


def _registry(city_toml: Path, cards: Mapping[str, Path]) -> None:
    """The residents as they were, and their cards."""
    config = city_config.load(city_toml)
    engine = database.connect(config.gateway.database)
    try:
        sample.seed(engine, starting(config.clock.start), municipality.load(config.gateway.city))
    finally:
        engine.dispose()
    sample.enroll_all(config, {id_: folder / "certificate.pem" for id_, folder in cards.items()})
