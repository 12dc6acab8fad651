"""Certificates that OpenSSL verifies and a strict DER parser refuses, made of a sound one."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from hal.card.certificate import BOOLEAN, EXTENSIONS, OID, SEQUENCE, SET, VERSION, Element, only
from hal.sim.card.pki import CardCa

FALSE = bytes([BOOLEAN, 1, 0])
BASIC_CONSTRAINTS = bytes.fromhex("0603551D13")
TELETEX, BITS, OCTETS = 0x14, 0x03, 0x04


def write(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    if 0x80 <= size < 0x100:
        length = bytes([0x81, size])
    return bytes([tag]) + length + content


def defaults_written_out(der: bytes, ca: CardCa) -> bytes:
    """`critical FALSE` in each extension that has none, and a `cA FALSE`."""
    _, fields = open_certificate(der)
    extensions = only(fields[-1].expect(EXTENSIONS).content, SEQUENCE).children()
    new = [
        e.whole if len(e.children()) == 3 else write(SEQUENCE, _first(e), FALSE, _last(e))
        for e in extensions
    ]
    constraints = write(OCTETS, write(SEQUENCE, FALSE))
    new.append(write(SEQUENCE, BASIC_CONSTRAINTS, FALSE, constraints))
    changed = [f.whole for f in fields[:-1]] + [write(EXTENSIONS, write(SEQUENCE, *new))]
    return signed(der, changed, ca)


def unusual_strings(der: bytes, ca: CardCa) -> bytes:
    """The issuer's name in TeletexStrings, the holder's in BIT STRINGs."""
    _, fields = open_certificate(der)
    changed = [f.whole for f in fields]
    issuer = 3 if fields[0].tag == VERSION else 2
    changed[issuer] = _renamed(fields[issuer], TELETEX)
    changed[issuer + 2] = _renamed(fields[issuer + 2], BITS)
    return signed(der, changed, ca)


def open_certificate(der: bytes) -> tuple[tuple[Element, ...], tuple[Element, ...]]:
    parts = only(der, SEQUENCE).children()
    return parts, parts[0].children()


def signed(der: bytes, fields: list[bytes], ca: CardCa) -> bytes:
    parts, _ = open_certificate(der)
    body = write(SEQUENCE, *fields)
    signature = ca.key.sign(body, padding.PKCS1v15(), hashes.SHA256())
    return write(SEQUENCE, body, parts[1].whole, write(BITS, b"\0", signature))


def _renamed(name: Element, tag: int) -> bytes:
    unused = b"\0" if tag == BITS else b""
    attributes = [a.expect(SEQUENCE) for relative in name.children() for a in relative.children()]
    return write(
        SEQUENCE,
        *(
            write(SET, write(SEQUENCE, _first(a), write(tag, unused, a.children()[1].content)))
            for a in attributes
        ),
    )


def _first(element: Element) -> bytes:
    return element.children()[0].expect(OID).whole


def _last(element: Element) -> bytes:
    return element.children()[-1].whole
