"""The line to the city: the kiosk's certificate and key, then a real hello over the line."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from dataclasses import replace
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

from firmware.link import messages, signing
from firmware.link.client import MIX_UPS, CityRefusal, Line, LineFault, LineReason, LineSetupError
from firmware.service.build import build
from firmware.service.city_desk import line_config
from firmware.service.config import Config
from firmware.sheets.admit import SignedTerms, read_terms
from firmware.sheets.binding import check_notices
from firmware.sheets.fault import SheetFault
from firmware.texts.texts import parse
from firmware.tools.diagnose import moment, tls
from firmware.tools.diagnose.errors import reading
from firmware.tools.diagnose.finding import Wrong, wrong
from firmware.tools.diagnose.trust import pinned

MOST_APART: Final = timedelta(seconds=60)
RENEW: Final = timedelta(days=30)  # a certificate that ends sooner is a task for this visit
DEADLINE_S: Final = 5.0  # for hello: the whole diagnosis has 15
OTHERS_MAY_READ: Final = 0o007
INTERFACES: Final = Path("/sys/class/net")
REASONS: Final[Mapping[LineReason, str]] = {
    LineReason.UNREACHABLE: "city.unreachable",
    LineReason.TIMEOUT: "city.timeout",
    LineReason.TLS: "tls.failed",
    LineReason.TOO_BIG: "city.not-a-gateway",
    LineReason.MALFORMED: "city.malformed",
    LineReason.VERSION: "city.version",
    LineReason.TRUNCATED: "city.truncated",
    **dict.fromkeys(MIX_UPS, "city.mix-up"),
    LineReason.TERMS: "city.terms-unsigned",
    LineReason.CLOCK: "clock.behind",
    LineReason.HTTP: "city.http",
}
REFUSALS: Final[Mapping[messages.RefusalCode, str]] = {
    messages.RefusalCode.VERSION: "city.version",
    messages.RefusalCode.KIOSK_UNKNOWN: "city.unknown-kiosk",
    messages.RefusalCode.KIOSK_REVOKED: "tls.ours-revoked",
    messages.RefusalCode.KIOSK_EXPIRED: "tls.ours-expired",
}


def certificate(config: Config) -> str:
    """Files there, key fits, right name, not public, not over. A date that is wrong by our clock is
    compared with the city's.
    """
    ours, key = config.line.certificate, config.line.key
    try:
        found = x509.load_pem_x509_certificate(reading(ours, ours.read_bytes))
    except ValueError:
        raise wrong("certificate.not-a-certificate", str(ours)) from None
    if reading(key, key.stat).st_mode & OTHERS_MAY_READ:
        raise wrong("certificate.open", f"{key}: others may read it")
    if not _fits(found, key):
        raise wrong("certificate.other-key", f"{key} is not the key of {ours}")
    names = [str(name.value) for name in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if names != [config.kiosk.id]:
        raise wrong("certificate.other-kiosk", f"{ours} is for {', '.join(names)}", config.kiosk.id)
    now = moment.now()
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        clock = None
        with contextlib.suppress(Wrong):
            clock = tls.look(config).clock
        tls.dated("certificate", found, clock, now, str(ours))
    detail = f"{config.kiosk.id}, until {found.not_valid_after_utc:%Y-%m-%d}"
    if found.not_valid_after_utc - now < RENEW:
        raise wrong("certificate.ends-soon", detail)
    return detail


def _fits(found: x509.Certificate, key: Path) -> bool:
    try:
        private = load_pem_private_key(reading(key, key.read_bytes), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise wrong("certificate.not-a-key", str(key)) from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private.public_key().public_bytes(*form) == found.public_key().public_bytes(*form)


def city(config: Config) -> str:
    """Interface, connection, TLS and clock; then hello, the signed terms as the kiosk itself takes
    them, and whether both sides have the same issuing key.
    """
    _interface(config)
    line = _line(config)
    seen = tls.look(config)
    now = moment.now()
    tls.judge(config, seen, now)
    if seen.refused is not None:
        raise _refused(config, seen.refused, now)
    _same_time(config, seen.clock, now)
    before = datetime.now(UTC)
    terms = asyncio.run(_hello(line))
    ms = (datetime.now(UTC) - before).total_seconds() * 1000
    city_time = parse(terms.now)
    if city_time is None or city_time.tzinfo is None:
        raise wrong("city.malformed", "the city's time cannot be read")
    _check_terms(config, terms, city_time.date())
    _same_keys(config, terms)
    door = "open" if terms.open else "closed now"
    apart = _apart(city_time - moment.now())
    return f"{terms.city}, {door}, {ms:.0f} ms, clocks {apart} apart"


def _refused(config: Config, found: Wrong, now: datetime) -> Wrong:
    """Most far ends only hang up: our certificate itself may say why."""
    ours = x509.load_pem_x509_certificate(config.line.certificate.read_bytes())
    issuer, ends = ours.issuer.rfc4514_string(), ours.not_valid_after_utc
    detail = f"{found.detail}; ours is issued by {issuer}, until {ends:%Y-%m-%d}"
    return wrong("tls.ours-expired" if now > ends else found.code, detail)


def _interface(config: Config) -> None:
    name = config.line.interface
    if not name:
        return
    if name not in {each for _, each in socket.if_nameindex()}:
        raise wrong("network.interface", f"no network interface {name}")
    try:
        state = (INTERFACES / name / "operstate").read_text("ascii").strip()
    except OSError:
        return  # the kernel tells nothing: the connection will
    if state == "down":
        raise wrong("network.interface-down", f"{name}: {state}")


def _line(config: Config) -> Line:
    tls.address(config)
    for path in (config.line.city_ca, config.line.certificate, config.line.key):
        reading(path, path.read_bytes)
    try:
        most = min(config.line.deadline_s, DEADLINE_S)
        return Line(replace(line_config(config), deadline_s=most))
    except LineSetupError as error:
        code = (
            "certificate.city-ca" if not _is_pem(config.line.city_ca) else "certificate.other-key"
        )
        raise wrong(code, str(error)) from None


def _is_pem(path: Path) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(path.read_bytes()))
    except ValueError:
        return False


def _same_time(config: Config, clock: datetime | None, now: datetime) -> None:
    """A rehearsal's city lives at a date of its own; only a rehearsal takes test cards and does not
    compare clocks.
    """
    rehearsal = config.trust.allow_test_cards and not config.line.clock_s
    if clock is None or rehearsal or abs(clock - now) <= MOST_APART:
        return
    side = "behind" if now < clock else "ahead"
    detail = f"{_apart(clock - now)} apart: this board {now:%Y-%m-%d %H:%M:%S} UTC"
    raise wrong(f"clock.{side}", f"{detail}, the city {clock.astimezone(UTC):%Y-%m-%d %H:%M:%S}")


async def _hello(line: Line) -> messages.Terms:
    asked = messages.Hello(
        protocol=messages.PROTOCOL, build=build(), understands=(messages.ISSUING,)
    )
    async with line:
        try:
            return await line.hello(asked)
        except LineFault as fault:
            raise wrong(REASONS[fault.reason], fault.reason.value) from None
        except CityRefusal as refused:
            code = refused.refusal.code
            detail = f"the city refuses: {code.value}"
            raise wrong(REFUSALS.get(code, "city.refused"), detail) from None


def _check_terms(config: Config, received: messages.Terms, day: date) -> None:
    """Signed by a pinned key, of the pinned edition or a later one, and what the menu says. Raises
    Wrong.
    """
    keys = pinned(config.trust.terms_keys)
    signed = SignedTerms(received.form_terms, received.form_terms_signature)
    try:
        terms = read_terms(signed, keys)
    except SheetFault:
        raise wrong("city.terms-unsigned", "signed by none of trust.terms_keys") from None
    wanted = config.trust.terms_edition
    if terms.edition < wanted:
        raise wrong("city.terms-old", f"edition {terms.edition}", f"edition {wanted} or later")
    try:
        check_notices(terms, received, day)
    except SheetFault:
        raise wrong("city.terms-differ", "the menu is not what the signed terms say") from None


def _same_keys(config: Config, terms: messages.Terms) -> None:
    """The key that the city signs with, by its reference on each sheet. Cities of before tell
    none.
    """
    ours = {signing.reference(key).hex() for key in pinned(config.trust.issuing_keys)}
    if terms.issuing and terms.issuing not in ours:
        raise wrong(
            "trust.not-the-citys", f"the city signs with {terms.issuing}", ", ".join(sorted(ours))
        )


def _apart(difference: timedelta) -> str:
    seconds = abs(difference.total_seconds())
    return f"{seconds:.1f} s" if seconds < 3600 else f"{seconds / 86400:.1f} days"
