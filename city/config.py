"""The gateway's configuration: TOML, typed, unknown keys are errors. Paths are relative to the
file.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct, structs

Listen = Annotated[str, Meta(pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s]+):\d{1,5}$")]
Count = Annotated[int, Meta(ge=1, le=100_000)]
C = TypeVar("C", bound=Struct)


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


class Terms(Section, frozen=True):
    """The signed terms of the forms; `kiosk city sign-terms` writes the file."""

    file: Path
    key: Path  # the PUBLIC terms key, Ed25519, PEM; the private one is kept away from all gateways


class CardResponder(Section, frozen=True, kw_only=True):
    """Where one authority tells which of its certificates are revoked (OCSP)."""

    ca: Path  # one of cards.ca
    url: Annotated[str, Meta(pattern=r"^http://[!-~]+\Z")]  # the answers are signed, not the wire
    deadline_s: Annotated[float, Meta(gt=0, le=30)] = 2.0
    nonce: bool = True  # an answer must repeat it
    max_age_s: Count = 300  # of an answer that names no next update


ObjectId = Annotated[str, Meta(pattern=r"^[0-2](\.(0|[1-9]\d{0,9}))+\Z")]


class Cards(Section, frozen=True):
    ca: tuple[Path, ...]  # every generation still in use, of cards and of phones
    phone_policies: tuple[ObjectId, ...] = ()  # of phones' certificates; without any, none is taken
    responders: tuple[CardResponder, ...] = ()  # one for each, but for the test authority
    allow_test: bool = False  # cards of the test authority (O=JPKI-TEST); never in production


class Records(Section, frozen=True, kw_only=True):
    """Where the log's older entries go, and what the city's public figures are signed with."""

    archive: Path  # folder
    key: Path  # Ed25519, PEM; not the issuing key
    database: str | None = None  # under a role that may delete; without it, the gateway's


class ClockSection(Section, frozen=True):
    start: datetime | None = None  # a rehearsal's clock begins here and runs on


class Typesetting(Section, frozen=True):
    font: Path | None = None  # the one font; without it, where Debian's package puts it


class PublishedKey(Section, frozen=True, kw_only=True, rename={"since": "from"}):
    """A public issuing key and the days on which it signed. All three days are told to whoever
    checks a sheet.
    """

    key: Path  # Ed25519, PEM
    since: date  # the first day of issue that it may have signed
    until: date | None = None  # the last; none while it signs
    revoked: date | None = (
        None  # from when nothing that it signed proves anything any more, whatever the day of issue
    )


class Verification(Section, frozen=True, kw_only=True):
    """The page on which anybody checks a sheet: a program of its own (`city/verification`)."""

    listen: Listen
    keys: Annotated[tuple[PublishedKey, ...], Meta(min_length=1, max_length=32)]
    database: str | None = None  # read only; without it, the gateway's
    city: Path | None = None  # the city's data; without it, the gateway's
    certificate: Path | None = (
        None  # TLS with an ordinary server certificate; without it, plain HTTP
    )
    key: Path | None = None
    proxy: str | None = (
        None  # address of a reverse proxy: behind it, X-Forwarded-For names who asks
    )
    connections: Count = 1000  # at once; one more is closed
    per_address: Count = 32  # connections of one address at once


class Config(Section, frozen=True):
    gateway: Gateway
    tls: Tls
    issuing: Issuing
    terms: Terms
    cards: Cards
    clock: ClockSection = ClockSection()
    typesetting: Typesetting = Typesetting()
    verification: Verification | None = None  # of no use to the gateway
    records: Records | None = None  # of no use to the gateway


class _VerificationFile(Struct, frozen=True):
    """What the verification page reads of a file: its own table, and where the gateway's data are,
    if that is there.
    """

    verification: Verification
    gateway: Gateway | None = None


def load(path: Path) -> Config:
    """Read and resolve. Raises ConfigError."""
    config = _decode(path, Config)
    folder = path.resolve().parent
    gateway = structs.replace(config.gateway, database=_database(folder, config.gateway.database))
    records = config.records
    if records and records.database:
        records = structs.replace(records, database=_database(folder, records.database))
    return structs.replace(config, gateway=gateway, records=records)


def load_verification(path: Path) -> Verification:
    """`[verification]` of a file that may hold nothing else; `database` and `city` are set. Raises
    ConfigError.
    """
    found = _decode(path, _VerificationFile)
    section = found.verification
    gateway = found.gateway
    database = section.database or (gateway.database if gateway else None)
    city = section.city or (gateway.city if gateway else None)
    if database is None or city is None:
        raise ConfigError(
            f"{path}: [verification] wants database and city, or a [gateway] that has them"
        )
    return structs.replace(section, database=_database(path.resolve().parent, database), city=city)


def _decode(path: Path, type_: type[C]) -> C:
    folder = path.resolve().parent

    def convert(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str):
            return folder / value
        raise TypeError(f"not a {kind.__name__}")

    try:
        return msgspec.toml.decode(path.read_bytes(), type=type_, dec_hook=convert)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _database(folder: Path, url: str) -> str:
    head = "sqlite:///"
    if url.startswith(head) and url != head and ":memory:" not in url:
        return head + str(folder / url.removeprefix(head))
    return url
