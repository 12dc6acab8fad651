"""The configuration: typed, and every mistake is one line that names the file and the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.service.config import ConfigError, PcscCard, VpcdCard, load

GOOD = """
[kiosk]
id = "kiosk-1"
state = "state"
[panel]
listen = "127.0.0.1:0"
[card]
driver = "vpcd"
listen = "127.0.0.1:35963"
[sheets]
driver = "escpos"
address = "127.0.0.1:9100"
width = 1664
[receipts]
driver = "escpos"
address = "/dev/usb/lp0"
width = 576
[cash]
driver = "cctalk"
port = "/dev/ttyUSB0"
hoppers = [{ address = 3, value = 10 }, { address = 4, value = 100 }]
[speaker]
driver = "alsa"
[line]
city = "https://127.0.0.1:8443"
city_ca = "keys/city-ca.pem"
certificate = "keys/kiosk.pem"
key = "/etc/kiosk/key.pem"
[trust]
card_ca = ["keys/card-ca.pem"]
issuing_keys = ["keys/issuing.pem"]
[voice]
recordings = "voice"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "kiosk.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_one_and_its_paths(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD))
    assert isinstance(config.card, VpcdCard)
    assert config.kiosk.state == tmp_path / "state"
    assert config.trust.card_ca == (tmp_path / "keys/card-ca.pem",)
    assert config.line.key == Path("/etc/kiosk/key.pem")
    assert config.cash.hoppers[1].value == 100
    assert config.sheets.dpi == 203


def test_paths_count_from_the_file_not_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    assert load(Path("kiosk.toml")).kiosk.state == tmp_path / "state"


def test_another_driver_has_other_keys(tmp_path: Path) -> None:
    text = GOOD.replace('driver = "vpcd"\nlisten = "127.0.0.1:35963"', 'driver = "pcsc"\nreader = "ACS ACR39U"')
    assert load(written(tmp_path, text)).card == PcscCard(reader="ACS ACR39U")


MISTAKES = {
    "unknown key": (GOOD.replace('id = "kiosk-1"', 'id = "kiosk-1"\nsimulate = true'), "simulate"),
    "unknown section": (GOOD + "\n[simulation]\n", "simulation"),
    "unknown driver": (GOOD.replace('"alsa"', '"none"'), "$.speaker"),
    "key of another driver": (GOOD.replace('driver = "vpcd"', 'driver = "vpcd"\nreader = "x"'), "reader"),
    "wrong type": (GOOD.replace("width = 1664", 'width = "1664"'), "$.sheets.width"),
    "out of range": (GOOD.replace("value = 10 }", "value = 1000 }"), "$.cash.hoppers[0].value"),
    "no port": (GOOD.replace("127.0.0.1:0", "127.0.0.1"), "$.panel.listen"),
    "missing key": (GOOD.replace('state = "state"', ""), "state"),
    "missing section": (GOOD.replace("[voice]\nrecordings", "[fonts]\nmincho"), "voice"),
    "not TOML": (GOOD.replace("[kiosk]", "[kiosk"), ""),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(mistake: str, tmp_path: Path) -> None:
    text, key = MISTAKES[mistake]
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as told:
        load(path)
    assert str(told.value).startswith(f"{path}: ")
    assert key in str(told.value)
    assert "\n" not in str(told.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load(tmp_path / "kiosk.toml")


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "kiosk.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError):
        load(path)
