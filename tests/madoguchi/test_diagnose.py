"""Diagnose against the far ends at work, and against each of them broken."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import shutil
import socket
import sqlite3
import threading
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from city import pki
from firmware.service.cases import journal_path
from firmware.service.config import AlsaSpeaker, Config, Fonts, PcscCard, load
from firmware.service.journal import Journal
from firmware.sheets import guard
from firmware.texts import recordings
from firmware.texts.texts import Texts
from firmware.texts.voice import phrases
from hal.faults import DeviceFault, Reason
from hal.sim.bench import Bench
from hal.speaker import wav
from madoguchi import diagnose, rehearsal
from madoguchi.cli import main as kiosk
from madoguchi.diagnose import devices, finding, line, system
from madoguchi.part import Part

CHECKS = {check.name: check for check in diagnose.CHECKS}


class Site:
    """Far ends and city in a loop of their own; the diagnosis is the caller's."""

    def __init__(self, made: rehearsal.Rehearsal) -> None:
        self.made = made
        self.config = load(made.kiosk_toml)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.bench = Bench(made.wiring, made.cards, rehearsal.HOPPERS)
        self.city = Part("city", ("city", "--config", str(made.city_toml)), "city ready", made.run / "city.log")
        self.do(self.bench.start())
        self.do(self.city.start())

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def hand(self, method: str, *given: Any) -> None:
        """Something the bench wants done in its own loop."""

        async def act() -> None:
            getattr(self.bench, method)(*given)

        self.do(act())

    def close(self) -> None:
        self.do(self.city.stop())
        self.do(self.bench.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()


def record(folder: Path, _tell: object) -> None:
    """Every phrase as a tenth of a second: what is said does not matter here."""
    sound = wav.encode(wav.Recording(8000, wav.np.zeros(800, wav.np.int16), "x"))
    for language in ("ja", "en"):
        for text in phrases(Texts.load(language)):
            path = recordings._path(folder, language, recordings.ENGINES[language][0], text)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sound)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rehearsal, "_voice", record)
        made = rehearsal.prepare(
            tmp_path_factory.mktemp("diagnose"),
            start=datetime.now(UTC),
            kiosk={"line": {"deadline_s": 2.0}},
        )
    running = Site(made)
    yield running
    running.close()


@pytest.fixture
def config(site: Site) -> Config:
    return site.config


def look(name: str, config: Config) -> finding.Finding:
    return diagnose.examine(CHECKS[name], config)


def changed(config: Config, section: str, **values: Any) -> Config:
    part = msgspec.structs.replace(getattr(config, section), **values)
    return msgspec.structs.replace(config, **{section: part})


def ng(found: finding.Finding, *words: str) -> None:
    assert not found.ok
    assert found.remedy is not None
    assert found.remedy.ja
    assert found.remedy.en
    for word in words:
        assert word in found.said, found.said


# -- all is well


def test_all_is_well(site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "SYSTEMD", Path("/nowhere"))
    assert kiosk(["diagnose", "--config", str(site.made.kiosk_toml)]) == 0, capsys.readouterr().out
    lines = capsys.readouterr().out.splitlines()
    assert all(text.startswith("OK  ") for text in lines[:-1])
    assert lines[-1] == f"{len(CHECKS) + 1} OK, 0 NG"
    assert not site.bench.violations
    assert not site.bench.waiting, "diagnosing printed something"


def test_as_json(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.hand("load_paper")
    diagnose.main(["--config", str(site.made.kiosk_toml), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [found["name"] for found in told["findings"]] == ["configuration", *CHECKS]


def test_a_card_on_the_reader_is_said(site: Site) -> None:
    site.hand("insert_card", "taro")
    try:
        assert "a card lies on it" in look("card", site.config).said
    finally:
        site.hand("remove_card")


def test_looking_leaves_no_journal_behind(site: Site) -> None:
    assert look("journal", site.config).ok
    assert not journal_path(site.config.kiosk.state).exists()


# -- each far end broken


@pytest.mark.parametrize(
    ("fault", "check", "said"),
    [
        ("reader-lost", "card", "unknown"),
        ("line-cut", "city", "unreachable"),
        ("line-stalled", "city", "timeout"),
        ("paper-out", "sheets", "paper out"),
        ("printer-mute", "sheets", "silent"),
        ("printer-cover", "sheets", "cover-open"),
        ("printer-jam", "sheets", "error"),
        ("receipt-paper-out", "receipts", "paper out"),
        ("receipt-mute", "receipts", "silent"),
        ("coins-mute", "coins", "silent"),
        ("change-empty", "coins", "change low: 10 yen, 50 yen, 100 yen"),
    ],
)
def test_each_fault_is_found(site: Site, monkeypatch: pytest.MonkeyPatch, fault: str, check: str, said: str) -> None:
    monkeypatch.setattr(devices, "CARD_S", 0.5)
    site.do(site.bench.switch(fault, True))
    try:
        ng(look(check, site.config), said)
    finally:
        site.do(site.bench.mend())
    assert look(check, site.config).ok


@pytest.mark.parametrize("section", ["sheets", "receipts"])
def test_no_printer_there(config: Config, section: str) -> None:
    ng(look(section, changed(config, section, address=f"127.0.0.1:{free_port()}")), "not-connected", "refused")
    ng(look(section, changed(config, section, address="/dev/nowhere")), "not-connected")


def test_no_coin_unit_there(config: Config, tmp_path: Path) -> None:
    ng(look("coins", changed(config, "cash", port=str(tmp_path / "none"))), "not-connected")


def test_a_hopper_that_is_none(config: Config) -> None:
    wrong = tuple(msgspec.structs.replace(hopper, address=9) for hopper in config.cash.hoppers)
    ng(look("coins", changed(config, "cash", hoppers=wrong)), "silent")


def test_no_speaker_there(config: Config) -> None:
    ng(look("speaker", changed(config, "speaker", address=f"127.0.0.1:{free_port()}")), "not-connected")
    none = msgspec.structs.replace(config, speaker=AlsaSpeaker(device="no-such-device"))
    ng(look("speaker", none), "not-connected")


def test_no_such_pcsc_reader(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "CARD_S", 0.3)
    ng(look("card", msgspec.structs.replace(config, card=PcscCard(reader="no such reader"))))


def test_the_readers_port_is_taken(config: Config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = changed(config, "card", listen=f"127.0.0.1:{other.getsockname()[1]}")
        ng(look("card", taken), "in use")


# -- files


@pytest.mark.parametrize("content", [None, b"no font"])
def test_fonts(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    broken = tmp_path / "font.ttf"
    if content:
        broken.write_bytes(content)
    ng(look("mincho", msgspec.structs.replace(config, fonts=Fonts(mincho=broken))), str(broken))
    ng(look("gothic", msgspec.structs.replace(config, fonts=Fonts(gothic=broken))), str(broken))
    monkeypatch.setattr(guard, "GOTHIC", str(broken))
    ng(look("gothic", config), str(broken))


def test_recordings(config: Config, tmp_path: Path) -> None:
    copy = tmp_path / "voice"
    shutil.copytree(config.voice.recordings, copy)
    next((copy / "ja").iterdir()).unlink()
    next((copy / "en").iterdir()).write_bytes(b"RIFF")
    ng(look("recordings", changed(config, "voice", recordings=copy)), "ja 1", "en 1")
    ng(look("recordings", changed(config, "kiosk", languages=("ja", "xx"))), "xx")


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN nonsense"])
def test_trust(config: Config, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "trusted.pem"
    if content is not None:
        path.write_bytes(content)
    ng(look("card-ca", changed(config, "trust", card_ca=(path,))), str(path))
    ng(look("issuing-keys", changed(config, "trust", issuing_keys=(path,))), str(path))


def test_an_empty_trust_is_none(config: Config) -> None:
    ng(look("card-ca", changed(config, "trust", card_ca=())))
    ng(look("issuing-keys", changed(config, "trust", issuing_keys=())))
    leaf = config.line.certificate
    ng(look("card-ca", changed(config, "trust", card_ca=(leaf,))), "0 of 1")


@pytest.fixture
def state(config: Config, tmp_path: Path) -> Config:
    with contextlib.closing(Journal(journal_path(tmp_path))) as book:
        book.write("0" * 32, "begun")
        book.write("0" * 32, "ended", kept=0, returned=0, owed=0)
    return changed(config, "kiosk", state=tmp_path)


def test_a_sound_journal(state: Config) -> None:
    found = look("journal", state)
    assert found.ok
    assert found.said.startswith("2 entries")


def test_open_cases_are_listed(state: Config) -> None:
    with contextlib.closing(Journal(journal_path(state.kiosk.state))) as book:
        case = book.open_case("", "child.silent", pauses=True)
    ng(look("journal", state), f"child.silent {case} (out of service)")


def test_a_changed_entry_breaks_the_chain(state: Config) -> None:
    with contextlib.closing(sqlite3.connect(journal_path(state.kiosk.state))) as database, database:
        database.execute('UPDATE entry SET facts=\'{"kept":100,"owed":0,"returned":0}\' WHERE kind=\'ended\'')
    ng(look("journal", state), "entry 2", "chain")


def test_a_journal_that_is_none(state: Config) -> None:
    for path in state.kiosk.state.iterdir():
        path.write_bytes(b"nothing of the kind" * 400)
    ng(look("journal", state))


# -- the line


def test_papers(config: Config, tmp_path: Path) -> None:
    other = pki.make(tmp_path, ("kiosk-1", "kiosk-2"))
    certificate, key = other.kiosk("kiosk-1")
    ng(look("certificate", changed(config, "line", key=tmp_path / "none.key")), "none.key")
    ng(look("certificate", changed(config, "line", key=key)), "line certificates not usable")
    ng(look("certificate", changed(config, "line", certificate=key)), "line certificates not usable")
    ng(look("certificate", changed(config, "kiosk", id="kiosk-9")), "kiosk-9")
    key.chmod(0o644)
    ng(look("certificate", changed(config, "line", certificate=certificate, key=key)), "others may read")


def test_a_certificate_that_ends_soon(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "RENEW", pki.LIFE)
    ng(look("certificate", config), "until")


def test_strangers_on_the_line(config: Config, tmp_path: Path) -> None:
    other = pki.make(tmp_path, ("kiosk-1",))
    certificate, key = other.kiosk("kiosk-1")
    ng(look("city", changed(config, "line", city_ca=other.city_ca)), "tls")
    ng(look("city", changed(config, "line", certificate=certificate, key=key)))
    ng(look("city", changed(config, "line", city="http://127.0.0.1:1")), "https")
    ng(look("city", changed(config, "line", interface="nowhere0")), "nowhere0")


def test_clocks(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = changed(config, "trust", allow_test_cards=False)
    assert look("city", strict).ok
    monkeypatch.setattr(line, "MOST_APART", -line.MOST_APART)
    ng(look("city", strict), "apart")
    assert look("city", config).ok, "a rehearsal's city has a date of its own"


# -- the machine


def test_a_stranger_has_the_panels_port(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "ANSWER_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = changed(config, "panel", listen=f"127.0.0.1:{other.getsockname()[1]}")
        ng(look("panel", taken), "does not answer")
        threading.Thread(target=hang_up, args=(other,), daemon=True).start()
        ng(look("panel", taken), "another program")


def hang_up(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            wire, _ = listener.accept()
            with wire:
                wire.sendall(b"220 mail\r\n")


def test_an_address_that_is_not_ours(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "who_listens", lambda _: system.Listener.NOBODY)
    ng(look("panel", changed(config, "panel", listen="192.0.2.1:80")))


def test_a_running_kiosk_keeps_its_devices(site: Site) -> None:
    run = Part("kiosk", ("run", "--config", str(site.made.kiosk_toml)), "kiosk ready", site.made.run / "kiosk.log")
    site.do(run.start())
    try:
        found = {one.name: one for one in diagnose.diagnose(site.made.kiosk_toml)}
    finally:
        site.do(run.stop())
        shutil.rmtree(site.config.kiosk.state)
    assert found["panel"].ok
    assert "running kiosk" in found["panel"].said
    held = {name for name, one in found.items() if one.remedy == diagnose.STOP_KIOSK}
    assert held == {"card", "sheets", "receipts", "coins", "speaker"}
    assert found["city"].ok


def test_swap(config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    swaps = tmp_path / "swaps"
    swaps.write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    monkeypatch.setattr(system, "SWAPS", swaps)
    monkeypatch.setattr(system, "_harden", lambda: ({"mlockall"}, "0 0"))
    ng(look("swap", config), "/dev/sda2")
    monkeypatch.setattr(system, "_harden", lambda: (set(), "0 0"))
    assert look("swap", config).ok


def test_core_dumps(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("core", config).ok
    monkeypatch.setattr(system, "_harden", lambda: ({"dumpable"}, "0 0"))
    ng(look("core", config), "dumpable")
    monkeypatch.setattr(system, "_harden", lambda: (set(), "-1 -1"))
    ng(look("core", config), "-1")


def test_the_clock_needs_systemd(config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(system, "SYSTEMD", tmp_path / "none")
    assert "not checked" in look("clock", config).said
    monkeypatch.setattr(system, "SYSTEMD", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    ng(look("clock", config))
    (tmp_path / "timedatectl").write_text("#!/bin/sh\necho no\n")
    (tmp_path / "timedatectl").chmod(0o755)
    ng(look("clock", config), "no")


# -- how it is told


@pytest.mark.parametrize("content", ["", "[kiosk]\nid = 1\n", "[nonsense]\n", "= ="])
def test_a_bad_configuration_ends_it(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "kiosk.toml"
    path.write_text(content)
    assert diagnose.main(["--config", str(path)]) == 1
    out = capsys.readouterr().out
    assert out.startswith("NG  configuration")
    assert "Traceback" not in out


@pytest.mark.parametrize("reason", Reason)
def test_every_fault_has_a_remedy(config: Config, reason: Reason) -> None:
    def fail(_: Config) -> str:
        raise DeviceFault("x", reason, "detail")

    ng(diagnose.examine(diagnose.Check("x", "x", fail), config), reason.value, "detail")


def test_every_trouble_of_the_line_has_a_remedy() -> None:
    assert set(line.REASONS) == set(line.LineReason)


def test_a_mistake_of_ours_is_a_line_too(config: Config) -> None:
    def fail(_: Config) -> str:
        raise ZeroDivisionError("oops")

    ng(diagnose.examine(diagnose.Check("x", "x", fail), config), "ZeroDivisionError")


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    found = finding.Finding("city", True, "open")
    for out, coloured in ((Terminal(), True), (io.StringIO(), False)):
        diagnose.write(found, out)
        assert ("\x1b" in out.getvalue()) == coloured


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
