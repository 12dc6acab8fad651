"""A card's certificate as the city needs it: read from the bytes that were signed.

Certificates exist that OpenSSL verifies and a strict DER parser refuses: a default that is written
out (`critical FALSE`), a name in an unusual type of string. The kiosk takes such a card, and so
does the city. Names are not read at all; signature, key, times and number are exact. A
certificate of a CA, one for another purpose, or one that demands what is not known here, is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE = 0x01, 0x02, 0x03, 0x04, 0x06, 0x30
VERSION, EXTENSIONS = 0xA0, 0xA3
# The bytes of the OIDs.
KEY_USAGE, CONSTRAINTS = bytes.fromhex("551D0F"), bytes.fromhex("551D13")
POLICIES, PURPOSES = bytes.fromhex("551D20"), bytes.fromhex("551D25")
KNOWN_CRITICAL: Final = frozenset({KEY_USAGE, CONSTRAINTS, POLICIES, PURPOSES})
CLIENT_AUTH: Final = bytes.fromhex("2B06010505070302")
DIGITAL_SIGNATURE: Final = 0x80
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
TIME_DIGITS: Final = {UTC_TIME: 12, GENERALIZED_TIME: 14}
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
class CardParts:
    """`signed` are the bytes that the CA signed; `key` is a SubjectPublicKeyInfo."""

    signed: bytes = field(repr=False)
    algorithm: bytes
    signature: bytes = field(repr=False)
    serial: int = field(repr=False)
    not_before: datetime
    not_after: datetime
    key: bytes = field(repr=False)
    policies: frozenset[str] = frozenset()

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


def read(der: bytes) -> CardParts:
    """Raises NotDer."""
    try:
        signed, outer, signature = _only(der, SEQUENCE).children()
        fields = list(signed.expect(SEQUENCE).children())
        if fields[0].tag == VERSION:
            del fields[0]
        serial, inner, _, validity, _, key, *rest = fields
        begins, ends = validity.expect(SEQUENCE).children()
        algorithm, extensions = _algorithm(outer), _extensions(rest)
        if not _authenticates(extensions):
            raise NotDer
        if inner.whole != outer.whole or signature.expect(BIT_STRING).content[:1] != b"\0":
            raise NotDer
        return CardParts(
            signed=signed.whole,
            algorithm=algorithm,
            signature=signature.content[1:],
            serial=_number(serial.expect(INTEGER).content),
            not_before=_time(begins),
            not_after=_time(ends),
            key=key.expect(SEQUENCE).whole,
            policies=_policies(extensions),
        )
    except (ValueError, IndexError):
        raise NotDer from None


def _number(content: bytes) -> int:
    """By which the authority is asked for it: written as it must be, and above zero."""
    found = int.from_bytes(content, "big", signed=True)
    if found <= 0 or len(content) != found.bit_length() // 8 + 1:
        raise NotDer
    return found


def _algorithm(element: Element) -> bytes:
    return element.expect(SEQUENCE).children()[0].expect(OID).content


def _extensions(rest: list[Element]) -> dict[bytes, bytes]:
    """By their OIDs. One that comes twice could be read in two ways; one that is critical must be
    known.
    """
    found: dict[bytes, bytes] = {}
    extensions = (
        extension.expect(SEQUENCE).children()
        for wrapper in rest
        if wrapper.tag == EXTENSIONS
        for extension in _only(wrapper.content, SEQUENCE).children()
    )
    for kind, *critical, value in extensions:
        demanded = [each for each in critical if each.expect(BOOLEAN).content != b"\0"]
        name = kind.expect(OID).content
        if len(critical) > 1 or name in found or (demanded and name not in KNOWN_CRITICAL):
            raise NotDer
        found[name] = value.expect(OCTET_STRING).content
    return found


def _authenticates(extensions: Mapping[bytes, bytes]) -> bool:
    """Whether it is an end certificate that may sign, by what it says of itself."""
    if CONSTRAINTS in extensions:
        told = _only(extensions[CONSTRAINTS], SEQUENCE).children()
        if told and told[0].tag == BOOLEAN and told[0].content != b"\0":
            return False  # a CA's
    if KEY_USAGE in extensions:
        bits = _only(extensions[KEY_USAGE], BIT_STRING).content
        if not bits[1:2] or not bits[1] & DIGITAL_SIGNATURE:
            return False
    if PURPOSES not in extensions:
        return True
    purposes = _only(extensions[PURPOSES], SEQUENCE).children()
    return any(purpose.expect(OID).content == CLIENT_AUTH for purpose in purposes)


def _policies(extensions: Mapping[bytes, bytes]) -> frozenset[str]:
    if POLICIES not in extensions:
        return frozenset()
    return frozenset(
        _dotted(policy.expect(SEQUENCE).children()[0].expect(OID).content)
        for policy in _only(extensions[POLICIES], SEQUENCE).children()
    )


def _only(data: bytes, tag: int) -> Element:
    (found,) = elements(data)
    return found.expect(tag)


def _dotted(content: bytes) -> str:
    arcs = [0]
    for byte in content:
        arcs[-1] = arcs[-1] << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(0)
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:-1])))


def _time(element: Element) -> datetime:
    """Two digits of a year mean 1950 to 2049 (RFC 5280, 4.1.2.5.1)."""
    digits = element.content[:-1].decode("ascii")
    wanted = TIME_DIGITS[element.expect(*TIME_DIGITS).tag]
    if len(digits) != wanted or not digits.isdigit() or element.content[-1:] != b"Z":
        raise NotDer
    century = "" if wanted == 14 else "19" if digits >= "50" else "20"
    return datetime.strptime(century + digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
