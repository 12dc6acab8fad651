"""What the gateway does with strangers, bad bodies and bad configuration."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from city_bench import AKASHI, HELLO, Rehearsal, sealed, write_config
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import delete, select, update
from sqlalchemy.exc import DatabaseError

from city import audit, cases, pki, sample, tables
from city.clock import starting
from city.config import ConfigError, load
from city.enroll import EnrollError, enroll
from city.pki import Files
from firmware.link import messages
from firmware.link.messages import RefusalCode

ROOT = Path(__file__).parents[2]


def context(
    rehearsal: Rehearsal, client: Files | None, tls: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(rehearsal.pki.city_ca)
    made.minimum_version = made.maximum_version = tls
    if client:
        made.load_cert_chain(*client.kiosk("kiosk-1"))
    return made


async def post(
    url: str, tls: ssl.SSLContext, path: str, body: bytes, method: str = "POST", **kwargs: Any
) -> tuple[int, bytes]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url + path, data=body, ssl=tls, **kwargs) as answer,
    ):
        return answer.status, await answer.read()


# -- TLS -------------------------------------------------------------------------------------------


def test_only_certificates_of_the_kiosk_authority_and_only_tls_1_3(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    stranger = pki.make(tmp_path / "stranger")
    hello = msgspec.json.encode(HELLO)

    async def scenario(url: str) -> None:
        assert (await post(url, context(rehearsal, rehearsal.pki), "/v2/hello", hello))[0] == 200
        for tls in (
            context(rehearsal, None),
            context(rehearsal, stranger),
            context(rehearsal, rehearsal.pki, ssl.TLSVersion.TLSv1_2),
        ):
            with pytest.raises(aiohttp.ClientConnectionError):
                await post(url, tls, "/v2/hello", hello)

    asyncio.run(rehearsal.run(scenario)())


def test_the_gateways_own_certificate_does_not_make_a_kiosk(rehearsal: Rehearsal) -> None:
    tls = context(rehearsal, None)
    tls.load_cert_chain(rehearsal.pki.gateway, rehearsal.pki.gateway_key)

    async def scenario(url: str) -> None:
        with pytest.raises(aiohttp.ClientConnectionError):
            await post(url, tls, "/v2/hello", msgspec.json.encode(HELLO))

    asyncio.run(rehearsal.run(scenario)())


# -- bodies ----------------------------------------------------------------------------------------

DEEP = b"[" * 60_000
BODIES = [
    b"",
    b"{}",
    b"not json",
    b"\xff\xfe",
    DEEP,
    b'{"protocol":2,"build":"x","more":1}',
    b'{"protocol":"2","build":"x"}',
    b'{"protocol":2,"build":"' + b"x" * 401 + b'"}',
    b'{"protocol":1,"build":"x"}',
    b'{"protocol":3,"build":"x"}',
]


@pytest.mark.parametrize("path", ["hello", "sessions", "orders", "release", "cancel", "outcome"])
def test_malformed_bodies_are_refused_without_a_word_about_the_inside(
    rehearsal: Rehearsal, path: str
) -> None:
    async def scenario(url: str) -> None:
        tls = context(rehearsal, rehearsal.pki)
        for body in BODIES:
            status, answer = await post(url, tls, f"/v2/{path}", body)
            assert status == 400, body[:40]
            other = path == "hello" and body in BODIES[-2:]
            expected = RefusalCode.VERSION if other else RefusalCode.MALFORMED
            assert msgspec.json.decode(answer, type=messages.Refusal).code is expected

    asyncio.run(rehearsal.run(scenario)())


def test_too_big_too_many_methods_and_unknown_paths(rehearsal: Rehearsal) -> None:
    async def scenario(url: str) -> None:
        tls = context(rehearsal, rehearsal.pki)
        big = b" " * (messages.MAX_REQUEST + 1)
        asked = [
            ("/v2/hello", big, "POST", 413, RefusalCode.TOO_BIG),
            ("/v2/hello", b"", "GET", 405, RefusalCode.PROTOCOL_ERROR),
            ("/v2/nothing", b"", "POST", 404, RefusalCode.PROTOCOL_ERROR),
            ("/v1/hello", b"", "POST", 404, RefusalCode.VERSION),
            ("/v3/hello", b"", "POST", 404, RefusalCode.VERSION),
        ]
        for path, body, method, expected, code in asked:
            status, answer = await post(url, tls, path, body, method)
            assert status == expected
            assert msgspec.json.decode(answer, type=messages.Refusal).code is code

    asyncio.run(rehearsal.run(scenario)())


def test_a_compressed_bomb_stays_closed(rehearsal: Rehearsal) -> None:
    async def scenario(url: str) -> None:
        bomb = zlib.compress(b" " * 10_000_000)
        headers = {"Content-Encoding": "deflate"}
        status, _ = await post(
            url, context(rehearsal, rehearsal.pki), "/v2/hello", bomb, headers=headers
        )
        assert status == 400

    asyncio.run(rehearsal.run(scenario)())


def test_an_internal_error_shows_nothing(
    rehearsal: Rehearsal, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def dispose(self) -> None: ...

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("明石　花子")

    rehearsal.city = replace(rehearsal.city, engine=Broken())

    async def scenario(url: str) -> None:
        tls = context(rehearsal, rehearsal.pki)
        status, answer = await post(url, tls, "/v2/hello", msgspec.json.encode(HELLO))
        assert status == 500
        assert msgspec.json.decode(answer, type=messages.Refusal).code is RefusalCode.INTERNAL
        assert b"Traceback" not in answer
        assert "花子".encode() not in answer

    asyncio.run(rehearsal.run(scenario)())
    assert "RuntimeError at" in caplog.text
    assert "花子" not in caplog.text


def test_an_internal_error_is_a_case_and_in_the_log(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adachi: what had gone wrong was closed with "asked again, and printed normally"."""

    def broken(*_: object) -> None:
        raise RuntimeError("明石　花子")

    monkeypatch.setattr("city.rules.notices", broken)

    async def scenario(url: str) -> None:
        tls = context(rehearsal, rehearsal.pki)
        for _ in range(2):
            assert (await post(url, tls, "/v2/hello", msgspec.json.encode(HELLO)))[0] == 500

    asyncio.run(rehearsal.run(scenario)())
    with rehearsal.city.engine.begin() as connection:
        [case] = cases.listed(connection)
        entries = connection.execute(select(tables.audit.c.entry)).scalars().all()
    assert (case.code, case.kiosk, case.pauses) == ("internal", "kiosk-1", "")
    assert sum('"code":"internal"' in e and "hello-refused" in e for e in entries) == 2
    assert "花子" not in "".join(entries)


# -- audit and enrolment ---------------------------------------------------------------------------


def test_audit_cannot_be_rewritten_and_a_gap_shows(rehearsal: Rehearsal) -> None:
    engine = rehearsal.city.engine
    with engine.begin() as connection:
        for number in range(3):
            audit.append(connection, "test", number)
    assert sealed(rehearsal.city).broken is None
    for statement in (delete(tables.audit), update(tables.audit).values(entry="{}")):
        with pytest.raises(DatabaseError), engine.begin() as connection:
            connection.execute(statement)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_no_delete")
        connection.execute(delete(tables.audit).where(tables.audit.c.seq == 2))
        assert audit.verify(connection).broken == 2


def test_enroll(rehearsal: Rehearsal, tmp_path: Path) -> None:
    card = rehearsal.unknown_card()
    pem, der = tmp_path / "card.pem", tmp_path / "card.der"
    pem.write_bytes(card.certificate.public_bytes(Encoding.PEM))
    der.write_bytes(card.der)
    assert enroll(rehearsal.config, pem, "taro") == enroll(rehearsal.config, der, "hanako")
    with rehearsal.city.engine.begin() as connection:
        [row] = connection.execute(select(tables.cards)).all()
    assert row.resident == "hanako"
    with pytest.raises(EnrollError, match="no resident"):
        enroll(rehearsal.config, pem, "nobody")
    with pytest.raises(ConfigError, match="not a certificate"):
        enroll(rehearsal.config, rehearsal.pki.gateway_key, "taro")


def test_enroll_all_knows_who_is_new_revoked_and_unlinked(
    rehearsal: Rehearsal, tmp_path: Path
) -> None:
    paths = {}
    for name in ("taro", "akari", "kaori", "shinobu"):
        paths[name] = tmp_path / f"{name}.der"
        paths[name].write_bytes(rehearsal.unknown_card().der)
    for _ in range(2):
        sample.enroll_all(rehearsal.config, paths)
    with rehearsal.city.engine.begin() as connection:
        rows = {row.resident: row for row in connection.execute(select(tables.cards))}
    assert set(rows) == {"taro", "akari", "kaori"}
    assert rows["akari"].issued_on > rows["taro"].issued_on
    assert rows["kaori"].revoked


def test_rehearsal_keys_are_private_and_made_once(tmp_path: Path) -> None:
    first = pki.make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    pki.make(tmp_path, kiosks=("kiosk-1", "kiosk-2"))
    assert before.items() <= {path: path.read_bytes() for path in tmp_path.iterdir()}.items()
    assert first.kiosk("kiosk-2")[0].exists()
    for path in tmp_path.iterdir():
        if path.suffix == ".key":
            assert path.stat().st_mode & 0o077 == 0


# -- the program -----------------------------------------------------------------------------------


def start(config: Path) -> subprocess.Popen[str]:
    program = f"import sys; from city.gateway import main; sys.exit(main({str(config)!r}))"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.fixture
def ca(rehearsal: Rehearsal) -> Path:
    return rehearsal.folder / "card-ca.pem"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_main_says_when_it_is_ready_and_ends_on_a_signal(
    rehearsal: Rehearsal, ca: Path, number: signal.Signals
) -> None:
    program = start(write_config(rehearsal.folder, rehearsal.pki, ca))
    try:
        assert program.stdout is not None
        line = program.stdout.readline()
        assert line.startswith("city ready https://127.0.0.1:"), (
            program.stderr.read() if program.stderr else ""
        )

        async def ask() -> messages.Terms:
            async with rehearsal.line(line.split()[-1]) as to_city:
                return await to_city.hello(HELLO)

        assert asyncio.run(ask()).city == "282031"
        program.send_signal(number)
        out, err = program.communicate(timeout=10)
        # What the file lacks on the day of the test is told too.
        others = [line for line in err.splitlines() if not line.startswith(f"{AKASHI}: ")]
        assert (program.returncode, out, others) == (0, "", [])
    finally:
        program.kill()
        program.wait()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"certificate": "/nowhere/gateway.pem"}, "No such file"),
        ({"key": "{pki.folder}/kiosk-ca.key"}, "certificate and key do not fit"),
        ({"issuing": "{pki.folder}/gateway.key"}, "must be Ed25519"),
        ({"issuing": "/nowhere/issuing.key"}, "No such file"),
        ({"database": "sqlite:////nowhere/city.db"}, "database cannot be opened"),
        ({"database": "nonsense"}, "database cannot be opened"),
        ({"extra": "[surprise]\nkey = 1"}, "surprise"),
        ({"extra": "[clock]\nstart = 12"}, "clock.start"),
        ({"extra": '[typesetting]\nfont = "/nowhere/font.ttf"'}, "font"),
        ({"listen": "127.0.0.1"}, "gateway.listen"),
        ({"listen": "127.0.0.1:{busy}"}, "in use"),
    ],
)
def test_main_ends_with_one_line_that_says_why(
    rehearsal: Rehearsal, ca: Path, changes: dict[str, str], message: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        values = {
            key: value.replace("{pki.folder}", str(rehearsal.pki.folder)).replace("{busy}", port)
            for key, value in changes.items()
        }
        program = start(write_config(rehearsal.folder, rehearsal.pki, ca, **values))
        out, err = program.communicate(timeout=20)
    assert program.returncode == 1
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("city: ")
    assert message in err


def test_missing_configuration_and_test_authority(
    rehearsal: Rehearsal, ca: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "none.toml")
    path = write_config(rehearsal.folder, rehearsal.pki, ca)
    path.write_text(
        path.read_text(encoding="utf-8").replace("allow_test = true", ""), encoding="utf-8"
    )
    program = start(path)
    _, err = program.communicate(timeout=20)
    assert program.returncode == 1
    assert "cards.allow_test" in err


def test_a_rehearsals_clock_starts_then_and_runs_on(rehearsal: Rehearsal, ca: Path) -> None:
    config = load(
        write_config(
            rehearsal.folder, rehearsal.pki, ca, extra="[clock]\nstart = 2026-12-31T23:59:59"
        )
    )
    clock = starting(config.clock.start)
    first = clock()
    assert first.isoformat().startswith("2026-12-31T23:59:59")
    assert clock() >= first
