"""The cards and phones of the sample residents, made once."""

from __future__ import annotations

import hashlib
import secrets
import shutil
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from city import sample
from hal.sim.card.options import Options
from hal.sim.card.pki import (
    PHONE_AUTHENTICATION,
    USER_AUTHENTICATION,
    load_card_ca,
    make_card,
    make_card_ca,
)

CARD_CA: Final = "ca"
PHONE_CA: Final = "ca-phones"
CARD_CAS: Final = (CARD_CA, PHONE_CA)
VALID_DAYS = 4 * 365
LONG_AGO_DAYS = 400
EXPIRED_DAYS = 5


def make_cards(
    folder: Path,
    start: datetime,
    report: Callable[[str], None],
    chosen: Collection[str] | None,
) -> Mapping[str, Path]:
    """A card folder for each card and phone of the sample residents, `certificate.pem` for the
    city's registry beside it.
    """
    people = [
        (name, card)
        for name, (_, card) in sample.tokens().items()
        if chosen is None or name in chosen
    ]
    home = folder / "cards"
    stamp = folder / "cards" / "made"
    made_of = hashlib.sha256(
        repr([(id_, _values(card)) for id_, card in people]).encode()
    ).hexdigest()
    if not stamp.exists() or stamp.read_text() != made_of:
        report("making the sample cards")
        shutil.rmtree(home, ignore_errors=True)
        for ca in CARD_CAS:
            make_card_ca(home / ca)
            _pem(home / ca / "ca.der", home / ca / "ca.pem")
        with ThreadPoolExecutor() as workers:
            list(workers.map(lambda person: _card(home, person[0], person[1], start), people))
        stamp.write_text(made_of)
    return {id_: home / id_ for id_, _ in people}


def _values(card: sample.SampleCard) -> tuple[object, ...]:
    return tuple(getattr(card, name) for name in card.__struct_fields__)


def _card(home: Path, id_: str, card: sample.SampleCard, start: datetime) -> None:
    """Valid, or expired, today and at the rehearsal's date."""
    now = datetime.now(UTC).replace(microsecond=0)
    first = min(now, start)
    last = max(now, start)
    until = (
        first - timedelta(days=EXPIRED_DAYS) if card.expired else last + timedelta(days=VALID_DAYS)
    )
    begin = first - timedelta(days=LONG_AGO_DAYS)
    plastic = card.kind == "card"
    make_card(
        home / id_,
        load_card_ca(home / (CARD_CA if plastic else PHONE_CA)),
        secrets.token_hex(12),
        card.pin,
        begin,
        until,
        tries=card.pin_tries,
        options=Options(kind=card.kind),
        policy=USER_AUTHENTICATION if plastic else PHONE_AUTHENTICATION,
    )
    _pem(home / id_ / "certificate.der", home / id_ / "certificate.pem")


def _pem(der: Path, pem: Path) -> None:
    pem.write_bytes(x509.load_der_x509_certificate(der.read_bytes()).public_bytes(Encoding.PEM))
