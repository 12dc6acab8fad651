"""A board as a system container: its own disk, the image's own root and systemd, and no kernel of
its own.

The disk is a file with the image's partitions. `boot_stand_in` chooses the kernel's file; of it
only the command line is used. dm-verity is not in every kernel, so the root is compared with its
tree of hashes as a whole (`veritysetup verify`) each time before it is started.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boot_stand_in
from boot_stand_in import Entry

HERE = Path(__file__).parent
EYES = HERE.parent / "image/board/usr/lib/madoguchi/test-eyes"
REBOOT = 133  # what systemd-nspawn ends with when the container's systemd asks for a reboot
HANG_S = 900.0
BOOTS = 12  # of one power-on; more than any board needs to come to rest
LOOPS = 7  # major number of loop devices
NEEDED = (("loop-control", "c", 10, 237), ("tty", "c", 5, 0))


class BoardError(Exception):
    """One line: what the board did not do."""


def run(*words: object, **more: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)  # type: ignore[call-overload]
    if done.returncode:
        raise BoardError(f"{' '.join(map(str, words))}: {done.stderr.strip() or done.stdout}")
    return str(done.stdout)


class Disk:
    """A board's disk and its partitions, each as a block device of this machine."""

    def __init__(self, image: Path, path: Path) -> None:
        self.path = path
        run("cp", "--sparse=always", image, path)
        self.loops: dict[str, Path] = {}

    def attach(self) -> None:
        table = json.loads(run("sfdisk", "--json", self.path))["partitiontable"]
        size = int(table.get("sectorsize", 512))
        for part in table["partitions"]:
            span = ("-o", part["start"] * size, "--sizelimit", part["size"] * size)
            found = run("losetup", "--find", "--show", *span, self.path)
            self.loops[part["name"]] = Path(found.strip())

    def detach(self) -> None:
        for loop in self.loops.values():
            subprocess.run(("losetup", "-d", loop), check=False)
        self.loops.clear()

    def keep_boot_files_on_ext4(self, folder: Path) -> None:
        """Not every kernel knows FAT: the same files in another file system."""
        run("mcopy", "-s", "-n", "-i", self.loops["esp"], "::*", folder)
        run("mkfs.ext4", "-q", "-F", "-d", folder, self.loops["esp"])


@contextlib.contextmanager
def stick(folder: Path) -> Iterator[Path]:
    """A disk of its own, because RAUC looks for the device that a bundle lies on."""
    disk, mounted = folder / "stick.img", folder / "stick"
    mounted.mkdir()
    run("truncate", "-s", "6G", disk)
    run("mkfs.ext4", "-q", disk)
    run("mount", "-o", "loop", disk, mounted)
    try:
        yield mounted
    finally:
        subprocess.run(("umount", "-l", mounted), check=False)


class Board:
    """`folder`: all that belongs to it. `carried`: what the technician's stick has (/mnt)."""

    def __init__(self, name: str, image: Path, folder: Path, carried: Path, bridge: str) -> None:
        self.name = name
        self.folder = folder
        self.carried = carried
        self.bridge = bridge
        self.coins: Path | None = None  # a pseudo terminal of this machine
        self.boots: list[dict[str, object]] = []
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._life: threading.Thread | None = None
        self._off = threading.Event()
        for each in ("root", "data", "esp", "outside"):
            (folder / each).mkdir(parents=True, exist_ok=True)
        self.disk = Disk(image, folder / "disk.img")
        self.disk.attach()
        (folder / "fat").mkdir()
        self.disk.keep_boot_files_on_ext4(folder / "fat")
        shutil.rmtree(folder / "fat")

    # -- power

    def power_on(self) -> None:
        """It starts, and starts again by itself, until somebody switches it off."""
        self._off.clear()
        for name in ("data", "esp"):
            run("mount", self.disk.loops[name], self.folder / name)
        self._life = threading.Thread(target=self._live, name=self.name, daemon=True)
        self._life.start()

    def power_off(self) -> None:
        """At once: nothing in it hears of it. Never raises."""
        self._off.set()
        if self._nspawn is not None:
            for pid in reversed(_family(self._nspawn.pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if self._life is not None:
            self._life.join(60)
        for name in ("root", "data", "esp"):
            subprocess.run(("umount", "-R", "-l", self.folder / name), capture_output=True)

    def away(self) -> None:
        self.power_off()
        self.disk.detach()

    def _live(self) -> None:
        try:
            for _ in range(BOOTS):
                if self._off.is_set() or not self._boot():
                    return
        except Exception as error:
            self._note(trouble=f"{type(error).__name__}: {error}")
        else:
            self._note(trouble="it does not come to rest")

    def _boot(self) -> bool:
        """One start, until the machine ends. Whether it starts again."""
        entry = boot_stand_in.start(self.folder / "esp/EFI/Linux")
        if not self._is_whole(entry):
            self._note(version=entry.version, slot=entry.slot, root="not whole")
            return True
        root = self.folder / "root"
        run("mount", "-t", "squashfs", "-o", "ro", self.disk.loops[f"root-{entry.slot}"], root)
        try:
            self._hand_over(entry)
            self._note(version=entry.version, slot=entry.slot, root="whole")
            with (self.folder / "console.log").open("ab") as log:
                self._nspawn = subprocess.Popen(
                    self._command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
                ended = self._nspawn.wait()
            self._note(version=entry.version, slot=entry.slot, ended=ended)
        finally:
            subprocess.run(("umount", "-R", "-l", root), capture_output=True)
        return ended == REBOOT

    def _is_whole(self, entry: Entry) -> bool:
        devices = [self.disk.loops[f"{kind}-{entry.slot}"] for kind in ("root", "hash")]
        words = ("veritysetup", "verify", *map(str, devices), entry.root_hash)
        return subprocess.run(words, capture_output=True).returncode == 0

    def _hand_over(self, entry: Entry) -> None:
        outside = self.folder / "outside"
        (outside / "cmdline").write_text(entry.cmdline + "\n")
        numbers = {name: loop.stat().st_rdev for name, loop in self.disk.loops.items()}
        rows = [
            *(f"disk/by-partlabel/{n} b {os.major(d)} {os.minor(d)}" for n, d in numbers.items()),
            *(f"loop{number} b {LOOPS} {number}" for number in range(64)),
            *(" ".join(map(str, row)) for row in NEEDED),
        ]
        (outside / "devices").write_text("\n".join(rows) + "\n")
        shutil.copytree(HERE / "units", outside / "units", dirs_exist_ok=True)
        for path in (HERE / "hand-over", EYES):
            shutil.copy(path, outside / path.name)
        image = (self.folder / "root/etc/rauc/system.conf").read_text()
        (outside / "system.conf").write_text(image.replace("formats=verity", "formats=plain"))

    def _command(self) -> list[str]:
        binds = {
            self.folder / "data": "/var",
            self.folder / "esp": "/efi",
            self.folder / "outside": "/run/outside",
            self.carried: "/mnt",
        }
        if self.coins is not None:
            binds[self.coins.resolve()] = "/dev/ttyUSB0"
        return [
            *("systemd-nspawn", "--quiet", "--directory", str(self.folder / "root")),
            *("--read-only", "--register=no", "--keep-unit", "--private-network"),
            *(f"--network-bridge={self.bridge}", f"--machine={self.name}"),
            *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe"),
            *(f"--bind={here}:{there}" for here, there in binds.items()),
            *("/bin/sh", "/run/outside/hand-over"),
        ]

    def _note(self, **what: object) -> None:
        self.boots.append({"at": round(time.time(), 1), **what})
        (self.folder / "boots.json").write_text(json.dumps(self.boots, indent=1))

    # -- a technician's hands

    def run(self, command: str, seconds: float = HANG_S) -> str:
        """A command of root's on the board: what it says. Raises BoardError."""
        words = ("nsenter", "-t", str(self._leader()), "-m", "-u", "-i", "-n", "-p", "--")
        path = "/opt/madoguchi/current/bin:/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin"
        shell = ("/usr/bin/env", "-i", f"PATH={path}", "HOME=/root", "/bin/sh", "-c", command)
        done = subprocess.run((*words, *shell), capture_output=True, text=True, timeout=seconds)
        said = (done.stdout + done.stderr).strip()
        if done.returncode:
            raise BoardError(f"{self.name}: {command}: ended with {done.returncode}: {said}")
        return said

    def says(self, command: str) -> bool:
        """Whether it went well; also when the board is just starting."""
        try:
            self.run(command)
        except (BoardError, subprocess.TimeoutExpired, OSError):
            return False
        return True

    def pids(self) -> list[int]:
        """All its processes, as this machine numbers them."""
        return _family(self._leader())

    def _leader(self) -> int:
        """The container's PID 1."""
        if self._nspawn is None:
            raise BoardError(f"{self.name}: it is off")
        for pid in _family(self._nspawn.pid):
            with contextlib.suppress(OSError):
                inside = re.search(
                    r"^NSpid:\s+\d+\s+1$", Path(f"/proc/{pid}/status").read_text(), re.M
                )
                comm = Path(f"/proc/{pid}/comm").read_text().strip()
                if inside and comm == "systemd":
                    return pid
        raise BoardError(f"{self.name}: it is just starting")


def _family(pid: int) -> list[int]:
    try:
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(member for child in listed for member in _family(int(child)))]


def until(ready: Callable[[], object], what: str, seconds: float = HANG_S) -> None:
    """Raises BoardError when it never is."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            raise BoardError(f"{what} within {seconds:.0f} s")
        time.sleep(0.5)
