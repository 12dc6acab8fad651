"""A board made of QEMU: firmware, disk, screen, serial lines and a network that only leads here."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

# /dev/kvm may be there and not work; a test must not depend on it. A processor without wide
# registers and without "fast" string moves: these two are what emulation is slowest at.
PROCESSOR = ("-cpu", "Nehalem,+aes,+pclmulqdq,+rdrand")
# The board's time counts its instructions, 4 ns each: on a busy machine it goes slower than ours,
# and whatever the board allows itself or its devices in its own seconds stays the same.
ACCELERATOR = ("-accel", "tcg,thread=single,tb-size=1024", "-icount", "shift=2,sleep=on")
QEMU = ("qemu-system-x86_64", *ACCELERATOR, "-machine", "q35", *PROCESSOR)
FIRMWARE = Path("/usr/share/OVMF")
HANG_S = 900.0  # only a hang takes so long
MEMORY_MIB = 2048
SCREEN = (800, 500)  # each point of it is drawn by the emulated processor


class MachineError(Exception):
    """One line: what the machine did not do."""


class Machine:
    """`folder` keeps its disk, which begins as a copy of `image`, and its firmware's variables.

    `carried`: a second disk, read only. `forwards`: port here to port there. `coins`: a pty.
    """

    def __init__(
        self, folder: Path, image: Path, carried: Path, forwards: dict[int, int], coins: Path
    ) -> None:
        self.folder = folder
        self._carried = carried
        self._forwards = forwards
        self._coins = coins
        self.disk = folder / "disk.qcow2"
        self._process: subprocess.Popen[bytes] | None = None
        self._shell: socket.socket | None = None
        self._said = b""
        folder.mkdir(parents=True, exist_ok=True)
        backing = ("-b", str(image.absolute()), "-F", "raw")
        create = ("qemu-img", "create", "-q", "-f", "qcow2", *backing, str(self.disk))
        subprocess.run(create, check=True)
        shutil.copy(FIRMWARE / "OVMF_VARS_4M.fd", folder / "vars.fd")

    def forwarded(self, there: int) -> int:
        """The port here that leads to that one of the board."""
        return next(here for here, port in self._forwards.items() if port == there)

    def start(self) -> None:
        """Switch it on."""
        for name in ("shell", "qmp"):
            (self.folder / name).unlink(missing_ok=True)
        forwards = "".join(
            f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in self._forwards.items()
        )
        drive = "if=pflash,format=raw,unit={},file={}"
        command = [
            *QEMU,
            *("-smp", "1", "-m", str(MEMORY_MIB), "-display", "none"),
            *("-device", "virtio-vga,xres={},yres={}".format(*SCREEN)),
            *("-drive", drive.format(0, FIRMWARE / "OVMF_CODE_4M.fd") + ",readonly=on"),
            *("-drive", drive.format(1, self.folder / "vars.fd")),
            *("-drive", f"if=virtio,format=qcow2,cache=writeback,file={self.disk}"),
            *("-drive", f"if=virtio,format=raw,readonly=on,file={self._carried}"),
            *("-netdev", f"user,id=n{forwards}", "-device", "virtio-net-pci,netdev=n"),
            *("-device", "qemu-xhci", "-device", "usb-tablet"),
            *("-device", "i6300esb", "-action", "watchdog=reset"),
            *("-serial", f"unix:{self.folder / 'shell'},server=on,wait=off"),
            # On a converter: the firmware takes every serial line of the board for its console.
            *("-chardev", f"serial,id=coins,path={self._coins}"),
            *("-device", "usb-serial,chardev=coins"),
            *("-qmp", f"unix:{self.folder / 'qmp'},server=on,wait=off"),
        ]
        log = (self.folder / "qemu.log").open("ab")
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._connect, "QEMU did not start")

    def cut_power(self) -> None:
        """What is in the machine's memory is gone; what it wrote to the disk is there."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
        self._process = None
        self._leave()

    def run(self, command: str, seconds: float = HANG_S) -> str:
        """A command of the shell on the serial line: what it says. Raises MachineError when it
        does not end well.
        """
        mark = secrets.token_hex(4)
        self._send(f"\n({command}) 2>&1; echo {mark[:4]}''{mark[4:]} $?\n")
        pattern = re.compile(rb"(.*?)" + mark.encode() + rb" (\d+)", re.S)
        found = self._wait(pattern, seconds, command)
        said = found[1].decode("utf-8", "replace").replace("\r", "")
        said = said.split(f"{mark[4:]} $?\n", 1)[-1].strip()  # behind the terminal's echo
        if found[2] != b"0":
            raise MachineError(f"{command}: ended with {found[2].decode()}: {said}")
        return said

    def booted(self, seconds: float = HANG_S) -> None:
        """Wait for the shell. Nothing may be typed before: the firmware would take it."""
        self._wait(re.compile(b"the shell is ready"), seconds, "the start")
        self.run("stty -echo")

    def picture(self, path: Path) -> Image.Image:
        """What is on the screen now."""
        raw = path.with_suffix(".ppm")
        self.qmp("screendump", filename=str(raw.absolute()))
        until(raw.exists, "no picture of the screen")
        picture = Image.open(raw).convert("RGB")
        picture.save(path)
        raw.unlink()
        return picture

    def qmp(self, command: str, **arguments: object) -> None:
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(60)
            wire.connect(str(self.folder / "qmp"))
            lines = wire.makefile("rw")
            lines.readline()
            for sent in (
                {"execute": "qmp_capabilities"},
                {"execute": command, "arguments": arguments},
            ):
                lines.write(json.dumps(sent) + "\n")
                lines.flush()
                while "return" not in (answer := json.loads(lines.readline())):
                    if "error" in answer:
                        raise MachineError(f"{command}: {answer['error']}")

    def _connect(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            said = (self.folder / "qemu.log").read_text("utf-8", "replace").strip()
            raise MachineError(f"QEMU ended: {said}")
        self._said = b""
        self._shell = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(OSError):
            self._shell.connect(str(self.folder / "shell"))
            return True
        self._leave()
        return False

    def _leave(self) -> None:
        if self._shell is not None:
            self._shell.close()
        self._shell = None

    def _send(self, text: str) -> None:
        if self._shell is None:
            raise MachineError("it is off")
        self._shell.settimeout(60)
        self._shell.sendall(text.encode())

    def _wait(self, pattern: re.Pattern[bytes], seconds: float, what: str) -> re.Match[bytes]:
        end = time.monotonic() + seconds
        while not (found := pattern.search(self._said)):
            left = end - time.monotonic()
            if left <= 0 or self._shell is None:
                raise MachineError(f"{what}: no answer within {seconds:.0f} s")
            self._shell.settimeout(left)
            with contextlib.suppress(TimeoutError):
                data = self._shell.recv(65536)
                if not data:
                    raise MachineError("the machine ended")
                (self.folder / "serial.log").open("ab").write(data)
                self._said += data
        self._said = self._said[found.end() :]
        return found


def until(ready: Callable[[], object], what: str, seconds: float = HANG_S) -> None:
    """Raises MachineError when it never is."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise MachineError(f"{what} within {seconds:.0f} s")
        time.sleep(0.2)
