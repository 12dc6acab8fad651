"""The record of exchanges: it survives its process, never grows, and holds what is newest."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.service import exchange_record
from firmware.service.exchange_record import (
    DEVICES,
    SIZE,
    SLOT,
    SLOTS,
    ExchangeRecord,
    path,
    read_exchanges,
)
from firmware.tools import exchanges
from firmware.tools.diagnose import devices
from hal.exchanges import Exchange


def made(device: str = "card", kind: str = "INS B0", **more: int | str) -> Exchange:
    facts = {"sent": 5, "got": 256, "result": "9000", "ms": 31} | more
    return Exchange(device, kind, **facts)  # type: ignore[arg-type]


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def record(tmp_path: Path, time: Time) -> ExchangeRecord:
    return ExchangeRecord(tmp_path, time, time)


def test_a_process_that_is_killed_leaves_its_record(tmp_path: Path) -> None:
    if (child := os.fork()) == 0:
        record = ExchangeRecord(tmp_path)
        record.add(made(kind="power up"))
        record.add(made(result="removed"))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    found = read_exchanges(tmp_path)
    assert [(each.process, each.exchange.result) for each in found] == [
        (child, "9000"),
        (child, "removed"),
    ]


def test_what_is_like_the_newest_is_counted(
    record: ExchangeRecord, tmp_path: Path, time: Time
) -> None:
    """A coin unit is asked the same three questions all day."""
    for _ in range(3000):
        time.now += 0.1
        for kind in ("229 to 2", "230 to 2", "227 to 2"):
            record.add(made("cash", kind, ms=random.Random(time.now).randrange(20)))
    record.add(made("cash", "229 to 2", result="silent"))
    found = read_exchanges(tmp_path)
    assert len(found) == 4
    assert [each.times for each in found[:3]] == pytest.approx([3000] * 3, abs=15)
    assert found[0].exchange.ms == 19
    assert found[-1].exchange.result == "silent"


def test_it_never_grows_and_one_device_drives_out_no_other(
    record: ExchangeRecord, tmp_path: Path
) -> None:
    record.add(made("card"))
    for n in range(5000):
        record.add(made("sheets", f"kind {n}"))
    found = read_exchanges(tmp_path)
    assert path(tmp_path).stat().st_size == SIZE
    assert path(tmp_path).stat().st_mode & 0o777 == 0o600
    assert len(found) == SLOTS + 1
    assert {f"kind {n}" for n in range(5000 - SLOTS, 5000)} < {e.exchange.kind for e in found}
    assert "card" in {each.exchange.device for each in found}


def test_the_next_process_writes_behind_the_last(tmp_path: Path, time: Time) -> None:
    for n in range(3):
        time.now += 1
        record = ExchangeRecord(tmp_path, time, time)
        record.add(made(got=n))
        record.close()
        record.add(made(got=99))
    assert [each.exchange.got for each in read_exchanges(tmp_path)] == [0, 1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_file_is_read_and_used_again(tmp_path: Path, seed: int) -> None:
    luck = random.Random(seed)
    path(tmp_path).write_bytes(luck.randbytes(luck.randrange(2 * SIZE)))
    for each in read_exchanges(tmp_path):
        assert each.exchange.kind.isprintable()
    record = ExchangeRecord(tmp_path)
    record.add(made())
    assert any(each.exchange == made() for each in read_exchanges(tmp_path))


def test_where_nothing_can_be_written_nobody_is_held_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ExchangeRecord(tmp_path / "nowhere").add(made())
    path(tmp_path).mkdir()
    ExchangeRecord(tmp_path).add(made())
    full = OSError(28, "No space left on device")

    def refuse(*_: object) -> None:
        raise full

    monkeypatch.setattr(exchange_record.os, "posix_fallocate", refuse)
    (tmp_path / "full").mkdir()
    ExchangeRecord(tmp_path / "full").add(made())
    assert read_exchanges(tmp_path / "full") == []


def test_the_command_and_diagnose_show_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config: Any = SimpleNamespace(kiosk=SimpleNamespace(state=tmp_path))
    monkeypatch.setattr(exchanges, "load", lambda _: config)
    assert devices.exchanges(config) == "none yet (kiosk exchanges)"
    record = ExchangeRecord(tmp_path)
    for device in DEVICES:
        record.add(made(device))
    record.add(made("cash", "229 to 2", result="silent"))
    said = devices.exchanges(config)
    assert "card 1;" in said and "cash 2, silent x1;" in said
    assert exchanges.main(("--config", "FILE", "--device", "cash")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[-1].endswith("silent")
    assert exchanges.main(("--config", "FILE", "--json")) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == len(DEVICES) + 1
    assert set(told[0]) == set("first last process times device kind sent got result ms".split())


@pytest.mark.parametrize("number", [2**64 - 1, 2**64 - SLOTS, 2**63])
def test_a_damaged_number_stops_no_device(tmp_path: Path, number: int) -> None:
    ExchangeRecord(tmp_path).add(made())
    whole = bytearray(path(tmp_path).read_bytes())
    place = number % SLOTS * SLOT.size
    whole[place : place + SLOT.size] = SLOT.pack(number, 1, 0.0, 0.0, 1, b"x", 1, 1, b"ok", 1)
    path(tmp_path).write_bytes(whole)
    record = ExchangeRecord(tmp_path)
    for kind in ("INS 20", "INS 2A"):
        record.add(made(kind=kind))
    assert [each.exchange.kind for each in read_exchanges(tmp_path)][-2:] == ["INS 20", "INS 2A"]
