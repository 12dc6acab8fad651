"""Somebody on the wire without any key: TLS records altered, lost, doubled, exchanged, cut, held
back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Self

import pytest
from attack_bench import Attack, Kiosk, Wish
from attack_judge import Table, judge

DEADLINE_S: Final = 0.7  # short: an undisturbed answer that is late is one more fault
HEAD: Final = 5  # bytes of a TLS record before its content; the last two are its length
RECORDS: Final = (1, 3, 6)  # which one is attacked; the first few are the handshake
AT_ONCE: Final = 3
Attacked = Callable[[bytes], list[bytes]]


def flip(record: bytes) -> list[bytes]:
    return [record[:-7] + bytes([record[-7] ^ 1]) + record[-6:]]


def flip_head(record: bytes) -> list[bytes]:
    return [bytes([record[0] ^ 1]) + record[1:]]


def lose(_: bytes) -> list[bytes]:
    return []


def double(record: bytes) -> list[bytes]:
    return [record, record]


def halve(record: bytes) -> list[bytes]:
    return [record[: len(record) // 2], b""]  # and the end


def cut(_: bytes) -> list[bytes]:
    return [b""]


def cut_behind(record: bytes) -> list[bytes]:
    return [record, b""]


@dataclass
class Wire:
    """A TCP proxy. `attacked`: what becomes of record number `at` in one direction; b"" cuts."""

    gateway: str
    direction: str
    at: int
    attacked: Attacked
    met: bool = False
    _held: bytes = b""
    _count: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, port = self.gateway.removeprefix("https://").split(":")
        ours, theirs = await asyncio.open_connection(host, int(port))
        for name, source, sink in (("to the city", reader, theirs), ("to the kiosk", ours, writer)):
            task = asyncio.create_task(self._carry(name, source, sink, (writer, theirs)))
            self._tasks.add(task)

    async def _carry(
        self,
        direction: str,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        try:
            while True:
                head = await source.readexactly(HEAD)
                record = head + await source.readexactly(int.from_bytes(head[3:], "big"))
                for part in self._treated(direction, record):
                    if not part:
                        return
                    sink.write(part)
                    await sink.drain()
        except (OSError, EOFError):
            pass
        finally:
            for end in ends:
                end.close()

    def _treated(self, direction: str, record: bytes) -> list[bytes]:
        if direction != self.direction:
            return [record]
        number, self._count = self._count, self._count + 1
        if number == self.at:
            self.met = True
            return self.attacked(record)
        return [record]


WAYS: Final = (flip, flip_head, lose, double, halve, cut, cut_behind)


@pytest.mark.parametrize("direction", ["to the city", "to the kiosk"])
def test_no_record_can_be_touched_unnoticed(attack: Attack, table: Table, direction: str) -> None:
    waiting = [(way, at) for way in WAYS for at in RECORDS][::-1]

    async def go(url: str) -> None:
        async def one_by_one(kiosk: str) -> None:
            while waiting:
                way, at = waiting.pop()
                async with Wire(url, direction, at, way) as wire:
                    limits = {"deadline_s": DEADLINE_S, "order_deadline_s": DEADLINE_S + 1}
                    place = f"{way.__name__}-{at}"
                    served = await attack.kiosk(
                        wire.address, "taro", Wish("inkan"), kiosk, place, **limits
                    ).serve()
                    settle(way, at, wire, served)

        await asyncio.gather(*(one_by_one(f"kiosk-{n}") for n in range(1, AT_ONCE + 1)))

    def settle(way: Attacked, at: int, wire: Wire, kiosk: Kiosk) -> None:
        assert wire.met
        faults = [str(facts["reason"]) for name, facts in kiosk.logged if name == "line.fault"]
        sheets = judge(attack, kiosk)
        assert kiosk.screens[-1] == "ending"
        assert sheets == 1 or faults, f"{way.__name__} of record {at} {direction}: nobody noticed"
        table.add(
            f"record {direction}: {way.__name__}", f"line: {faults[0]}" if faults else "harmless"
        )

    attack.run("", go)
