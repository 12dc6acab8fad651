"""A sheet that the whole system printed, and a phone in front of its picture."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from verification.phone import phone_of

from testbed.customer import Errand, run_errand
from testbed.demo import FOLDER
from testbed.rehearsal import prepare
from testbed.system import System

pytestmark = [pytest.mark.wires, pytest.mark.browser]


@contextmanager
def printed(folder: Path, resident: str, certificate: str) -> Iterator[dict[str, Any]]:
    """What an errand came to, while the system that printed it goes on."""
    told: dict[str, Any] = {}
    done, end = threading.Event(), threading.Event()

    async def run() -> None:
        try:
            async with System(prepare(FOLDER, folder / "run"), 0) as system:
                told.update(await run_errand(system, Errand(resident, certificate, folder)))
                told["page"] = system.page_address
                done.set()
                await asyncio.to_thread(end.wait, 60)
        finally:
            done.set()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    try:
        assert done.wait(90)
        assert "page" in told, "the errand failed"
        yield told
    finally:
        end.set()
        thread.join(30)


@pytest.mark.parametrize(
    ("resident", "certificate", "shown"),
    [
        ("taro", "juminhyo", {"証明書の種類": "住民票の写し", "氏名": "明石　太郎"}),
        ("yoshiko", "kazei", {"証明書の種類": "所得・課税証明書", "年度": "令和8年度\n2026年度"}),
    ],
)
def test_what_the_kiosk_printed_is_genuine_and_in_force(
    browser: Any, tmp_path: Path, resident: str, certificate: str, shown: dict[str, str]
) -> None:
    with printed(tmp_path, resident, certificate) as told:
        bench: Any = SimpleNamespace(page=told["page"])
        with phone_of(browser, bench) as phone:
            assert phone.scan(Path(told["pages"][0])) == "in-force"
            fields = phone.fields()
            assert fields["固有番号"] == told["unique_number"]
            assert fields["発行日"].startswith("令和8年11月24日")
            assert shown.items() <= fields.items()
