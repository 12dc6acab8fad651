"""The parts of a card's certificate, read leniently where they are only compared, and exactly where
they are trusted.

Certificates exist that OpenSSL verifies and a strict DER parser refuses: a default that is written
out (`critical FALSE`), a name in an unusual type of string. Nobody can put such a card right by
starting again. What carries the trust is taken as the very bytes that were signed: the signature is
checked over them, the key and the times are decoded strictly.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

INTEGER, BOOLEAN, BIT_STRING, OCTET_STRING, OID = 0x02, 0x01, 0x03, 0x04, 0x06
SEQUENCE, SET, VERSION, EXTENSIONS = 0x30, 0x31, 0xA0, 0xA3
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
TIME_DIGITS: Final = {UTC_TIME: 12, GENERALIZED_TIME: 14}
WIDE: Final = {0x1E: "utf-16-be", 0x1C: "utf-32-be"}  # BMPString, UniversalString
# A CA signs with RSA PKCS#1 v1.5 or ECDSA, over these hashes. Anything else is not trusted.
RSA_SIGNATURES: Final = {
    bytes.fromhex("2A864886F70D01010B"): hashes.SHA256(),
    bytes.fromhex("2A864886F70D01010C"): hashes.SHA384(),
    bytes.fromhex("2A864886F70D01010D"): hashes.SHA512(),
}
ECDSA_SIGNATURES: Final = {
    bytes.fromhex("2A8648CE3D040302"): hashes.SHA256(),
    bytes.fromhex("2A8648CE3D040303"): hashes.SHA384(),
    bytes.fromhex("2A8648CE3D040304"): hashes.SHA512(),
}


class NotDer(ValueError):
    """These bytes are no certificate."""


@dataclass(frozen=True)
class Element:
    """One tag with its content; `whole` is both, as they were encoded."""

    tag: int
    content: bytes
    whole: bytes

    def children(self) -> tuple[Element, ...]:
        return tuple(elements(self.content))

    def expect(self, *tags: int) -> Element:
        if self.tag not in tags:
            raise NotDer
        return self


@dataclass(frozen=True)
class Extension:
    critical: bool
    value: bytes = field(repr=False)


@dataclass(frozen=True)
class Parts:
    """`signed` are the bytes that the CA signed; `key` is a SubjectPublicKeyInfo."""

    signed: bytes = field(repr=False)
    algorithm: bytes
    signature: bytes = field(repr=False)
    organizations: tuple[str, ...]  # of the issuer
    not_before: datetime
    not_after: datetime
    key: bytes = field(repr=False)
    extensions: dict[bytes, Extension] = field(repr=False)  # by the bytes of their OID

    def is_signed_by(self, ca: x509.Certificate) -> bool:
        """By the key alone: several generations share one name, and names are written in several
        ways.
        """
        key, by = ca.public_key(), self.algorithm
        try:
            if isinstance(key, rsa.RSAPublicKey) and by in RSA_SIGNATURES:
                key.verify(self.signature, self.signed, padding.PKCS1v15(), RSA_SIGNATURES[by])
            elif isinstance(key, ec.EllipticCurvePublicKey) and by in ECDSA_SIGNATURES:
                key.verify(self.signature, self.signed, ec.ECDSA(ECDSA_SIGNATURES[by]))
            else:
                return False
        except InvalidSignature:
            return False
        return True


def elements(data: bytes) -> Iterator[Element]:
    """The elements that stand one behind the other. Raises NotDer."""
    at = 0
    while at < len(data):
        head = data[at : at + 2]
        if len(head) < 2 or head[0] & 0x1F == 0x1F:  # no tag of a certificate is longer
            raise NotDer
        size, start = head[1], at + 2
        if size & 0x80:
            width = size & 0x7F
            if not 1 <= width <= 2 or start + width > len(data):
                raise NotDer
            size, start = int.from_bytes(data[start : start + width], "big"), start + width
        end = start + size
        if end > len(data):
            raise NotDer
        yield Element(head[0], data[start:end], data[at:end])
        at = end


def oid(dotted: str) -> bytes:
    """The bytes of an object identifier, such as "1.2.392"."""
    first, second, *rest = map(int, dotted.split("."))
    return b"".join(_base_128(arc) for arc in (40 * first + second, *rest))


def _base_128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(arc & 0x7F | 0x80)
    return bytes(reversed(digits))


def only(data: bytes, tag: int) -> Element:
    """The one element that `data` is. Raises NotDer."""
    found = tuple(elements(data))
    if len(found) != 1:
        raise NotDer
    return found[0].expect(tag)


def parts(der: bytes) -> Parts:
    """Raises NotDer."""
    try:
        signed, outer, signature = only(der, SEQUENCE).children()
        fields = list(signed.expect(SEQUENCE).children())
        if fields[0].tag == VERSION:
            del fields[0]
        _, inner, issuer, validity, _, key, *rest = fields
        begins, ends = validity.expect(SEQUENCE).children()
        algorithm = _algorithm(outer)
        if inner.whole != outer.whole or signature.expect(BIT_STRING).content[:1] != b"\0":
            raise NotDer
        return Parts(
            signed=signed.whole,
            algorithm=algorithm,
            signature=signature.content[1:],
            organizations=_organizations(issuer),
            not_before=_time(begins),
            not_after=_time(ends),
            key=key.expect(SEQUENCE).whole,
            extensions=_extensions(rest),
        )
    except (ValueError, IndexError):
        raise NotDer from None


def _algorithm(element: Element) -> bytes:
    return element.expect(SEQUENCE).children()[0].expect(OID).content


def _time(element: Element) -> datetime:
    """Two digits of a year mean 1950 to 2049 (RFC 5280, 4.1.2.5.1)."""
    digits = element.content[:-1].decode("ascii")
    wanted = TIME_DIGITS[element.expect(*TIME_DIGITS).tag]
    if len(digits) != wanted or not digits.isdigit() or element.content[-1:] != b"Z":
        raise NotDer
    century = "" if wanted == 14 else "19" if digits >= "50" else "20"
    return datetime.strptime(century + digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


ORGANIZATION: Final = bytes.fromhex("55040A")


def _organizations(name: Element) -> tuple[str, ...]:
    """Whatever type of string they are in: all that is done with them is to compare them."""
    attributes = (
        attribute.expect(SEQUENCE).children()
        for relative in name.expect(SEQUENCE).children()
        for attribute in relative.expect(SET).children()
    )
    return tuple(
        value.content.decode(WIDE.get(value.tag, "latin-1"), "replace")
        for kind, value in attributes
        if kind.content == ORGANIZATION
    )


def _extensions(rest: list[Element]) -> dict[bytes, Extension]:
    """An extension that comes twice could be read in two ways: NotDer."""
    found: dict[bytes, Extension] = {}
    for wrapper in rest:
        if wrapper.tag != EXTENSIONS:  # unique identifiers
            continue
        for extension in only(wrapper.content, SEQUENCE).children():
            kind, *critical, value = extension.expect(SEQUENCE).children()
            if len(critical) > 1 or kind.expect(OID).content in found:
                raise NotDer
            demanded = bool(critical) and critical[0].expect(BOOLEAN).content != b"\0"
            found[kind.content] = Extension(demanded, value.expect(OCTET_STRING).content)
    return found
