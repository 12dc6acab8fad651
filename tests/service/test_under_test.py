"""A kiosk with a virtual device: it cannot serve a city, takes no real money, and says TEST."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from city import pki
from firmware.panel.render import page
from firmware.service import preflight
from firmware.service.config import Config
from firmware.service.devices import Devices
from firmware.service.kept_wires import KeptWires
from firmware.service.marked_printer import MarkedPrinter, marked
from firmware.service.preflight import StartError
from firmware.service.under_test import trouble
from hal.printer.contract import Bitmap


@dataclass
class Board:
    """A configuration that may be changed, and a pseudo-terminal for its coin unit."""

    folder: Path
    terminal: str
    tables: dict[str, Any] = field(default_factory=dict)

    def config(self, **changed: dict[str, Any]) -> Config:
        keys = pki.make(self.folder)
        certificate, key = keys.kiosk("kiosk-1")
        document: dict[str, Any] = {
            "kiosk": {"id": "kiosk-1", "state": "state", "under_test": ["sheets", "cash"]},
            "panel": {},
            "card": {"driver": "vpcd", "listen": "127.0.0.1:0"},
            "sheets": {"driver": "escpos", "address": "127.0.0.1:9100", "width": 1654},
            "receipts": {"driver": "escpos", "address": "127.0.0.1:9101", "width": 576},
            "cash": {"driver": "cctalk", "port": self.terminal, "hoppers": []},
            "speaker": {"driver": "alsa"},
            "line": {
                "city": "https://192.0.2.1:1",
                "city_ca": str(keys.city_ca),
                "certificate": str(certificate),
                "key": str(key),
            },
            "trust": {"card_ca": [], "issuing_keys": [], "terms_keys": []},
            "voice": {"recordings": "voice"},
        }
        for table, values in changed.items():
            kept = {} if "driver" in values else document.get(table, {})
            document[table] = {**kept, **values}
        return msgspec.convert(document, Config, dec_hook=lambda kind, value: kind(value))


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    ours, theirs = os.openpty()
    yield Board(tmp_path, os.ttyname(theirs))
    os.close(ours)
    os.close(theirs)


def test_a_rehearsals_certificate_and_virtual_money_will_do(board: Board) -> None:
    assert trouble(board.config()) == ""
    assert trouble(board.config(cashless={"address": board.terminal})).startswith("[cashless]")
    named = {"under_test": ["card", "cash", "cashless"]}
    assert trouble(board.config(kiosk=named, cashless={"address": board.terminal})) == ""


def test_nothing_is_asked_of_a_kiosk_with_real_devices(board: Board) -> None:
    real = {"under_test": []}
    assert trouble(board.config(kiosk=real, line={"certificate": "/nothing"})) == ""


def test_a_citys_certificate_is_refused(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    named = pki._name
    monkeypatch.setattr(pki, "_name", lambda words: named(words.replace("rehearsal ", "")))
    assert "not of a rehearsal's authority" in trouble(board.config())


@pytest.mark.parametrize(
    ("changed", "table"),
    [
        ({"card": {"driver": "vpcd", "listen": "192.0.2.1:7000"}}, "card"),
        ({"sheets": {"address": "127.0.0.1:9100"}}, "sheets"),
        ({"sheets": {"address": "serial:{pty}?baud=115200"}}, "sheets"),
        ({"receipts": {"address": "localhost:9101"}}, "receipts"),
        ({"receipts": {"address": "[::1]:9101"}}, "receipts"),
        ({"speaker": {"driver": "network", "address": "127.9.9.9:1"}}, "speaker"),
        ({"cash": {"port": "{pty}"}}, "cash"),
        ({"cash": {"port": "{link}"}}, "cash"),
        ({"cashless": {"address": "{pty}"}}, "cashless"),
        ({"service_key": {"driver": "modbus", "port": "{pty}"}}, "service_key"),
        ({"service_key": {"driver": "modbus", "port": "/dev/ttyS1"}}, ""),
        ({}, ""),
    ],
)
def test_a_virtual_device_never_serves_a_city(
    board: Board, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], table: str
) -> None:
    """Also where the configuration does not say that it is one."""
    link = board.folder / "coins"
    link.symlink_to(board.terminal)
    names = {"pty": board.terminal, "link": link}
    changed = {name: {k: v.format(**names) for k, v in t.items()} for name, t in changed.items()}
    real = {
        "kiosk": {"under_test": []},
        "card": {"driver": "pcsc", "reader": "A reader"},
        "sheets": {"address": "192.0.2.7:9100"},
        "receipts": {"address": "/dev/usb/lp0"},
        "speaker": {"driver": "alsa"},
        "cash": {"port": "/dev/ttyS0"},
    }
    given = {name: {**real.get(name, {}), **changed.get(name, {})} for name in {*real, *changed}}
    for name in ("card", "speaker"):  # another driver has other keys
        given[name] = changed.get(name, real[name])
    assert trouble(board.config(**given)) == "", "a rehearsal's certificate"
    named = pki._name
    monkeypatch.setattr(pki, "_name", lambda words: named(words.replace("rehearsal ", "")))
    other = Board(board.folder / "city", board.terminal)
    other.folder.mkdir()
    said = trouble(other.config(**given))
    assert said.startswith(f"[{table}] is a virtual device") if table else said == ""


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_certificate_that_cannot_be_read_is_refused(board: Board, content: bytes | None) -> None:
    file = board.folder / "other.pem"
    if content is not None:
        file.write_bytes(content)
    assert "cannot be read" in trouble(board.config(line={"certificate": str(file)}))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"kiosk": {"under_test": ["sheets"]}}, "[cash] must be virtual too"),
        ({"cash": {"port": "/dev/ttyS0"}}, "[cash] must be virtual too"),
        ({"cash": {"port": "/nowhere"}}, "[cash] must be virtual too"),
        ({"cashless": {"address": "/dev/ttyS1"}}, "[cashless] must be virtual too"),
        ({"kiosk": {"under_test": ["printer", "cash"]}}, "no [printer]; there are card, sheets"),
    ],
)
def test_real_money_and_unknown_names_are_refused(
    board: Board, changed: dict[str, Any], words: str
) -> None:
    assert words in trouble(board.config(**changed))


def test_the_kiosk_does_not_start_then(board: Board) -> None:
    with pytest.raises(StartError, match=r"kiosk\.under_test: \[cash\] must be virtual too"):
        preflight.check(board.config(cash={"port": "/dev/ttyS0"}))


def test_every_screen_says_so() -> None:
    assert "試験中" in page(under_test=True)[0]
    assert "試験中" not in page()[0]


def test_both_printers_mark_what_they_print(board: Board) -> None:
    for named in (["sheets", "cash"], []):
        config = board.config(kiosk={"under_test": named})
        with socket.create_server(("127.0.0.1", 0)) as listener:
            devices = Devices.open(config, listener, KeptWires())
            found = [isinstance(each, MarkedPrinter) for each in (devices.sheets, devices.receipts)]
            devices.close()
        assert found == [bool(named)] * 2


@pytest.mark.parametrize(("width", "height"), [(576, 300), (1654, 2339), (576, 10)])
def test_the_mark_is_seen_and_hides_nothing(width: int, height: int) -> None:
    stride = (width + 7) // 8
    front = Bitmap(width, height, bytes(stride * height))
    dots = np.frombuffer(marked(front).rows, np.uint8).reshape(height, stride)
    black = int(np.unpackbits(dots).sum())
    assert 0.005 < black / (width * height) < 0.4
    white = Bitmap(width, height, b"\xff" * (stride * height))
    assert marked(white) == white
