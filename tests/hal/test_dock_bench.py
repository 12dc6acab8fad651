"""The bench: hands, faults, and what can be seen of it all."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest
from dock_bench import make_cards, with_bench

from hal.cashless.contract import ChargeResult
from hal.cashless.terminal import SerialTerminal
from hal.printer.contract import Bitmap, PrinterState
from hal.printer.escpos import EscposPrinter
from hal.sim.bench import Bench, BenchError
from hal.sim.breakage import FAULTS
from hal.speaker import wav
from hal.speaker.network import NetworkSpeaker


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_cards(tmp_path_factory.mktemp("cards"))


def test_one_card_at_a_time(cards: dict[str, Path], tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        bench.insert_card("taro")
        assert bench.state()["card"]["on_reader"] == "taro"
        with pytest.raises(BenchError, match="already"):
            bench.insert_card("hanako")
        bench.remove_card()
        bench.remove_card()
        with pytest.raises(BenchError, match="no such card"):
            bench.insert_card("nobody")
        assert bench.state()["card"] == {"on_reader": None, "apdus": 0, "tries": {"taro": 3}}

    with_bench(cards, tmp_path / "coins", test)


def test_a_card_that_is_pulled_by_a_fault_is_seen_to_be_gone(
    cards: dict[str, Path], tmp_path: Path
) -> None:
    async def test(bench: Bench) -> None:
        with socket.create_server(("127.0.0.1", bench._reader[1])) as listener:
            bench.card_faults.yank_before = 1
            bench.insert_card("taro")
            reader, _ = await asyncio.to_thread(listener.accept)
            reader.sendall(b"\x00\x01\x01" + b"\x00\x05" + bytes.fromhex("0084000008"))
            assert await bench.until(lambda b: b.on_reader is None, 5)
            reader.close()

    with_bench(cards, tmp_path / "coins", test)


def test_what_the_printer_draws_lies_at_the_outlet_until_it_is_taken(
    cards: dict[str, Path], tmp_path: Path
) -> None:
    async def test(bench: Bench) -> None:
        printer = EscposPrinter(
            "sheets", f"tcp:127.0.0.1:{bench.sheets.port}", 1654, outlet_sensor=True
        )
        page = Bitmap(1654, 32, b"\xaa" * (207 * 32))
        await asyncio.to_thread(printer.print_page, page)
        assert [s["printer"] for s in bench.state()["waiting"]] == ["sheets"]
        (sheet,) = bench.take_sheets()
        assert sheet.png().startswith(b"\x89PNG")
        assert bench.state()["waiting"] == [] and bench.sheet(sheet.id) is sheet
        assert bench.bytes_printed >= len(page.rows)
        await bench.switch("paper-out", True)
        assert not (await asyncio.to_thread(printer.status)).ready
        bench.load_paper()
        assert (await asyncio.to_thread(printer.status)).state is PrinterState.READY
        await asyncio.to_thread(printer.close)

    with_bench(cards, tmp_path / "coins", test)


def test_coins_and_captions(cards: dict[str, Path], tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        assert not bench.coin(0) and bench.take_coins() == [0]
        speaker = NetworkSpeaker(bench.speaker.address)
        said = wav.encode(wav.Recording(8000, wav.np.zeros(80, wav.np.int16), "こんにちは"))
        await asyncio.to_thread(speaker.play, (said,))
        assert await bench.until(lambda b: bool(b.spoken), 5)
        assert [s["text"] for s in bench.state()["spoken"]] == ["こんにちは"]
        await asyncio.to_thread(speaker.close)
        assert await bench.until(lambda b: b.spoken[-1].text == "", 5)

    with_bench(cards, tmp_path / "coins", test)


# Over when they have happened.
MOMENTS = (
    "acceptor-reset",
    "coins-noise",
    "hopper-reset",
    "printer-restart",
    "receipt-restart",
    "speaker-hangs-up",
    "terminal-restart",
)


def test_every_fault_can_be_made_seen_and_mended(cards: dict[str, Path], tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        healthy = dict.fromkeys(FAULTS, False)
        assert bench.state()["faults"] == healthy
        for name in FAULTS:
            await bench.switch(name, True)
            assert bench.state()["faults"] == {**healthy, name: name not in MOMENTS}, name
            await bench.switch(name, False)
            assert bench.state()["faults"] == healthy, name
        for name in FAULTS:
            await bench.switch(name, True)
        await bench.mend()
        assert bench.state()["faults"] == healthy
        with pytest.raises(BenchError):
            await bench.switch("earthquake", True)

    with_bench(cards, tmp_path / "coins", test)


def test_a_lost_reader_refuses_its_cable(cards: dict[str, Path], tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        await bench.switch("reader-lost", True)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*bench.cable.address)
        await bench.switch("reader-lost", False)
        _, writer = await asyncio.open_connection(*bench.cable.address)
        writer.close()

    with_bench(cards, tmp_path / "coins", test)


def test_the_state_is_json_and_changes_are_told(cards: dict[str, Path], tmp_path: Path) -> None:
    async def test(bench: Bench) -> None:
        told: list[str] = []
        end = bench.subscribe(lambda: told.append("change"))
        bench.coin(100)
        assert told
        json.dumps(bench.state())
        end()
        told.clear()
        bench.take_coins()
        assert not told

    with_bench(cards, tmp_path / "coins", test)


def test_a_phone_is_presented_where_something_is_to_be_paid(
    cards: dict[str, Path], tmp_path: Path
) -> None:
    async def test(bench: Bench) -> None:
        assert not bench.present()
        driver = SerialTerminal(bench.terminal.port, wait_s=10, decide_s=5, poll_s=0.01)
        charging = asyncio.create_task(asyncio.to_thread(driver.charge, 300, "a1" * 16))
        assert await bench.until(
            lambda b: b.state()["terminal"] == {"due": 300, "waiting": True}, 5
        )
        assert bench.present()
        assert (await charging).result is ChargeResult.APPROVED
        assert bench.state()["terminal"] == {"due": 0, "waiting": False}
        assert bench.terminal.terminal.balance == 300
        assert bench.violations == []
        driver.close()

    with_bench(cards, tmp_path / "coins", test)
