"""Link a card to a resident: `kiosk city enroll --card CERT.pem --resident ID`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from city import audit, database, registry, tables
from city.cards import fingerprint, read_card
from city.clock import JST, starting
from city.config import Config, load
from city.database import Mode, Unavailable, transact
from city.handlers import seconds


def main(argv: Sequence[str]) -> int:
    """0. Raises EnrollError, city.config.ConfigError, city.database.DatabaseError."""
    parser = argparse.ArgumentParser(
        prog="kiosk city enroll", description="Link a card to a resident."
    )
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
    )
    parser.add_argument("--card", required=True, type=Path, metavar="CERT.pem")
    parser.add_argument("--resident", required=True, metavar="ID")
    given = parser.parse_args(argv)
    sys.stdout.write(f"{enroll(load(given.config), given.card, given.resident)}\n")
    return 0


class EnrollError(Exception):
    """One line that says what is wrong."""


def enroll(config: Config, certificate: Path, resident: str, issued_on: date | None = None) -> str:
    """Link it, or link it anew; returns the card's fingerprint. Without `issued_on`, the
    certificate's first day holds.

    For a card issued before its holder moved in, this is the procedure of continued use
    (継続利用手続), done today.

    Raises EnrollError, city.config.ConfigError, city.database.DatabaseError.
    """
    mark, card = read_card(certificate)
    day = issued_on or card.not_before.astimezone(JST).date()
    engine = database.connect(config.gateway.database)
    now = starting(config.clock.start)()
    try:
        today = now.astimezone(JST).date()
        return transact(
            engine, Mode.DECIDE, lambda c: link_card(c, mark, resident, day, seconds(now), today)
        )
    except (SQLAlchemyError, Unavailable):
        raise EnrollError("the database does not take it") from None
    finally:
        engine.dispose()


def link(
    connection: Connection,
    card: x509.Certificate,
    resident: str,
    issued_on: date,
    now: int,
    continued_on: date | None = None,
    revoked: bool = False,
) -> str:
    """`link_card` for a certificate that is at hand. Raises EnrollError."""
    mark = fingerprint(card.public_bytes(Encoding.DER))
    return link_card(connection, mark, resident, issued_on, now, continued_on, revoked)


def link_card(
    connection: Connection,
    mark: str,
    resident: str,
    issued_on: date,
    now: int,
    continued_on: date | None = None,
    revoked: bool = False,
) -> str:
    """Within a transaction; `mark` is the card's fingerprint. Raises EnrollError when there is no
    such resident.
    """
    if (
        connection.execute(
            select(tables.residents.c.id).where(tables.residents.c.id == resident)
        ).first()
        is None
    ):
        raise EnrollError(f"no resident {resident!r}")
    values = {
        "fingerprint": mark,
        "resident": resident,
        "issued_on": issued_on,
        "continued_on": continued_on,
        "revoked": revoked,
    }
    registry.put(connection, tables.cards, values)
    audit.append(connection, "enrolled", now, card=mark)
    return mark
