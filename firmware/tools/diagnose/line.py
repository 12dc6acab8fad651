"""The line to the city: the kiosk's certificate and key, then a real hello over the line."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from firmware.link import messages
from firmware.link.client import MIX_UPS, CityRefusal, Line, LineFault, LineReason, LineSetupError
from firmware.service.build import build
from firmware.service.city_desk import line_config
from firmware.service.config import Config
from firmware.sheets.admit import SignedTerms, read_terms
from firmware.sheets.expected import check_notices
from firmware.sheets.fault import SheetFault
from firmware.texts.texts import parse
from firmware.tools.diagnose import files as keeps
from firmware.tools.diagnose.files import RENEW, reading
from firmware.tools.diagnose.finding import Remedy, Wrong

MOST_APART: Final = timedelta(seconds=60)
OTHERS_MAY_READ: Final = 0o007

PAPERS: Final = Remedy(
    "市から受け取った証明書と鍵を入れ直してください。",
    "install the kiosk's certificate and key again",
)
EXPIRES: Final = Remedy(
    "端末の時計が正しければ、市に新しい証明書を依頼してください。",
    "when the lines clock and city are OK, ask the city for a new certificate",
)
READABLE: Final = Remedy("chmod 640 を実行してください。", "chmod 640 the key")
CLOCK: Final = Remedy(
    "時刻同期を確認してください。", "check the time synchronisation of kiosk and city"
)
REFUSED: Final = Remedy(
    "市の担当者に、この番号を伝えてください。", "tell the city's staff this code"
)
INTERFACE: Final = Remedy(
    "専用回線のインターフェースを起動してください。", "bring the line's network interface up"
)
REASONS: Final[Mapping[LineReason, Remedy]] = {
    LineReason.UNREACHABLE: Remedy(
        "回線と市のアドレスを確認してください。証明書が市に拒否された場合もこの表示です。",
        "check the line and the city's address; a certificate the city refuses looks like this too",
    ),
    LineReason.TIMEOUT: Remedy(
        "回線と市側の装置の稼働を確認してください。",
        "check the line; is the city's gateway running?",
    ),
    LineReason.TLS: Remedy(
        "city_ca・証明書・市のアドレスを確認してください。",
        "check city_ca, our certificate and the name of the city's host",
    ),
    LineReason.TOO_BIG: Remedy(
        "接続先が市の装置か確認してください。", "is it the city's gateway that answers?"
    ),
    LineReason.MALFORMED: Remedy(
        "市の装置の版を確認してください。", "compare the versions of kiosk and gateway"
    ),
    LineReason.VERSION: Remedy(
        "市の装置の版を確認してください。", "kiosk and gateway speak different versions"
    ),
    LineReason.TRUNCATED: Remedy(
        "回線の品質を確認してください。", "the line breaks inside answers: check its quality"
    ),
    **dict.fromkeys(
        MIX_UPS, Remedy("使用を止めて、市に連絡してください。", "stop using it, and tell the city")
    ),
    LineReason.TERMS: Remedy(
        "trust.terms_keys と trust.terms_edition を確認し、市に連絡してください。",
        "check trust.terms_keys and trust.terms_edition, then ask the city to sign its terms again",
    ),
    LineReason.CLOCK: Remedy(
        "端末の時計を確認してください。正しければ市に連絡してください。",
        "check this board's clock; if it is right, tell the city",
    ),
    LineReason.HTTP: Remedy("市の装置の状態を確認してください。", "look at the gateway's own log"),
}


def certificate(config: Config) -> str:
    """Files there, key fits, right name, not over, not public."""
    ours, key = config.line.certificate, config.line.key
    _line(config)
    found = x509.load_pem_x509_certificate(reading(ours, ours.read_bytes))
    if reading(key, key.stat).st_mode & OTHERS_MAY_READ:
        raise Wrong(f"{key}: others may read it", READABLE)
    if not _fits(found, key):
        raise Wrong(f"{key} is not the key of {ours}", PAPERS)
    names = [str(name.value) for name in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [config.kiosk.id]:
        raise Wrong(f"{ours} is for {', '.join(names)}, this kiosk is {config.kiosk.id}", PAPERS)
    left = found.not_valid_after_utc - datetime.now(UTC)
    detail = f"{config.kiosk.id}, until {found.not_valid_after_utc:%Y-%m-%d}"
    if left < RENEW:
        raise Wrong(detail, EXPIRES)
    return detail


def _fits(found: x509.Certificate, key: Path) -> bool:
    try:
        private = load_pem_private_key(reading(key, key.read_bytes), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private.public_key().public_bytes(*form) == found.public_key().public_bytes(*form)


def _line(config: Config) -> Line:
    try:
        return Line(line_config(config))
    except LineSetupError as error:
        raise Wrong(str(error), PAPERS) from None


def city(config: Config) -> str:
    """TLS on both sides, hello, the signed terms as the kiosk itself takes them, and whose clock is
    wrong.
    """
    interface = config.line.interface
    if interface and interface not in {name for _, name in socket.if_nameindex()}:
        raise Wrong(f"no network interface {interface}", INTERFACE)
    before = datetime.now(UTC)
    terms = asyncio.run(_hello(_line(config)))
    after = datetime.now(UTC)
    city_time = parse(terms.now)
    if city_time is None or city_time.tzinfo is None:
        raise Wrong("the city's time cannot be read", REASONS[LineReason.MALFORMED])
    _check_terms(config, terms, city_time.date())
    apart = city_time - (before + (after - before) / 2)
    door = "open" if terms.open else "closed now"
    ms = (after - before).total_seconds() * 1000
    detail = f"{terms.city}, {door}, {ms:.0f} ms, clocks {_apart(apart)} apart"
    # a rehearsal's city lives at a date of its own; only a rehearsal takes test cards
    if abs(apart) > MOST_APART and not config.trust.allow_test_cards:
        raise Wrong(detail, CLOCK)
    return detail


async def _hello(line: Line) -> messages.Terms:
    async with line:
        try:
            return await line.hello(messages.Hello(protocol=messages.PROTOCOL, build=build()))
        except LineFault as fault:
            raise Wrong(fault.reason.value, REASONS[fault.reason]) from None
        except CityRefusal as refused:
            raise Wrong(f"the city refuses: {refused.refusal.code.value}", REFUSED) from None


def _check_terms(config: Config, received: messages.Terms, day: date) -> None:
    """Signed by a pinned key, of the pinned edition or a later one, and what the menu says. Raises
    Wrong.
    """
    keys = keeps.pinned(config.trust.terms_keys)
    signed = SignedTerms(received.form_terms, received.form_terms_signature)
    try:
        check_notices(read_terms(signed, keys, config.trust.terms_edition), received, day)
    except SheetFault:
        older = f"older than edition {config.trust.terms_edition}"
        detail = f"the city's terms: not signed by the pinned keys, {older}, or another menu"
        raise Wrong(detail, REASONS[LineReason.TERMS]) from None


def _apart(difference: timedelta) -> str:
    seconds = abs(difference.total_seconds())
    return f"{seconds:.1f} s" if seconds < 3600 else f"{seconds / 86400:.1f} days"
