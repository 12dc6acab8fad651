"""Fonts, recordings, and whom the kiosk believes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from firmware.texts.recordings import path_of
from firmware.texts.texts import Texts
from firmware.texts.voice import phrases
from testbed.diagnose_drill.fault import Fault, Put, made, needs_root, says
from testbed.diagnose_drill.site import Site

NOWHERE: Final = Path("/nowhere/at-all")
OTHER_FONT: Final = Path("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
HIDDEN: Final = 0o600
TRUST: Final = (
    ("card-ca", "card_ca", "trust.not-a-certificate"),
    ("issuing-keys", "issuing_keys", "trust.not-a-key"),
    ("terms-keys", "terms_keys", "trust.not-a-key"),
)


def _font(check: str, key: str) -> tuple[Fault, ...]:
    def damaged(site: Site) -> Put:
        return Put({"fonts": {key: site.write("font.ttf", b"no font at all" * 100)}})

    def cut(site: Site) -> Put:
        content = getattr(site.config.fonts, key).read_bytes()
        return Put({"fonts": {key: site.write("font.ttf", content[:20000])}})

    gone = says("fonts", **{key: NOWHERE})
    return (
        Fault(f"{check}: gone", check, "font.missing", gone),
        Fault(f"{check}: another kind of file", check, "font.damaged", made(damaged)),
        Fault(f"{check}: cut short", check, "font.damaged", made(cut)),
    )


def _hidden(check: str, table: str, key: str) -> Fault:
    """Root may read it and the service may not."""

    def build(site: Site) -> Put:
        found = getattr(getattr(site.config, table), key)
        several = isinstance(found, tuple)
        path = site.copy(found[0] if several else found)
        take_away(path)
        return Put({table: {key: [path] if several else path}})

    return Fault(f"{check}: not readable", check, "file.unreadable", made(build), needs_root)


def take_away(path: Path) -> None:
    shutil.chown(path, "root")
    path.chmod(HIDDEN)


def _voice(spoil: Callable[[Path], object]) -> Callable[[Site], Put]:
    def build(site: Site) -> Put:
        folder = site.copy(site.config.voice.recordings)
        phrase = min(phrases(Texts.load("ja")))
        spoil(path_of(folder, phrase))
        return Put({"voice": {"recordings": folder}})

    return build


def certificate(
    name: str, *, authority: bool = True, begins_days: int = -400, ends_days: int = 400
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate that signs itself, valid between those days from now."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made_ = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=begins_days))
        .not_valid_after(now + timedelta(days=ends_days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return made_, key


def _authority(**how: int | bool) -> Callable[[Site], Put]:
    def build(site: Site) -> Put:
        found, _ = certificate("drill card CA", **how)  # type: ignore[arg-type]
        path = site.write("ca.pem", found.public_bytes(Encoding.PEM))
        return Put({"trust": {"card_ca": [path]}})

    return build


def _rsa_key(site: Site) -> Put:
    public = rsa.generate_private_key(65537, 2048).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return Put({"trust": {"issuing_keys": [site.write("rsa.pem", pem)]}})


def _no_other_font(_: Site) -> str:
    return "" if OTHER_FONT.exists() else f"{OTHER_FONT} is not installed"


FAULTS: Final = (
    *_font("mincho", "mincho"),
    *_font("gothic", "gothic"),
    Fault(
        "mincho: another font",
        "mincho",
        "font.other",
        says("fonts", mincho=OTHER_FONT),
        _no_other_font,
    ),
    _hidden("mincho", "fonts", "mincho"),
    Fault("recordings: one is gone", "recordings", "voice.missing", made(_voice(Path.unlink))),
    Fault(
        "recordings: one is damaged",
        "recordings",
        "voice.damaged",
        made(_voice(lambda path: path.write_bytes(b"RIFF"))),
    ),
    Fault(
        "recordings: no folder",
        "recordings",
        "file.missing",
        says("voice", recordings=NOWHERE),
    ),
    Fault(
        "recordings: a language without texts",
        "recordings",
        "voice.language",
        says("kiosk", languages=["ja", "xx"]),
    ),
    *(
        Fault(f"{check}: gone", check, "file.missing", says("trust", **{key: [NOWHERE]}))
        for check, key, _ in TRUST
    ),
    *(
        Fault(f"{check}: none", check, "trust.none", says("trust", **{key: []}))
        for check, key, _ in TRUST
    ),
    *(
        Fault(
            f"{check}: nonsense",
            check,
            code,
            made(
                lambda site, key=key: Put(  # type: ignore[misc]
                    {"trust": {key: [site.write("x.pem", b"-----BEGIN nonsense")]}}
                )
            ),
        )
        for check, key, code in TRUST
    ),
    *(_hidden(check, "trust", key) for check, key, _ in TRUST),
    Fault("issuing-keys: an RSA key", "issuing-keys", "trust.not-a-key", made(_rsa_key)),
    Fault(
        "card-ca: a leaf",
        "card-ca",
        "trust.not-an-authority",
        made(_authority(authority=False)),
    ),
    Fault("card-ca: over", "card-ca", "trust.expired", made(_authority(ends_days=-1))),
    Fault(
        "card-ca: not valid yet",
        "card-ca",
        "trust.not-yet-valid",
        made(_authority(begins_days=10)),
    ),
)
