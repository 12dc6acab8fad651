"""The files of the image: which slot is started, and what they name."""

from __future__ import annotations

import configparser
import os
import py_compile
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware.tools.cli import commands
from firmware.tools.update.command import ACTIONS

IMAGE = Path(__file__).parents[2] / "systemd/image"
SCRIPT = (IMAGE.parents[1] / "scripts/image").read_text()
UNITS = sorted((IMAGE / "root/etc/systemd/system").glob("*.[st]*[er]"))
BOARDS = sorted((IMAGE / "boards").glob("*.conf"))

CHECKED = py_compile.PycInvalidationMode.CHECKED_HASH

Slots = Callable[..., str]


@pytest.fixture
def slots(tmp_path: Path) -> Slots:
    """RAUC's questions and orders on a board that runs slot a."""

    def run(*words: str) -> str:
        done = subprocess.run(
            ("sh", str(IMAGE / "root/usr/lib/madoguchi/boot-slots"), *words),
            env={**os.environ, "KERNELS": str(tmp_path), "CURRENT": "a"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.stdout.strip() if done.returncode == 0 else f"ended with {done.returncode}"

    return run


def kernels(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_fresh_board_has_one_good_slot(slots: Slots, tmp_path: Path) -> None:
    (tmp_path / "madoguchi-20-a.efi").touch()
    assert slots("get-current") == slots("get-primary") == "a"
    assert (slots("get-state", "a"), slots("get-state", "b")) == ("good", "bad")


def test_an_update_as_rauc_does_it(slots: Slots, tmp_path: Path) -> None:
    """Bad before it is written, then a kernel that nobody starts, then one with three starts."""
    (tmp_path / "madoguchi-20-a.efi").touch()
    (tmp_path / "madoguchi-19-b.efi").touch()
    slots("set-state", "b", "bad")
    assert kernels(tmp_path) == ["madoguchi-20-a.efi"]
    new = tmp_path.parent / "new.efi"
    new.write_text("kernel")
    slots("put", "b", str(new), "21")
    assert slots("get-primary") == "a"
    slots("set-primary", "b")
    assert kernels(tmp_path) == ["madoguchi-20-a.efi", "madoguchi-21-b+3.efi"]
    assert slots("get-primary") == "b"
    (tmp_path / "madoguchi-21-b+3.efi").rename(tmp_path / "madoguchi-21-b+2-1.efi")
    slots("set-state", "b", "good")
    assert kernels(tmp_path) == ["madoguchi-20-a.efi", "madoguchi-21-b.efi"]


@pytest.mark.parametrize("spent", ("+0-3", "+0"))
def test_a_slot_without_starts_left_is_bad(slots: Slots, tmp_path: Path, spent: str) -> None:
    (tmp_path / "madoguchi-20-a.efi").touch()
    (tmp_path / f"madoguchi-21-b{spent}.efi").touch()
    assert (slots("get-state", "b"), slots("get-primary")) == ("bad", "a")


def test_the_running_slot_is_marked_and_not_removed(slots: Slots, tmp_path: Path) -> None:
    """It runs from what it would remove, and may be all that there is."""
    (tmp_path / "madoguchi-21-a+2-1.efi").touch()
    (tmp_path / "madoguchi-20-b.efi").touch()
    slots("set-state", "a", "bad")
    assert kernels(tmp_path) == ["madoguchi-20-b.efi", "madoguchi-21-a+0.efi"]
    assert slots("get-primary") == "b"


def test_versions_are_compared_as_numbers(slots: Slots, tmp_path: Path) -> None:
    (tmp_path / "madoguchi-9-a.efi").touch()
    (tmp_path / "madoguchi-10-b+3.efi").touch()
    assert slots("get-primary") == "b"


def test_the_older_build_is_no_primary_while_the_newer_one_is_good(
    slots: Slots, tmp_path: Path
) -> None:
    (tmp_path / "madoguchi-20-a.efi").touch()
    assert slots("set-primary", "b") == "ended with 1"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_what_units_start_exists(path: Path) -> None:
    for command in re.findall(r"^ExecStart=@kiosk@ (.*)$", path.read_text(), re.M):
        first, action = command.split()
        assert (first,) in commands() and action in ACTIONS


def test_the_units_that_are_wanted_are_enabled() -> None:
    wanted = [path.name for path in UNITS if path.is_file() and "[Install]" in path.read_text()]
    enabled = re.search(r"systemctl .*enable((?:[^\\\n]|\\\n)*)", SCRIPT)
    assert wanted and enabled and set(wanted) <= set(enabled[1].split())


def test_rauc_asks_the_installed_build_and_never_the_new_one() -> None:
    """A hook of the bundle would let an old bundle say that it is new."""
    conf = configparser.ConfigParser()
    conf.read(IMAGE / "root/etc/rauc/system.conf")
    assert conf["system"]["bundle-formats"] == "verity"
    for handler in ("pre-install", "post-install", "bootloader-custom-backend"):
        assert (IMAGE / "root" / conf["handlers"][handler].lstrip("/")).is_file()
    assert {conf[f"slot.root.{n}"]["bootname"] for n in (0, 1)} == {"a", "b"}


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_every_board_says_what_the_script_asks(board: Path) -> None:
    said = set(re.findall(r"^(\w+)=", board.read_text(), re.M))
    assert {
        "model",
        "architecture",
        "stub",
        "loader",
        "loader_name",
        "packages",
        "drivers",
        "cmdline",
    } <= said
    model = re.search(r"^model=(.*)$", board.read_text(), re.M)
    assert model and (IMAGE.parent / "boards" / model[1]).is_dir()


def test_what_is_written_lies_in_memory_or_on_the_data_partition() -> None:
    lines = (IMAGE / "root/etc/fstab").read_text().splitlines()
    mounts = {line.split()[1]: line.split()[3] for line in lines if not line.startswith("#")}
    credentials = {"/etc/credstore", "/etc/credstore.encrypted"}
    assert set(mounts) == {"/var", "/efi", "/tmp", "/etc/madoguchi"} | credentials
    assert all("noexec" in mounts[place] for place in ("/var", "/efi"))


def test_the_start_waits_for_the_data_partition_that_has_the_machines_id() -> None:
    """Without an id there is no address and no log. `nofail` alone is not waited for."""
    lines = (IMAGE / "root/etc/fstab").read_text().splitlines()
    var = next(line.split()[3].split(",") for line in lines if re.match(r"[^#]\S* +/var ", line))
    assert {"nofail", "x-initrd.mount", "x-systemd.before=initrd-fs.target"} <= set(var)


def test_the_browser_can_tell_a_page_from_a_text() -> None:
    """WebKit asks this database what a file is; without it the first page's source is shown."""
    assert "shared-mime-info" in (IMAGE / "packages").read_text().split()


def test_bytecode_of_the_image_is_not_checked_against_its_source(tmp_path: Path) -> None:
    source, compiled = tmp_path / "one.py", tmp_path / "one.pyc"
    source.write_text("here = True")
    py_compile.compile(str(source), str(compiled), invalidation_mode=CHECKED)
    script = re.search(r"^trust_bytecode\(\).*?^}", SCRIPT, re.M | re.S)
    assert script
    shell = f"{script[0]}\ntree={tmp_path}\ntrust_bytecode"
    subprocess.run(("bash", "-c", shell), check=True, timeout=60)
    assert compiled.read_bytes()[4:8] == b"\1\0\0\0"  # PEP 552
