"""A board's files in a folder: a configuration that is attested, small fonts, recordings, keys."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from firmware.service import attestation, toml
from firmware.texts import fonts

FLEET_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def fleet_document(folder: Path) -> dict[str, object]:
    """What all kiosks have in common."""
    return {
        "kiosk": {"state": str(folder / "state"), "languages": ["ja"]},
        "panel": {"listen": "127.0.0.1:0"},
        "card": {"driver": "pcsc", "reader": "Reader"},
        "sheets": {"driver": "escpos", "address": "127.0.0.1:9100", "width": 1664},
        "receipts": {"driver": "escpos", "address": "/dev/usb/lp0", "width": 576},
        "cash": {"port": "/dev/madoguchi/coins", "hoppers": [{"address": 3, "value": 10}]},
        "speaker": {"driver": "alsa"},
        "line": {
            "city": "https://127.0.0.1:8443",
            "city_ca": str(folder / "city-ca.pem"),
            "certificate": str(folder / "line/line.pem"),
            "key": str(folder / "credstore/madoguchi-line.key"),
        },
        "trust": {
            "card_ca": [str(folder / "card-ca.pem")],
            "issuing_keys": [str(folder / "issuing.pem")],
            "terms_keys": [str(folder / "terms.pem")],
        },
        "fonts": {"mincho": str(folder / "mincho.ttf"), "gothic": str(folder / "gothic.ttc")},
        "voice": {"recordings": str(folder / "voice")},
        "attestation": {
            "signed": [str(folder / "line/kiosk.signed")],
            "keys": [str(folder / "fleet.pem")],
        },
    }


def make_board(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """The fleet file; its kiosk is `kiosk-1`, and `kiosk-2` stands beside it."""
    for name in ("city-ca.pem", "card-ca.pem", "issuing.pem", "terms.pem", "mincho.ttf"):
        (folder / name).write_text(name)
    (folder / "gothic.ttc").write_text("gothic")
    (folder / "voice/ja").mkdir(parents=True)
    (folder / "voice/ja/hello.wav").write_text("hello")
    public = FLEET_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "fleet.pem").write_bytes(public)
    (folder / "fleet.key").write_bytes(
        FLEET_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    screen = fonts.Font("screen", folder / "gothic.ttc", "package")
    patch.setattr(fonts, "FONTS", {"ja": (screen,)})
    patch.setattr(attestation, "GOTHIC", str(folder / "gothic.ttc"))
    path = folder / "fleet.toml"
    path.write_text(
        toml.dumps({"all": fleet_document(folder), "kiosks": {"kiosk-1": {}, "kiosk-2": {}}})
    )
    return path
