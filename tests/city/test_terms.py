"""The signed terms of the forms: signed where the terms key is kept, checked by the gateway,
believed by kiosks.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from city_bench import AKASHI, CITY_FILES, HELLO, Direct, Rehearsal, write_config
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from city import municipality, rules, terms
from city.config import Config, ConfigError, load
from firmware.link import signing
from firmware.link.form_terms import FormTerms, current
from firmware.sheets.admit import SignedTerms as Heard
from firmware.sheets.admit import read_terms
from firmware.sheets.fault import SheetFault, SheetReason

ROOT = Path(__file__).parents[2]
cities = pytest.mark.parametrize("city", CITY_FILES)


def kiosk(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "firmware.tools", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=60,
    )


def written(rehearsal: Rehearsal, city: str, **changes: str) -> Path:
    """The configuration of a city whose terms are not signed yet."""
    ca = rehearsal.folder / "card-ca.pem"
    path = write_config(rehearsal.folder, rehearsal.pki, ca, city=str(CITY_FILES[city]), **changes)
    (rehearsal.folder / "terms.json").unlink()
    return path


def sign(path: Path, key: Path) -> subprocess.CompletedProcess[str]:
    return kiosk("city", "sign-terms", "--config", path, "--key", key)


# -- signing ---------------------------------------------------------------------------------------


@cities
def test_a_city_signs_its_terms_and_its_gateway_hands_them_on(
    rehearsal: Rehearsal, city: str
) -> None:
    path = written(rehearsal, city)
    done = sign(path, rehearsal.pki.terms_key)
    data = municipality.load(CITY_FILES[city])
    assert (done.returncode, done.stderr) == (0, "")
    assert (
        done.stdout == f"{rehearsal.folder / 'terms.json'}: {len(data.certificates)} forms signed\n"
    )
    loaded = terms.load_signed(load(path), data)
    rehearsal.govern(data)
    heard = asyncio.run(Direct(rehearsal.city).hello(HELLO))
    assert (heard.form_terms, heard.form_terms_signature) == (loaded.body, loaded.signature)
    believed = read_terms(
        Heard(heard.form_terms, heard.form_terms_signature), rehearsal.trust.terms_keys
    )
    assert believed == terms.form_terms(data)
    assert believed.city == heard.city == data.code


@cities
def test_signing_again_gives_the_same_bytes(rehearsal: Rehearsal, city: str) -> None:
    data, key = municipality.load(CITY_FILES[city]), terms.load_terms_key(rehearsal.pki.terms_key)
    assert terms.sign(data, key) == terms.sign(data, key)
    assert len(terms.encode(terms.form_terms(data))) < 64 * 1024


@cities
def test_the_terms_say_what_the_citys_rules_say_on_every_day(city: str) -> None:
    data = municipality.load(CITY_FILES[city])
    said = msgspec.json.decode(terms.encode(terms.form_terms(data)), type=FormTerms)
    day, end = date(2015, 12, 20), date(2027, 12, 31)
    while day <= end:
        offered = {certificate.kind: certificate for certificate in data.offered(day)}
        for kind in {form.kind for form in said.forms}:
            if kind not in offered:
                with pytest.raises(LookupError):
                    current(said, kind, day)
                continue
            now, certificate = current(said, kind, day), offered[kind]
            assert now.fee == rules.fee(certificate, day)
            assert (now.form.title, now.form.copies) == (certificate.title, certificate.copies)
            assert now.form.title["ja"] == certificate.printed
            issuer = municipality.current(data.issuers, day)
            assert (now.issuer.office, now.issuer.officer) == (issuer.office, issuer.officer)
        day += timedelta(days=1)


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("issuing.key", "terms.pem: not the public key of"),
        ("gateway.key", "the key must be Ed25519"),
        ("terms.pem", "not a private key in PEM"),
        ("none.key", "No such file"),
    ],
)
def test_with_another_key_nothing_is_signed(rehearsal: Rehearsal, key: str, message: str) -> None:
    done = sign(written(rehearsal, "akashi"), rehearsal.pki.folder / key)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
    assert not (rehearsal.folder / "terms.json").exists()


# -- a gateway that does not start -----------------------------------------------------------------


def missing(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def not_json(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def more_than_that(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b',"more":1}')


def changed(path: Path) -> None:
    """One yen less, under the old signature."""
    found = msgspec.json.decode(path.read_bytes(), type=terms.SignedFile)
    assert b'"yen":100' in found.terms
    body = found.terms.replace(b'"yen":100', b'"yen":99', 1)
    path.write_bytes(msgspec.json.encode(terms.SignedFile(body, found.signature)))


def another_signature(path: Path) -> None:
    found = msgspec.json.decode(path.read_bytes(), type=terms.SignedFile)
    signature = signing.sign_form_terms(Ed25519PrivateKey.generate(), found.terms)
    path.write_bytes(msgspec.json.encode(terms.SignedFile(found.terms, signature)))


def another_domain(path: Path) -> None:
    """Signed by the right key, as if it were a manifest."""
    found = msgspec.json.decode(path.read_bytes(), type=terms.SignedFile)
    key = terms.load_terms_key(path.with_name("terms.key"))
    path.write_bytes(
        msgspec.json.encode(terms.SignedFile(found.terms, signing.sign_manifest(key, found.terms)))
    )


def of_the_other_city(path: Path) -> None:
    key = terms.load_terms_key(path.with_name("terms.key"))
    path.write_bytes(terms.sign(municipality.load(CITY_FILES["shiomi"]), key))


def of_last_year(path: Path) -> None:
    """Properly signed, before a fee was changed in the data file."""
    data = municipality.load(AKASHI)
    first = data.certificates[0]
    before = msgspec.structs.replace(first, fees=first.fees[:1])
    older = msgspec.structs.replace(data, certificates=(before, *data.certificates[1:]))
    path.write_bytes(terms.sign(older, terms.load_terms_key(path.with_name("terms.key"))))


DAMAGES: dict[Callable[[Path], None], str] = {
    missing: "No such file or directory",
    cut: "not a file of signed terms",
    empty: "not a file of signed terms",
    not_json: "not a file of signed terms",
    more_than_that: "not a file of signed terms",
    changed: "signed by none of the pinned keys",
    another_signature: "signed by none of the pinned keys",
    another_domain: "signed by none of the pinned keys",
    of_the_other_city: f"not the terms of {AKASHI}",
    of_last_year: f"not the terms of {AKASHI}",
}


def config_of(rehearsal: Rehearsal) -> Config:
    (rehearsal.folder / "terms.key").write_bytes(rehearsal.pki.terms_key.read_bytes())
    return load(write_config(rehearsal.folder, rehearsal.pki, rehearsal.folder / "card-ca.pem"))


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_terms_that_are_not_right_are_refused_in_one_line(
    rehearsal: Rehearsal, damage: Callable[[Path], None]
) -> None:
    config = config_of(rehearsal)
    data = municipality.load(AKASHI)
    assert terms.load_signed(config, data).body == terms.encode(terms.form_terms(data))
    damage(config.terms.file)
    with pytest.raises(ConfigError) as caught:
        terms.load_signed(config, data)
    text = str(caught.value)
    assert text.startswith(f"{config.terms.file}: {DAMAGES[damage]}")
    assert text.endswith(
        "; sign them again: kiosk city sign-terms --config FILE --key TERMS-KEY.pem"
    )
    assert "\n" not in text


@pytest.mark.parametrize(
    "damage", [missing, another_signature, of_the_other_city], ids=lambda damage: damage.__name__
)
def test_a_gateway_does_not_start_with_them(
    rehearsal: Rehearsal, damage: Callable[[Path], None]
) -> None:
    damage(config_of(rehearsal).terms.file)
    done = kiosk("city", "--config", rehearsal.folder / "city.toml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"city: {rehearsal.folder / 'terms.json'}: {DAMAGES[damage]}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "message"), [("none.pem", "No such file"), ("gateway.pem", "not a public key")]
)
def test_a_public_key_that_is_none(rehearsal: Rehearsal, file: str, message: str) -> None:
    ca, key = rehearsal.folder / "card-ca.pem", rehearsal.pki.folder / file
    config = load(write_config(rehearsal.folder, rehearsal.pki, ca, terms_key=str(key)))
    with pytest.raises(ConfigError, match=message):
        terms.load_signed(config, municipality.load(AKASHI))


def test_a_key_behind_a_password_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "terms.key"
    secret = BestAvailableEncryption(b"secret")
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)
    )
    with pytest.raises(ConfigError, match=r"terms\.key: not a private key in PEM"):
        terms.load_terms_key(path)


def test_a_rehearsals_terms_key_is_private_and_in_no_gateways_configuration(
    rehearsal: Rehearsal,
) -> None:
    path = write_config(rehearsal.folder, rehearsal.pki, rehearsal.folder / "card-ca.pem")
    assert rehearsal.pki.terms_key.stat().st_mode & 0o077 == 0
    assert str(rehearsal.pki.terms_key) not in path.read_text(encoding="utf-8")


def test_kiosks_pin_several_keys_so_that_one_can_change(rehearsal: Rehearsal) -> None:
    new = Ed25519PrivateKey.generate()
    signed = msgspec.json.decode(terms.sign(municipality.load(AKASHI), new), type=terms.SignedFile)
    heard = Heard(signed.terms, signed.signature)
    old = Heard(rehearsal.city.terms.body, rehearsal.city.terms.signature)
    both = [*rehearsal.trust.terms_keys, new.public_key()]
    assert (
        read_terms(heard, both)
        == read_terms(old, both)
        == read_terms(old, rehearsal.trust.terms_keys)
    )
    with pytest.raises(SheetFault) as caught:
        read_terms(heard, rehearsal.trust.terms_keys)
    assert caught.value.reason is SheetReason.TERMS
