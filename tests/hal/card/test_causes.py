"""Every cause of a refusal, from a card that has it, through all that a kiosk asks and checks."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from card_bench import NOW, Direct, whole_session
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from hal.card import check, jpki
from hal.card.jpki import CardCause, CardRefused, KeyKind
from hal.sim.card.flaws import FLAWS, flawed
from hal.sim.card.pki import CardCa, Chip, load_card, make_card_ca, new_card_ca, revoke


@dataclass(frozen=True)
class Case:
    """A card, a person and a kiosk, and what comes of them."""

    cause: CardCause | None
    flaw: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    tries: int | None = None
    pin: str = "1234"
    allow_test: bool = True
    spends: int = 0  # tries gone afterwards


CASES = (
    Case(None, flaw="reissued"),
    Case(None, flaw="defaults-written-out"),
    Case(None, flaw="unusual-strings"),
    Case(CardCause.NOT_MYNUMBER, options={"applet": False}),
    Case(CardCause.NO_CERTIFICATE, flaw="no-certificate"),
    Case(CardCause.PIN_WRONG, pin="9999", spends=1),
    Case(CardCause.PIN_LOCKED, tries=1, pin="9999", spends=1),
    Case(CardCause.PIN_LOCKED, tries=0),
    Case(CardCause.PIN_LOCKED, tries=0, options={"state_query": True}),
    Case(CardCause.BAD_CERTIFICATE, flaw="rubbish"),
    Case(CardCause.EXPIRED, flaw="expired"),
    Case(CardCause.NOT_YET_VALID, flaw="not-yet-valid"),
    Case(CardCause.WRONG_ISSUER, flaw="wrong-ca"),
    Case(CardCause.WRONG_ISSUER, flaw="wrong-policy"),
    Case(CardCause.WRONG_ISSUER, flaw="weak-key"),
    Case(CardCause.WRONG_ISSUER, flaw="tampered"),
    Case(CardCause.WRONG_ISSUER, allow_test=False),
    Case(CardCause.BAD_SIGNATURE, flaw="other-key"),
    Case(CardCause.UNKNOWN_KEY, flaw="p384-key"),
)


def test_every_cause_and_every_flaw_has_a_case() -> None:
    rest = {CardCause.UNREADABLE}  # of answers, not of cards: test_jpki
    assert {case.cause for case in CASES if case.cause} == set(CardCause) - rest
    assert {case.flaw for case in CASES if case.flaw} == set(FLAWS)


@pytest.mark.parametrize("kind", ["card", "android"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.cause or 'sound'}-{case.flaw}")
def test_a_card_that_is_no_use_has_one_cause(
    folder: Path, ca: CardCa, case: Case, kind: str
) -> None:
    change = flawed(case.flaw, ca, NOW) if case.flaw else None
    applet = load_card(
        folder, options={**case.options, "kind": kind}, change=change, tries=case.tries
    )
    before, channel = applet.tries, Direct(applet)
    if case.cause is None:
        assert whole_session(channel, [ca.certificate]).kind is KeyKind.RSA
    else:
        with pytest.raises(CardRefused) as refused:
            whole_session(channel, [ca.certificate], case.pin, allow_test=case.allow_test)
        assert refused.value.cause is case.cause
        assert refused.value.__context__ is None or refused.value.__suppress_context__
    assert before - applet.tries == case.spends
    if case.flaw and case.flaw != "other-key" and case.cause and kind == "card":
        assert not any(header.startswith("002000") for header in channel.seen[2:]), (
            "refused before the PIN"
        )


def test_generations_of_one_name_are_told_apart_by_signature(folder: Path, ca: CardCa) -> None:
    generations = [new_card_ca(), ca, new_card_ca()]
    trusted = [generation.certificate for generation in generations]
    for generation in generations:
        applet = load_card(folder, change=flawed("reissued", generation, NOW))
        assert whole_session(Direct(applet), trusted)
        with pytest.raises(CardRefused):
            whole_session(
                Direct(applet),
                [other.certificate for other in generations if other is not generation],
            )


def test_a_revoked_card_is_sound_here_and_on_the_list_of_its_ca(
    folder: Path, tmp_path: Path
) -> None:
    issuer = make_card_ca(tmp_path)
    chips: list[Chip] = []
    applet = load_card(folder, change=kept(flawed("reissued", issuer, NOW), chips))
    assert whole_session(Direct(applet), [issuer.certificate])
    other = (folder / "certificate.der").read_bytes()
    for der in (chips[0].certificate, other, other):
        revoke(tmp_path, der or b"", NOW)
    listed = x509.load_der_x509_crl((tmp_path / "ca.crl").read_bytes())
    revoked = {
        x509.load_der_x509_certificate(der or b"").serial_number
        for der in (chips[0].certificate, other)
    }
    assert {entry.serial_number for entry in listed} == revoked
    assert listed.is_signature_valid(issuer.key.public_key())


def kept(change: Callable[[Chip], Chip], chips: list[Chip]) -> Callable[[Chip], Chip]:
    """`change`, and what it made is kept."""

    def both(chip: Chip) -> Chip:
        chips.append(change(chip))
        return chips[-1]

    return both


@pytest.mark.skipif(not shutil.which("openssl"), reason="not here: openssl")
@pytest.mark.parametrize("flaw", ["defaults-written-out", "unusual-strings"])
def test_openssl_verifies_what_a_strict_parser_refuses(
    folder: Path, ca: CardCa, flaw: str, tmp_path: Path
) -> None:
    chips: list[Chip] = []
    load_card(folder, change=kept(flawed(flaw, ca, NOW), chips))
    der = chips[0].certificate or b""
    (tmp_path / "card.pem").write_text(ssl.DER_cert_to_PEM_cert(der))
    (tmp_path / "ca.pem").write_bytes(ca.certificate.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-attime", str(int(NOW.timestamp())), "-ignore_critical"]
    done = subprocess.run(
        [*command, "-CAfile", "ca.pem", "card.pem"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "card.pem: OK\n", done.stderr
    with pytest.raises((ValueError, TypeError)):
        x509.load_der_x509_certificate(der).subject  # noqa: B018


def test_a_later_generation_is_one_table_row_away(
    folder: Path, ca: CardCa, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a command for its key the certificate passes, and its signature is verified: here by a
    key of our own.
    """
    chips: list[Chip] = []
    load_card(folder, change=kept(flawed("p384-key", ca, NOW), chips))
    der, key = chips[0].certificate, chips[0].key
    assert der is not None
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    monkeypatch.setattr(
        check,
        "SIGN_COMMANDS",
        {**jpki.SIGN_COMMANDS, KeyKind.P384: jpki.SIGN_COMMANDS[KeyKind.RSA]},
    )
    profile = check.check_card_certificate(der, [ca.certificate], NOW, allow_test=True)
    assert (profile.kind, profile.key_bits) == (KeyKind.P384, 384)
    digest = bytes(range(32))
    r, s = utils.decode_dss_signature(key.sign(digest, ec.ECDSA(utils.Prehashed(SHA256()))))
    signature = r.to_bytes(48, "big") + s.to_bytes(48, "big")
    check.check_signature(der, digest, signature)
    for wrong in (bytes(96), signature[:-1], b"", bytes(256), signature[::-1]):
        with pytest.raises(CardRefused) as refused:
            check.check_signature(der, digest, wrong)
        assert refused.value.cause is CardCause.BAD_SIGNATURE
