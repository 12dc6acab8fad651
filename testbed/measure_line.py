"""`kiosk measure-line`: what the line to the city costs on this machine, as one JSON object.

- `round_trips`, `bytes`: one journey through a relay that counts (TCP's own round trip is not
  seen); hello is fetched while nobody waits yet.
- `connection`: bytes and time of a full handshake, and of one resumed with the city's ticket.
- `calls_ms`: each call of a journey, from asked to answered (an order: typeset, signed and sealed).
- `delivery_ms`: one document, asked for again: the kiosk's line beside curl, with the same request,
  answer and TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from city.pki import Files
from firmware.link import messages, sealing
from firmware.link.client import Line, LineConfig
from testbed.demo import FOLDER
from testbed.process import Process
from testbed.rehearsal import KIOSK, Rehearsal, prepare

RESIDENT = "hanako"
KIND = "juminhyo"
CHOICES: dict[str, tuple[str, ...]] = {"scope": ("household",), "fields": ("relationship",)}
T = TypeVar("T")


def main(argv: Sequence[str] | None = None) -> int:
    """0, always: figures are no verdict."""
    parser = argparse.ArgumentParser(
        prog="kiosk measure-line",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--journeys", type=int, default=10, metavar="N", help="how many (default: %(default)s)"
    )
    parser.add_argument(
        "--deliveries", type=int, default=50, metavar="N", help="how many (default: %(default)s)"
    )
    given = parser.parse_args(argv)
    print(json.dumps(asyncio.run(_measure(given.journeys, given.deliveries)), indent=2))
    return 0


async def _measure(journeys: int, deliveries: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="madoguchi-") as run:
        made = prepare(FOLDER, Path(run))
        city = Process(
            "city", ("city", "--config", str(made.city_toml)), "city ready", Path(run) / "city.log"
        )
        await city.start()
        try:
            return await _with_city(made, _port(made), journeys, deliveries)
        finally:
            await city.stop()


def _port(made: Rehearsal) -> int:
    listen = next(
        line for line in made.city_toml.read_text("utf-8").splitlines() if line.startswith("listen")
    )
    return int(listen.rpartition(":")[2].strip('"'))


async def _with_city(made: Rehearsal, port: int, journeys: int, deliveries: int) -> dict[str, Any]:
    keys = Files(made.folder / "pki")
    async with _relay(port) as (counted, at):
        config = LineConfig(f"https://127.0.0.1:{at}", *keys.kiosk(KIOSK), keys.city_ca)
        costs = [await _journey(config, made, counted) for _ in range(journeys)]
        connection = await _connections(config, counted, journeys)
    direct = LineConfig(f"https://127.0.0.1:{port}", *keys.kiosk(KIOSK), keys.city_ca)
    return {
        "round_trips": costs[-1].trips,
        "bytes": costs[-1].sizes,
        "connection": connection,
        "calls_ms": {
            name: _ms([cost.seconds[name] for cost in costs]) for name in costs[0].seconds
        },
        "delivery_ms": await _delivery(direct, made, deliveries),
    }


# --- a relay that counts what passes


@dataclass
class Counted:
    """Bytes each way, and how often the direction turned from kiosk to city: each turn is a round
    trip waited for.
    """

    up: int = 0
    down: int = 0
    trips: int = 0
    last: str = ""

    def take(self, way: str, size: int) -> None:
        self.trips += way == "up" and self.last != "up"
        self.last = way
        setattr(self, way, getattr(self, way) + size)

    def reset(self) -> None:
        self.up = 0
        self.down = 0
        self.trips = 0
        self.last = ""


@asynccontextmanager
async def _relay(port: int) -> AsyncIterator[tuple[Counted, int]]:
    counted = Counted()
    tasks = set[asyncio.Task[None]]()

    async def pump(way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                counted.take(way, len(data))
                writer.write(data)
                await writer.drain()
        writer.close()

    async def both(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", port)
        for way, source, sink in (("up", reader, there[1]), ("down", there[0], writer)):
            task = asyncio.create_task(pump(way, source, sink))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(both, "127.0.0.1", 0)
    try:
        yield counted, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()


# --- one journey


@dataclass
class Cost:
    trips: dict[str, int] = field(default_factory=dict)
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


async def _journey(config: LineConfig, made: Rehearsal, counted: Counted) -> Cost:
    cost = Cost()

    async def count(name: str, call: Awaitable[T]) -> T:
        counted.reset()
        began = time.monotonic()
        answer = await call
        cost.seconds[name] = time.monotonic() - began
        cost.trips[name] = counted.trips
        cost.sizes[name] = {"up": counted.up, "down": counted.down}
        return answer

    async with Line(config) as line:
        terms = await count("connect and hello, ahead", line.hello(_hello()))
        session = _session(made, terms.challenge, sealing.generate())
        await count("sessions", line.open_session(session))
        order = _order(session.session)
        answer = await count("orders", line.order(order))
        manifest = msgspec.json.decode(answer.manifest, type=messages.Manifest)
        await count("release", line.release(_paid(manifest)))
        await count("outcome", line.outcome(_outcome(manifest)))
    waited = ("sessions", "orders", "release")
    cost.trips = {**cost.trips, "waited for": sum(cost.trips[name] for name in waited)}
    cost.sizes["whole journey"] = {
        way: sum(size[way] for size in cost.sizes.values()) for way in ("up", "down")
    }
    return cost


def _hello() -> messages.Hello:
    return messages.Hello(protocol=messages.PROTOCOL, build="measure")


def _session(made: Rehearsal, challenge: bytes, keys: sealing.KeyPair) -> messages.SessionRequest:
    folder = made.cards[RESIDENT]
    session = secrets.token_hex(16)
    certificate = (folder / "certificate.der").read_bytes()
    digest = messages.transcript_digest(KIOSK, session, challenge, certificate, keys.public)
    card = load_pem_private_key((folder / "key.pem").read_bytes(), None)
    if not isinstance(card, RSAPrivateKey):
        raise TypeError("cards have RSA keys")
    signature = card.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256()))
    return messages.SessionRequest(
        session=session,
        challenge=challenge,
        card_certificate=certificate,
        document_key=keys.public,
        signature=signature,
    )


def _order(session: str) -> messages.OrderRequest:
    return messages.OrderRequest(
        session=session, order=secrets.token_hex(16), kind=KIND, choices=CHOICES, copies=1
    )


def _paid(manifest: messages.Manifest) -> messages.ReleaseRequest:
    return messages.ReleaseRequest(
        session=manifest.session,
        order=manifest.order,
        document_sha256=manifest.document_sha256,
        paid=manifest.fee,
    )


def _outcome(manifest: messages.Manifest) -> messages.Outcome:
    return messages.Outcome(
        outcome=secrets.token_hex(16),
        session=manifest.session,
        order=manifest.order,
        result=messages.Result.PRINTED,
        sheets=manifest.content.pages,
        kept=manifest.fee,
        returned=0,
        owed=0,
    )


# --- connections, and delivery beside curl


async def _connections(config: LineConfig, counted: Counted, times: int) -> dict[str, Any]:
    """A hello on a new connection, less one on a warm one: without a ticket, and with one."""
    found: dict[str, Any] = {}
    for name in ("full", "resumed"):
        seconds = []
        up = 0
        down = 0
        line = Line(config)
        for _ in range(times + 1):
            if name == "full":
                line = Line(config)  # knows no ticket
            counted.reset()
            began = time.monotonic()
            await line.hello(_hello())
            cold = time.monotonic() - began
            up = counted.up
            down = counted.down
            counted.reset()
            began = time.monotonic()
            await line.hello(_hello())
            seconds.append(cold - (time.monotonic() - began))
            up -= counted.up
            down -= counted.down
            await line.close()
        found[name] = {
            "ms": _ms(seconds[1:]),
            "bytes_up": up,
            "bytes_down": down,
            "round_trips": "TCP 1, TLS 1",
        }
    return found


async def _delivery(config: LineConfig, made: Rehearsal, times: int) -> dict[str, Any]:
    """The same order again has the same answer: nothing is typeset, and both ask for the very same
    bytes.
    """
    async with Line(config) as line:
        session = _session(made, (await line.hello(_hello())).challenge, sealing.generate())
        await line.open_session(session)
        order = _order(session.session)
        answer = await line.order(order)
        warm = []
        cold = []
        for _ in range(times):
            warm.append(await _timed(line.order(order)))
        for _ in range(times):
            async with Line(config) as fresh:
                cold.append(await _timed(fresh.order(order)))
        found = {
            "answer_bytes": len(msgspec.json.encode(answer)),
            "sha256": hashlib.sha256(answer.sealed).hexdigest(),
            "kiosk, kept connection": _ms(warm),
            "kiosk, new connection": _ms(cold),
        }
        if shutil.which("curl"):
            found |= await _curl(config, made.run, order, times)
        await line.cancel(session.session)
    return found


async def _timed(call: Awaitable[Any]) -> float:
    began = time.monotonic()
    await call
    return time.monotonic() - began


async def _curl(
    config: LineConfig, run: Path, order: messages.OrderRequest, times: int
) -> dict[str, Any]:
    """One curl for all: the first on a new connection, the others on the kept one."""
    body = run / "order.json"
    body.write_bytes(msgspec.json.encode(order))
    one = [
        *("--http1.1", "--tlsv1.3", "--silent", "--fail", "--cacert", str(config.ca)),
        *("--cert", str(config.certificate), "--key", str(config.key)),
        *(
            "-H",
            "Content-Type: application/json",
            "--data-binary",
            f"@{body}",
            "--output",
            "/dev/null",
        ),
        *(
            "--write-out",
            "%{time_total} %{num_connects}\\n",
            f"{config.url}/v{messages.PROTOCOL}/orders",
        ),
    ]
    words = ["curl", *one]
    for _ in range(times):
        words += ["--next", *one]
    cold = []
    for _ in range(10):
        done = await asyncio.to_thread(
            subprocess.run, ["curl", *one], capture_output=True, text=True, check=True
        )
        cold.append(float(done.stdout.split()[0]))
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, check=True
    )
    rows = [line.split() for line in done.stdout.splitlines()]
    kept = [float(seconds) for seconds, connects in rows if connects == "0"]
    return {"curl, kept connection": _ms(kept), "curl, new connection": _ms(cold)}


def _ms(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "median": round(median(ordered) * 1000, 2),
        "least": round(ordered[0] * 1000, 2),
        "most": round(ordered[-1] * 1000, 2),
    }
