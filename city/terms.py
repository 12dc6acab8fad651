"""The signed terms of this city's forms: from its data file to the bytes that kiosks check
documents against.

They are signed once, where the city keeps its terms key (`kiosk city sign-terms`); the gateway has
the public key alone, and hands the signed file on. A gateway whose data file says something else
does not start.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from city import municipality
from city.composition import ALWAYS, HEAD, HOUSEHOLD_HEAD, LABELS, LINES, TAX_ROWS
from city.config import Config, ConfigError, load
from city.entries import Certificate, Issuer
from city.entry_forms import SECTIONS
from city.family_forms import DOMICILE_FIELD
from city.issuing import load_private_key
from city.municipality import Municipality
from city.vocabulary import FIELD_ROWS, Field, RowKey
from firmware.link import signing
from firmware.link.form_terms import (
    FAMILY_FORMS,
    AmountSection,
    Form,
    FormFee,
    FormIssuer,
    FormName,
    FormTerms,
)
from firmware.link.messages import MAX_FORM_TERMS


class SignedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that `sign-terms` writes and the gateway reads, as JSON."""

    terms: bytes
    signature: bytes


@dataclass(frozen=True)
class SignedTerms:
    """What `hello` hands on."""

    body: bytes
    signature: bytes


def form_terms(city: Municipality) -> FormTerms:
    """What the city's data says of its forms."""
    return FormTerms(
        city=city.code,
        edition=city.edition,
        heading=city.name["ja"],
        verification=city.verification,
        verification_page=city.verification_page,
        issuers=tuple(map(_issuer, city.issuers)),
        forms=tuple(map(_form, city.certificates)),
    )


def _issuer(issuer: Issuer) -> FormIssuer:
    return FormIssuer(
        since=issuer.since, office=issuer.office, officer=issuer.officer, stamp=issuer.stamp
    )


def _form(certificate: Certificate) -> Form:
    return Form(
        kind=certificate.kind,
        form=certificate.form,
        since=certificate.since,
        until=certificate.until,
        title=certificate.title,
        fees=tuple(_fees(certificate)),
        copies=certificate.copies,
        subtitles={str(case): text for case, text in certificate.subtitle.items()},
        statements={str(case): text for case, text in certificate.statement.items()},
        notes=certificate.notes,
        head=HEAD[certificate.form],
        rows=LABELS[certificate.form],
        always=(*ALWAYS[certificate.form], *_labels(certificate.rows)),
        fields={field: _field(field, certificate.form) for field in certificate.fields},
        tax_rows=TAX_ROWS if certificate.form == "kazei" else (),
        amounts=tuple(
            AmountSection(heading=h, labels=labels) for h, labels in _sections(certificate)
        ),
        seal_mm=certificate.seal_mm,
        untaxed=certificate.untaxed,
        titles={str(case): text for case, text in certificate.titles.items()},
        remarks={str(case): text for case, text in certificate.remarks.items()},
    )


def _sections(certificate: Certificate) -> Iterator[tuple[str, tuple[str, ...]]]:
    if certificate.form in SECTIONS:
        yield SECTIONS[certificate.form]
    yield from certificate.amounts.items()


def _fees(certificate: Certificate) -> Iterator[FormFee]:
    """Each with the day on which it begins: of a discount also what holds again behind it."""
    begun = {fee.since for fee in certificate.fees}
    for fee in certificate.fees:
        yield FormFee(since=fee.since, yen=fee.yen)
        if fee.until is not None and (after := fee.until + timedelta(days=1)) not in begun:
            yield FormFee(since=after, yen=certificate.fee_on(after).yen)


def _field(field: Field, form: FormName) -> tuple[str, ...]:
    if form in FAMILY_FORMS:
        return DOMICILE_FIELD
    head = (HOUSEHOLD_HEAD,) if field == "relationship" and form == "juminhyo" else ()
    return (*head, *_labels(FIELD_ROWS[field]))


def _labels(rows: Sequence[RowKey]) -> tuple[str, ...]:
    return tuple(label for key, label, _ in LINES if key in rows)


def check_line(city: Municipality, path: Path) -> None:
    """That kiosks can read these terms: else every kiosk would be out of service. Raises
    ConfigError with the key.
    """
    body = encode(form_terms(city))
    if len(body) > MAX_FORM_TERMS:
        raise ConfigError(
            f"{path}: certificates: {len(body)} bytes of terms, and kiosks take {MAX_FORM_TERMS}"
        )
    try:
        msgspec.json.decode(body, type=FormTerms)
    except msgspec.ValidationError as error:
        key = str(error).replace("$.forms", "certificates").replace("$.", "")
        raise ConfigError(f"{path}: kiosks cannot read it: {key}") from None


def load_signed(config: Config, city: Municipality) -> SignedTerms:
    """What `sign-terms` wrote, checked against key and data. Raises ConfigError."""
    check_line(city, config.gateway.city)
    path = config.terms.file
    again = "sign them again: kiosk city sign-terms --config FILE --key TERMS-KEY.pem"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=SignedFile)
        keys = signing.load_public([config.terms.key])
        signing.verify_form_terms(keys, found.terms, found.signature)
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}; {again}") from None
    except signing.SignatureError as error:
        raise ConfigError(f"{path}: {error}; {again}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ConfigError(f"{path}: not a file of signed terms; {again}") from None
    if found.terms != encode(form_terms(city)):
        raise ConfigError(f"{path}: not the terms of {config.gateway.city}; {again}")
    return SignedTerms(found.terms, found.signature)


def encode(terms: FormTerms) -> bytes:
    return msgspec.json.encode(terms, order="deterministic")


def sign(city: Municipality, key: Ed25519PrivateKey) -> bytes:
    """The content of the signed file."""
    body = encode(form_terms(city))
    return msgspec.json.encode(SignedFile(body, signing.sign_form_terms(key, body)))


def main(argv: Sequence[str]) -> int:
    """`kiosk city sign-terms`. Raises ConfigError, OSError."""
    parser = argparse.ArgumentParser(
        prog="kiosk city sign-terms",
        description="Sign what this city's data file says of its forms. Run it where the terms "
        "key is kept.",
    )
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
    )
    parser.add_argument(
        "--key", required=True, type=Path, metavar="PEM", help="the private terms key, Ed25519"
    )
    given = parser.parse_args(argv)
    config = load(given.config)
    city = municipality.load(config.gateway.city)
    check_line(city, config.gateway.city)
    key = load_terms_key(given.key)
    if signing.load_public([config.terms.key]) != (key.public_key(),):
        raise ConfigError(f"{config.terms.key}: not the public key of {given.key}")
    config.terms.file.write_bytes(sign(city, key))
    sys.stdout.write(f"{config.terms.file}: {len(city.certificates)} forms signed\n")
    return 0


def load_terms_key(path: Path) -> Ed25519PrivateKey:
    """Raises ConfigError."""
    return load_private_key(path, "key")
