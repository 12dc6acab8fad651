"""Which kiosk certificates the city takes: seen, revoked, renewed. The database is the truth for
all gateways.

A certificate of the kiosk CA is listed, by its key, when it is first seen. Once one of a kiosk's
keys has been revoked, that kiosk's others are no longer taken on sight: somebody must have listed
them before.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection, insert, select, update

from city.tables import kiosk_certificates as table
from firmware.link.base import Key
from firmware.link.messages import RefusalCode

REFRESH_S: Final = 2.0  # so long may a revocation take to reach a gateway


@dataclass(frozen=True)
class Shown:
    """A certificate TLS has accepted."""

    kiosk: str
    fingerprint: str
    key: str  # SHA-256 of its SubjectPublicKeyInfo
    not_after: int  # seconds since 1970
    der: bytes = field(repr=False)


@lru_cache(maxsize=4096)
def read(der: bytes) -> Shown | None:
    """None when its name is no kiosk id."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        kiosk = msgspec.convert(names[0].value if len(names) == 1 else None, Key)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm, msgspec.ValidationError):
        return None
    end = int(certificate.not_valid_after_utc.timestamp())
    return Shown(kiosk, hashlib.sha256(der).hexdigest(), hashlib.sha256(key).hexdigest(), end, der)


Transaction = Callable[[Callable[[Connection], Any]], Any]


class Listed(NamedTuple):
    fingerprint: str
    revoked: bool


class Roll:
    """What this gateway knows of the list, never older than REFRESH_S. Shared by its worker
    threads.
    """

    def __init__(self, read: Transaction, decide: Transaction) -> None:
        self._read = read
        self._decide = decide
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._listed: dict[tuple[str, str], Listed] = {}  # by kiosk and key
        self._marked: set[str] = set()  # kiosks that lost a certificate

    def refusal(self, shown: Shown | None) -> RefusalCode | None:
        """Why this certificate is not taken now. Lists one that is new. Raises what `read` and
        `decide` raise.
        """
        if shown is None:
            return RefusalCode.KIOSK_UNKNOWN
        if time.time() > shown.not_after:
            return RefusalCode.KIOSK_EXPIRED
        with self._lock:
            if time.monotonic() - self._read_at > REFRESH_S:
                self._refresh()
            known = self._listed.get((shown.kiosk, shown.key))
            if known is None and shown.kiosk in self._marked:
                return RefusalCode.KIOSK_UNKNOWN
            if known and known.revoked:
                return RefusalCode.KIOSK_REVOKED
            if known is None or known.fingerprint != shown.fingerprint:
                refusal: RefusalCode | None = self._decide(
                    lambda connection: on_sight(connection, shown)
                )
                if refusal is None:
                    self._listed[shown.kiosk, shown.key] = Listed(shown.fingerprint, False)
                return refusal
        return None

    def _refresh(self) -> None:
        def look(connection: Connection) -> None:
            columns = (table.c.kiosk, table.c.key, table.c.fingerprint, table.c.revoked)
            rows = connection.execute(select(*columns)).all()
            self._listed = {
                (row.kiosk, row.key): Listed(row.fingerprint, row.revoked) for row in rows
            }
            self._marked = {row.kiosk for row in rows if row.revoked}

        self._read(look)
        self._read_at = time.monotonic()


# -- the list --------------------------------------------------------------------------------------


def on_sight(connection: Connection, shown: Shown) -> RefusalCode | None:
    """List it, unless this kiosk has lost a certificate meanwhile: a roll of two seconds ago does
    not know.
    """
    columns = select(table.c.key, table.c.revoked).where(table.c.kiosk == shown.kiosk)
    revoked = {row.key: row.revoked for row in connection.execute(columns)}
    if revoked.get(shown.key):
        return RefusalCode.KIOSK_REVOKED
    if shown.key not in revoked and any(revoked.values()):
        return RefusalCode.KIOSK_UNKNOWN
    admit(connection, shown)
    return None


def good(connection: Connection, shown: Shown) -> bool:
    """Listed and not revoked, in the very transaction that relies on it."""
    this = (table.c.kiosk == shown.kiosk) & (table.c.key == shown.key)
    return connection.execute(select(table.c.revoked).where(this)).scalar() is False


def admit(connection: Connection, shown: Shown) -> None:
    """List it, in place of an older one for the same key; what is revoked stays so."""
    same = (table.c.kiosk == shown.kiosk) & (table.c.key == shown.key)
    values = {
        "fingerprint": shown.fingerprint,
        "not_after": shown.not_after,
        "certificate": shown.der,
    }
    if connection.execute(select(table.c.revoked).where(same)).first() is None:
        connection.execute(
            insert(table).values(kiosk=shown.kiosk, key=shown.key, revoked=False, **values)
        )
    else:
        connection.execute(update(table).where(same & table.c.revoked.is_(False)).values(values))


def listed(connection: Connection) -> Sequence[tuple[str, str, str, str]]:
    """Kiosk, fingerprint, last day, state; by kiosk, the newest last."""
    rows = connection.execute(
        select(table).order_by(table.c.kiosk, table.c.not_after, table.c.fingerprint)
    )
    return [
        (row.kiosk, row.fingerprint, _day(row.not_after), _state(row.revoked, row.not_after))
        for row in rows
    ]


def _day(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def _state(revoked: bool, not_after: int) -> str:
    if revoked:
        return "revoked"
    return "expired" if time.time() > not_after else "good"


def revoke(connection: Connection, which: str) -> int:
    """All certificates of one kiosk, or the one of that fingerprint. How many: 0 when there is none
    such.
    """
    these = (table.c.kiosk == which) | (table.c.fingerprint == which)
    return connection.execute(
        update(table).where(these & table.c.revoked.is_(False)).values(revoked=True)
    ).rowcount


def issued_for(connection: Connection, kiosk: str, key: str) -> bytes | None:
    """The good certificate this kiosk has for this key."""
    mine = (
        (table.c.kiosk == kiosk)
        & (table.c.key == key)
        & (table.c.not_after > int(time.time()))
        & table.c.revoked.is_(False)
    )
    return connection.execute(select(table.c.certificate).where(mine)).scalar()


def newest(connection: Connection, kiosk: str) -> bytes | None:
    """Of this kiosk's certificates that are not revoked, the one that ends last."""
    mine = (table.c.kiosk == kiosk) & table.c.revoked.is_(False)
    last = select(table.c.certificate).where(mine).order_by(table.c.not_after.desc())
    return connection.execute(last).scalars().first()


def live(connection: Connection, kiosk: str) -> int:
    """How many certificates this kiosk has that are neither over nor revoked."""
    mine = (
        (table.c.kiosk == kiosk)
        & (table.c.not_after > int(time.time()))
        & table.c.revoked.is_(False)
    )
    return len(connection.execute(select(table.c.fingerprint).where(mine)).all())
