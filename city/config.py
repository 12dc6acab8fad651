"""The gateway's configuration: TOML, typed, unknown keys are errors. Paths are relative to the file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, structs

Listen = Annotated[str, Meta(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$")]
Count = Annotated[int, Meta(ge=1, le=100_000)]


class ConfigError(Exception):
    """One line that says which file and which key."""


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all tables."""


class Gateway(Section, frozen=True):
    listen: Listen  # host:port; port 0 takes a free one
    database: str  # SQLAlchemy URL; a relative sqlite:/// path is relative to this file
    city: Path  # the city's data
    workers: Count = 4  # threads for database and typesetting
    waiting: Count = 256  # requests that may wait for them; one more is refused as busy
    connections: Count = 2000  # at once; one more is closed
    per_kiosk: Count = 64  # connections of one kiosk at once


class Tls(Section, frozen=True):
    certificate: Path
    key: Path
    kiosk_ca: Path
    kiosk_ca_key: Path | None = None  # with it, this gateway renews kiosk certificates
    renewed_days: Annotated[int, Meta(ge=1, le=825)] = 365


class Issuing(Section, frozen=True):
    key: Path  # Ed25519, PEM


class CardResponder(Section, frozen=True, kw_only=True):
    """Where one authority tells which of its certificates are revoked (OCSP)."""

    ca: Path  # one of cards.ca
    url: Annotated[str, Meta(pattern=r"^http://[!-~]+\Z")]  # the answers are signed, not the wire
    deadline_s: Annotated[float, Meta(gt=0, le=30)] = 2.0
    nonce: bool = True  # an answer must repeat it
    max_age_s: Count = 300  # of an answer that names no next update


class Cards(Section, frozen=True):
    ca: tuple[Path, ...]  # every generation still in use
    responders: tuple[CardResponder, ...] = ()  # one for each, but for the test authority
    allow_test: bool = False  # cards of the test authority (O=JPKI-TEST); never in production


class ClockSection(Section, frozen=True):
    start: datetime | None = None  # a rehearsal's clock begins here and runs on


class Typesetting(Section, frozen=True):
    font: Path | None = None  # the one font; without it, where Debian's package puts it


class Config(Section, frozen=True):
    gateway: Gateway
    tls: Tls
    issuing: Issuing
    cards: Cards
    clock: ClockSection = ClockSection()
    typesetting: Typesetting = Typesetting()


def load(path: Path) -> Config:
    """Read and resolve. Raises ConfigError."""
    folder = path.resolve().parent

    def convert(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str):
            return folder / value
        raise TypeError(f"not a {kind.__name__}")

    try:
        config = msgspec.toml.decode(path.read_bytes(), type=Config, dec_hook=convert)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
    database = _database(folder, config.gateway.database)
    return structs.replace(config, gateway=structs.replace(config.gateway, database=database))


def _database(folder: Path, url: str) -> str:
    head = "sqlite:///"
    if url.startswith(head) and url != head and ":memory:" not in url:
        return head + str(folder / url.removeprefix(head))
    return url
