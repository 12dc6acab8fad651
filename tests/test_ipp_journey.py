"""A whole journey that ends on an IPP printer, CUPS's ippeveprinter."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zxingcpp
from PIL import Image

from firmware.link import signing
from firmware.link.sheet_code import payload_of
from hal.printer.contract import Bitmap
from testbed.customer import Errand, Journey, Watcher
from testbed.demo import FOLDER
from testbed.ippeveprinter import cups_pages, ipp_peer, missing
from testbed.paper import issuing_keys
from testbed.rehearsal import prepare
from testbed.system import System

pytestmark = [
    pytest.mark.wires,
    pytest.mark.skipif(bool(missing()), reason=f"not installed: {missing()}"),
]


def test_a_whole_journey_ends_on_an_ipp_printer(tmp_path: Path) -> None:
    with ipp_peer(_made(tmp_path / "printer")) as peer:
        peer.behave(printed=2)
        sheets = {"driver": "ipp", "address": peer.address, "dpi": 600, "duplex": True}
        no_escpos = {"width": None, "outlet_sensor": None}
        keys = asyncio.run(_journey(tmp_path, {"sheets": {**sheets, **no_escpos}}))
        [document] = peer.received
        [(_, front), (_, back)] = cups_pages(document)
        assert peer.asked(0)["IPP_JOB_NAME"] == "madoguchi"
    codes = [
        signing.verify_code(keys, payload_of(found.text))
        for found in zxingcpp.read_barcodes(_picture(front))
    ]
    assert [(code.page, code.pages, code.kind) for code in codes] == [(1, 1, "juminhyo")]
    assert zxingcpp.read_barcodes(_picture(back)) == []


async def _journey(folder: Path, kiosk: dict[str, Any]) -> Any:
    """The keys with which the city signed what was printed."""
    async with System(prepare(FOLDER, folder / "run", kiosk=kiosk), 0) as system:
        async with Watcher(system.dock.address.rstrip("/")).watching() as watcher:
            journey = Journey(system, Errand("taro", "juminhyo", folder), watcher)
            await journey.run()
        assert (journey.thanked, journey.pages) == (True, [])  # nothing from any other printer
        return issuing_keys(system.rehearsal)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _picture(page: Bitmap) -> Image.Image:
    rows = np.frombuffer(page.rows, np.uint8).reshape(page.height, -1)
    black = np.unpackbits(rows, axis=1)[:, : page.width]
    return Image.fromarray(np.where(black, 0, 255).astype(np.uint8))
