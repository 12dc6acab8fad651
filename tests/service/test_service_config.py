"""The configuration: typed, and every mistake is one line that names the file and the key."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import firmware
from firmware.flow.states import State
from firmware.flow.table import SPECS
from firmware.service.config import (
    ConfigError,
    EscposSection,
    IppSection,
    PcscCard,
    VpcdCard,
    guard_style,
    load,
)
from firmware.sheets.guard_style import STYLES
from hal.panel.watch import LIMITS

ROOT = Path(__file__).parents[2]
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
terms_keys = ["keys/terms.pem"]
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


def test_paths_count_from_the_file_not_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, GOOD)
    monkeypatch.chdir(tmp_path)
    assert load(Path("kiosk.toml")).kiosk.state == tmp_path / "state"


def test_another_driver_has_other_keys(tmp_path: Path) -> None:
    text = GOOD.replace(
        'driver = "vpcd"\nlisten = "127.0.0.1:35963"', 'driver = "pcsc"\nreader = "ACS ACR39U"'
    )
    assert load(written(tmp_path, text)).card == PcscCard(reader="ACS ACR39U")


SHEETS = 'driver = "escpos"\naddress = "127.0.0.1:9100"\nwidth = 1664'
IPP = """driver = "ipp"
address = "ipps://printer:631/ipp/print"
ca = "keys/printer.pem"
duplex = true"""
GUARD = "\n[sheets.guard]\nground = [1, 4]\nletters = [3, 11]\nhalo = 3"


def test_without_a_driver_certificates_go_to_an_escpos_printer(tmp_path: Path) -> None:
    config = load(written(tmp_path, GOOD.replace('driver = "escpos"\n', "")))
    assert isinstance(config.sheets, EscposSection)
    assert config.receipts.width == 576


def test_a_printer_for_both_sides(tmp_path: Path) -> None:
    sheets = load(written(tmp_path, GOOD.replace(SHEETS, IPP))).sheets
    assert isinstance(sheets, IppSection)
    assert (sheets.duplex, sheets.dpi, sheets.width) == (True, 300, 2480)
    assert sheets.ca == tmp_path / "keys/printer.pem"
    pin = ":".join(["AB"] * 32)
    text = GOOD.replace(SHEETS, IPP.replace('ca = "keys/printer.pem"', f'fingerprint = "{pin}"'))
    sheets = load(written(tmp_path, text)).sheets
    assert isinstance(sheets, IppSection)
    assert (sheets.ca, sheets.fingerprint) == (None, pin)


def test_the_copy_guard_of_the_configuration_or_of_the_resolution(tmp_path: Path) -> None:
    plain = load(written(tmp_path, GOOD)).sheets
    assert guard_style(plain) == STYLES[203]
    style = guard_style(load(written(tmp_path, GOOD.replace(SHEETS, SHEETS + GUARD))).sheets)
    assert (style.ground, style.letters, style.halo) == ((1, 4), (3, 11), 3)
    assert style.text == STYLES[203].text


def sheets_with(more: str) -> str:
    return GOOD.replace(SHEETS, SHEETS + more)


@pytest.mark.parametrize("printer", [SHEETS, IPP])
def test_a_page_may_take_as_long_as_the_page_on_configuration_says(
    printer: str, tmp_path: Path
) -> None:
    table = (ROOT / "docs/configuration.md").read_text("utf-8")
    told = re.findall(r"^\| `page_deadline_s` \|.* at most (\d+) \|", table, re.M)
    assert len(told) == 3 and len(set(told)) == 1, (
        "two kinds of sheet printer, and one for receipts"
    )
    longest = int(told[0])
    text = GOOD.replace(SHEETS, printer + f"\npage_deadline_s = {longest}")
    text = text.replace("width = 576", f"width = 576\npage_deadline_s = {longest}")
    config = load(written(tmp_path, text))
    assert config.sheets.page_deadline_s == config.receipts.page_deadline_s == longest
    assert longest < (SPECS[State.PRINTING].limit_s or 0), "the journey waits longer than a page"
    for given in re.findall(f"page_deadline_s = {longest}", text):
        with pytest.raises(ConfigError, match="page_deadline_s"):
            load(written(tmp_path, text.replace(given, f"page_deadline_s = {longest + 1}")))


WIDTH = "width = 576"


def receipts_with(more: str) -> str:
    return GOOD.replace(WIDTH, more)


def test_the_profile_of_a_model_has_its_width(tmp_path: Path) -> None:
    config = load(written(tmp_path, receipts_with('profile = "TM-T20II"')))
    assert (config.receipts.profile, config.receipts.width) == ("TM-T20II", 576)
    again = load(written(tmp_path, receipts_with(f'profile = "TM-T20II"\n{WIDTH}')))
    assert again.receipts == config.receipts
    assert load(written(tmp_path, GOOD)).receipts.profile == "", "none is needed"


def test_a_profile_that_knows_no_width_leaves_it_to_the_configuration(tmp_path: Path) -> None:
    sheets = load(written(tmp_path, sheets_with('\nprofile = "default"'))).sheets
    assert (sheets.profile, sheets.width) == ("default", 1664)


def test_a_configuration_with_a_profile_imports_no_printer_library(tmp_path: Path) -> None:
    """It would leave a folder behind in every process of the kiosk."""
    path, temporary = written(tmp_path, receipts_with('profile = "TM-T20II"')), tmp_path / "tmp"
    temporary.mkdir()
    program = (
        "import sys; from pathlib import Path; from firmware.service.config import load; "
        "from firmware.service import resident, supervisor; "
        "from firmware.service.devices import printer; "
        f"receipts = load(Path({str(path)!r})).receipts; "
        "assert receipts.width == 576; printer('receipts', receipts).close(); "
        "sys.exit('escpos' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "TMPDIR": str(temporary)}, check=False
    )
    assert done.returncode == 0
    assert list(temporary.iterdir()) == []


MISTAKES = {
    "a model nobody knows": (receipts_with('profile = "TM-T88VI"'), "near it: TM-T88V, TM-T88IV"),
    "no model at all": (receipts_with('profile = "???"'), "there are CT-S651, default, KR-306"),
    "a model without a cutter": (receipts_with('profile = "NT-5890K"'), "has no cutter"),
    "a model that draws no dots": (receipts_with('profile = "TM-U220"'), "no raster images"),
    "a width that is not the model's": (
        receipts_with('profile = "TM-T88V"\nwidth = 576'),
        "width: 576 dots, but profile 'TM-T88V' has 512",
    ),
    "neither width nor model": (receipts_with(""), "width: the dots across"),
    "a model that knows no width": (receipts_with('profile = "default"'), "width: the dots across"),
    "the height of a page": (sheets_with("\nheight = 2339"), "height"),
    "the height of a slip": (GOOD.replace("width = 576", "width = 576\nheight = 900"), "height"),
    "both sides by ESC/POS": (
        sheets_with("\nduplex = true"),
        "duplex: ESC/POS printers print on one side",
    ),
    "too coarse for the code": (sheets_with("\ndpi = 180"), "$.sheets.dpi"),
    "a receipt has no copy guard": (GOOD + GUARD.replace("sheets", "receipts"), "guard"),
    "dots that touch": (sheets_with(GUARD.replace("[1, 4]", "[1, 1]")), "$.sheets.guard"),
    "letters finer than the ground": (
        sheets_with(GUARD.replace("[3, 11]", "[1, 4]")),
        "larger than",
    ),
    "two tints": (sheets_with(GUARD.replace("[3, 11]", "[3, 8]")), "nearly one tint"),
    "too faint": (sheets_with(GUARD.replace("[1, 4]", "[1, 9]")), "ground: a tint of 0.6 %"),
    "too dark": (sheets_with(GUARD.replace("[1, 4]", "[2, 4]")), "ground: a tint of 12.5 %"),
    "not a pair": (sheets_with(GUARD.replace("[1, 4]", "[1]")), "$.sheets.guard.ground"),
    "a dot of no size": (sheets_with(GUARD.replace("[1, 4]", "[0, 4]")), "ground: a dot"),
    "no halo": (sheets_with(GUARD.replace("halo = 3", "halo = 0")), "$.sheets.guard.halo"),
    "ipps without its certificate": (GOOD.replace(SHEETS, IPP.replace("ca =", "# ca =")), "ca: "),
    "ipps with two pins": (GOOD.replace(SHEETS, f'{IPP}\nfingerprint = "{"ab" * 32}"'), "ca: "),
    "no fingerprint": (
        GOOD.replace(SHEETS, IPP.replace('ca = "keys/printer.pem"', 'fingerprint = "12:34"')),
        "$.sheets.fingerprint",
    ),
    "ipp with a certificate": (GOOD.replace(SHEETS, IPP.replace("ipps:", "ipp:")), "ca: "),
    "no address of IPP": (GOOD.replace(SHEETS, IPP.replace("ipps:", "http:")), "$.sheets.address"),
    "unknown key": (GOOD.replace('id = "kiosk-1"', 'id = "kiosk-1"\nsimulate = true'), "simulate"),
    "unknown section": (GOOD + "\n[simulation]\n", "simulation"),
    "unknown driver": (
        GOOD.replace('"alsa"', '"none"'),
        "'none' is none of alsa",
    ),
    "another word": (GOOD.replace("[kiosk]", '[kiosk]\nlog = "loud"'), "(one of: debug, info,"),
    "key of another driver": (
        GOOD.replace('driver = "vpcd"', 'driver = "vpcd"\nreader = "x"'),
        "reader",
    ),
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


def test_a_slow_board_gives_its_browser_more_time(tmp_path: Path) -> None:
    patient = GOOD.replace("[panel]", "[panel]\npatience = 30.0")
    limits = load(written(tmp_path, patient)).panel.limits
    assert limits == {stage: 30 * seconds for stage, seconds in LIMITS.items()}
    assert load(written(tmp_path, GOOD)).panel.limits == LIMITS


def test_every_page_of_the_kiosk_is_given_that_time() -> None:
    calls = [
        ast.unparse(node)
        for path in Path(firmware.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "WebPanel"
    ]
    assert calls and all("panel.limits" in call for call in calls)
