"""The stand-in for systemd-boot, and the judge of a fleet: both against what others say."""

from __future__ import annotations

import json
import shutil
import sqlite3
import struct
import subprocess
from pathlib import Path

import pytest
from fleet import boot_stand_in, fleet_judge


def kernel(folder: Path, name: str, version: str, slot: str = "a") -> Path:
    """As much of a PE file as has sections."""
    parts = {
        b".osrel": f"ID=debian\nIMAGE_VERSION={version}\n".encode(),
        b".cmdline": f"roothash=ab12 rauc.slot={slot} quiet".encode(),
    }
    at, rows, body = 0x200, b"", b""
    for section, content in parts.items():
        sizes = struct.pack("<IIII", len(content), 0x1000, 512, at + len(body))
        rows += section.ljust(8, b"\0") + sizes + bytes(16)
        body += content.ljust(512, b"\0")
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(parts), 0, 0, 0, 0, 0) + rows
    path = folder / name
    path.write_bytes(head.ljust(at, b"\0") + body)
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_is_started_and_its_counter_goes_down_first(tmp_path: Path) -> None:
    kernel(tmp_path, "madoguchi-9-a.efi", "9")
    kernel(tmp_path, "madoguchi-10-b+3.efi", "10", "b")
    for left in ("+2-1", "+1-2", "+0-3"):
        entry = boot_stand_in.start(tmp_path)
        assert (entry.version, entry.slot, entry.root_hash) == ("10", "b", "ab12")
        assert names(tmp_path) == [f"madoguchi-10-b{left}.efi", "madoguchi-9-a.efi"]
    assert boot_stand_in.start(tmp_path).slot == "a", "no start left: after all others"
    assert names(tmp_path) == ["madoguchi-10-b+0-3.efi", "madoguchi-9-a.efi"]


def test_the_version_is_the_one_inside_and_not_the_name(tmp_path: Path) -> None:
    kernel(tmp_path, "madoguchi-99-a.efi", "1")
    kernel(tmp_path, "madoguchi-2-b.efi", "2", "b")
    assert boot_stand_in.start(tmp_path).slot == "b"


def test_what_is_half_written_is_no_kernel(tmp_path: Path) -> None:
    kernel(tmp_path, "a.new", "3")
    with pytest.raises(boot_stand_in.NothingToStart):
        boot_stand_in.start(tmp_path)
    (tmp_path / "damaged.efi").write_bytes(b"MZ" + bytes(100))
    with pytest.raises(ValueError, match="no PE file"):
        boot_stand_in.start(tmp_path)


def test_bad_kernels_alone_are_started_all_the_same(tmp_path: Path) -> None:
    kernel(tmp_path, "madoguchi-1-a+0-3.efi", "1")
    assert boot_stand_in.start(tmp_path).version == "1"
    assert names(tmp_path) == ["madoguchi-1-a+0-3.efi"]


def test_the_product_names_kernels_as_the_stand_in_reads_them(tmp_path: Path) -> None:
    """`boot-slots` of the image lays one down; the stand-in starts it."""
    script = Path(__file__).parents[2] / "systemd/image/root/usr/lib/madoguchi/boot-slots"
    kernels = tmp_path / "kernels"
    kernels.mkdir()
    kernel(kernels, "madoguchi-1-a.efi", "1")
    new = kernel(tmp_path, "new", "2", "b")
    place = {"KERNELS": str(kernels), "CURRENT": "a", "PATH": "/usr/bin:/bin"}
    for words in (("put", "b", str(new), "2"), ("set-primary", "b")):
        subprocess.run(("sh", str(script), *words), env=place, check=True)
    assert boot_stand_in.start(kernels).slot == "b"
    good = ("sh", str(script), "set-state", "b", "good")
    subprocess.run(good, env=place, check=True)
    assert names(kernels) == ["madoguchi-1-a.efi", "madoguchi-2-b.efi"]


def test_the_judge_reads_starts_and_the_citys_database(tmp_path: Path) -> None:
    boots = [
        {"version": "1", "root": "whole"},
        {"version": "1", "ended": 133},
        {"version": "2", "root": "not whole"},
        {"version": "1", "root": "whole"},
    ]
    assert fleet_judge.started(boots) == ["1", "1"]
    assert fleet_judge.refused_roots(boots) == 1
    city = tmp_path / "city.sqlite"
    with sqlite3.connect(city) as wire:
        wire.execute('CREATE TABLE fleet (kiosk, "update")')
        row = ("kiosk-1", json.dumps({"version": "1"}))
        wire.execute("INSERT INTO fleet VALUES (?, ?)", row)
    wire.close()
    assert fleet_judge.fleet(city)["kiosk-1"]["update"] == {"version": "1"}
    assert fleet_judge.wrong({"a": 1}, {"a": 1, "b": 2}) == ["b: None, and must be 2"]


@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs e2fsprogs")
def test_the_judge_reads_a_disk_that_is_off(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "EFI/Linux").mkdir(parents=True)
    kernel(tree / "EFI/Linux", "madoguchi-12-a+2-1.efi", "12")
    (tree / "lib/madoguchi-update").mkdir(parents=True)
    (tree / "lib/madoguchi-update/state.json").write_text('{"floor": "12"}')
    disk = tmp_path / "disk"
    disk.touch()
    with disk.open("r+b") as file:
        file.truncate(4 << 20)
    subprocess.run(("mkfs.ext4", "-q", "-d", str(tree), str(disk)), check=True)
    assert fleet_judge.kernels(disk) == {"12": ("a", "+2-1")}
    assert fleet_judge.notes(disk) == {"floor": "12"}
