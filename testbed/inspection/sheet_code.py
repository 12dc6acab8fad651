"""The code of a sheet, read as `docs/forms.md` and `docs/line.md` describe it, without the code of
the product: the picture by somebody else's reader, the signature and the digest by hand.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import zxingcpp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from PIL import Image

DAYS_FROM: Final = date(2000, 1, 1)
TAGS: Final = ("", "kind", "number", "page", "holder", "year", "people", "digest")
QR: Final = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
Reader = Callable[[Image.Image], list[str]]
ZBAR_S: Final = 60.0  # ends a hang
NOTHING_FOUND: Final = 4  # zbarimg's exit code
ENLARGED: Final = 2  # zbar wants more than the few dots that the smallest modules have


def read_with_zxing(picture: Image.Image) -> list[str]:
    """The texts of all QR codes in a picture."""
    found = zxingcpp.read_barcodes(picture, formats=QR)
    return [each.text for each in found]


def read_with_zbar(picture: Image.Image) -> list[str]:
    """The same with the program zbarimg, which shares no code with the library that the kiosk
    uses. Raises OSError where it is not installed, subprocess.SubprocessError when it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "code.png"
        size = (ENLARGED * picture.width, ENLARGED * picture.height)
        picture.convert("L").resize(size, Image.Resampling.NEAREST).save(path)
        asked = ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Sqrcode.enable", str(path)]
        done = subprocess.run(asked, capture_output=True, timeout=ZBAR_S, check=False)
    if done.returncode not in (0, NOTHING_FOUND):
        raise subprocess.CalledProcessError(done.returncode, asked)
    return done.stdout.decode("ascii", "replace").split()


def read_code(text: str, keys: Sequence[Ed25519PublicKey]) -> dict[str, Any]:
    """What a code says. Raises ValueError when it is none, or when its signature does not hold."""
    address, mark, letters = text.partition("#")
    payload = base64.b32decode(letters + "=" * (-len(letters) % 8))
    body, signature = payload[:-64], payload[-64:]
    if not mark or len(body) < 12 or body[:3] != b"MG\x02":
        raise ValueError("it is no code of a sheet")
    for key in keys:
        if hashlib.sha256(key.public_bytes_raw()).digest()[:4] == body[3:7]:
            try:
                key.verify(signature, framed(b"madoguchi code v2", body))
            except InvalidSignature:
                raise ValueError("its signature does not hold") from None
            break
    else:
        raise ValueError("no such key")
    told: dict[str, Any] = dict.fromkeys(TAGS[1:])
    at = 12
    while at < len(body):
        tag, size = body[at], body[at + 1]
        told[TAGS[tag]] = body[at + 2 : at + 2 + size]
        at += 2 + size
    return {
        "address": address,
        "city": f"{int.from_bytes(body[7:10], 'big'):06}",
        "day": DAYS_FROM + timedelta(days=int.from_bytes(body[10:12], "big")),
        "kind": told["kind"].decode(),
        "number": told["number"].decode(),
        "page": tuple(told["page"]),
        "holder": told["holder"].decode(),
        "year": None if told["year"] is None else int.from_bytes(told["year"], "big"),
        "people": None if told["people"] is None else (told["people"][0], bool(told["people"][1])),
        "digest": told["digest"],
    }


def framed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


ROW: Final = ("label", "value")
PERSON: Final = ("name", "rows")
SHEET: Final = ("head", "people", "amounts", "seal", "applicant")
CONTENT: Final = (
    "heading",
    "title",
    "subtitle",
    "unique_number",
    "statement",
    "issued_on",
    "office",
    "officer",
    "stamp",
    "notes",
    "verification",
    "sheets",
)


def digest(content: dict[str, Any], page: int, salt: bytes) -> bytes:
    """16 bytes over everything that one sheet shows."""
    sheet = {key: content["sheets"][page - 1][key] for key in SHEET}
    sheet["seal"] = base64.b64encode(sheet["seal"]).decode()
    sheet["head"] = [_in_order(row, ROW) for row in sheet["head"]]
    sheet["amounts"] = [_in_order(row, ROW) for row in sheet["amounts"]]
    people = [_in_order(person, PERSON) for person in sheet["people"]]
    sheet["people"] = [
        {**person, "rows": [_in_order(row, ROW) for row in person["rows"]]} for person in people
    ]
    shown = {**_in_order(content, CONTENT), "sheets": [sheet]}
    body = json.dumps(
        [page, len(content["sheets"]), shown], ensure_ascii=False, separators=(",", ":")
    )
    return hashlib.sha256(framed(b"madoguchi sheet v2", salt, body.encode())).digest()[:16]


def _in_order(value: dict[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    return {key: value[key] for key in keys}
