"""Kernel drivers, device names and rights of a board: the files beside the units."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "systemd"
RULES = sorted(HERE.glob("**/*.rules"))
BOARDS = sorted(path for path in (HERE / "boards").iterdir() if path.is_dir())
# Groups of character devices that every kernel of a board has before any unit starts.
BUILT_IN = {"ttyS", "ttyAMA", "tty", "input", "usb_device", "fb"}
# The module that registers the group, where it is one that may be loaded late.
MODULE = {
    "ttyUSB": "usbserial",
    "ttyACM": "cdc_acm",
    "usb": "usblp",
    "alsa": "snd",
    "drm": "drm",
}
# udev(7): what our rules use, and how
TOKEN = re.compile(
    r'(?:(?:ACTION|SUBSYSTEMS?|KERNEL|KERNELS|ENV\{\w+\}|ATTRS?\{[\w/]+\}|TAG)(?:==|!=)"[^"]+"'
    r'|(?:GROUP|MODE|ENV\{\w+\}|ATTR\{[\w/]+\}|IMPORT\{builtin\})="[^"]+"'
    r'|(?:SYMLINK|TAG)\+="[^"]+")'
)


def lines(path: Path) -> list[str]:
    """Without comments."""
    return [line for line in path.read_text().splitlines() if line and line[0] not in "#/"]


def test_what_a_unit_allows_is_loaded_before_it_starts() -> None:
    """DeviceAllow=char-NAME of a driver that comes later allows nothing."""
    units = [*HERE.glob("**/*.service"), *HERE.glob("**/*.conf")]
    allowed = {
        group
        for unit in units
        for group in re.findall(r"^DeviceAllow=char-(\S+)", unit.read_text(), re.M)
    }
    assert len(allowed) > 6
    loaded = set(lines(HERE / "madoguchi.modules-load"))
    assert {MODULE[group] for group in allowed - BUILT_IN} == loaded


def test_nfc_drivers_of_the_kernel_leave_the_readers_to_pcscd() -> None:
    """Whoever forgets the last one of a stack has forgotten all of them."""
    text = (HERE / "madoguchi.modprobe").read_text()
    kept = set(re.findall(r"^blacklist (\S+)$", text, re.M))
    assert kept == {"nfc", "pn533", "pn533_usb", "port100"}
    assert set(re.findall(r"^install (\S+) /bin/false$", text, re.M)) == {"pn533_usb", "port100"}
    others = [line for line in lines(HERE / "madoguchi.modprobe") if line.split()[1] not in kept]
    assert others == []


def test_the_kiosks_user_may_use_a_reader_and_nobody_else() -> None:
    rule = (HERE / "madoguchi.polkit").read_text()
    user = re.search(r"^User=(\S+)", (HERE / "madoguchi-kiosk.service").read_text(), re.M)
    assert user and f'subject.user === "{user[1]}"' in rule
    assert {"access_pcsc", "access_card"} == set(re.findall(r"pcsc-lite\.(\w+)", rule))
    if node := shutil.which("node"):
        told = 'const polkit={addRule:f=>{r=f},Result:{YES:"yes"}};let r;' + rule
        asks = (
            'const a=(id,user)=>r({id},{user})||"-";'
            'console.log(a("org.debian.pcsc-lite.access_card","madoguchi"),'
            'a("org.debian.pcsc-lite.access_card","other"),a("org.x.y","madoguchi"))'
        )
        done = subprocess.run(
            [node, "-e", told + asks], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout.split() == ["yes", "-", "-"]


def test_pcscd_sees_who_asks() -> None:
    """Where it asks polkit, a client that is invisible in /proc is refused."""
    drop_in = (HERE / "pcscd.service.d/madoguchi.conf").read_text()
    assert "ProtectProc=default" in lines(HERE / "pcscd.service.d/madoguchi.conf")
    assert "ProcSubset" not in drop_in


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_udev_rules_are_well_formed(path: Path) -> None:
    for line in lines(path):
        assert all(TOKEN.fullmatch(token) for token in line.split(", ")), line
    if shutil.which("udevadm"):
        known = subprocess.run(
            ["udevadm", "verify", "--help"], capture_output=True, timeout=120, check=False
        )
        if known.returncode == 0:  # from systemd 254 on
            done = subprocess.run(
                ["udevadm", "verify", "--no-summary", str(path)],
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, "")


def test_what_a_rule_looks_at_is_known_by_then() -> None:
    """Rules run in the order of their files' names. `50-udev-default.rules` has told what a USB
    device is; the bus of a serial line is told by `60-serial.rules`, which comes after ours.
    """
    for line in lines(HERE / "60-madoguchi.rules"):
        for name in re.findall(r"ENV\{(\w+)\}==", line):
            usb_device = 'SUBSYSTEM=="usb"' in line and name == "ID_USB_INTERFACES"
            assert usb_device or name == "ID_PATH", line
    assert 'SUBSYSTEM=="tty", SUBSYSTEMS=="usb", ENV{ID_MM_DEVICE_IGNORE}="1"' in lines(
        HERE / "60-madoguchi.rules"
    )


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.name)
def test_every_board_names_its_sockets_and_no_number(board: Path) -> None:
    rules = lines(board / "61-madoguchi-board.rules")
    named = {name for line in rules for name in re.findall(r'SYMLINK\+="madoguchi/(\w+)"', line)}
    assert {"coins", "receipts", "sheets", "cashless"} <= named
    for line in rules:
        assert "ID_PATH" in line or "ttyAMA" in line
        assert not re.search(r"tty(?:USB|ACM)\d|lp\d", line)


def test_every_file_is_installed_where_its_first_line_says() -> None:
    """A drop-in that is a choice (chromium.conf) is left to whoever chooses; `image` is laid into
    a disk image by scripts/image.
    """
    install = (HERE.parent / "scripts/install").read_text()
    goes = dict(re.findall(r"^(\S+) +((?:etc|usr)/\S+)$", install, re.M))
    wanted = {
        str(path.relative_to(HERE))
        for path in HERE.rglob("*")
        if path.is_file()
        and path.parent.name not in ("madoguchi-panel.service.d", "__pycache__")
        and path.relative_to(HERE).parts[0] != "image"
    }
    boards = {name for name in wanted if name.startswith("boards/")}
    names = {Path(name).name for name in boards}
    assert wanted - boards == {name for name in goes if name not in names}
    for name in wanted - boards:
        if told := re.search(rb"^(?:#|//) to (\S+)", (HERE / name).read_bytes()):
            assert f"/{goes[name]}".startswith(told[1].decode()), name
    for board in BOARDS:
        told = (board / "README.md").read_text()
        assert all(f"`{each.name}`" in told for each in board.iterdir() if each.suffix != ".md")
