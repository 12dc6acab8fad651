"""The key to the panel's wire: the browser's user can read it, and nobody else."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from firmware.service.panel_key import hand_over, key_file, read, require_folder

SOMEBODY = 54_321  # a group of nobody here


def test_each_process_has_a_key_of_its_own(tmp_path: Path) -> None:
    require_folder(tmp_path)
    first = hand_over(tmp_path)
    assert read(tmp_path) == first
    second = hand_over(tmp_path)
    assert read(tmp_path) == second != first
    assert len(second) >= 40
    assert [path.name for path in key_file(tmp_path).parent.iterdir()] == ["key"]


def test_no_key_before_anybody_serves(tmp_path: Path) -> None:
    assert read(tmp_path) == ""


def test_whatever_the_umask_the_group_reads_and_others_do_not(tmp_path: Path) -> None:
    require_folder(tmp_path)
    before = os.umask(0o077)
    try:
        hand_over(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(key_file(tmp_path).stat().st_mode) == 0o640
    assert key_file(tmp_path).parent.stat().st_mode & 0o007 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another group")
def test_the_folder_of_a_board_gives_the_key_to_the_browsers_group(tmp_path: Path) -> None:
    """As systemd/madoguchi.tmpfiles makes it."""
    folder = key_file(tmp_path).parent
    folder.mkdir()
    os.chown(folder, -1, SOMEBODY)
    folder.chmod(0o2750)
    require_folder(tmp_path)
    hand_over(tmp_path)
    assert key_file(tmp_path).stat().st_gid == SOMEBODY


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        require_folder(tmp_path / "file")
