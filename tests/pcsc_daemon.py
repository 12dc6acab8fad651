"""A private pcscd with one virtual reader, in a mount and process namespace of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
NAMESPACE = ("unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc")
NAME = "Test PCD 00 00"


def missing() -> str:
    """What keeps these tests from running here, or nothing."""
    wanted = {
        "pcscd": shutil.which("pcscd") is not None,
        "vsmartcard-vpcd": DRIVER.exists(),
        "pyscard": importlib.util.find_spec("smartcard") is not None,
        "root": os.geteuid() == 0,
        "a mount namespace of its own": _succeeds(*NAMESPACE, "true"),
    }
    return ", ".join(what for what, there in wanted.items() if not there)


def _succeeds(*command: str) -> bool:
    return shutil.which(command[0]) is not None and not subprocess.run(command, capture_output=True).returncode


class Daemon:
    """A pcscd with one virtual reader on two ports of its own, whose socket lies in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "run" / "pcscd.comm"
        self.socket.parent.mkdir()
        self.port = _two_free_ports()
        self._config = folder / "reader.conf"
        self._config.write_text(
            f'FRIENDLYNAME "Test PCD"\nDEVICENAME /dev/null:{self.port:#x}\n'
            f"LIBPATH {DRIVER}\nCHANNELID {self.port:#x}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        # the socket's directory is mounted over /run/pcscd: no other daemon on this machine notices
        script = 'mount --bind "$1" /run/pcscd && exec pcscd --foreground -c "$2"'
        Path("/run/pcscd").mkdir(exist_ok=True)
        for leftover in self.socket.parent.iterdir():
            leftover.unlink()
        self._process = subprocess.Popen(
            [*NAMESPACE, "sh", "-c", script, "sh", str(self.socket.parent), str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 10
        while not self.socket.exists():
            assert time.monotonic() < end, "pcscd did not start"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process:
            self._process.kill()  # unshare ignores anything milder; its child dies with it
            self._process.wait()


def _two_free_ports() -> int:
    while True:
        with socket.create_server(("", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                socket.create_server(("", port + 1)).close()
            except OSError:
                continue
            return port
