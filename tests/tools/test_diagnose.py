"""How diagnose looks, judges and reports. That it names each cause is the drill's business
(test_diagnose_drill.py).
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from firmware.service.build import build
from firmware.service.config import Config, PcscCard
from firmware.tools import diagnose
from firmware.tools.diagnose import card, devices, line, printers, system, tls
from firmware.tools.diagnose.account import Account
from firmware.tools.diagnose.finding import Finding, Verdict, causes, wrong
from hal.faults import DeviceFault, Reason
from hal.printer.contract import Outlet, PaperSupply, PrinterState, PrinterStatus
from testbed.diagnose_drill.site import Site
from testbed.process import Process

ROOT = Path(__file__).parents[2]
CHECKS = {check.name: check for check in diagnose.CHECKS}
NOBODY = Account()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("diagnose") / "site")


@pytest.fixture
def config(site: Site) -> Config:
    return site.config


def look(name: str, config: Config) -> Finding:
    return diagnose.examine(CHECKS[name], config)


def changed(config: Config, section: str, **values: Any) -> Config:
    part = msgspec.structs.replace(getattr(config, section), **values)
    return msgspec.structs.replace(config, **{section: part})


# -- the table of causes


def test_every_cause_says_what_to_do_in_both_languages() -> None:
    for code, cause in causes().items():
        assert re.fullmatch(r"[a-z]+\.[a-z-]+", code)
        assert cause.expected
        assert cause.remedy.en.isascii()
        assert not cause.remedy.ja.isascii()


def test_no_cause_is_idle() -> None:
    """Each code stands somewhere in the checks; those of tables are put together from parts."""
    source = "".join(
        path.read_text("utf-8") for path in (ROOT / "firmware/tools/diagnose").rglob("*.py")
    )
    parts = re.findall(r'f"([a-z]+)\.\{', source)
    idle = {
        code
        for code in causes()
        if f'"{code}"' not in source and code.partition(".")[0] not in {*parts, "tls"}
    }
    assert not idle


def test_every_trouble_of_a_library_has_a_code() -> None:
    assert set(line.REASONS) == set(line.LineReason)
    for table in (
        line.REASONS,
        line.REFUSALS,
        tls.REASONS,
        printers.REASONS,
        printers.STATES,
        card.REASONS,
        card.PCSC_REASONS,
        devices.CASHLESS,
        devices.SERVICE_KEY,
    ):
        assert set(table.values()) <= set(causes())
    for rows in (printers.BITS, printers.FULL_BITS):
        assert {code for _, _, code in rows} <= set(causes())


# -- the whole walk


@pytest.mark.wires
def test_all_is_well_and_a_running_kiosk_keeps_its_devices(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Idle, every line is OK; beside a running kiosk, its devices are left to it."""
    idle, busy = asyncio.run(_looked_at(site, tmp_path))
    not_ok = {name for name, each in idle.items() if not each["ok"]}
    assert not_ok <= {"account", "browser", "clock", "memory"}, idle
    assert idle["build"]["detail"] == build()
    assert idle["cashless"]["detail"] == "ready"
    held = {name for name, each in busy.items() if each["code"] == "kiosk.running"}
    assert held == {"card", "sheets", "receipts", "coins", "cashless", "speaker", "service-key"}
    assert "running kiosk" in busy["panel"]["detail"]
    assert "newest exchange: ok" in busy["coins"]["detail"]
    assert "which says: ready" in busy["coins"]["detail"]
    assert busy["city"]["ok"], busy["city"]


async def _looked_at(site: Site, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    kiosk = Process(
        "kiosk", ("run", "--config", str(site.made.kiosk_toml)), "kiosk ready", tmp_path / "log"
    )
    async with site:
        idle = await _report(site, tmp_path / "idle.json")
        assert not site.bench.violations
        assert not site.bench.waiting, "diagnosing printed something"
        await kiosk.start()
        try:
            async with asyncio.timeout(60):
                while True:
                    busy = await _report(site, tmp_path / "busy.json")
                    if "newest" in busy["coins"]["detail"]:
                        return idle, busy
        finally:
            await kiosk.stop()


async def _report(site: Site, record: Path) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "firmware.tools", "diagnose", "--config", str(site.made.kiosk_toml)),
        *("--json", str(record)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    report = json.loads(record.read_text("utf-8"))
    names = [found["name"] for found in report["findings"]]
    assert names == list(diagnose.TITLES)
    assert datetime.fromisoformat(report["at"]).tzinfo is UTC
    assert len([each for each in out.decode().splitlines() if each[0] != " "]) == len(names) + 1
    return {found["name"]: found for found in report["findings"]}


def test_looking_leaves_no_journal_behind(config: Config, tmp_path: Path) -> None:
    folder = tmp_path / "never-run"
    found = look("journal", changed(config, "kiosk", state=folder))
    assert found.code == "journal.missing"
    assert not folder.exists()
    folder.mkdir()
    assert look("state", changed(config, "kiosk", state=folder)).ok
    assert not list(folder.iterdir())


def test_only_and_skip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = str(tmp_path / "none.toml")
    assert diagnose.main(["--config", missing, "--only", "build", "--json"]) == 1
    names = [each["name"] for each in json.loads(capsys.readouterr().out)["findings"]]
    assert names == ["build", "configuration"], "a configuration that cannot be read is always told"
    assert diagnose.main(["--config", missing, "--skip", "build", "account", "--json"]) == 1
    [found] = json.loads(capsys.readouterr().out)["findings"]
    assert found["code"] == "configuration.missing"
    with pytest.raises(SystemExit) as ended:
        diagnose.main(["--only", "nonsense"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ((Verdict.OK, Verdict.OK), 0),
        ((Verdict.OK, Verdict.NG, Verdict.UNKNOWN), 1),
        ((Verdict.OK, Verdict.NOT_CHECKED), 3),
        ((Verdict.UNKNOWN,), 3),
    ],
)
def test_exit_codes(verdicts: tuple[Verdict, ...], code: int) -> None:
    assert diagnose.exit_code([Finding("x", each, "") for each in verdicts]) == code


# -- single checks that no fault of the drill reaches


class FakeScard(ModuleType):
    """A PC/SC with these readers, where one call is answered with a code."""

    def __init__(
        self, function: str, code: int, names: tuple[str, ...] = ("Reader 00 00",)
    ) -> None:
        super().__init__("smartcard.scard")
        self.answers = {
            "SCardEstablishContext": (0, 5),
            "SCardListReaders": (0, list(names)),
            "SCardConnect": (0, 7, 2),
            function: (code - (1 << 32), 0, 0),
        }

    def SCardGetStatusChange(  # noqa: N802
        self, _: int, wait_ms: int, states: list[tuple[str, int]]
    ) -> tuple[int, list[Any]]:
        time.sleep(min(wait_ms, 50) / 1000)
        return 0, [(name, 0x10, []) for name, _ in states]

    def __getattr__(self, function: str) -> Callable[..., Any]:
        if not function.startswith("SCard"):
            raise AttributeError(function)
        answer = self.answers.get(function, 0)
        return lambda *_: answer


@pytest.mark.parametrize(
    ("function", "code", "names", "cause"),
    [
        ("SCardConnect", 0x8010006A, ("Reader 00 00",), "card.denied"),
        ("SCardEstablishContext", 0x8010006A, ("Reader 00 00",), "card.denied"),
        ("SCardEstablishContext", 0x8010001D, ("Reader 00 00",), "card.pcscd-stopped"),
        ("SCardListReaders", 0x8010002E, (), "card.no-reader"),
        ("SCardConnect", 0x8010000B, ("Reader 00 00",), "card.in-use"),
        ("", 0, ("Reader 00 00", "Reader 01 00"), "card.ambiguous"),
    ],
)
def test_what_pcsc_says_has_its_own_cause(
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    code: int,
    names: tuple[str, ...],
    cause: str,
) -> None:
    fake = FakeScard(function, code, names)
    package = ModuleType("smartcard")
    package.scard = fake  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "smartcard", package)
    monkeypatch.setitem(sys.modules, "smartcard.scard", fake)
    monkeypatch.setattr(card, "CARD_S", 0.2)
    monkeypatch.setattr(card, "_look_at_socket", lambda: None)
    monkeypatch.setenv(card.SOCKET_NAME, "/nowhere/pcscd")
    found = look("card", msgspec.structs.replace(config, card=PcscCard(reader="Reader")))
    assert found.code == cause, found.detail


def test_the_socket_of_a_number_that_moves_is_told(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "STEADY", (str(tmp_path),))
    (tmp_path / "coins").symlink_to("/dev/ttyUSB7")
    found = look("names", changed(config, "cash", port="/dev/ttyUSB7"))
    assert f"now {tmp_path}/coins" in found.detail
    for steady in ("/dev/madoguchi/coins", "/dev/serial/by-path/pci-0:1", "/dev/ttyAMA0"):
        assert look("names", changed(config, "cash", port=steady)).ok


@pytest.mark.parametrize(
    ("state", "paper", "outlet", "cause"),
    [
        (PrinterState.READY, PaperSupply.ADEQUATE, Outlet.CLEAR, ""),
        (PrinterState.READY, PaperSupply.NEAR_END, Outlet.CLEAR, "printer.paper-low"),
        (PrinterState.READY, PaperSupply.NEAR_END, Outlet.PRESENT, "printer.outlet"),
        (PrinterState.OFFLINE, PaperSupply.OUT, Outlet.CLEAR, "printer.paper-out"),
        (PrinterState.READY, PaperSupply.UNKNOWN, Outlet.CLEAR, "printer.garbled"),
        (PrinterState.UNKNOWN, PaperSupply.UNKNOWN, Outlet.UNKNOWN, "printer.silent"),
    ],
)
def test_what_a_status_means(
    state: PrinterState, paper: PaperSupply, outlet: Outlet, cause: str
) -> None:
    assert printers.cause(PrinterStatus(state, paper, outlet)) == cause


@pytest.mark.parametrize(
    ("missing", "limit", "swaps", "free_kb", "cause"),
    [
        (set(), "0 0", 0, 1 << 20, ""),
        (set(), "0 0", 1, 1 << 20, ""),
        ({"dumpable"}, "0 0", 0, 1 << 20, "memory.dumps"),
        (set(), "-1 -1", 0, 1 << 20, "memory.dumps"),
        ({"mlockall"}, "0 0", 0, 1 << 20, "memory.not-locked"),
        ({"mlockall"}, "0 0", 1, 1 << 20, "memory.swap"),
        (set(), "0 0", 0, 1 << 10, "memory.low"),
    ],
)
def test_memory(
    config: Config,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    missing: set[str],
    limit: str,
    swaps: int,
    free_kb: int,
    cause: str,
) -> None:
    listed = tmp_path / "swaps"
    listed.write_text("Filename Type Size\n" + "/dev/sda2 partition 1\n" * swaps)
    monkeypatch.setattr(system, "SWAPS", listed)
    monkeypatch.setattr(system, "harden", lambda: (missing, limit))
    monkeypatch.setattr(system, "available_kb", lambda: free_kb)
    assert look("memory", config).code == cause


def test_the_clock_needs_systemd(
    config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(system, "SYSTEMD", tmp_path / "none")
    assert look("clock", config).verdict is Verdict.NOT_CHECKED
    monkeypatch.setattr(system, "SYSTEMD", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look("clock", config).code == "clock.no-service"
    (tmp_path / "timedatectl").write_text("#!/bin/sh\necho no\n")
    (tmp_path / "timedatectl").chmod(0o755)
    assert look("clock", config).code == "clock.not-synchronised"


@pytest.mark.parametrize("reason", Reason)
def test_whatever_another_driver_says_has_a_cause(reason: Reason) -> None:
    fault = DeviceFault("sheets", reason, "detail")
    assert printers._fault(fault, "their.driver:Printer").code in causes()


# -- how it is told


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    found = Finding("city", Verdict.OK, "open")
    for out, coloured in ((Terminal(), True), (io.StringIO(), False)):
        diagnose.write(found, out)
        assert ("\x1b" in out.getvalue()) == coloured


def test_a_line_says_code_expected_and_what_to_do() -> None:
    out = io.StringIO()
    told = wrong("printer.paper-out", "paper out")
    diagnose.write(
        Finding("sheets", told.verdict, told.detail, told.remedy, told.code, told.expected), out
    )
    first, *rest = out.getvalue().splitlines()
    assert first.startswith("NG  sheets")
    assert first.endswith("[printer.paper-out]")
    assert rest == ["    expected: paper", "    → 用紙を補充してください。", "    → load paper"]
