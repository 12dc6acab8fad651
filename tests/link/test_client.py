"""The kiosk's end against cities that are silent, too talkative, lying, or somebody else."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from city import pki
from city.pki import Files
from firmware.link import messages
from firmware.link.client import (
    CityRefusal,
    Line,
    LineConfig,
    LineFault,
    LineReason,
    LineSetupError,
)

HELLO = messages.Hello(protocol=messages.PROTOCOL, build="test")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return pki.make(tmp_path_factory.mktemp("pki"))


def config(files: Files, url: str = "https://127.0.0.1:1") -> LineConfig:
    certificate, key = files.kiosk("kiosk-1")
    return LineConfig(url, certificate, key, files.city_ca, deadline_s=3.0)


def server_tls(files: Files, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.minimum_version = tls.maximum_version = version
    tls.load_cert_chain(files.gateway, files.gateway_key)
    tls.load_verify_locations(files.kiosk_ca)
    tls.verify_mode = ssl.CERT_REQUIRED
    return tls


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length")
    )
    return head + await reader.readexactly(length)


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def says(*answers: bytes) -> Serve:
    """A city that gives these answers, one per request, and then waits."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()
        await reader.read()

    return serve


async def against(
    files: Files,
    serve: Serve,
    call: Callable[[Line], Awaitable[object]] = lambda line: line.hello(HELLO),
    tls: ssl.SSLContext | None = None,
    **changes: object,
) -> object:
    """`call` on a line to a server that behaves like `serve`."""

    async def quietly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(quietly, "127.0.0.1", 0, ssl=tls or server_tls(files))
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with Line(replace(config(files, url), **changes)) as line:
            return await call(line)
    finally:
        server.close()


def fault(files: Files, serve: Serve, **kwargs: object) -> LineReason:
    with pytest.raises(LineFault) as caught:
        asyncio.run(against(files, serve, **kwargs))  # type: ignore[arg-type]
    return caught.value.reason


TERMS = messages.Terms(
    protocol=messages.PROTOCOL,
    city="282031",
    city_name={},
    now="2026-11-24T12:00:00+09:00",
    open=True,
    refusal=None,
    closes_in_s=None,
    certificates=(),
    contacts={},
    refusal_contacts={},
    form_terms=b"{}",
    form_terms_signature=bytes(64),
    challenge=bytes(32),
    challenge_expires_s=900,
)
DONE = msgspec.json.encode(messages.Done(accepted=True))


async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(-1)


async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(4 * messages.MAX_ANSWER // 65536):
        writer.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")
    await writer.drain()


REDIRECT = http(b"", "307 Temporary Redirect", "Location: https://127.0.0.1:1/elsewhere\r\n")


@pytest.mark.parametrize("serve", [never, dribble])
def test_silence_and_dribbling_end_at_the_deadline(files: Files, serve: Serve) -> None:
    assert fault(files, serve, deadline_s=0.3) is LineReason.TIMEOUT


@pytest.mark.parametrize(
    "serve", [endless, says(b"HTTP/1.1 200 OK\r\nContent-Length: 8388609\r\n\r\n")]
)
def test_too_much_is_not_read_to_the_end(files: Files, serve: Serve) -> None:
    assert fault(files, serve) is LineReason.TOO_BIG


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"garbage\r\n\r\n", LineReason.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", LineReason.MALFORMED),
        (http(b"garbage"), LineReason.MALFORMED),
        (http(b"[" * 100_000), LineReason.MALFORMED),
        (http(b"\xff\xfe"), LineReason.MALFORMED),
        (http(DONE), LineReason.MALFORMED),
        (http(b""), LineReason.MALFORMED),
        (http(b"<html>", "500 Internal Server Error"), LineReason.HTTP),
        (http(b"{}", "404 Not Found"), LineReason.HTTP),
        (http(b"", "204 No Content"), LineReason.HTTP),
        (REDIRECT, LineReason.HTTP),
    ],
)
def test_what_is_no_answer_is_a_fault(files: Files, answer: bytes, reason: LineReason) -> None:
    assert fault(files, says(answer)) is reason


def test_a_connection_that_ends_half_way(files: Files) -> None:
    assert fault(files, hang_up) is LineReason.TRUNCATED


def test_nobody_there(files: Files) -> None:
    with pytest.raises(LineFault) as caught:
        asyncio.run(Line(config(files)).hello(HELLO))
    assert caught.value.reason is LineReason.UNREACHABLE


def test_an_interface_that_is_not_there_is_no_way_out(files: Files) -> None:
    assert fault(files, says(http(DONE)), interface="nowhere0") is LineReason.UNREACHABLE


def test_only_the_pinned_authority_and_the_right_name(files: Files, tmp_path: Path) -> None:
    stranger = pki.make(tmp_path / "stranger")
    elsewhere = pki.make(tmp_path / "elsewhere", hosts=("gateway.example",))
    assert fault(files, never, tls=server_tls(stranger)) is LineReason.TLS
    assert fault(elsewhere, never) is LineReason.TLS


def test_no_older_tls(files: Files) -> None:
    old = server_tls(files, ssl.TLSVersion.TLSv1_2)  # resets rather than explains itself
    assert fault(files, never, tls=old) in (LineReason.TLS, LineReason.UNREACHABLE)


def test_a_kiosk_the_city_does_not_know(files: Files, tmp_path: Path) -> None:
    certificate, key = pki.make(tmp_path / "stranger").kiosk("kiosk-1")
    assert fault(files, says(http(DONE)), certificate=certificate, key=key) in (
        LineReason.TLS,
        LineReason.UNREACHABLE,
    )


def test_a_refusal_carries_its_code(files: Files) -> None:
    body = msgspec.json.encode(
        messages.Refusal(code=messages.RefusalCode.CLOSED, opens_at="2026-11-25T06:30:00+09:00")
    )
    with pytest.raises(CityRefusal) as caught:
        asyncio.run(against(files, says(http(body, "503 Service Unavailable"))))
    assert caught.value.refusal.opens_at == "2026-11-25T06:30:00+09:00"


def test_an_answer_to_somebody_elses_question_is_named(files: Files) -> None:
    session = messages.SessionRequest(
        session="0" * 32, challenge=bytes(32), card_certificate=b"", document_key=b"", signature=b""
    )
    elsewhere = messages.SessionAnswer(
        session="4" * 32,
        holder="m1",
        holder_birth="",
        holder_address="",
        members={},
        records={},
        record_version=1,
        offers=(),
        card_expires_in_days=1,
        ends_in_s=1,
    )
    order = messages.OrderRequest(
        session="0" * 32, order="1" * 32, kind="inkan", choices={}, copies=1
    )
    other = messages.OrderAnswer(
        order="2" * 32, manifest=b"", manifest_signature=bytes(64), sealed=b""
    )
    release = messages.ReleaseRequest(
        session="0" * 32, order="1" * 32, document_sha256="a" * 64, paid=100
    )
    swapped = messages.ReleaseAnswer(order="1" * 32, document_sha256="b" * 64, released=True)
    late = msgspec.structs.replace(swapped, order="3" * 32)
    cases = [
        (lambda line: line.open_session(session), elsewhere, LineReason.OTHER_SESSION),
        (lambda line: line.order(order), other, LineReason.OTHER_ORDER),
        (lambda line: line.release(release), late, LineReason.OTHER_ORDER),
        (lambda line: line.release(release), swapped, LineReason.OTHER_DOCUMENT),
        (
            lambda line: line.hello(HELLO),
            msgspec.structs.replace(TERMS, protocol=messages.PROTOCOL + 1),
            LineReason.VERSION,
        ),
    ]
    for call, answer, reason in cases:
        assert fault(files, says(http(msgspec.json.encode(answer))), call=call) is reason


@pytest.mark.parametrize(
    "answer",
    [
        b"{}",
        msgspec.json.encode(
            messages.ReleaseAnswer(order="3" * 32, document_sha256="a" * 64, released=True)
        ),
    ],
)
def test_an_answer_that_is_none_of_ours_ends_its_connection(files: Files, answer: bytes) -> None:
    """A city whose answers have slipped by one must not tell an outcome's `Done` to another
    outcome.
    """
    connections = 0

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await says(http(answer), http(DONE))(reader, writer)

    async def twice(line: Line) -> None:
        for _ in range(2):
            with pytest.raises(LineFault):
                await line.release(
                    messages.ReleaseRequest(
                        session="0" * 32, order="1" * 32, document_sha256="a" * 64, paid=1
                    )
                )

    asyncio.run(against(files, counting, twice))
    assert connections == 2


def test_one_connection_for_all_calls_and_none_of_the_environments_proxies(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    connections = 0

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await says(*[http(DONE)] * 3)(reader, writer)

    async def three(line: Line) -> list[messages.Done]:
        return [await line.cancel("0" * 32) for _ in range(3)]

    assert asyncio.run(against(files, counting, three)) == [messages.Done(accepted=True)] * 3
    assert connections == 1


def test_what_comes_late_does_not_meet_the_next_call(files: Files) -> None:
    """The answer to a call that timed out must not be taken for the answer to the next one."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.sleep(0.3)
        writer.write(http(DONE))
        await reader.read()

    async def twice(line: Line) -> None:
        for _ in range(2):
            with pytest.raises(LineFault) as caught:
                await line.cancel("0" * 32)
            assert caught.value.reason is LineReason.TIMEOUT

    asyncio.run(against(files, late, twice, deadline_s=0.2))


def test_a_cancelled_call_closes_the_connection(files: Files) -> None:
    closed = asyncio.Event

    async def scenario() -> None:
        gone = closed()

        async def watch(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await read_request(reader)
            await reader.read()
            gone.set()

        async def give_up(line: Line) -> None:
            task = asyncio.create_task(line.hello(HELLO))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(gone.wait(), 3)

        await against(files, watch, give_up)

    asyncio.run(scenario())


@pytest.mark.parametrize("field", ["certificate", "key", "ca"])
def test_files_that_cannot_be_used_are_found_before_any_call(
    files: Files, tmp_path: Path, field: str
) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_text("nonsense")
    for path in (broken, tmp_path / "missing.pem"):
        with pytest.raises(LineSetupError, match=f"^{path}: "):
            Line(replace(config(files), **{field: path}))


def test_no_plain_http(files: Files) -> None:
    with pytest.raises(LineSetupError, match="https"):
        Line(config(files, "http://127.0.0.1:1"))
