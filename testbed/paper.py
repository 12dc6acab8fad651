"""Paper that came out of the printer, read as any phone reads it: what its code says, if the city
signed it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import zxingcpp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from city.pki import Files
from firmware.link import signing
from firmware.link.sheet_code import CodeError, SheetCode, payload_of
from hal.sim.bench import PrintedSheet
from testbed.rehearsal import Rehearsal

QR: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])


def issuing_keys(rehearsal: Rehearsal) -> tuple[Ed25519PublicKey, ...]:
    """The public keys of the rehearsal's city. Raises OSError."""
    return signing.load_public([Files(rehearsal.folder / "pki").issuing])


def sheet_code(sheet: PrintedSheet, keys: Iterable[Ed25519PublicKey]) -> SheetCode | None:
    """What a reader of a phone finds; None where there is no code that one of `keys` signed."""
    pinned = tuple(keys)
    grey = sheet.image.convert("L")
    for found in zxingcpp.read_barcodes(grey, formats=QR):
        try:
            return signing.verify_code(pinned, payload_of(found.text))
        except (CodeError, signing.SignatureError):
            continue
    return None
