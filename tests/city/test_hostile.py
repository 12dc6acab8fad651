"""Peers that mean harm, or are broken: a clear refusal, a bounded wait, a bounded memory, and
nobody else notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from city_bench import HELLO, Rehearsal, Visit, outcome_of, write_config
from test_gateway import ROOT, context

from city import gateway, listener
from firmware.link import messages
from firmware.link.client import LineFault
from firmware.link.messages import RefusalCode

Peer = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BODY = msgspec.json.encode(HELLO)
HEAD = (
    b"POST /v2/hello HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    b"%d\r\n\r\n" % len(BODY)
)
# the biggest answer that costs nothing to ask for
DESCRIPTION = b"GET /v2/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HANDSHAKE_S", "HEAD_S", "ANSWER_S"):
        monkeypatch.setattr(listener, name, 0.4)
    monkeypatch.setattr(gateway, "BODY_S", 0.4)


def port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def connect(rehearsal: Rehearsal, url: str) -> Peer:
    return await asyncio.open_connection(
        "127.0.0.1", port(url), ssl=context(rehearsal, rehearsal.pki), server_hostname="127.0.0.1"
    )


async def answer(peer: Peer) -> tuple[int, bytes]:
    head = await asyncio.wait_for(peer[0].readuntil(b"\r\n\r\n"), 5)
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return int(head.split()[1]), await peer[0].readexactly(int(length[1]) if length else 0)


async def closed(peer: Peer, within: float = 5.0) -> bytes:
    """What still came before the end."""
    try:
        return await asyncio.wait_for(peer[0].read(), within)
    except ConnectionError:
        return b""


def run(rehearsal: Rehearsal, scenario: Callable[[str], Awaitable[None]]) -> None:
    """And after each: the gateway serves a kiosk as if nothing had been."""

    async def then_a_kiosk(url: str) -> None:
        await scenario(url)
        async with rehearsal.line(url) as line:
            assert (await line.hello(HELLO)).protocol == messages.PROTOCOL

    asyncio.run(rehearsal.run(then_a_kiosk)())


# -- what is said ----------------------------------------------------------------------------------

PROTOCOL, MALFORMED, BIG = RefusalCode.PROTOCOL_ERROR, RefusalCode.MALFORMED, RefusalCode.TOO_BIG


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, PROTOCOL),
        (b"POST /v2/hello HTTP/9.9\r\n\r\n", 400, PROTOCOL),
        (b"POST /v2/hello HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 2000 + b"\r\n\r\n", 400, PROTOCOL),
        (b"POST /v2/" + b"x" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400, PROTOCOL),
        (b"POST /v2/hello HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 100 + b"\r\n", 400, PROTOCOL),
        (b"POST /v2/hello HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, PROTOCOL),
        (
            (
                b"POST /v2/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n"
                b"\r\n{}"
            ),
            400,
            PROTOCOL,
        ),
        (
            (
                b"POST /v2/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: "
                b"chunked\r\n\r\n{}"
            ),
            400,
            PROTOCOL,
        ),
        (
            b"POST /v2/hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
            PROTOCOL,
        ),
        (b"CONNECT city.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", 404, PROTOCOL),
        (
            b"POST http://elsewhere/v2/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
            400,
            MALFORMED,
        ),
        (b"POST /v2/hello?x=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 400, MALFORMED),
        (b"POST /v2/../v2/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", 404, PROTOCOL),
        (b"POST /v2/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413, BIG),
        (
            b"POST /v2/hello HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{}",
            400,
            MALFORMED,
        ),  # the rest never comes
        (b"DELETE /v2/hello HTTP/1.1\r\nHost: x\r\n\r\n", 405, PROTOCOL),
    ],
)
def test_what_is_not_a_request_is_refused_as_a_message(
    rehearsal: Rehearsal, said: bytes, status: int, code: RefusalCode
) -> None:
    async def scenario(url: str) -> None:
        peer = await connect(rehearsal, url)
        peer[1].write(said)
        got, body = await answer(peer)
        assert (got, msgspec.json.decode(body, type=messages.Refusal).code) == (status, code)
        peer[1].close()

    run(rehearsal, scenario)


def test_a_body_without_end_is_read_to_its_limit(rehearsal: Rehearsal) -> None:
    async def scenario(url: str) -> None:
        peer = await connect(rehearsal, url)
        peer[1].write(b"POST /v2/hello HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(8):
            peer[1].write(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
        got, body = await answer(peer)
        assert (got, msgspec.json.decode(body, type=messages.Refusal).code) == (413, BIG)
        peer[1].close()

    run(rehearsal, scenario)


def test_requests_one_behind_the_other_are_answered_in_order(rehearsal: Rehearsal) -> None:
    async def scenario(url: str) -> None:
        peer = await connect(rehearsal, url)
        peer[1].write((HEAD + BODY) * 3 + HEAD.replace(b"hello", b"cancel") + BODY)
        answers = [await answer(peer) for _ in range(4)]
        assert [status for status, _ in answers] == [200, 200, 200, 400]
        assert (
            len(
                {
                    msgspec.json.decode(body, type=messages.Terms).challenge
                    for _, body in answers[:3]
                }
            )
            == 3
        )
        peer[1].close()

    run(rehearsal, scenario)


# -- what is not said ------------------------------------------------------------------------------


async def silent(rehearsal: Rehearsal, url: str) -> Peer:
    """TCP, and never a word of TLS."""
    return await asyncio.open_connection("127.0.0.1", port(url))


async def mute(rehearsal: Rehearsal, url: str) -> Peer:
    """TLS, and never a request."""
    return await connect(rehearsal, url)


async def half_a_head(rehearsal: Rehearsal, url: str) -> Peer:
    peer = await connect(rehearsal, url)
    peer[1].write(HEAD[:20])
    return peer


async def next_head(rehearsal: Rehearsal, url: str) -> Peer:
    """One good request, and the beginning of another."""
    peer = await connect(rehearsal, url)
    peer[1].write(HEAD + BODY)
    await answer(peer)
    peer[1].write(HEAD[:20])
    return peer


async def garbage_instead_of_tls(rehearsal: Rehearsal, url: str) -> Peer:
    peer = await silent(rehearsal, url)
    peer[1].write(b"POST /v2/hello HTTP/1.1\r\n\r\n")
    return peer


@pytest.mark.parametrize("peer", [silent, mute, half_a_head, next_head, garbage_instead_of_tls])
def test_who_says_nothing_more_is_not_waited_for(
    rehearsal: Rehearsal, peer: Callable[[Rehearsal, str], Awaitable[Peer]]
) -> None:
    async def scenario(url: str) -> None:
        await closed(await peer(rehearsal, url))

    run(rehearsal, scenario)


def test_a_head_a_byte_at_a_time_ends_with_its_deadline(rehearsal: Rehearsal) -> None:
    async def scenario(url: str) -> None:
        peer = await connect(rehearsal, url)
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for byte in HEAD:
                peer[1].write(bytes([byte]))
                await peer[1].drain()
                await asyncio.sleep(0.05)
        assert await closed(peer) == b""
        assert time.monotonic() - began < len(HEAD) * 0.05 + 5

    run(rehearsal, scenario)


def test_who_never_reads_is_cut_off(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(url: str) -> None:
        cut, abort = asyncio.Event(), listener.Connection._abort
        monkeypatch.setattr(listener.Connection, "_abort", lambda self: (cut.set(), abort(self)))
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", port(url)))
        raw.setblocking(False)
        peer = await asyncio.open_connection(
            sock=raw, ssl=context(rehearsal, rehearsal.pki), server_hostname="127.0.0.1", limit=1024
        )
        peer[1].transport.pause_reading()
        peer[1].write(DESCRIPTION * 400)
        await asyncio.wait_for(cut.wait(), 10)
        peer[1].transport.resume_reading()
        assert len(await closed(peer)) < 400 * 10_000

    run(rehearsal, scenario)


def test_garbage_inside_tls_ends_the_connection(rehearsal: Rehearsal) -> None:
    """TLS 1.3 has no renegotiation; a ClientHello, or anything else, after the handshake is an
    alert and the end.
    """

    def attack(address: int, after: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", address), timeout=5) as raw:
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context(rehearsal, rehearsal.pki).wrap_bio(
                incoming, outgoing, server_hostname="127.0.0.1"
            )
            while True:
                with contextlib.suppress(ssl.SSLWantReadError):
                    tls.do_handshake()
                    raw.sendall(outgoing.read())
                    break
                raw.sendall(outgoing.read())
                incoming.write(raw.recv(65536))
            raw.sendall(after)
            last = b""
            with contextlib.suppress(ConnectionError):
                while part := raw.recv(65536):
                    last = part
            return last

    async def scenario(url: str) -> None:
        hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"
        for after in (hello, b"\x17\x03\x03\x00\x20" + b"\0" * 32, b"\xff" * 200):
            await asyncio.to_thread(attack, port(url), after)

    run(rehearsal, scenario)


# -- how many --------------------------------------------------------------------------------------


def limited(rehearsal: Rehearsal, **limits: int) -> None:
    changed = msgspec.structs.replace(rehearsal.config.gateway, **limits)
    rehearsal.config = msgspec.structs.replace(rehearsal.config, gateway=changed)


@pytest.mark.parametrize("limit", ["per_kiosk", "connections"])
def test_one_connection_too_many_is_closed_and_a_place_that_is_left_is_free(
    rehearsal: Rehearsal, limit: str
) -> None:
    limited(rehearsal, **{limit: 2})

    async def scenario(url: str) -> None:
        async with (
            rehearsal.line(url) as one,
            rehearsal.line(url) as two,
            rehearsal.line(url) as three,
        ):
            await one.hello(HELLO)
            await two.hello(HELLO)
            with pytest.raises(LineFault, match="unreachable"):
                await three.hello(HELLO)
            await two.close()
            until = time.monotonic() + 5
            while True:
                with contextlib.suppress(LineFault):
                    await three.hello(HELLO)
                    break
                assert time.monotonic() < until
                await asyncio.sleep(0.02)

    run(rehearsal, scenario)


PROGRAM = """
import sys
from city import gateway, listener
listener.HANDSHAKE_S = listener.HEAD_S = listener.ANSWER_S = gateway.BODY_S = 4.0
sys.exit(gateway.main({config!r}))
"""


def memory(pid: int) -> int:
    """Resident, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def test_hundreds_of_hostile_peers_cost_little_and_nobody_else_notices(
    rehearsal: Rehearsal,
) -> None:
    """200 half-open, 100 slow heads, 50 slow bodies, 50 that never read; meanwhile journeys' calls
    are answered.
    """
    limited_config = write_config(rehearsal.folder, rehearsal.pki, rehearsal.folder / "card-ca.pem")
    text = limited_config.read_text(encoding="utf-8")
    limited_config.write_text(text.replace("[tls]", "per_kiosk = 500\n[tls]"), encoding="utf-8")
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(config=str(limited_config))],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert program.stdout is not None
        url = program.stdout.readline().split()[-1]
        before, most, calls, slowest = asyncio.run(_siege(rehearsal, url, program.pid))
    finally:
        program.kill()
        program.wait()
    print(
        f"memory {before} -> {most} MiB, {calls} calls answered meanwhile, the slowest in "
        f"{slowest * 1000:.0f} ms"
    )
    assert most - before < 80
    assert calls >= 10
    assert slowest < 4.0


async def _siege(rehearsal: Rehearsal, url: str, pid: int) -> tuple[int, int, int, float]:
    async def half_open() -> Peer:
        return await silent(rehearsal, url)

    async def slow_body() -> Peer:
        peer = await connect(rehearsal, url)
        peer[1].write(HEAD + BODY[:3])
        return peer

    async def deaf() -> Peer:
        peer = await connect(rehearsal, url)
        peer[1].transport.pause_reading()
        peer[1].write(DESCRIPTION * 100)
        return peer

    kinds: list[Callable[[], Awaitable[Peer]]] = [half_open] * 200
    for kind, count in ((lambda: half_a_head(rehearsal, url), 100), (slow_body, 50), (deaf, 50)):
        kinds += [kind] * count
    taken: list[float] = []
    async with rehearsal.line(url, "kiosk-2") as line:
        await line.hello(HELLO)
        before = most = memory(pid)
        peers = list(await asyncio.gather(*(kind() for kind in kinds), return_exceptions=True))
        until = time.monotonic() + 6
        while time.monotonic() < until:
            began = time.monotonic()
            await line.hello(HELLO)
            taken.append(time.monotonic() - began)
            most = max(most, memory(pid))
            await asyncio.sleep(0.05)
        peers = [peer for peer in peers if isinstance(peer, tuple)]
        assert len(peers) > 350
        for peer in peers:
            peer[1].transport.abort()
    return before, most, len(taken), max(taken)


def test_a_whole_journey_while_others_dribble(rehearsal: Rehearsal) -> None:
    async def scenario(url: str) -> None:
        dribblers = [await half_a_head(rehearsal, url) for _ in range(30)]
        async with rehearsal.line(url) as line:
            visit = Visit(line, rehearsal.card("taro"))
            await visit.enter()
            manifest, _ = await visit.orders("inkan")
            assert (await line.release(visit.pays(manifest))).released
            assert (await line.outcome(outcome_of(manifest))).accepted
        for peer in dribblers:
            assert await closed(peer) == b""

    run(rehearsal, scenario)
