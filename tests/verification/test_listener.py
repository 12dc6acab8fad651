"""What a stranger on the internet does to the listener."""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from verification.page_bench import IN_FORCE, NOT_KNOWN, VOID, Bench

from city import pki
from city.config import ConfigError, load_verification
from city.verification import limits, site
from city.verification.limits import Limit, Limiter, subscriber

QUESTION = b'{"number": "%s"}' % IN_FORCE.encode()
HEAD = b"POST /v/status HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


class Answer:
    """One response, as it came."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1]) if first else 0
        self.headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }


def send(bench: Bench, request: bytes, seconds: float = 20) -> Answer:
    """These bytes, and everything that comes back until the other end closes, or says nothing for
    so long.
    """
    with socket.create_connection(("127.0.0.1", bench.port), 5) as wire:
        wire.settimeout(seconds)
        with contextlib.suppress(OSError):  # it may close before it has read everything
            wire.sendall(request)
        raw = b""
        with contextlib.suppress(ConnectionResetError, TimeoutError):
            while part := wire.recv(65_536):
                raw += part
        return Answer(raw)


def ask(bench: Bench, body: bytes, more: bytes = b"") -> Answer:
    length = b"Content-Length: %d\r\nConnection: close\r\n" % len(body)
    return send(bench, HEAD + length + more + b"\r\n" + body)


def get(bench: Bench, path: str, more: str = "") -> Answer:
    return send(
        bench, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n".encode()
    )


def standing(bench: Bench, number: str) -> str:
    return str(json.loads(ask(bench, json.dumps({"number": number}).encode()).body)["standing"])


# -- what it says


def test_it_says_of_a_number_whether_it_is_in_force(bench: Bench) -> None:
    assert [standing(bench, n) for n in (IN_FORCE, VOID, NOT_KNOWN)] == [
        "in-force",
        "void",
        "unknown",
    ]
    bench.declare_void(IN_FORCE)
    assert standing(bench, IN_FORCE) == "void"


def test_an_order_is_in_force_when_it_was_issued_and_not_before(bench: Bench) -> None:
    bench.add("RRRRSSSSTTTT", "reserved")
    assert standing(bench, "RRRRSSSSTTTT") != "in-force"
    bench.set_state("RRRRSSSSTTTT", "issued")
    assert standing(bench, "RRRRSSSSTTTT") == "in-force"


def test_the_database_cannot_be_written_from_here(bench: Bench) -> None:
    engine = bench.server._standings._engine
    with pytest.raises(Exception, match="readonly"), engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orders SET state = 'issued'")


def test_a_database_that_is_away_is_no_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise site.NotAsked

    monkeypatch.setattr(bench.server.site._standings, "of", away)
    answer = ask(bench, QUESTION)
    assert (answer.status, answer.headers["retry-after"]) == (503, "10")


@pytest.mark.parametrize("path", [*site.FILES, site.KEYS])
def test_each_file_is_there_whole_and_small(bench: Bench, path: str) -> None:
    plain, packed = get(bench, path), get(bench, path, "Accept-Encoding: gzip\r\n")
    assert plain.status == packed.status == 200
    assert len(packed.body) < len(plain.body)
    again = get(bench, path, f"If-None-Match: {plain.headers['etag']}\r\n")
    assert (again.status, again.body) == (304, b"")
    assert get(bench, path).headers["content-type"].partition(";")[0] in (
        "text/html",
        "text/css",
        "text/javascript",
        "text/plain",
        "application/json",
    )


@pytest.mark.parametrize(
    "answer",
    [
        lambda bench: get(bench, "/v"),
        lambda bench: get(bench, "/v/keys.json"),
        lambda bench: get(bench, "/nothing"),
        lambda bench: ask(bench, QUESTION),
        lambda bench: ask(bench, b"{"),
        lambda bench: send(bench, b"NONSENSE\r\n\r\n"),
    ],
    ids=["page", "keys", "not found", "status", "malformed", "no HTTP"],
)
def test_every_answer_holds_the_browser_to_this_page_alone(bench: Bench, answer: Any) -> None:
    headers = answer(bench).headers
    assert headers["content-security-policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self';"
    )
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in headers
    assert "access-control-allow-origin" not in headers
    assert headers["server"] == "madoguchi"
    assert headers["cache-control"] in ("no-store", "no-cache")


# -- what it refuses

BODIES = [
    (b"", 400),
    (b"{", 400),
    (b"null", 400),
    (b"[]", 400),
    (b"{}", 400),
    (b'"%s"' % IN_FORCE.encode(), 400),
    (b'{"number": 1}', 400),
    (b'{"number": null}', 400),
    (b'{"number": ""}', 400),
    (b'{"number": "short"}', 400),
    (b'{"number": "%s "}' % IN_FORCE.encode(), 400),
    (b'{"number": "%s\\n"}' % IN_FORCE.encode(), 400),
    (b'{"number": "k7m2q9x4r8tw"}', 400),
    (b'{"number": "AAAA%AAAA"}', 400),
    (b'{"number": "\' OR 1=1 --"}', 400),
    (b'{"number": ["%s"]}' % IN_FORCE.encode(), 400),
    (QUESTION[:-1] + b', "name": "x"}', 400),
    (QUESTION + QUESTION, 400),
    (b'{"number": "\xff\xfe"}', 400),
    (b"[" * 200, 400),
    (b" " * 300, 413),
    (b"x" * 100_000, 413),
]


@pytest.mark.parametrize(("body", "status"), BODIES, ids=lambda value: repr(value)[:40])
def test_what_is_no_question_gets_a_short_answer(bench: Bench, body: bytes, status: int) -> None:
    answer = ask(bench, body)
    assert answer.status == status
    assert answer.body.decode().strip() == site.ERRORS[status]


REQUESTS = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20,
    "long line": b"GET /" + b"v" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "long header": b"GET /v HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    "many headers": b"GET /v HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    "two lengths": HEAD + b"Content-Length: 4\r\nContent-Length: 40\r\n\r\n" + QUESTION,
    "length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n" + QUESTION,
    "huge length": HEAD + b"Content-Length: 99999999999999\r\n\r\n" + QUESTION,
    "huge chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n" + b"x" * 70_000,
    "bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "compressed": HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n\x1f\x8b\x08\x00\x00",
    "newline in header": b"GET /v HTTP/1.1\r\nHost: x\r\nX: a\nb\0\r\n\r\n",
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_what_is_no_request_is_refused_and_the_connection_ends(
    bench: Bench, request_: bytes
) -> None:
    answer = send(bench, request_)
    assert answer.status == 0 or 400 <= answer.status < 500  # 0: closed without a word
    assert b"Traceback" not in answer.raw
    assert b"aiohttp" not in answer.raw.lower()
    assert len(answer.body) < 200
    assert standing(bench, IN_FORCE) == "in-force"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("POST /v", 405),
        ("DELETE /v/keys.json", 405),
        ("GET /v/status", 405),
        ("OPTIONS /v/status", 405),
        ("GET /v/", 404),
        ("GET /v/../v", 404),
        ("GET /v/%2e%2e/config.py", 404),
        ("GET /v/page.html", 404),
        ("GET /v/../../city.toml", 404),
        ("GET //v/keys.json", 404),
        ("TRACE /v", 405),
        ("GET /", 404),
    ],
)
def test_nothing_else_is_served(bench: Bench, line: str, status: int) -> None:
    answer = send(
        bench,
        f"{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode(),
    )
    assert answer.status == status


def test_another_sites_form_cannot_ask(bench: Bench) -> None:
    plain = HEAD.replace(b"application/json", b"text/plain") + b"Content-Length: %d\r\n\r\n" % len(
        QUESTION
    )
    assert send(bench, plain + QUESTION).status == 415


def test_any_bytes_at_all(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("city.listener.HEAD_S", 0.2)
    monkeypatch.setattr(site, "BODY_S", 0.2)
    monkeypatch.setattr(site, "LIMITS", {name: (Limit(10**6, 10**6),) * 2 for name in site.LIMITS})

    @settings(max_examples=150, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.randoms(use_true_random=False))
    def throw(rng: random.Random) -> None:
        whole = bytearray(
            HEAD + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(QUESTION) + QUESTION
        )
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(whole))
            whole[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(4))
        answer = send(bench, bytes(whole), 1)
        assert answer.status in (0, 200, 400, 404, 405, 413, 415, 429)

    throw()
    assert get(bench, "/v").status == 200


def test_what_goes_wrong_inside_stays_inside(
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_: str) -> None:
        raise RuntimeError(f"about {IN_FORCE}")

    monkeypatch.setattr(bench.server.site._standings, "of", broken)
    answer = ask(bench, QUESTION)
    assert (answer.status, answer.body.decode().strip()) == (500, site.ERRORS[500])
    told = caplog.text + "".join(capfd.readouterr())
    assert "RuntimeError" in told
    assert IN_FORCE not in told


def test_nothing_that_was_asked_is_written_down(
    bench: Bench, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    for number in (IN_FORCE, VOID, NOT_KNOWN):
        standing(bench, number)
    ask(bench, b'{"number": "AAAA"}')
    get(bench, f"/v?{IN_FORCE}")
    told = caplog.text + "".join(capfd.readouterr())
    assert not [
        number for number in (IN_FORCE, VOID, NOT_KNOWN, "AAAA", "127.0.0.1") if number in told
    ]
    assert {"in-force", "void", "unknown"} <= set(bench.server.site.counts)


# -- slowly, and too often


def test_a_head_that_never_ends_is_cut_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("city.listener.HEAD_S", 0.5)
    with socket.create_connection(("127.0.0.1", bench.port)) as wire:
        wire.settimeout(10)
        wire.sendall(b"GET /v HTTP/1.1\r\n")
        assert ended(wire)


def test_a_body_that_never_ends_is_cut_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "BODY_S", 0.5)
    with socket.create_connection(("127.0.0.1", bench.port)) as wire:
        wire.settimeout(10)
        wire.sendall(HEAD + b"Content-Length: 50\r\n\r\n{")
        assert wire.recv(100).startswith(b"HTTP/1.1 400")
        assert ended(wire)


def ended(wire: socket.socket) -> bool:
    """Whether the other end closes."""
    with contextlib.suppress(ConnectionResetError):
        while wire.recv(65_536):
            pass
    return True


def test_one_address_has_so_many_connections_and_no_more(tmp_path: Path) -> None:
    bench = Bench(tmp_path, per_address=5)
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                held = stack.enter_context(socket.create_connection(("127.0.0.1", bench.port)))
                held.sendall(b"GET")
            time.sleep(0.1)
            over = stack.enter_context(socket.create_connection(("127.0.0.1", bench.port)))
            over.settimeout(5)
            assert ended(over)
        assert eventually(lambda: get(bench, "/v").status == 200)
    finally:
        bench.close()


def eventually(holds: Any) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if holds():
                return True
        time.sleep(0.05)
    return False


def test_who_asks_too_often_waits(bench: Bench) -> None:
    each, _ = site.LIMITS["status"]
    answers = [ask(bench, QUESTION) for _ in range(int(each.burst) + 20)]
    refused = [answer for answer in answers if answer.status == 429]
    assert {answer.status for answer in answers} == {200, 429}
    assert refused
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)
    assert get(bench, "/v").status == 200  # the page itself is another matter


def test_a_flood_is_held_back_and_costs_little_memory(bench: Bench) -> None:
    many = (HEAD + b"Content-Length: %d\r\n\r\n" % len(QUESTION) + QUESTION) * 50
    counts = bench.server.site.counts
    before = resident_kib()
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            wire = stack.enter_context(socket.create_connection(("127.0.0.1", bench.port)))
            wire.sendall(many)
        assert eventually(lambda: counts["refused-429"] > 1000)
    assert counts["in-force"] < 300
    assert resident_kib() - before < 50_000
    assert eventually(lambda: get(bench, "/v").status == 200)


def resident_kib() -> int:
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))


def test_buckets_fill_again_and_forget_the_silent() -> None:
    now = [0.0]
    limiter = Limiter(Limit(2, 0.5), Limit(10**9, 10**9), lambda: now[0])
    assert [limiter.refused_s("a") for _ in range(4)] == [0, 0, 2, 2]
    now[0] = 2.0
    assert [limiter.refused_s("a") for _ in range(2)] == [0, 2]
    for number in range(limits.MOST_ADDRESSES + 500):
        limiter.refused_s(str(number))
    assert len(limiter) == limits.MOST_ADDRESSES
    everybody = Limiter(Limit(100, 1), Limit(3, 1), lambda: now[0])
    assert [everybody.refused_s(str(number)) for number in range(5)] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_an_address_is_counted_as_its_subscriber(address: str, counted: str) -> None:
    assert subscriber(address) == counted


def test_behind_a_proxy_its_own_word_counts_and_nobody_elses(tmp_path: Path) -> None:
    each, _ = site.LIMITS["status"]
    for proxy, status in (("127.0.0.1", 200), (None, 429)):
        folder = tmp_path / str(proxy)
        folder.mkdir()
        bench = Bench(folder, proxy=proxy)
        try:
            for _ in range(int(each.burst) + 5):
                ask(bench, QUESTION, b"X-Forwarded-For: 198.51.100.1, 192.0.2.1\r\n")
            assert (
                ask(bench, QUESTION, b"X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\n").status == status
            )
        finally:
            bench.close()


# -- TLS and the program


@pytest.fixture
def files(tmp_path: Path) -> pki.Files:
    return pki.make(tmp_path / "pki")


def test_with_tls_it_is_told_to_stay_with_tls(tmp_path: Path, files: pki.Files) -> None:
    bench = Bench(tmp_path, certificate=files.gateway, key=files.gateway_key)
    try:
        assert bench.page.startswith("https://")
        trust = ssl.create_default_context(cafile=str(files.city_ca))
        with urllib.request.urlopen(bench.page, context=trust) as answer:
            assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
        trust.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        with pytest.deprecated_call():
            trust.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(bench.page, context=trust)
    finally:
        bench.close()


def toml(folder: Path, files: pki.Files, more: str = "") -> Path:
    """The gateway's configuration with the page in it, as a rehearsal has it."""
    database = folder / "city.sqlite"
    made = folder / "city.toml"
    data = Path(pki.__file__).parent / "data" / "akashi.toml"
    made.write_text(
        f'[gateway]\nlisten = "127.0.0.1:0"\ndatabase = "sqlite:///{database}"\ncity = "{data}"\n'
        f'[issuing]\nkey = "{files.issuing_key}"\n'
        f'[verification]\nlisten = "127.0.0.1:0"\n{more}'
        f'keys = [{{ key = "{files.issuing}", from = 2026-01-01 }}]\n'
    )
    return made


def start(config: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "firmware.tools",
        "city",
        "verification",
        "--config",
        str(config),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_program_serves_without_the_private_key(tmp_path: Path, files: pki.Files) -> None:
    files.issuing_key.unlink()
    files.issuing_key.symlink_to("/nonexistent")  # whoever read it would fail
    program = start(toml(tmp_path, files))
    try:
        assert program.stdout is not None
        ready = program.stdout.readline()
        assert ready.startswith("verification ready http://127.0.0.1:")
        with urllib.request.urlopen(ready.split()[2]) as answer:
            assert b"/v/page.js" in answer.read()
        opened = {str(path.readlink()) for path in Path(f"/proc/{program.pid}/fd").iterdir()}
        assert not [name for name in opened if "issuing" in name]
    finally:
        program.terminate()
        out, error = program.communicate(timeout=20)
    assert (program.returncode, error) == (0, "")
    assert json.loads(out.splitlines()[-1].removeprefix("verification "))["pages"] == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('certificate = "a.pem"\n', "certificate and key, or neither"),
        ('certificate = "a.pem"\nkey = "b.pem"\n', "No such file"),
        ('listening = "x"\n', "unknown field"),
        ('city = "nowhere.toml"\n', "No such file"),
        ('database = "mysql://x/y"\n', "neither SQLite nor PostgreSQL"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, files: pki.Files, more: str, said: str) -> None:
    program = start(toml(tmp_path, files, more))
    _, error = program.communicate(timeout=30)
    assert program.returncode == 1
    assert said in error
    assert len(error.splitlines()) == 1


def test_a_private_key_is_no_public_key(tmp_path: Path, files: pki.Files) -> None:
    config = toml(tmp_path, files)
    config.write_text(
        config.read_text().replace(f'key = "{files.issuing}"', f'key = "{files.issuing_key}"')
    )
    program = start(config)
    _, error = program.communicate(timeout=30)
    assert program.returncode == 1
    assert "not a public key" in error


def test_the_file_may_hold_the_page_alone(tmp_path: Path) -> None:
    config = tmp_path / "verification.toml"
    config.write_text(
        '[verification]\nlisten = "127.0.0.1:0"\nkeys = [{ key = "a.pem", from = 2026-01-01 }]\n'
    )
    with pytest.raises(ConfigError, match="wants database and city"):
        load_verification(config)
    config.write_text(config.read_text() + 'database = "sqlite:///x.sqlite"\ncity = "city.toml"\n')
    found = load_verification(config)
    assert found.database == f"sqlite:///{tmp_path / 'x.sqlite'}"
    assert found.city == tmp_path / "city.toml"
