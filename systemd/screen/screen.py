"""The screen without the kiosk: out of service, and dark at night.

    screen.py out-of-service    show the picture, wait, and start the kiosk and its panel again
    screen.py night             stop both, after whoever is being served, and switch the screen off
    screen.py morning           switch it on and start both

systemd runs it (madoguchi-screen@.service) with the system's own Python and nothing installed
beside it: it must work when the kiosk's build, its configuration or its browser does not. It draws
on the kernel's frame buffer, which is visible as long as no browser holds the screen. Black and
white look the same in every pixel format.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

PICTURE = Path(__file__).with_name("out-of-service.pbm")
DEVICE, FACTS = Path("/dev/fb0"), Path("/sys/class/graphics/fb0")
CONSOLE = Path("/dev/tty1")
STATUS = Path("/run/madoguchi/status.json")  # docs/telemetry.md
UNITS = ("madoguchi-kiosk.service", "madoguchi-panel.service")
AGAIN = "madoguchi-screen@out-of-service.service"  # would start them in the night
AGAIN_S = 30.0  # from the picture to the next attempt
ON, OFF = "0", "4"  # FB_BLANK_UNBLANK, FB_BLANK_POWERDOWN of linux/fb.h
NO_CURSOR = "\x1b[2J\x1b[?25l"
LAST_LINE = "\x1b[?7l\x1b[30;47m\x1b[999;1H"  # no wrapping; black on white


def read_picture(data: bytes) -> tuple[int, int, bytes]:
    """Width, height and rows of a binary PBM (P4, no comments)."""
    kind, width, height, rows = data.split(maxsplit=3)
    if kind != b"P4":
        raise ValueError("not a binary PBM")
    return int(width), int(height), rows


def draw(picture: bytes, device: Path, facts: Path) -> None:
    """Centred, as large as whole multiples of its dots allow, on white. Raises OSError."""
    width, height = map(int, (facts / "virtual_size").read_text().split(","))
    size = int((facts / "bits_per_pixel").read_text()) // 8
    stride = int((facts / "stride").read_text())
    across, down, rows = read_picture(picture)
    scale = max(1, min(width // across, height // down))
    left, top = (width - across * scale) // 2, (height - down * scale) // 2
    line = (across + 7) // 8
    white, black = b"\xff" * size, b"\x00" * size
    with device.open("r+b", buffering=0) as screen:
        for y in range(height):
            row = (y - top) // scale
            dots = white * width
            if 0 <= row < down:
                bits = rows[row * line : (row + 1) * line]
                drawn = b"".join(
                    (black if bits[x // 8] >> (7 - x % 8) & 1 else white) * scale
                    for x in range(across)
                )
                cut = max(-left, 0) * size  # a screen that is smaller shows the middle
                dots = white * max(left, 0) + drawn[cut : cut + width * size]
                dots = (dots + white * width)[: width * size]
            screen.seek(y * stride)
            screen.write(dots)


def cause() -> str:
    """For whoever comes to mend it, a code and one line: what the kiosk said when it could not
    start, or what systemd says of one that came not as far as to say anything.
    """
    try:
        told = json.loads(STATUS.read_text("utf-8"))
        if told["report"].get("availability") == "stopped" and told["why"]:
            return f"{told['case']}: {told['why']}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        pass
    return unit()


def unit() -> str:
    """How its last process ended. Statuses from 200 on are systemd's own: systemd.exec(5)."""
    show = ("/usr/bin/systemctl", "show", UNITS[0], "--property=Result,ExecMainStatus")
    said = subprocess.run(show, check=False, capture_output=True, text=True).stdout.split()
    return f"start.unit: {' '.join(said)}" if said else ""


def write_cause() -> None:
    """By the console, in the last line of the screen; a long one is cut and moves nothing."""
    said = "".join(sign if " " <= sign <= "~" else "?" for sign in cause())
    CONSOLE.write_text(f"{LAST_LINE}{said}")


def switch(state: str) -> None:
    """The screen's power, as the frame buffer's driver has it."""
    try_to(lambda: (FACTS / "blank").write_text(state))


def out_of_service() -> None:
    try_to(lambda: CONSOLE.write_text(NO_CURSOR))
    switch(ON)
    try_to(lambda: draw(PICTURE.read_bytes(), DEVICE, FACTS))
    try_to(write_cause)
    time.sleep(AGAIN_S)
    systemctl("reset-failed", *UNITS)
    systemctl("--no-block", "start", *UNITS)


def night() -> None:
    """The kiosk first: its screen is there until whoever is being served has finished."""
    for unit in (AGAIN, *UNITS):
        systemctl("stop", unit)
    systemctl("stop", AGAIN)  # a unit that failed meanwhile has started it
    switch(OFF)


def morning() -> None:
    switch(ON)
    systemctl("reset-failed", *UNITS)
    systemctl("--no-block", "start", *UNITS)


def systemctl(*words: str) -> None:
    """Whatever becomes of it: the next attempt is not far."""
    subprocess.run(["/usr/bin/systemctl", *words], check=False)


def try_to(step: Callable[[], object]) -> None:
    """A board without this screen, or with a broken one, is still to be started again."""
    try:
        step()
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        print(f"screen: {error}", file=sys.stderr)


ACTIONS: Mapping[str, Callable[[], None]] = {
    "out-of-service": out_of_service,
    "night": night,
    "morning": morning,
}

if __name__ == "__main__":
    ACTIONS[sys.argv[1]]()
