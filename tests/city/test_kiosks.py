"""Which kiosks the city takes: revoked, expired, renewed, and a gateway that cannot renew."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from city_bench import HELLO, Rehearsal, Visit, refused, write_config
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from city import kiosks, pki, renewal
from city.renewal import Renewal
from firmware.link import messages, signing
from firmware.link.client import Line, LineConfig, LineFault, LineReason
from firmware.link.clock import board_time
from firmware.link.messages import RefusalCode
from firmware.link.renewal import Papers, RenewalError, adopt, due, request, settle, try_out
from firmware.service.renewal_desk import RenewDesk
from firmware.tools.cli import main


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kiosks, "REFRESH_S", -1.0)  # the roll is read at every request


@pytest.fixture
def own(rehearsal: Rehearsal, tmp_path: Path) -> Callable[..., LineConfig]:
    """A kiosk's line with papers of its own: copies, or a certificate for so many days."""
    authority = pki.load_authority(rehearsal.pki.kiosk_ca, rehearsal.pki.kiosk_ca_key)
    rehearsal.city = replace(rehearsal.city, renewal=Renewal(authority, 365))

    def make(
        url: str, kiosk: str = "kiosk-1", life: timedelta = timedelta(days=20), number: int = 0
    ) -> LineConfig:
        folder = tmp_path / f"{kiosk}-{number}"
        folder.mkdir(exist_ok=True)
        papers = Papers(folder / "line.pem", folder / "line.key")
        key = ec.generate_private_key(ec.SECP256R1())
        made = pki.leaf(
            authority, kiosk, key.public_key(), ExtendedKeyUsageOID.CLIENT_AUTH, (kiosk,), life
        )
        papers.key.write_bytes(pki._private(key))
        papers.certificate.write_bytes(made.public_bytes(Encoding.PEM))
        return LineConfig(
            url, papers.certificate, papers.key, rehearsal.pki.city_ca, deadline_s=5.0
        )

    return make


def run(rehearsal: Rehearsal, scenario: Callable[[str], Awaitable[None]]) -> None:
    asyncio.run(rehearsal.run(scenario)())


def revoke(rehearsal: Rehearsal, which: str) -> int:
    with rehearsal.city.engine.begin() as connection:
        return kiosks.revoke(connection, which)


# -- the list --------------------------------------------------------------------------------------


def test_a_revoked_kiosk_is_refused_on_the_connection_it_has_and_on_every_other(
    rehearsal: Rehearsal, own
) -> None:
    async def scenario(url: str) -> None:
        async with Line(own(url)) as line, rehearsal.line(url, "kiosk-2") as other:
            await line.hello(HELLO)
            await other.hello(HELLO)
            assert revoke(rehearsal, "kiosk-1") == 1
            assert await refused(line.hello(HELLO)) is RefusalCode.KIOSK_REVOKED
            async with Line(own(url)) as again:  # the same folder, a new key: nobody has listed it
                assert await refused(again.hello(HELLO)) is RefusalCode.KIOSK_UNKNOWN
            assert (await other.hello(HELLO)).protocol == messages.PROTOCOL

    run(rehearsal, scenario)
    with rehearsal.city.engine.begin() as connection:
        rows = kiosks.listed(connection)
    assert [(kiosk, state) for kiosk, _, _, state in rows] == [
        ("kiosk-1", "revoked"),
        ("kiosk-2", "good"),
    ]


def test_after_a_revocation_a_listed_certificate_is_taken(rehearsal: Rehearsal, own) -> None:
    async def scenario(url: str) -> None:
        async with Line(own(url, number=1)) as line:
            await line.hello(HELLO)
        revoke(rehearsal, "kiosk-1")
        fresh = own(url, number=2)
        shown = kiosks.read(
            x509.load_pem_x509_certificate(fresh.certificate.read_bytes()).public_bytes(
                Encoding.DER
            )
        )
        assert shown is not None
        with rehearsal.city.engine.begin() as connection:
            kiosks.admit(connection, shown)
        async with Line(fresh) as line:
            assert await refused(line.hello(HELLO)) is None

    run(rehearsal, scenario)


def test_a_revocation_reaches_a_gateway_within_seconds(
    rehearsal: Rehearsal, own, monkeypatch
) -> None:
    monkeypatch.setattr(kiosks, "REFRESH_S", 0.2)

    async def scenario(url: str) -> None:
        async with Line(own(url)) as line:
            await line.hello(HELLO)
            revoke(rehearsal, "kiosk-1")
            until = time.monotonic() + 5
            while await refused(line.hello(HELLO)) is None:
                assert time.monotonic() < until
                await asyncio.sleep(0.02)

    run(rehearsal, scenario)


def test_a_gateway_that_has_not_heard_of_a_revocation_gives_nothing_that_outlives_it(
    rehearsal: Rehearsal, own, monkeypatch
) -> None:
    """Who has a stolen key asks for a new certificate in the two seconds that a roll may be old."""

    async def scenario(url: str) -> None:
        stolen, kept_back = own(url, number=1), own(url, number=2)
        async with Line(stolen) as line, Line(kept_back) as other:
            await line.hello(HELLO)
            monkeypatch.setattr(kiosks, "REFRESH_S", 60.0)
            revoke(rehearsal, "kiosk-1")
            asked = messages.RenewRequest(csr=request(papers_of(stolen)))
            assert await refused(line.renew(asked)) is RefusalCode.KIOSK_REVOKED
            assert await refused(other.hello(HELLO)) is RefusalCode.KIOSK_UNKNOWN

    run(rehearsal, scenario)
    with rehearsal.city.engine.begin() as connection:
        assert [state for *_, state in kiosks.listed(connection)] == ["revoked"]


def test_a_certificate_that_is_over_ends_at_the_handshake(rehearsal: Rehearsal, own) -> None:
    async def scenario(url: str) -> None:
        async with Line(own(url, life=timedelta(seconds=-1))) as line:
            with pytest.raises(LineFault) as caught:
                await line.hello(HELLO)
            assert caught.value.reason in (LineReason.TLS, LineReason.UNREACHABLE)

    run(rehearsal, scenario)


def test_a_certificate_that_ends_while_it_is_connected_is_refused(
    rehearsal: Rehearsal, own, monkeypatch
) -> None:
    async def scenario(url: str) -> None:
        async with Line(own(url)) as line:
            await line.hello(HELLO)
            later = time.time() + 21 * 86400
            monkeypatch.setattr(kiosks.time, "time", lambda: later)
            assert await refused(line.hello(HELLO)) is RefusalCode.KIOSK_EXPIRED

    run(rehearsal, scenario)


def test_a_certificate_that_names_no_kiosk(rehearsal: Rehearsal, own) -> None:
    async def scenario(url: str) -> None:
        async with Line(own(url, kiosk="Kiosk 1")) as line:
            assert await refused(line.hello(HELLO)) is RefusalCode.KIOSK_UNKNOWN

    run(rehearsal, scenario)


# -- renewal ---------------------------------------------------------------------------------------


def papers_of(config: LineConfig) -> Papers:
    return Papers(config.certificate, config.key)


def fingerprint(config: LineConfig) -> bytes:
    return x509.load_pem_x509_certificate(config.certificate.read_bytes()).fingerprint(
        hashes.SHA256()
    )


def test_renewal_from_the_first_question_to_the_next_process(
    rehearsal: Rehearsal, own, caplog, monkeypatch
) -> None:
    monkeypatch.setattr(logging.getLogger("madoguchi"), "propagate", True)
    caplog.set_level(logging.INFO, "madoguchi")

    async def scenario(url: str) -> None:
        config = own(url)
        before, key = fingerprint(config), config.key.read_bytes()
        async with Line(config) as line:
            desk = RenewDesk(line, config, 30, "test", board_time)
            await desk.renew()
            await desk.renew()  # not again at once
        assert (fingerprint(config), config.key.read_bytes()) == (before, key), (
            "the running process keeps its own"
        )
        assert settle(papers_of(config))
        assert not settle(papers_of(config))
        assert fingerprint(config) != before
        assert config.key.stat().st_mode & 0o077 == 0
        left = x509.load_pem_x509_certificate(
            config.certificate.read_bytes()
        ).not_valid_after_utc - datetime.now(UTC)
        assert left > timedelta(days=364)
        async with Line(config) as line:
            await line.hello(HELLO)
            visit = Visit(line, rehearsal.card("taro"))
            await visit.enter()
        assert sorted(path.name for path in config.key.parent.iterdir()) == ["line.key", "line.pem"]

    run(rehearsal, scenario)
    assert [r.facts for r in caplog.records if r.getMessage() == "line.renewal"] == [
        {"step": "adopted"}
    ]
    with rehearsal.city.engine.begin() as connection:
        assert [state for *_, state in kiosks.listed(connection)] == ["good", "good"]


def test_nothing_is_asked_before_it_is_time(rehearsal: Rehearsal, own) -> None:
    config = own("https://127.0.0.1:1")
    asyncio.run(RenewDesk(Line(config), config, 10, "test", board_time).renew())
    assert not papers_of(config).next_key.exists()


def test_a_lost_answer_costs_nothing_the_same_key_has_the_same_certificate(
    rehearsal: Rehearsal, own
) -> None:
    async def scenario(url: str) -> None:
        config = own(url)
        async with Line(config) as line:
            asked = [
                await line.renew(messages.RenewRequest(csr=request(papers_of(config))))
                for _ in range(3)
            ]
        assert len({answer.certificate for answer in asked}) == 1

    run(rehearsal, scenario)


def test_asking_with_ever_new_keys_comes_to_an_end(rehearsal: Rehearsal, own) -> None:
    async def scenario(url: str) -> None:
        config = own(url)
        async with Line(config) as line:
            codes = []
            for _ in range(renewal.MOST_LIVE):
                papers_of(config).next_key.unlink(missing_ok=True)
                codes.append(
                    await refused(line.renew(messages.RenewRequest(csr=request(papers_of(config)))))
                )
        assert codes == [None, None, None, RefusalCode.NO_RENEWAL]

    run(rehearsal, scenario)


def test_a_gateway_without_the_authoritys_key_says_so(rehearsal: Rehearsal, own) -> None:
    async def scenario(url: str) -> None:
        config = own(url)
        async with Line(config) as line:
            assert (
                await refused(line.renew(messages.RenewRequest(csr=request(papers_of(config)))))
                is RefusalCode.NO_RENEWAL
            )

    _ = own  # sets the renewal: taken away again
    rehearsal.city = replace(rehearsal.city, renewal=None)
    run(rehearsal, scenario)


def csr(name: str, key, signer=None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    return builder.sign(
        key, None if isinstance(key, Ed25519PrivateKey) else hashes.SHA256()
    ).public_bytes(Encoding.DER)


def test_only_for_itself_and_only_with_a_key_of_the_right_kind(rehearsal: Rehearsal, own) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    good = csr("kiosk-1", key)
    bad = [
        csr("kiosk-2", key),
        csr("kiosk-1", ec.generate_private_key(ec.SECP384R1())),
        csr("kiosk-1", Ed25519PrivateKey.generate()),
        good[:-1] + bytes([good[-1] ^ 1]),  # its own signature does not hold
        good[:-20],
        b"",
    ]

    async def scenario(url: str) -> None:
        async with Line(own(url)) as line:
            for body in bad:
                assert (
                    await refused(line.renew(messages.RenewRequest(csr=body)))
                    is RefusalCode.MALFORMED
                )
            assert await refused(line.renew(messages.RenewRequest(csr=good))) is None

    run(rehearsal, scenario)


def test_an_answer_that_is_not_for_this_kiosk_and_key_is_not_kept(
    rehearsal: Rehearsal, own
) -> None:
    config = own("https://127.0.0.1:1")
    papers = papers_of(config)
    request(papers)
    authority = pki.load_authority(rehearsal.pki.kiosk_ca, rehearsal.pki.kiosk_ca_key)
    next_key = load_pem_private_key(papers.next_key.read_bytes(), None).public_key()
    stranger = ec.generate_private_key(ec.SECP256R1()).public_key()
    city = pki.load_authority(rehearsal.pki.city_ca, rehearsal.pki.city_ca_key)
    for issuer, name, key, days in (
        (authority, "kiosk-2", next_key, 365),
        (authority, "kiosk-1", stranger, 365),
        (authority, "kiosk-1", next_key, 1),
        (city, "kiosk-1", next_key, 365),
    ):
        made = pki.leaf(
            issuer, name, key, ExtendedKeyUsageOID.CLIENT_AUTH, (name,), timedelta(days=days)
        )
        with pytest.raises(RenewalError, match="not-ours"):
            try_out(papers, made.public_bytes(Encoding.DER))
    with pytest.raises(RenewalError, match="not-a-certificate"):
        try_out(papers, b"nonsense")
    assert not papers.trial.exists()


@pytest.mark.parametrize("cut", ["nothing yet", "key in place", "all done"])
def test_a_power_cut_at_any_step_leaves_a_pair_that_fits(
    rehearsal: Rehearsal, own, cut: str
) -> None:
    config = own("https://127.0.0.1:1")
    papers = papers_of(config)
    authority = pki.load_authority(rehearsal.pki.kiosk_ca, rehearsal.pki.kiosk_ca_key)
    request(papers)
    public = load_pem_private_key(papers.next_key.read_bytes(), None).public_key()
    made = pki.leaf(authority, "kiosk-1", public, ExtendedKeyUsageOID.CLIENT_AUTH, ("kiosk-1",))
    try_out(papers, made.public_bytes(Encoding.DER))
    assert due(papers, 30, datetime.now(UTC))
    adopt(papers)
    assert not due(papers, 30, datetime.now(UTC))
    if cut != "nothing yet":
        papers.next_key.replace(papers.key)
    if cut == "all done":
        papers.next_certificate.replace(papers.certificate)
    settle(papers)
    Line(config)  # would not load a pair that does not fit
    assert fingerprint(config) == made.fingerprint(hashes.SHA256())


def test_a_new_certificate_without_its_key_is_dropped(rehearsal: Rehearsal, own) -> None:
    config = own("https://127.0.0.1:1")
    papers = papers_of(config)
    papers.next_certificate.write_bytes(rehearsal.pki.kiosk("kiosk-1")[0].read_bytes())
    with pytest.raises(RenewalError, match="key-missing"):
        settle(papers)
    Line(config)
    assert not papers.next_certificate.exists()


def test_a_folder_that_cannot_be_written_is_a_line_in_the_log(
    rehearsal: Rehearsal, own, caplog, monkeypatch
) -> None:
    monkeypatch.setattr(logging.getLogger("madoguchi"), "propagate", True)
    caplog.set_level(logging.INFO, "madoguchi")
    config = own("https://127.0.0.1:1")
    monkeypatch.setattr(
        "firmware.link.renewal.os.open", lambda *_: (_ for _ in ()).throw(PermissionError())
    )
    asyncio.run(RenewDesk(Line(config), config, 30, "test", board_time).renew())
    assert [r.facts for r in caplog.records if r.getMessage() == "line.renewal"] == [
        {"step": "not-writable"}
    ]


# -- the issuing key, changed without a day on which nothing verifies ------------------------------


def test_the_issuing_key_changes_while_kiosks_pin_both(rehearsal: Rehearsal) -> None:
    new = Ed25519PrivateKey.generate()
    old = signing.load_public([rehearsal.pki.issuing])
    both = (*old, new.public_key())

    async def document(url: str) -> tuple[messages.OrderAnswer, messages.Manifest]:
        async with rehearsal.line(url) as line:
            visit = Visit(line, rehearsal.card("taro"))
            await visit.enter()
            manifest, _ = await visit.orders("inkan")
            return visit.answer, manifest

    before = asyncio.run(rehearsal.run(document)())
    rehearsal.city = replace(rehearsal.city, issuing=new)
    after = asyncio.run(rehearsal.run(document)())
    for answer, manifest in (before, after):
        signing.verify_manifest(both, answer.manifest, answer.manifest_signature)
        assert (
            signing.verify_code(both, manifest.codes[0]).unique_number
            == manifest.content.unique_number
        )
    with pytest.raises(
        signing.SignatureError
    ):  # a kiosk nobody gave the new key: refused, and known by its reason
        signing.verify_manifest(old, after[0].manifest, after[0].manifest_signature)
    with pytest.raises(
        signing.SignatureError
    ):  # and when the old one is no longer pinned, nor are its documents
        signing.verify_manifest(both[1:], before[0].manifest, before[0].manifest_signature)


# -- the operator's command ------------------------------------------------------------------------


def test_an_operator_lists_revokes_and_admits(
    rehearsal: Rehearsal, own, tmp_path: Path, capsys
) -> None:
    ca = rehearsal.folder / "card-ca.pem"
    config = str(write_config(rehearsal.folder, rehearsal.pki, ca))
    assert main(["city", "kiosks", "list", "--config", config]) == 0
    assert capsys.readouterr().out == "none yet\n"

    async def scenario(url: str) -> None:
        async with Line(own(url)) as line:
            await line.hello(HELLO)
            assert main(["city", "kiosks", "revoke", "kiosk-1", "--config", config]) == 0
            assert await refused(line.hello(HELLO)) is RefusalCode.KIOSK_REVOKED
        new = own(url, number=2)
        assert main(["city", "kiosks", "admit", str(new.certificate), "--config", config]) == 0
        async with Line(new) as line:
            assert await refused(line.hello(HELLO)) is None

    run(rehearsal, scenario)
    capsys.readouterr()
    assert main(["city", "kiosks", "list", "--config", config]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert sorted((row[0], row[3]) for row in rows) == [("kiosk-1", "good"), ("kiosk-1", "revoked")]
    assert main(["city", "kiosks", "revoke", "kiosk-9", "--config", config]) == 1
    assert main(["city", "openapi"]) == 0
    assert '"openapi": "3.1.0"' in capsys.readouterr().out
