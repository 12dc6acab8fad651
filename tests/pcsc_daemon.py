"""A private pcscd with virtual readers, in a mount and process namespace of its own."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

DRIVER = Path("/usr/lib/pcsc/drivers/serial/libifdvpcd.so")
TROUBLE = Path(__file__).parent / "pcsc_reader.c"
NAMESPACE = ("unshare", "-m", "-p", "-f", "--kill-child", "--mount-proc")
NAME, OTHER = "Test PCD 00 00", "Test PCD 00 01"


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
    return (
        shutil.which(command[0]) is not None
        and not subprocess.run(command, capture_output=True).returncode
    )


@functools.cache
def _socket_folder() -> tempfile.TemporaryDirectory[str]:
    """One for the whole process: libpcsclite asks the environment once and keeps the answer."""
    return tempfile.TemporaryDirectory(prefix="pcscd-")


class Daemon:
    """A pcscd with two virtual readers on ports of their own, one daemon at a time.

    The readers, NAME and OTHER, are two slots of one driver: it has no more. `trouble` needs a C
    compiler.
    """

    def __init__(self, folder: Path) -> None:
        self.socket = Path(_socket_folder().name) / "pcscd.comm"
        self.port = _two_free_ports()
        self.other_port = self.port + 1
        self._folder = folder
        self._config = folder / "reader.conf"
        self._process: subprocess.Popen[bytes] | None = None
        self._driver = _troubled_driver(folder) if shutil.which("gcc") else DRIVER
        self.configure()

    def configure(self, readers: bool = True) -> None:
        """With the readers or without, from the next start."""
        port = f"{self.port:#x}"
        text = (
            f'FRIENDLYNAME "Test PCD"\nDEVICENAME /dev/null:{port}\n'
            f"LIBPATH {self._driver}\nCHANNELID {port}\n"
        )
        self._config.write_text(text if readers else "")

    def trouble(self, name: str, there: bool = True) -> None:
        """`unplugged`: no answer from the readers. `mute`: no card starts. `deaf`: every exchange
        fails.
        """
        flag = self._folder / name
        flag.touch() if there else flag.unlink(missing_ok=True)

    @property
    def pid(self) -> int:
        """pcscd's own, as seen from outside."""
        assert self._process
        pid = self._process.pid
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

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
        """As a crash: nothing is put in order."""
        if self._process:
            self._process.kill()  # unshare ignores anything milder; its child dies with it
            self._process.wait()

    def shut_down(self) -> None:
        """As an administrator's restart."""
        assert self._process
        os.kill(self.pid, signal.SIGTERM)
        self._process.wait()

    def freeze(self) -> None:
        """Returns when every thread has stopped: until then one of them may still answer."""
        os.kill(self.pid, signal.SIGSTOP)
        threads = Path(f"/proc/{self.pid}/task")
        while any(_state(thread) != "T" for thread in threads.iterdir()):
            time.sleep(0.001)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def threads(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/task").iterdir()))

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


def _state(thread: Path) -> str:
    """As in proc(5): "T" is stopped by a signal."""
    return (thread / "stat").read_text().rpartition(")")[2].split()[0]


def _troubled_driver(folder: Path) -> Path:
    made = folder / "reader.so"
    (folder / f"{DRIVER.name}.0").symlink_to(
        DRIVER
    )  # the name it calls itself, which Debian does not install
    names = [f'-D{name}="{path}"' for name, path in {"FOLDER": folder, "DRIVER": DRIVER}.items()]
    linked = [f"-Wl,--no-as-needed,-rpath={folder}", str(DRIVER)]
    subprocess.run(
        ["gcc", "-shared", "-fPIC", *names, str(TROUBLE), "-o", str(made), *linked], check=True
    )
    return made


def _two_free_ports() -> int:
    while True:
        with socket.create_server(("", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                socket.create_server(("", port + 1)).close()
            except OSError:
                continue
            return port
