"""Link a card to a resident: `kiosk city enroll --card CERT.pem --resident ID`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from city import audit, database, registry, tables
from city.cards import fingerprint, read_certificates
from city.clock import JST, starting
from city.config import Config
from city.database import Mode, Unavailable, transact
from city.handlers import seconds


class EnrollError(Exception):
    """One line that says what is wrong."""


def enroll(config: Config, certificate: Path, resident: str, issued_on: date | None = None) -> str:
    """Link it, or link it anew; returns the card's fingerprint. Without `issued_on`, the certificate's first day holds.

    For a card issued before its holder moved in, this is the procedure of continued use (継続利用手続), done today.

    Raises EnrollError, city.config.ConfigError, city.database.DatabaseError.
    """
    card = read_certificates(certificate)[0]
    day = issued_on or card.not_valid_before_utc.astimezone(JST).date()
    engine, now = database.connect(config.gateway.database), starting(config.clock.start)()
    try:
        today = now.astimezone(JST).date()
        return transact(engine, Mode.DECIDE, lambda c: link(c, card, resident, day, seconds(now), today))
    except (SQLAlchemyError, Unavailable):
        raise EnrollError("the database does not take it") from None
    finally:
        engine.dispose()


def link(
    connection: Connection, card: x509.Certificate, resident: str, issued_on: date, now: int,
    continued_on: date | None = None, revoked: bool = False,
) -> str:  # fmt: skip
    """Within a transaction. Raises EnrollError when there is no such resident."""
    if connection.execute(select(tables.residents.c.id).where(tables.residents.c.id == resident)).first() is None:
        raise EnrollError(f"no resident {resident!r}")
    mark = fingerprint(card.public_bytes(Encoding.DER))
    values = {
        "fingerprint": mark, "resident": resident, "issued_on": issued_on, "continued_on": continued_on,
        "revoked": revoked,
    }  # fmt: skip
    registry.put(connection, tables.cards, values)
    audit.append(connection, "enrolled", now, card=mark)
    return mark
