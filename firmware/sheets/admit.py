"""The one door for a document: everything that can be known of it before money, in one function.

The kiosk distrusts even the city. A gateway that mixes something up signs the wrong document as
properly as the right one. So the document must agree with what the person confirmed on the screen,
with the signed terms of the forms, with what the city committed to before the order, and every mark
on every page must be one of those that follow from them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from firmware.link import sealing, sheet_code, signing
from firmware.link.content import sheet_digest
from firmware.link.form_terms import FormTerms
from firmware.link.messages import Manifest, OrderAnswer, seal_info
from firmware.sheets import layout, page, pdf
from firmware.sheets.binding import Ordered
from firmware.sheets.compare import compare
from firmware.sheets.expected import Expected, expect
from firmware.sheets.fault import SheetFault, SheetReason
from firmware.sheets.glyphs import FONT, load_glyphs
from firmware.sheets.own_font import load_own_font
from firmware.sheets.prepare import SheetImage, Target, prepare
from firmware.sheets.redraw import redraw


@dataclass(frozen=True)
class Trust:
    """Whom this kiosk believes, and the font it compares with."""

    issuing_keys: Sequence[Ed25519PublicKey]
    terms_keys: Sequence[Ed25519PublicKey]
    terms_edition: int = 1  # the oldest one that is taken
    font: Path = FONT


@dataclass(frozen=True)
class SignedTerms:
    """The form terms as `hello` brought them."""

    body: bytes
    signature: bytes


@dataclass(frozen=True)
class Admitted:
    """A document that may be paid for. `sheets` are those of one copy; `fee` in yen for
    all copies.
    """

    sheets: tuple[SheetImage, ...] = field(repr=False)
    document: str  # SHA-256
    unique_number: str
    copies: int
    fee: int


@dataclass(frozen=True)
class VerifiedDocument:
    """A document that says what it must; nobody has looked at its pages yet. `file`: the PDF."""

    manifest: Manifest = field(repr=False)
    expected: Expected = field(repr=False)
    addresses: tuple[str, ...]  # of the sheets' codes
    file: bytes = field(repr=False)


@dataclass(frozen=True)
class RefusedDocument:
    """`page` counts from 1; 0 is the document as a whole."""

    reason: SheetReason
    page: int = 0


def admit(
    ordered: Ordered,
    terms: SignedTerms,
    answer: OrderAnswer,
    key: MLKEM768X25519PrivateKey,
    trust: Trust,
    target: Target,
) -> Admitted | RefusedDocument:
    """`key` is the session's one-time key. Raises FontUnusable when this kiosk lacks the font,
    nothing else.
    """
    try:
        return _admit(ordered, terms, answer, key, trust, target)
    except SheetFault as fault:
        return RefusedDocument(fault.reason, fault.page)


def read_terms(terms: SignedTerms, keys: Sequence[Ed25519PublicKey], edition: int = 1) -> FormTerms:
    """Signed by one of the keys, and of this edition or a later one. Raises SheetFault."""
    try:
        signing.verify_form_terms(keys, terms.body, terms.signature)
        read = msgspec.json.decode(terms.body, type=FormTerms)
    except (signing.SignatureError, msgspec.MsgspecError, UnicodeDecodeError):
        raise SheetFault(SheetReason.TERMS) from None
    if read.edition < edition:  # properly signed once, and handed on again
        raise SheetFault(SheetReason.TERMS)
    return read


def _admit(
    ordered: Ordered,
    terms: SignedTerms,
    answer: OrderAnswer,
    key: MLKEM768X25519PrivateKey,
    trust: Trust,
    target: Target,
) -> Admitted:
    document = check_document(ordered, terms, answer, key, trust)
    manifest, expected = document.manifest, document.expected
    drawn = _check_pages(document.file, expected, trust.font)
    return Admitted(
        sheets=prepare(drawn, document.addresses, target),
        document=manifest.document_sha256,
        unique_number=expected.content.unique_number,
        copies=manifest.copies,
        fee=manifest.fee,
    )


def check_document(
    ordered: Ordered,
    terms: SignedTerms,
    answer: OrderAnswer,
    key: MLKEM768X25519PrivateKey,
    trust: Trust,
) -> VerifiedDocument:
    """The first part of `admit`: all of the check but the pages. No paper follows from it. Raises
    SheetFault.
    """
    manifest = _read_manifest(answer, trust)
    expected = expect(ordered, read_terms(terms, trust.terms_keys, trust.terms_edition), manifest)
    compare(manifest.content, expected.content)
    addresses = _check_codes(manifest, expected, trust)
    file = _open(ordered, answer, key)
    if hashlib.sha256(file).hexdigest() != manifest.document_sha256:
        raise SheetFault(SheetReason.DOCUMENT_HASH)
    return VerifiedDocument(manifest, expected, tuple(addresses), file)


def _read_manifest(answer: OrderAnswer, trust: Trust) -> Manifest:
    try:
        signing.verify_manifest(trust.issuing_keys, answer.manifest, answer.manifest_signature)
    except signing.SignatureError:
        raise SheetFault(SheetReason.SIGNATURE) from None
    try:
        return msgspec.json.decode(answer.manifest, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise SheetFault(SheetReason.MANIFEST_MALFORMED) from None


def _check_codes(manifest: Manifest, expected: Expected, trust: Trust) -> list[str]:
    """Each code is signed and says exactly what its sheet shows. Returns the addresses to draw."""
    addresses = []
    for page_number, payload in enumerate(manifest.codes, 1):
        try:
            code = signing.verify_code(trust.issuing_keys, payload)
        except signing.SignatureError:
            raise SheetFault(SheetReason.CODE, page_number) from None
        if code != _code(manifest, expected, page_number, code.key):
            raise SheetFault(SheetReason.CODE, page_number)
        addresses.append(sheet_code.address(expected.current.terms.verification_page, payload))
    return addresses


def _code(manifest: Manifest, expected: Expected, number: int, key: bytes) -> sheet_code.SheetCode:
    content = expected.content
    return sheet_code.SheetCode(
        key=key,
        city=expected.current.terms.city,
        day=expected.day,
        kind=manifest.kind,
        unique_number=content.unique_number,
        page=number,
        pages=content.pages,
        holder=expected.holder,
        year=expected.year,
        people=expected.people,
        whole=expected.whole,
        digest=sheet_digest(content, number, manifest.salt),
    )


def _open(ordered: Ordered, answer: OrderAnswer, key: MLKEM768X25519PrivateKey) -> bytes:
    info = seal_info(ordered.kiosk, ordered.request.session, ordered.request.order)
    try:
        return sealing.open(key, info, answer.sealed)
    except sealing.SealError:
        raise SheetFault(SheetReason.SEALING) from None


def _check_pages(document: bytes, expected: Expected, font: Path) -> bytes:
    """Every mark on every page belongs to the content, and looks as this kiosk draws it.

    Returns the kiosk's own drawing of the pages, as a PDF.
    """
    glyphs, content = load_glyphs(font), expected.content
    with pdf.opened(document, content.pages) as found:
        pages = [page.read(each, number) for number, each in enumerate(found, 1)]
        for number, each in enumerate(pages, 1):
            form = expected.current.form
            layout.check(each, content, number, form, glyphs, load_own_font(font))
        return redraw(found, pages, glyphs, font)
