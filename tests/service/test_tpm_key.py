"""The key of the line, sealed by a TPM: swtpm stands for the chip, systemd-creds is the real
one.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography import x509

from firmware.service import line_key
from firmware.service.line_key import ProvisionError, is_sealed_by_tpm, make_or_find

Chip = Callable[[str], None]
WAIT_S = 60.0


@pytest.fixture
def chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Chip]:
    """`chip(name)` puts this one into the board; the same name is the same chip."""
    missing = [tool for tool in ("swtpm", line_key.CREDS) if not shutil.which(tool)]
    if missing:
        (pytest.fail if os.environ.get("NOTHING_MISSING") else pytest.skip)(f"no {missing}")
    running: list[subprocess.Popen[bytes]] = []

    def put(name: str) -> None:
        for old in running:
            old.kill()
            old.wait()
        folder = tmp_path / f"chip-{name}"
        folder.mkdir(exist_ok=True)
        sock, control = folder / "sock", folder / "sock.ctrl"  # as the library looks for them
        for each in (sock, control):
            each.unlink(missing_ok=True)
        running[:] = [
            subprocess.Popen(
                (
                    *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}"),
                    *("--server", f"type=unixio,path={sock}"),
                    *("--ctrl", f"type=unixio,path={control}"),
                    *("--flags", "not-need-init,startup-clear"),
                )
            )
        ]
        end = time.monotonic() + WAIT_S
        while not _answers(control) and time.monotonic() < end:
            time.sleep(0.02)
        monkeypatch.setenv("SYSTEMD_TPM2_DEVICE", f"swtpm:path={sock}")

    yield put
    for each in running:
        each.kill()
        each.wait()


def _answers(control: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(str(control))
        except OSError:
            return False
    return True


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / line_key.SEALED / "madoguchi-line-sealed.key"


def test_only_the_board_that_made_it_can_open_it(chip: Chip, key: Path) -> None:
    chip("ours")
    made = make_or_find(key, tpm=True)
    assert is_sealed_by_tpm(key)
    assert b"PRIVATE KEY" not in key.read_bytes()
    asked = x509.load_pem_x509_csr(line_key.request("kiosk-1", made))
    chip("ours")  # the power was off
    assert make_or_find(key, tpm=True).public_key() == made.public_key() == asked.public_key()
    chip("another")
    with pytest.raises(ProvisionError, match="decrypt"):
        make_or_find(key, tpm=True)


def test_a_tpm_that_is_there_is_used_unasked(
    chip: Chip, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chip("ours")
    monkeypatch.setattr(line_key, "TPM", tmp_path)
    make_or_find(key)
    assert is_sealed_by_tpm(key)


def test_without_a_tpm_no_key_is_made(
    chip: Chip, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSTEMD_TPM2_DEVICE", "swtpm:path=/nowhere")
    with pytest.raises(ProvisionError, match="encrypt"):
        make_or_find(key, tpm=True)
    assert not key.exists()


def test_a_key_that_lies_in_the_clear_is_not_taken_for_a_sealed_one(tmp_path: Path) -> None:
    with pytest.raises(ProvisionError, match=r"not in a folder credstore\.encrypted"):
        make_or_find(tmp_path / "credstore/madoguchi-line.key", tpm=True)


@pytest.mark.parametrize("content", [b"", b"Whxqht+dQJax1aZeCGLxmiAAAAA=", b"\xff\n-----BEGIN"])
def test_one_that_was_sealed_otherwise_is_named(key: Path, content: bytes) -> None:
    key.parent.mkdir()
    key.write_bytes(content)
    with pytest.raises(ProvisionError, match="was not sealed by the TPM"):
        make_or_find(key, tpm=True)
