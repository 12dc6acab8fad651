"""From a blank board to a kiosk that the city knows: both commands, as technician and city type
them.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from board import make_board
from city_bench import HELLO, Rehearsal
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import update

from city import builds, kiosks, pki, tables
from city.handlers import Refused
from city.renewal import Renewal, renew
from firmware.link import messages
from firmware.link.client import Line, LineConfig
from firmware.link.renewal import Papers, adopt, due, request, settle, try_out
from firmware.service import attestation, line_key
from firmware.service.cases import list_cases
from firmware.service.config import load
from firmware.tools.cli import main

Board = Callable[[str], Path]


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Board:
    """Runs the first half of provisioning; the folder that goes to the city."""
    folder = tmp_path / "board"
    folder.mkdir()
    fleet = make_board(folder, monkeypatch)

    def provision(kiosk: str = "kiosk-1") -> Path:
        out = tmp_path / "stick"
        words = ["--fleet", fleet, "--kiosk", kiosk, "--out", out]
        assert main(["provision", "request", *map(str, words), "--config", config(folder)]) == 0
        return out

    return provision


def config(folder: Path) -> str:
    return str(folder / "kiosk.toml")


def city(rehearsal: Rehearsal, *words: object) -> int:
    """`kiosk city kiosks …` with the CA's key, which the gateway's configuration does not name."""
    told = [str(word) for word in words]
    key = ["--ca-key", str(rehearsal.pki.kiosk_ca_key)]
    place = ["--config", str(rehearsal.folder / "city.toml")]
    return main(["city", "kiosks", *told, *(key if told[0] in ("sign", "renew") else []), *place])


def test_from_blank_to_the_first_hello(
    rehearsal: Rehearsal, board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stick, folder = board("kiosk-1"), tmp_path / "board"
    first = capsys.readouterr().out
    assert re.findall(r"^\w+", first, re.M) == (
        ["configuration", "key", "journal", "request", "measurement"]
    )
    key = folder / "credstore/madoguchi-line.key"
    made = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    assert list_cases(folder / "state") == []
    asked = (stick / "kiosk-1.csr").read_bytes()

    board("kiosk-1")  # again: nothing is made anew
    assert key.read_bytes() == made
    assert made not in b"".join(path.read_bytes() for path in stick.iterdir())

    fleet, signer = folder / "fleet.toml", folder / "fleet.key"
    assert city(rehearsal, "sign", stick, "--fleet", fleet, "--attest", signer) == 0
    answer = (stick / "kiosk-1.pem").read_bytes()
    (stick / "kiosk-1.csr").write_bytes(asked)
    assert city(rehearsal, "sign", stick, "--fleet", fleet, "--attest", signer) == 0
    assert (stick / "kiosk-1.pem").read_bytes() == answer, "the same request, the same certificate"
    capsys.readouterr()
    assert city(rehearsal, "list") == 0
    assert capsys.readouterr().out.count("kiosk-1") == 1

    assert main(["provision", "accept", str(stick), "--config", config(folder)]) == 0
    line = load(folder / "kiosk.toml").line

    async def greet(url: str) -> messages.Terms:
        papers = LineConfig(url, line.certificate, line.key, rehearsal.pki.city_ca)
        async with Line(papers) as ours:
            return await ours.hello(HELLO)

    assert asyncio.run(rehearsal.run(greet)()).protocol == messages.PROTOCOL


def test_the_board_says_when_it_is_not_as_it_was_signed(
    rehearsal: Rehearsal, board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stick, folder = board("kiosk-1"), tmp_path / "board"
    city(rehearsal, "sign", stick, "--attest", folder / "fleet.key")
    (folder / "mincho.ttf").write_text("updated meanwhile")
    assert main(["provision", "accept", str(stick), "--config", config(folder)]) == 2
    assert "fonts: is not as it was signed" in capsys.readouterr().err
    assert main(["provision", "check", "--config", config(folder)]) == 1
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith("NG")] == ["NG  fonts"]
    assert len(told) == len(attestation.ITEMS)
    (folder / "mincho.ttf").write_text("mincho.ttf")
    assert main(["provision", "check", "--config", config(folder)]) == 0


def refusals(rehearsal: Rehearsal, stick: Path, folder: Path, case: str) -> list[object]:
    """What makes the city refuse, and the words behind `sign`."""
    other = ec.generate_private_key(ec.SECP256R1())
    if case == "is there":
        (stick / "kiosk-1.csr").unlink()
    elif case == "no such kiosk":
        (folder / "fleet.toml").write_text("[kiosks.kiosk-2]\n")
    elif case == "of its own":
        (stick / "kiosk-1.csr").write_bytes(line_key.request("kiosk-2", other))
    elif case == "was measured on":
        (stick / "kiosk-2.csr").write_bytes(line_key.request("kiosk-2", other))
        shutil.copy(stick / "kiosk-1.measured", stick / "kiosk-2.measured")
    elif case == "not a measurement":
        (stick / "kiosk-1.measured").write_text("{}")
    elif case == "not accepted here":
        with rehearsal.city.engine.begin() as connection:
            builds.name(connection, "another", builds.ACCEPTED, 1)
    elif case == "another key":
        city(rehearsal, "sign", stick)
        (stick / "kiosk-1.pem").unlink()
        (stick / "kiosk-1.csr").write_bytes(line_key.request("kiosk-1", other))
    elif case == "this key was revoked":
        city(rehearsal, "sign", stick)
        (stick / "kiosk-1.pem").unlink()
        city(rehearsal, "revoke", "kiosk-1")
    elif case == "not an Ed25519 key":
        return ["--attest", rehearsal.pki.kiosk_ca_key]
    return ["--fleet", folder / "fleet.toml"]


@pytest.mark.parametrize(
    "case",
    [
        "is there",
        "no such kiosk",
        "of its own",
        "was measured on",
        "not a measurement",
        "not accepted here",
        "another key",
        "this key was revoked",
        "not an Ed25519 key",
    ],
)
def test_what_the_city_does_not_sign(
    case: str,
    rehearsal: Rehearsal,
    board: Board,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stick = board("kiosk-1")
    words = refusals(rehearsal, stick, tmp_path / "board", case)
    assert city(rehearsal, "sign", stick, *words) == 2
    assert case in capsys.readouterr().err
    assert not list(stick.glob("*.pem")) and not list(stick.glob("*.signed"))


def test_a_board_that_was_replaced_is_signed_when_somebody_says_so(
    rehearsal: Rehearsal, board: Board
) -> None:
    stick = board("kiosk-1")
    city(rehearsal, "sign", stick)
    other = ec.generate_private_key(ec.SECP256R1())
    (stick / "kiosk-1.csr").write_bytes(line_key.request("kiosk-1", other))
    assert city(rehearsal, "sign", stick, "--another") == 0
    made = x509.load_pem_x509_certificate((stick / "kiosk-1.pem").read_bytes())
    assert made.public_key() == other.public_key()


def test_a_certificate_that_is_over_is_not_the_answer_again(
    rehearsal: Rehearsal, board: Board
) -> None:
    stick = board("kiosk-1")
    city(rehearsal, "sign", stick)
    over = (stick / "kiosk-1.pem").read_bytes()
    with rehearsal.city.engine.begin() as connection:
        connection.execute(update(tables.kiosk_certificates).values(not_after=1))
    assert city(rehearsal, "sign", stick) == 0
    assert (stick / "kiosk-1.pem").read_bytes() != over
    with rehearsal.city.engine.begin() as connection:
        assert kiosks.live(connection, "kiosk-1") == 1


def test_renewed_by_the_city_for_the_key_that_the_kiosk_has(
    rehearsal: Rehearsal, board: Board, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stick = board("kiosk-1")
    city(rehearsal, "sign", stick)
    assert city(rehearsal, "renew", "kiosk-1", "--out", tmp_path / "new") == 0
    old, new = (
        x509.load_pem_x509_certificate(path.read_bytes())
        for path in (stick / "kiosk-1.pem", tmp_path / "new/kiosk-1.pem")
    )
    assert (new.public_key(), new.serial_number != old.serial_number) == (old.public_key(), True)
    assert city(rehearsal, "revoke", "kiosk-1") == 0
    assert city(rehearsal, "renew", "kiosk-1", "--out", tmp_path / "new") == 2
    assert "no good certificate" in capsys.readouterr().err


@pytest.mark.parametrize("stranger", ["kiosk", "key", "text"])
def test_an_answer_that_is_not_this_boards_is_not_taken(
    stranger: str, rehearsal: Rehearsal, board: Board, tmp_path: Path
) -> None:
    stick = board("kiosk-1")
    authority = pki.load_authority(rehearsal.pki.kiosk_ca, rehearsal.pki.kiosk_ca_key)
    key = load_pem_private_key((tmp_path / "board/credstore/madoguchi-line.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    if stranger == "key":
        key = ec.generate_private_key(ec.SECP256R1())
    name = "kiosk-2" if stranger == "kiosk" else "kiosk-1"
    made = pki.leaf(authority, name, key.public_key(), ExtendedKeyUsageOID.CLIENT_AUTH, (name,))
    content = b"no certificate" if stranger == "text" else made.public_bytes(Encoding.PEM)
    (stick / "kiosk-1.pem").write_bytes(content)
    assert main(["provision", "accept", str(stick), "--config", config(tmp_path / "board")]) == 2
    assert not (tmp_path / "board/line/line.pem").exists()


# -- a key that its service cannot exchange


def test_a_credential_of_systemd_is_the_key_of_the_line(
    board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board("kiosk-1")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    path = tmp_path / "board/kiosk.toml"
    assert load(path).line.key.parent.name == "credstore"
    (credentials / "madoguchi-line.key").write_text("handed over")
    assert load(path).line.key == credentials / "madoguchi-line.key"


def test_it_is_renewed_for_the_same_key_once(
    rehearsal: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer that was lost is given again; the certificate alone is exchanged."""
    authority = pki.load_authority(rehearsal.pki.kiosk_ca, rehearsal.pki.kiosk_ca_key)
    served = replace(rehearsal.city, renewal=Renewal(authority, 365))
    key = ec.generate_private_key(ec.SECP256R1())
    made = pki.leaf(
        authority,
        "kiosk-1",
        key.public_key(),
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ("kiosk-1",),
        timedelta(days=20),
    )
    papers = Papers(tmp_path / "line/line.pem", tmp_path / "credentials/line.key")
    papers.certificate.parent.mkdir()
    papers.key.parent.mkdir()
    papers.certificate.write_bytes(made.public_bytes(Encoding.PEM))
    papers.key.write_bytes(pki._private(key))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(papers.key.parent))
    shown = kiosks.read(made.public_bytes(Encoding.DER))
    assert shown and due(papers, 60, made.not_valid_before_utc)
    with served.engine.begin() as connection:
        kiosks.admit(connection, shown)
    asked = messages.RenewRequest(csr=request(papers))
    answer = renew(served, shown, asked).certificate
    assert renew(served, shown, asked).certificate == answer
    try_out(papers, answer)
    adopt(papers)
    assert settle(papers)
    assert not due(papers, 60, made.not_valid_before_utc)
    assert [path.name for path in papers.key.parent.iterdir()] == ["line.key"]
    assert papers.key.read_bytes() == pki._private(key)
    with served.engine.begin() as connection:
        kiosks.revoke(connection, "kiosk-1")
    with pytest.raises(Refused):
        renew(served, shown, asked)
