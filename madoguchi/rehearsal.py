"""Everything a rehearsal needs, made at its first start: keys, cards, city, configurations, recorded voice.

`folder` keeps what is made once and never changes; `run` what one run writes: database, journal, configurations.
"""

from __future__ import annotations

import fcntl
import hashlib
import secrets
import shutil
import socket
import tomllib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import IO, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from city import config as city_config
from city import database, municipality, sample
from city import pki as city_pki
from city.clock import starting
from city.enroll import EnrollError
from firmware.texts.recordings import VoiceError
from hal.sim.bench import RECEIPT_DOTS, SHEET_DOTS, Wiring
from hal.sim.card.pki import load_card_ca, make_card, make_card_ca
from hal.sim.dock import CardLabel
from madoguchi import toml, voice

KIOSK: Final = "kiosk-1"
HOST: Final = "127.0.0.1"
CITY_DATA: Final = Path(municipality.__file__).parent / "data" / "akashi.toml"
JST: Final = timezone(timedelta(hours=9), "JST")
OPENING: Final = datetime(2026, 11, 24, 10, tzinfo=JST)  # a working day, in service hours: open whenever it is started
WIRES: Final = ("panel", "reader", "city", "cable", "line", "sheets", "receipts", "speaker")
HOPPERS: Final = ((3, 10, 60), (4, 50, 40), (5, 100, 60))  # address, yen, coins
VALID_DAYS, LONG_AGO_DAYS, EXPIRED_DAYS = 4 * 365, 400, 5


class RehearsalError(Exception):
    """One line: what is missing or in the way, and what to do."""


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
    start: datetime = OPENING,
    city: Mapping[str, Any] | None = None,
    kiosk: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Rehearsal:
    """Make what is not there yet, and fresh configurations. Raises RehearsalError.

    `ports` names ports for some of `WIRES`, the others are free ones. `city` and `kiosk` are merged over the city's
    data and the kiosk's configuration; `start` is where the city's clock begins. `tell` hears what
    takes its time.
    """
    folder = folder.absolute()
    run = (run or folder / "run").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        run.mkdir(parents=True, exist_ok=True)
        with _alone(folder / "making"):
            keys = city_pki.make(folder / "pki", (KIOSK,))
            cards = _cards(folder, start, tell)
            _voice(folder / "voice", tell)
        with claim(run):  # what runs there keeps its configuration
            return _configure(folder, run, keys, cards, _ports(ports or {}), pace, start, city or {}, kiosk or {})
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise RehearsalError(f"{where}{error.strerror or error}") from None
    except (EnrollError, city_config.ConfigError, database.DatabaseError) as error:
        raise RehearsalError(str(error)) from None


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
        raise RehearsalError(f"a rehearsal is running in {run} already; --folder names another place") from None
    return lock


def _ports(given: Mapping[str, int]) -> Mapping[str, int]:
    """A port for each wire; all free ones are held until the last is found, so no two are the same."""
    if unknown := set(given) - set(WIRES):
        raise RehearsalError(f"no such wire: {', '.join(sorted(unknown))}")
    held = {name: _free() for name in WIRES if name not in given}
    found = {name: sock.getsockname()[1] for name, sock in held.items()}
    for sock in held.values():
        sock.close()
    return {**found, **given}


def _free() -> socket.socket:
    """Below the ports that the kernel gives to whoever connects: one of those could be gone when it is wanted."""
    while True:
        try:
            return socket.create_server((HOST, 10_000 + secrets.randbelow(22_000)))
        except OSError:
            continue


# --- made once


def _cards(folder: Path, start: datetime, tell: Callable[[str], None]) -> Mapping[str, Path]:
    """A card folder for each sample resident with a card, `certificate.pem` for the city's registry beside it."""
    people = [(person.id, person.card) for person in sample.load() if person.card]
    home, stamp = folder / "cards", folder / "cards" / "made"
    made_of = hashlib.sha256(repr([(id_, _values(card)) for id_, card in people]).encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != made_of:
        tell("making the sample cards")
        shutil.rmtree(home, ignore_errors=True)
        make_card_ca(home / "ca")
        _pem(home / "ca" / "ca.der", home / "ca" / "ca.pem")
        with ThreadPoolExecutor() as workers:
            list(workers.map(lambda person: _card(home, person[0], person[1], start), people))
        stamp.write_text(made_of)
    return {id_: home / id_ for id_, _ in people}


def _values(card: sample.SampleCard) -> tuple[object, ...]:
    return tuple(getattr(card, name) for name in card.__struct_fields__)


def _card(home: Path, id_: str, card: sample.SampleCard, start: datetime) -> None:
    """Valid, or expired, today and at the rehearsal's date."""
    now = datetime.now(UTC).replace(microsecond=0)
    first, last = min(now, start), max(now, start)
    until = first - timedelta(days=EXPIRED_DAYS) if card.expired else last + timedelta(days=VALID_DAYS)
    begin = first - timedelta(days=LONG_AGO_DAYS)
    make_card(
        home / id_, load_card_ca(home / "ca"), secrets.token_hex(12), card.pin, begin, until, tries=card.pin_tries
    )
    _pem(home / id_ / "certificate.der", home / id_ / "certificate.pem")


def _pem(der: Path, pem: Path) -> None:
    pem.write_bytes(x509.load_der_x509_certificate(der.read_bytes()).public_bytes(Encoding.PEM))


def _voice(folder: Path, tell: Callable[[str], None]) -> None:
    try:
        voice.record(folder, tell)
    except VoiceError as error:
        raise RehearsalError(f"the recorded voice cannot be made: {error} (run ./scripts/setup)") from None


# --- for each run


def _configure(
    folder: Path,
    run: Path,
    keys: city_pki.Files,
    cards: Mapping[str, Path],
    ports: Mapping[str, int],
    pace: float,
    start: datetime,
    city: Mapping[str, Any],
    kiosk: Mapping[str, Any],
) -> Rehearsal:
    at = {name: f"{HOST}:{port}" for name, port in ports.items()}
    coins = run / "coins"
    city_toml, kiosk_toml = run / "city.toml", run / "kiosk.toml"
    city_toml.write_text(toml.dumps(_city(folder, run, keys, at, start, city)))
    kiosk_toml.write_text(toml.dumps(toml.merge(_kiosk(folder, run, keys, at, coins, pace), kiosk)))
    _registry(city_toml, cards)
    ends = {name: (HOST, ports[name]) for name in WIRES if name != "panel"}
    return Rehearsal(
        folder=folder,
        run=run,
        kiosk_toml=kiosk_toml,
        city_toml=city_toml,
        state=run / "state",
        wiring=Wiring(coins=coins, **ends),
        panel=f"http://{at['panel']}",
        cards=cards,
        labels=tuple(
            CardLabel(person.id, person.name, person.note, person.card.pin) for person in sample.load() if person.card
        ),
    )


def merged(over: Mapping[str, Any]) -> dict[str, Any]:
    """The sample city's data with what `over` says otherwise."""
    return toml.merge(tomllib.loads(CITY_DATA.read_text("utf-8")), over)


def _city(
    folder: Path,
    run: Path,
    keys: city_pki.Files,
    at: Mapping[str, str],
    start: datetime,
    over: Mapping[str, Any],
) -> dict[str, Any]:
    data = CITY_DATA
    if over:
        data = run / "city-data.toml"
        data.write_text(toml.dumps(merged(over)))
    return {
        "gateway": {"listen": at["city"], "database": f"sqlite:///{run / 'city.sqlite'}", "city": data},
        "tls": {"certificate": keys.gateway, "key": keys.gateway_key, "kiosk_ca": keys.kiosk_ca},
        "issuing": {"key": keys.issuing_key},
        "cards": {"ca": [folder / "cards" / "ca" / "ca.pem"], "allow_test": True},
        "clock": {"start": start},
    }


def _kiosk(
    folder: Path, run: Path, keys: city_pki.Files, at: Mapping[str, str], coins: Path, pace: float
) -> dict[str, Any]:
    certificate, key = keys.kiosk(KIOSK)
    return {
        "kiosk": {"id": KIOSK, "state": run / "state", "pace": pace},
        "panel": {"listen": at["panel"]},
        "card": {"driver": "vpcd", "listen": at["reader"], "cable": at["cable"]},
        "sheets": {"address": at["sheets"], "width": SHEET_DOTS, "dpi": 203, "outlet_sensor": True},
        "receipts": {"address": at["receipts"], "width": RECEIPT_DOTS, "dpi": 203},
        "cash": {"port": str(coins), "hoppers": [{"address": a, "value": v} for a, v, _ in HOPPERS]},
        "speaker": {"driver": "network", "address": at["speaker"]},
        "line": {"city": f"https://{at['line']}", "city_ca": keys.city_ca, "certificate": certificate, "key": key},
        "trust": {
            "card_ca": [folder / "cards" / "ca" / "ca.pem"],
            "issuing_keys": [keys.issuing],
            "allow_test_cards": True,
        },
        "voice": {"recordings": folder / "voice"},
    }


def _registry(city_toml: Path, cards: Mapping[str, Path]) -> None:
    """The residents as they were, and their cards."""
    config = city_config.load(city_toml)
    engine = database.connect(config.gateway.database)
    try:
        sample.seed(engine, starting(config.clock.start), municipality.load(config.gateway.city))
    finally:
        engine.dispose()
    sample.enroll_all(config, {id_: folder / "certificate.pem" for id_, folder in cards.items()})
