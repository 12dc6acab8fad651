"""`scripts/image-test`: the image boots in QEMU, is provisioned, serves a resident, loses its
power, and serves the next one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import limits
import numpy as np
from erasure import remembered
from far_ends import PANEL_OUTSIDE, FarEnds, far_ends, rehearse, write_site
from inside import FREE_PORT
from machine import Machine, MachineError, until
from PIL import Image, ImageStat
from updates import updates

from testbed.process import ProcessDead
from testbed.rehearsal import Rehearsal
from testbed.screen import Seen

PROVISION = (
    "mkdir -p /run/site && mount -o ro /dev/vdb /run/site && "
    "cp -r /run/site/kiosk.toml /run/site/line.* /run/site/keys /etc/madoguchi/ && "
    "systemd-tmpfiles --create madoguchi.conf && mkdir -p /var/lib/madoguchi && "
    "chown madoguchi:madoguchi /var/lib/madoguchi && chmod 700 /var/lib/madoguchi && "
    "{kiosk} journal create --config /etc/madoguchi/kiosk.toml && sync && "
    "systemctl daemon-reload && systemctl reset-failed && systemctl restart nftables && "
    "systemctl --no-block restart madoguchi-kiosk madoguchi-panel"
)
INSIDE = "mountpoint -q /run/site || mount -o ro /dev/vdb /run/site; python3 /run/site/inside.py 60"
DARK = 40  # half of a screen that shows nothing is darker
GREY, COLOURS = 30, 10  # how far red, green and blue of a grey differ at most; a page has over 40


def main(argv: Sequence[str] | None = None) -> int:
    """0 when all of it happened; 1 with one line when it did not."""
    parser = argparse.ArgumentParser(prog="image-test", description=__doc__)
    parser.add_argument("--image", type=Path, default=Path("dist/image-test/madoguchi-x86-64.img"))
    parser.add_argument("--folder", type=Path, default=Path("var/image"), help="keys and cards")
    parser.add_argument("--out", type=Path, default=Path("var/image/out"), help="pictures, papers")
    parser.add_argument("--updates", type=Path, help="new.raucb, foreign.raucb, dead.raucb")
    given = parser.parse_args(argv)
    try:
        with tempfile.TemporaryDirectory(prefix="board-") as run:
            print(json.dumps(asyncio.run(play(given, Path(run))), indent=2))
    except (MachineError, ProcessDead) as error:
        sys.stderr.write(f"image-test: {error}\n")
        return 1
    return 0


async def play(given: argparse.Namespace, run: Path) -> dict[str, object]:
    given.out.mkdir(parents=True, exist_ok=True)
    rehearsal = rehearse(given.folder.absolute(), run / "far-ends")
    async with far_ends(rehearsal) as ends:
        bundles = sorted(given.updates.glob("*.raucb")) if given.updates else []
        machine = board(rehearsal, given.image, bundles, run)
        found: dict[str, object] = {}
        try:
            await life(machine, ends, given.out, found)
            if bundles:
                found |= await updates(machine, ends, given.out, command, wait_for_screen)
            return found
        except (MachineError, ProcessDead):
            await asyncio.to_thread(keep_what_it_says, machine, given.out)
            raise
        finally:
            machine.cut_power()
            # Of a run that failed, too: it took long.
            (given.out / "found.json").write_text(json.dumps(found, indent=2))
            serial = run / "board/serial.log"
            if serial.exists():
                (given.out / "serial.log").write_bytes(serial.read_bytes())


def board(rehearsal: Rehearsal, image: Path, bundles: Sequence[Path], run: Path) -> Machine:
    """With a disk that carries what a technician would."""
    write_site(rehearsal, run / "site")
    shutil.copy(Path(__file__).with_name("inside.py"), run / "site")
    for bundle in bundles:
        (run / "site" / bundle.name).hardlink_to(bundle)
    carried = run / "carried"
    carried.touch()
    size = sum(path.stat().st_size for path in (run / "site").rglob("*")) * 5 // 4 + (32 << 20)
    with carried.open("r+b") as file:
        file.truncate(size)
    subprocess.run(("mkfs.ext4", "-q", "-d", str(run / "site"), str(carried)), check=True)
    reader = rehearsal.wiring.reader[1]
    panel = urlsplit(rehearsal.panel).port
    assert panel is not None
    forwards = {panel: PANEL_OUTSIDE, reader: reader, free_port(): FREE_PORT}
    return Machine(run / "board", image, carried, forwards, rehearsal.wiring.coins)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def life(machine: Machine, ends: FarEnds, out: Path, found: dict[str, object]) -> None:
    """`found`: what is to be told. Raises MachineError, JourneyFailed."""
    began = time.monotonic()

    def took(what: str) -> None:
        found[what] = round(time.monotonic() - began, 1)
        print(what, found[what], file=sys.stderr, flush=True)

    await asyncio.to_thread(start, machine)
    took("shell_s")
    await asyncio.to_thread(provision, machine)
    await asyncio.to_thread(wait_for_screen, machine, out / "attract.png")
    took("provisioned_to_screen_s")
    await serve_and_forget(machine, ends, out, found)
    took("first_journey_s")
    inside = json.loads(await asyncio.to_thread(command, machine, INSIDE))
    found["inside"] = inside
    limits.check_units(inside["limits"])
    free = machine.forwarded(FREE_PORT)
    found["from_outside"] = await asyncio.to_thread(limits.check_filter, machine, free)
    took("looked_inside_s")
    await ends.put_money_in("hanako", "kazei", out)
    machine.cut_power()
    began = time.monotonic()
    await asyncio.to_thread(start, machine)
    took("shell_after_the_cut_s")
    await asyncio.to_thread(wait_for_screen, machine, out / "after-the-cut.png")
    took("boot_to_screen_s")
    cases = "{kiosk} cases list --config /etc/madoguchi/kiosk.toml || true"
    found["cases_after_the_cut"] = await asyncio.to_thread(command, machine, cases)
    second = await ends.serve("hanako", "kazei", out)
    took("journey_after_the_cut_s")
    found["sheets_after_the_cut"] = len(second.pages)
    verify = "{kiosk} journal verify --config /etc/madoguchi/kiosk.toml"
    found["journal"] = await asyncio.to_thread(command, machine, verify)


async def serve_and_forget(
    machine: Machine, ends: FarEnds, out: Path, found: dict[str, object]
) -> None:
    """The first resident. What is said of her is in the machine's memory while she is served, which
    shows that the search sees it, and not afterwards. Raises MachineError.
    """
    meanwhile: set[str] = set()

    def look(seen: Seen) -> None:
        if seen.name == "confirm":
            meanwhile.update(remembered(machine, out, ends.needles))

    journey = await ends.serve("taro", "juminhyo", out, look)
    found["sheets"] = len(journey.pages)
    # What carried the panel's page out to us has seen it, too.
    await asyncio.to_thread(command, machine, "systemctl restart test-eyes")
    await asyncio.to_thread(wait_for_screen, machine, out / "after-the-journey.png")
    found["in_memory_while_served"] = sorted(meanwhile)
    found["in_memory_afterwards"] = await asyncio.to_thread(remembered, machine, out, ends.needles)
    if not meanwhile:
        raise MachineError("the search of the memory is blind: it saw nobody while she was served")


def keep_what_it_says(machine: Machine, out: Path) -> None:
    """Its screen and its log, for whoever looks for the cause."""
    with contextlib.suppress(MachineError, OSError):
        machine.picture(out / "failed.png")
        said = machine.run("systemctl --failed --no-pager; journalctl -b --no-pager -o short", 300)
        (out / "failed.log").write_text(said)


def start(machine: Machine) -> None:
    machine.start()
    machine.booted()


def provision(machine: Machine) -> None:
    command(machine, PROVISION)


def command(machine: Machine, words: str) -> str:
    """`{kiosk}` in it is the program of the board's own unit."""
    find = (
        "sed -n 's/^ExecStart=\\([^ ]*\\) run .*/\\1/p' /etc/systemd/system/madoguchi-kiosk.service"
    )
    return machine.run(words.replace("{kiosk}", f"$({find})"))


def wait_for_screen(machine: Machine, path: Path) -> None:
    """Until the panel's first screen is on the display: most of it bright, and many colours that
    are not grey, which text alone does not have. It does not stand still: its pictures move.
    """
    until(lambda: answers(machine), "the panel's page did not come")

    def drawn() -> bool:
        time.sleep(3)
        return is_panel(machine.picture(path))

    until(drawn, "the screen stayed dark")


def is_panel(picture: Image.Image) -> bool:
    pixels = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0).astype(int)
    coloured = np.count_nonzero(np.ptp(pixels, axis=1) > GREY)
    bright = ImageStat.Stat(picture.convert("L")).median[0] > DARK
    return bool(bright and coloured > COLOURS)


def answers(machine: Machine) -> bool:
    try:
        machine.run("systemctl is-active madoguchi-kiosk madoguchi-panel")
    except MachineError:
        time.sleep(2)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
