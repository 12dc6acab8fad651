"""Revocation asked of OpenSSL's own responder, and of peers that lie, stall or are not responders
at all.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from city_bench import Card, Rehearsal, Visit, refused
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st
from ocsp_bench import (
    GOOD,
    REVOKED,
    UNKNOWN,
    Answers,
    Authority,
    Liar,
    OpenSsl,
    asks,
    card,
    http,
    trouble,
)

from city import cards, revocation
from city.config import CardResponder, ConfigError
from city.enroll import link
from city.revocation import Responder, Revocation, Trouble, Unanswered
from firmware.link.messages import RefusalCode

OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING


@pytest.fixture(scope="module")
def keys() -> tuple[RSAPrivateKey, ...]:
    return tuple(generate_private_key(65537, 2048) for _ in range(3))


@pytest.fixture(scope="module")
def jpki(keys: tuple[RSAPrivateKey, ...]) -> Authority:
    return Authority(keys[0])


@pytest.fixture(scope="module")
def other(keys: tuple[RSAPrivateKey, ...]) -> Authority:
    """Another generation, under the same name."""
    return Authority(keys[1])


# -- OpenSSL ---------------------------------------------------------------------------------------


@pytest.fixture
def openssl(tmp_path: Path, jpki: Authority) -> Iterator[OpenSsl]:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command")
    made = OpenSsl(tmp_path, jpki)
    yield made
    for process in made.running:
        process.kill()
        process.wait(10)


def test_good_revoked_and_unknown_from_openssl(openssl: OpenSsl, jpki: Authority, keys) -> None:
    good, gone, stranger = (card(jpki, keys) for _ in range(3))
    openssl.index(("V", good), ("R", gone))
    delegate = jpki.issue(keys[1], "responder", use=OCSP_SIGNING)
    for signer, key in ((jpki.certificate, keys[0]), (delegate, keys[1])):
        responder = asks(jpki, openssl.start(signer, key, "-ndays", "1"))
        assert [trouble(responder, c) for c in (good, gone, stranger)] == [GOOD, REVOKED, UNKNOWN]


def test_an_openssl_of_another_signer_is_not_believed(
    openssl: OpenSsl, jpki: Authority, other, keys
) -> None:
    good = card(jpki, keys)
    openssl.index(("V", good))
    for signer, key in (
        (other.certificate, keys[1]),  # the other generation, under the very same name
        (jpki.issue(keys[1], "responder", use=ExtendedKeyUsageOID.CLIENT_AUTH), keys[1]),
        (
            jpki.issue(keys[1], "responder"),
            keys[1],
        ),  # a certificate of the jpki's, not for this purpose
        (other.issue(keys[2], "responder", use=OCSP_SIGNING), keys[2]),
    ):
        responder = asks(jpki, openssl.start(signer, key))
        assert trouble(responder, good) in (Trouble.SIGNER, Trouble.SIGNATURE)


def test_an_expired_delegate_is_none(openssl: OpenSsl, jpki: Authority, keys) -> None:
    good = card(jpki, keys)
    openssl.index(("V", good))
    delegate = jpki.issue(keys[1], "responder", use=OCSP_SIGNING, days=(-30, -1))
    assert trouble(asks(jpki, openssl.start(delegate, keys[1])), good) is Trouble.SIGNER


class Today(Revocation):
    """The sample city's clock stands in November; OpenSSL's does not."""

    def check(self, card: cards.CardCertificate, now: datetime) -> None:
        super().check(card, datetime.now(UTC))


def test_a_whole_session_with_openssl(
    openssl: OpenSsl, jpki: Authority, keys, rehearsal: Rehearsal
) -> None:
    """Through the gateway: good opens, revoked and a stopped responder have each their
    own refusal.
    """
    good, gone = (Card(keys[2], card(jpki, keys)) for _ in range(2))
    openssl.index(("V", good.certificate), ("R", gone.certificate))
    port = openssl.start(jpki.certificate, keys[0], "-ndays", "1")
    mark = cards.fingerprint(jpki.certificate.public_bytes(Encoding.DER))
    checked = Today({mark: asks(jpki, port)})
    rehearsal.city = replace(rehearsal.city, authorities=(jpki.certificate,), revocation=checked)
    with rehearsal.city.engine.begin() as connection:
        for each in (good, gone):
            link(connection, each.certificate, "taro", date(2025, 1, 6), 0)

    async def scenario(url: str) -> None:
        line = rehearsal.line(url)
        try:
            assert await refused(Visit(line, good).enter()) is None
            assert await refused(Visit(line, gone).enter()) is RefusalCode.CARD_REVOKED
            openssl.running[-1].kill()
            openssl.running[-1].wait(10)
            assert await refused(Visit(line, good).enter()) is RefusalCode.CARD_UNCONFIRMED
        finally:
            await line.close()

    asyncio.run(rehearsal.run(scenario)())


# -- peers of our own making -----------------------------------------------------------------------


def answer_of(jpki: Authority, keys, **changes: object) -> Trouble | ocsp.OCSPCertStatus:
    """What a responder that answers with `changes` is taken for."""
    certificate = card(jpki, keys)
    answers = Answers(jpki, certificate)
    options = {"nonce": changes.pop("require_nonce", True)}
    with Liar(lambda request: http(answers(request, **changes))) as port:
        return trouble(asks(jpki, port, **options), certificate)


def test_a_right_answer_of_our_own_making(jpki: Authority, keys) -> None:
    assert answer_of(jpki, keys) is GOOD
    assert answer_of(jpki, keys, by_key=False) is GOOD
    assert answer_of(jpki, keys, status=REVOKED) is REVOKED
    assert answer_of(jpki, keys, status=UNKNOWN) is UNKNOWN
    assert answer_of(jpki, keys, nonce=b"", require_nonce=False) is GOOD


def ago(**units: float) -> datetime:
    return datetime.now(UTC) - timedelta(**units)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (lambda a, o, k: {"nonce": b"0" * 32}, Trouble.NONCE),
        (lambda a, o, k: {"nonce": b""}, Trouble.NONCE),
        (lambda a, o, k: {"nonce": b"0" * 32, "require_nonce": False}, Trouble.NONCE),
        (lambda a, o, k: {"certificate": card(a, k)}, Trouble.OTHER_CERTIFICATE),
        (
            lambda a, o, k: {"issuer": o.certificate},
            Trouble.OTHER_CERTIFICATE,
        ),  # the same name, another key
        (lambda a, o, k: {"this": ago(hours=2), "next": ago(hours=1)}, Trouble.STALE),
        (lambda a, o, k: {"this": ago(minutes=7), "next": None}, Trouble.STALE),
        (lambda a, o, k: {"this": ago(hours=-1), "next": ago(hours=-2)}, Trouble.STALE),
        (lambda a, o, k: {"unsigned": True}, Trouble.SIGNATURE),
        (lambda a, o, k: {"key": o.key, "signer": o.certificate}, Trouble.SIGNER),
        (
            lambda a, o, k: {"key": o.key, "signer": o.certificate, "by_key": False},
            Trouble.SIGNATURE,
        ),
        (
            lambda a, o, k: {
                "key": o.key,
                "signer": o.certificate,
                "certificates": [o.certificate],
            },
            Trouble.SIGNER,
        ),
    ],
)
def test_an_answer_that_is_wrong_in_one_thing(
    jpki: Authority, other: Authority, keys, changes, expected
) -> None:
    assert answer_of(jpki, keys, **changes(jpki, other, keys)) is expected


@pytest.mark.parametrize(
    ("answer_with", "expected"),
    [
        (lambda _: None, Trouble.SILENT),
        (lambda _: b"", Trouble.SILENT),
        (lambda _: b"SSH-2.0-OpenSSH_9.2\r\n", Trouble.NOT_HTTP),
        (
            lambda _: http(b"", "302 Found", more="Location: http://127.0.0.1:1/\r\n"),
            Trouble.NOT_HTTP,
        ),
        (lambda _: http(b"<html>", kind="text/html"), Trouble.NOT_HTTP),
        (lambda _: http(b"x", "503 Service Unavailable"), Trouble.NOT_HTTP),
        (lambda _: http(b"\x00" * 100_000), Trouble.NOT_HTTP),
        (lambda _: http(b"0" * 50)[:-20], Trouble.NOT_HTTP),  # cut off
        (lambda _: http(b"garbage"), Trouble.NOT_OCSP),
        (lambda _: http(b""), Trouble.NOT_OCSP),
        (lambda _: http(b"0\x03\n\x01\x03"), Trouble.NOT_SUCCESSFUL),  # tryLater
        (lambda _: http(b"0\x03\n\x01\x06"), Trouble.NOT_SUCCESSFUL),  # unauthorized
    ],
)
def test_a_peer_that_is_no_responder(jpki: Authority, keys, answer_with, expected: Trouble) -> None:
    with Liar(answer_with) as port:
        assert trouble(asks(jpki, port), card(jpki, keys)) is expected


@pytest.mark.parametrize("manner", [{"hold_s": 30.0}, {"drip_s": 0.02}])
def test_one_deadline_for_all_of_it_and_then_a_pause(
    jpki: Authority, keys, manner: dict[str, float]
) -> None:
    certificate = card(jpki, keys)
    liar = Liar(lambda request: http(Answers(jpki, certificate)(request)), **manner)
    with liar as port:
        responder = asks(jpki, port, deadline_s=0.3)
        begun = time.monotonic()
        assert trouble(responder, certificate) is Trouble.SILENT
        assert time.monotonic() - begun < 5
        assert trouble(responder, certificate) is Trouble.PAUSED
    assert liar.asked == 1


def test_nobody_listens(jpki: Authority, keys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    assert trouble(asks(jpki, port), card(jpki, keys)) is Trouble.SILENT


def test_an_answer_played_again_is_refused(jpki: Authority, keys) -> None:
    """Recorded for one session and played in the next, and for another card."""
    one, another = card(jpki, keys), card(jpki, keys)
    recorded: list[bytes] = []

    def answer_with(request: bytes) -> bytes:
        recorded.append(http(Answers(jpki, one)(request)))
        return recorded[0]

    with Liar(answer_with) as port:
        found = [trouble(asks(jpki, port), certificate) for certificate in (one, one, another)]
    assert found == [GOOD, Trouble.NONCE, Trouble.NONCE]
    with Liar(lambda _: recorded[0]) as port:
        assert trouble(asks(jpki, port, nonce=False), another) is Trouble.NONCE


def test_proxies_of_the_environment_are_not_used(
    jpki: Authority, keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert answer_of(jpki, keys) is GOOD


@settings(max_examples=150)
@given(data=st.data())
def test_no_damaged_answer_is_good(jpki: Authority, keys, data: st.DataObject) -> None:
    certificate = _one_card(jpki, keys)
    now, nonce = datetime.now(UTC), b"n" * 32
    builder = ocsp.OCSPRequestBuilder().add_extension(x509.OCSPNonce(nonce), critical=False)
    request = builder.add_certificate(certificate, jpki.certificate, hashes.SHA1()).build()
    body = Answers(jpki, certificate)(request.public_bytes(Encoding.DER), status=REVOKED)
    at = data.draw(st.integers(0, len(body) - 1))
    flipped = body[:at] + bytes([body[at] ^ data.draw(st.integers(1, 255))]) + body[at + 1 :]
    try:
        assert revocation.judge(asks(jpki, 1), request, nonce, flipped, now) is REVOKED
    except Unanswered as error:
        assert error.trouble in Trouble


@lru_cache
def _one_card(jpki: Authority, keys: tuple[RSAPrivateKey, ...]) -> x509.Certificate:
    return card(jpki, keys)


# -- what becomes of it ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (GOOD, None),
        (REVOKED, RefusalCode.CARD_REVOKED),
        (UNKNOWN, RefusalCode.CARD_INVALID),
        (Unanswered(Trouble.SILENT), RefusalCode.CARD_UNCONFIRMED),
        (Unanswered(Trouble.SIGNER), RefusalCode.CARD_UNCONFIRMED),
    ],
)
def test_only_good_passes(jpki: Authority, keys, caplog, monkeypatch, answer, code) -> None:
    certificate = card(jpki, keys)
    der = certificate.public_bytes(Encoding.DER)
    now = datetime.now(UTC)
    checked = cards.check_certificate([jpki.certificate], der, now)
    responder = asks(jpki, 1)

    def status(*_: object) -> ocsp.OCSPCertStatus:
        if isinstance(answer, Unanswered):
            raise answer
        return answer

    monkeypatch.setattr(Responder, "status", status)
    mark = cards.fingerprint(jpki.certificate.public_bytes(Encoding.DER))
    caplog.set_level(logging.INFO)
    try:
        Revocation({mark: responder}).check(checked, now)
    except cards.CardRefused as error:
        assert error.code is code
    else:
        assert code is None
    assert ("no answer" in caplog.text) is (code is RefusalCode.CARD_UNCONFIRMED)
    assert str(certificate.serial_number) not in caplog.text


def test_generations_of_one_name_are_told_apart_by_signature(
    jpki: Authority, other: Authority, keys
) -> None:
    both = [other.certificate, jpki.certificate]
    for each in (jpki, other):
        der = card(each, keys).public_bytes(Encoding.DER)
        assert cards.check_certificate(both, der, datetime.now(UTC)).authority == each.certificate


def test_a_real_authority_must_have_a_responder(
    jpki: Authority, other: Authority, tmp_path: Path
) -> None:
    paths = []
    for name, each in (("one", jpki), ("two", other)):
        paths.append(tmp_path / f"{name}.pem")
        paths[-1].write_bytes(each.certificate.public_bytes(Encoding.PEM))
    known = (jpki.certificate, other.certificate)
    section = CardResponder(ca=paths[0], url="http://ocsp.example/card?x=1")
    with pytest.raises(ConfigError, match="none for 1 of"):
        revocation.load((section,), known, allow_test=False)
    with pytest.raises(ConfigError, match=r"is not in cards\.ca"):
        revocation.load((section,), known[1:], allow_test=True)
    with pytest.raises(ConfigError, match="no such port"):
        revocation.load(
            (CardResponder(ca=paths[0], url="http://ocsp.example:99999/"),), known, allow_test=True
        )
    assert revocation.load((), known, allow_test=True).responders == {}
    [made] = revocation.load((section,), known, allow_test=True).responders.values()
    assert (made.host, made.port, made.path, made.deadline_s) == (
        "ocsp.example",
        80,
        "/card?x=1",
        2.0,
    )
