"""The signed terms of the forms: made of the city's data, signed where the key is, checked before a
gateway serves.
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import msgspec
import pytest
from city_bench import AKASHI, CITY_FILES, HELLO, Authority, Rehearsal, write_config
from cryptography.hazmat.primitives.serialization import Encoding

from city import composition, gateway, municipality, terms
from city.config import ConfigError, load
from city.handlers import hello
from city.pki import Files, make
from city.vocabulary import FIELD_ROWS
from firmware.link import signing
from firmware.link.form_terms import FAMILY_FORMS, FormTerms, current
from firmware.link.messages import MAX_FORM_TERMS
from firmware.tools.cli import main

CITIES = [municipality.load(path) for path in CITY_FILES.values()]


@pytest.fixture
def config(tmp_path: Path, line_pki: Files) -> Path:
    """A gateway's configuration with a city's data of its own."""
    data = tmp_path / "own.toml"
    shutil.copy(AKASHI, data)
    return write_config(tmp_path, line_pki, tmp_path / "card-ca.pem", city=str(data))


def checked(config: Path) -> terms.SignedTerms:
    loaded = load(config)
    return terms.load_signed(loaded, municipality.load(loaded.gateway.city))


@pytest.mark.parametrize("city", CITIES, ids=CITY_FILES)
def test_the_terms_can_be_read_by_every_kiosk_and_say_what_the_data_says(
    city: municipality.Municipality,
) -> None:
    body = terms.encode(terms.form_terms(city))
    assert len(body) < MAX_FORM_TERMS
    made = msgspec.json.decode(body, type=FormTerms)
    assert (made.city, made.heading) == (city.code, city.name["ja"])
    assert [form.kind for form in made.forms] == [c.kind for c in city.certificates]
    for form, certificate in zip(made.forms, city.certificates, strict=True):
        now = current(made, form.kind, max(form.since, date(2020, 1, 1)))
        issuer = municipality.current(city.issuers, max(form.since, date(2020, 1, 1)))
        assert f"{now.issuer.office}\u3000{now.issuer.officer}" == issuer.name
        assert form.statements == certificate.statement
        assert form.title["ja"] == certificate.printed
        assert set(form.always) <= {*form.head, *form.rows}
        assert {label for labels in form.fields.values() for label in labels} <= {
            *form.head,
            *form.rows,
        }
        assert len(set(form.rows)) == len(form.rows)


@pytest.mark.parametrize("city", CITIES, ids=CITY_FILES)
def test_every_row_that_can_be_chosen_is_printed_by_choice_and_never_unasked(
    city: municipality.Municipality,
) -> None:
    labels = {key: label for key, label, _ in composition.LINES if key not in ("resident-since",)}
    for form, certificate in zip(terms.form_terms(city).forms, city.certificates, strict=True):
        assert form.fields.keys() == set(certificate.fields)
        for field in certificate.fields:
            chosen = {labels[row] for row in FIELD_ROWS[field]}
            if form.form in FAMILY_FORMS:
                chosen = {"本籍", "筆頭者"}
            assert chosen <= set(form.fields[field])
            assert not chosen & set(form.always)


def test_the_gateway_hands_on_what_was_signed(rehearsal: Rehearsal) -> None:
    answer = hello(rehearsal.city, "kiosk-1", HELLO)
    keys = signing.load_public([rehearsal.pki.terms])
    signing.verify_form_terms(keys, answer.form_terms, answer.form_terms_signature)
    assert msgspec.json.decode(answer.form_terms, type=FormTerms) == terms.form_terms(
        rehearsal.city.data
    )


# -- the command, and what a gateway refuses to start with -----------------------------------------


def test_sign_terms_writes_what_the_gateway_takes(
    config: Path, line_pki: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    file = load(config).terms.file
    file.unlink()
    assert (
        main(["city", "sign-terms", "--config", str(config), "--key", str(line_pki.terms_key)]) == 0
    )
    assert capsys.readouterr().out == f"{file}: 3 forms signed\n"
    data = municipality.load(load(config).gateway.city)
    assert msgspec.json.decode(checked(config).body, type=FormTerms) == terms.form_terms(data)


def test_sign_terms_with_a_key_that_no_kiosk_would_believe_changes_nothing(
    config: Path, tmp_path: Path, line_pki: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load(config).terms.file.read_bytes()
    other = make(tmp_path / "other", ()).terms_key
    (tmp_path / "no.key").write_text("no key")
    for key in (
        other,
        line_pki.kiosk_ca_key,
        tmp_path / "no.key",
        tmp_path / "none.key",
        line_pki.terms,
    ):
        assert main(["city", "sign-terms", "--config", str(config), "--key", str(key)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert load(config).terms.file.read_bytes() == before


def change_data(config: Path) -> None:
    data = load(config).gateway.city
    text = data.read_text("utf-8").replace("この写しは、世帯全員の", "これは、世帯全員の")
    data.write_text(text, "utf-8")


def change_one_byte(config: Path) -> None:
    file = load(config).terms.file
    signed = msgspec.json.decode(file.read_bytes(), type=terms.SignedFile)
    body = bytes((*signed.terms[:-1], signed.terms[-1] ^ 1))
    file.write_bytes(msgspec.json.encode(terms.SignedFile(body, signed.signature)))


def other_key(config: Path) -> None:
    key = make(config.parent / "other", ()).terms_key
    data = municipality.load(load(config).gateway.city)
    load(config).terms.file.write_bytes(terms.sign(data, terms.load_terms_key(key)))


WRONG = {
    "the data says something else": (change_data, "not the terms of"),
    "altered": (change_one_byte, "signed by none"),
    "signed by another key": (other_key, "signed by none"),
    "not there": (lambda config: load(config).terms.file.unlink(), "No such file"),
    "not such a file": (
        lambda config: load(config).terms.file.write_bytes(b"{}"),
        "not a file of signed terms",
    ),
    "no text": (
        lambda config: load(config).terms.file.write_bytes(b"\xff"),
        "not a file of signed terms",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_gateway_without_good_terms_does_not_start_and_says_what_to_do(
    config: Path, authority: Authority, capsys: pytest.CaptureFixture[str], wrong: str
) -> None:
    (config.parent / "card-ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    spoil, words = WRONG[wrong]
    checked(config)
    spoil(config)
    with pytest.raises(ConfigError, match=words):
        checked(config)
    assert gateway.main(config) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said
    assert "kiosk city sign-terms --config FILE --key TERMS-KEY.pem" in said


def test_the_private_terms_key_is_no_part_of_a_gateways_configuration(
    config: Path, line_pki: Files
) -> None:
    config.write_text(config.read_text().replace(str(line_pki.terms), str(line_pki.terms_key)))
    with pytest.raises(ConfigError, match="not a public key"):
        checked(config)
