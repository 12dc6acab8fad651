"""A board with two slots. `kiosk update` and the image's `boot-slots` are the real ones; in the
places of RAUC, systemd and systemd-boot stands as much as they do of an update.

Everything that a power cut leaves lies in one folder: another object on that folder is the same
board.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest.mock import patch

from msgspec.structs import asdict

from firmware.link.build_version import numbers
from firmware.link.messages import UpdateReport
from firmware.service import status, update_state
from firmware.service.cases import create_journal, journal_path, journal_was_made
from firmware.service.entry import NewEntry, new_entry
from firmware.service.image_build import FILE, ImageBuild
from firmware.service.journal import VERSION, Journal
from firmware.service.status import Availability, Report, Status, Tally
from firmware.service.update_state import UpdateState
from firmware.tools.update import board, command
from firmware.tools.update.trial import JOURNEYS, STARTS

BOOT_SLOTS: Final = Path(__file__).parents[1] / "systemd/image/root/usr/lib/madoguchi/boot-slots"
MODEL: Final = "x86-64"
KERNEL: Final = re.compile(r"madoguchi-([\d.]+)-([ab])(?:\+(\d+)(?:-(\d+))?)?\.efi")
PIECES: Final = 4  # in which a root is written
BOOTS: Final = 12  # more than any board needs to come to rest


@dataclass(frozen=True)
class Build:
    """`starts`: its kernel comes as far as the gate. `wrong`: what its diagnosis finds NG. `dies`:
    its service ends again and again once somebody is served.
    """

    version: str
    starts: bool = True
    screen: bool = True
    wrong: tuple[str, ...] = ()
    dies: bool = False
    model: str = MODEL
    journal: int = VERSION
    key: bytes = b"the city's"

    @property
    def root(self) -> bytes:
        return f"root of {self.version} ".encode() * 8

    @property
    def image(self) -> ImageBuild:
        return ImageBuild(self.model, self.version, f"0.1.0+g{self.version}", self.journal)

    def kernel(self) -> str:
        return hashlib.sha256(self.root).hexdigest()

    def bundle(self, folder: Path, named: str = MODEL) -> None:
        """As a bundle that RAUC has mounted: a folder, with a signature over all of it."""
        place = folder / f"madoguchi-{named}-{self.version}.raucb"
        place.mkdir(parents=True)
        (place / FILE).write_text(json.dumps(asdict(self.image)))
        (place / "root.img").write_bytes(self.root)
        (place / "kernel.efi").write_text(self.kernel())
        (place / "signature").write_bytes(signature(place, self.key))


def signature(bundle: Path, key: bytes) -> bytes:
    whole = b"".join((bundle / name).read_bytes() for name in (FILE, "root.img", "kernel.efi"))
    return hmac.digest(key, whole, "sha256")


@dataclass
class FakeConfig:
    """As much of a configuration as is asked for."""

    state: Path
    runtime: Path
    bundles: str

    @property
    def kiosk(self) -> FakeConfig:
        return self

    @property
    def updates(self) -> FakeConfig:
        return self


@dataclass
class UpdatedBoard:
    """`builds`: every build that may come to run here, by version."""

    folder: Path
    builds: dict[str, Build]
    bundles: Path
    running: Build = field(init=False)
    rebooting: bool = False
    ended: int = 0  # times that the service has ended by itself

    def __post_init__(self) -> None:
        self.kernels.mkdir(parents=True, exist_ok=True)
        if not journal_was_made(self.folder / "state"):
            create_journal(self.folder / "state")

    @classmethod
    def made(cls, folder: Path, bundles: Path, first: Build, *others: Build) -> UpdatedBoard:
        """As it was delivered, and switched on. Its other slot is empty."""
        new = cls(folder, {build.version: build for build in (first, *others)}, bundles)
        new.lay(first, "a")
        update_state.save(new.notes, UpdateState(floor=first.version))
        new.power_on()
        return new

    kernels = property(lambda self: self.folder / "efi")
    notes = property(lambda self: self.folder / "notes")

    @property
    def state(self) -> UpdateState:
        return update_state.load(self.notes, self.running.version)

    @property
    def slot(self) -> str:
        return (self.folder / "current").read_text()

    def report(self) -> UpdateReport | None:
        return update_state.for_the_city(self.notes, self.folder / FILE)

    def lay(self, build: Build, slot: str) -> None:
        """A slot as an earlier update left it."""
        (self.folder / f"root-{slot}").write_bytes(build.root)
        (self.kernels / f"madoguchi-{build.version}-{slot}.efi").write_text(build.kernel())

    # -- what people and the city do

    def told(self, wanted: str) -> None:
        """The running kiosk has heard from the city."""
        report = Report(availability=Availability.READY, wanted=wanted)
        said = Status(kiosk="", build="", pid=0, at=time.time(), report=report, tally=Tally())
        (self.folder / "run").mkdir(exist_ok=True)
        status.write(self.folder / "run", said)

    def day(self) -> None:
        """Residents come, and the trial is judged."""
        if self.running.dies:
            self.ended = STARTS
        else:
            self.write(journeys(JOURNEYS))
        self.update("trial")
        self.power_on_again()

    def night(self) -> None:
        self.update("follow")
        self.update("restart")
        self.power_on_again()

    def write(self, entries: Sequence[NewEntry]) -> None:
        journal = Journal(journal_path(self.folder / "state"))
        journal.append(entries)
        journal.close()

    # -- `kiosk update`, as its units and RAUC call it

    def update(self, *words: str) -> int:
        config = FakeConfig(self.folder / "state", self.folder / "run", str(self.bundles))
        places = ("--config", "kiosk.toml", "--state", str(self.notes))
        image = ("--image", str(self.folder / FILE))
        with patch.multiple(
            board,
            load=lambda _: config,
            run=self._run,
            service=lambda: board.Service("active", self.ended),
            wrong_checks=lambda _: self.running.wrong,
            shows_its_screen=lambda _: self.running.screen,
        ):
            ready = ("--ready", "0") if words[0] == "started" else ()
            return command.main([words[0], *places, *image, *ready, *words[1:]])

    def _run(self, *words: str) -> bool:
        match words:
            case ("rauc", "install", bundle):
                return self._install(Path(bundle))
            case ("rauc", "status", "mark-bad", which):
                other = "b" if self.slot == "a" else "a"
                self.slots("set-state", self.slot if which == "booted" else other, "bad")
            case ("systemctl", "reboot"):
                self.rebooting = True
        return True

    def _install(self, bundle: Path) -> bool:
        """In RAUC's order."""
        if not bundle.is_dir():
            return False
        if not hmac.compare_digest(
            (bundle / "signature").read_bytes(), signature(bundle, b"the city's")
        ):
            return False
        other = "b" if self.slot == "a" else "a"
        if self.update("may-install", str(bundle)):
            return False
        self.slots("set-state", other, "bad")
        root = (bundle / "root.img").read_bytes()
        (self.folder / f"root-{other}").write_bytes(b"")
        for at in range(0, len(root), len(root) // PIECES):
            with (self.folder / f"root-{other}").open("ab") as slot:
                slot.write(root[at : at + len(root) // PIECES])
        version = json.loads((bundle / FILE).read_bytes())["version"]
        self.slots("put", other, str(bundle / "kernel.efi"), version)
        self.slots("set-primary", other)
        return self.update("installed", str(bundle)) == 0

    def slots(self, *words: str) -> None:
        """The image's own script."""
        subprocess.run(
            (*self.shell, str(BOOT_SLOTS), *words),
            env={"KERNELS": str(self.kernels), "CURRENT": self.slot, "PATH": "/usr/bin:/bin"}
            | self.environment,
            check=True,
            timeout=300,
        )

    shell: tuple[str, ...] = ("sh",)
    environment: dict[str, str] = field(default_factory=dict)

    # -- systemd-boot, and the way to the gate

    def power_on_again(self) -> None:
        if self.rebooting:
            self.power_on()

    def power_on(self) -> None:
        """Until a build has passed its gate. Raises AssertionError when none ever does."""
        (self.folder / "booting").mkdir(exist_ok=True)
        shutil.rmtree(self.folder / "run", ignore_errors=True)
        self.rebooting, self.ended = False, 0
        for _ in range(BOOTS):
            slot, version = self._load()
            if not self.is_whole(slot, version):
                continue  # dm-verity starts the board again
            self.running = self.builds[version]
            if not self.running.starts:
                continue
            (self.folder / "current").write_text(slot)
            (self.folder / FILE).write_text(json.dumps(asdict(self.running.image)))
            if self.update("started") == 0:
                self.slots("set-state", slot, "good")
                (self.folder / "booting").rmdir()
                return
        raise AssertionError(f"it does not come to rest: {self.entries()}")

    def entries(self) -> dict[str, tuple[str, str, int | None]]:
        """What systemd-boot sees: name -> version, slot, starts that are left (None: it counts
        none).
        """
        found = {path.name: KERNEL.fullmatch(path.name) for path in self.kernels.iterdir()}
        return {
            name: (match[1], match[2], None if match[3] is None else int(match[3]))
            for name, match in found.items()
            if match
        }

    def _load(self) -> tuple[str, str]:
        """The newest that has starts left, else the newest; one start fewer for it."""
        known = self.entries()
        assert known, "nothing to start"
        name = max(known, key=lambda each: (known[each][2] != 0, numbers(known[each][0])))
        version, slot, left = known[name]
        if left:
            done = int((KERNEL.fullmatch(name) or [""] * 5)[4] or 0) + 1
            (self.kernels / name).rename(
                self.kernels / f"madoguchi-{version}-{slot}+{left - 1}-{done}.efi"
            )
        return slot, version

    def is_whole(self, slot: str, version: str) -> bool:
        """Whether the slot's root is the one whose hash the kernel holds."""
        [kernel] = [name for name, (v, s, _) in self.entries().items() if (v, s) == (version, slot)]
        root = hashlib.sha256((self.folder / f"root-{slot}").read_bytes()).hexdigest()
        return (self.kernels / kernel).read_text() == root


def journeys(count: int) -> list[NewEntry]:
    """With all their sheets out."""
    return [
        entry
        for number in range(count)
        for session in [f"{time.monotonic_ns() + number:032x}"]
        for entry in (
            new_entry(session, "begun"),
            new_entry(session, "sheet-done", sheet=1),
            new_entry(session, "ended", kept=100, returned=0, owed=0, held=0),
        )
    ]
