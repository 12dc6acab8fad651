"""Debian's ippeveprinter as the far end, on a bus of its own, and CUPS's own reader of PWG raster.

What the printer does with a job is a shell script. A job waits while the file `hold` is there.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from hal.printer.contract import Bitmap
from hal.printer.ipp import IppPrinter

START_S = 30.0
PROGRAMS = ("ippeveprinter", "dbus-daemon")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin"
A4 = "iso_a4_210x297mm"
WIDTH, HEIGHT, DPI = 2480, 3508, 300
QUICK = {
    "poll_s": 0.02,
    "count_s": 0.5,
    "silent_s": 1.0,
    "page_deadline_s": 20.0,
    "purge_deadline_s": 5.0,
}
BUS = """<busconfig><type>system</type><listen>unix:path={bus}</listen><auth>EXTERNAL</auth>
<policy context="default">
<allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>"""
SCRIPT = """#!/bin/sh
number=$(ls "{folder}" | grep -c '^got')
env >"{folder}/env$number"
cp "$1" "{folder}/got$number"
. "{folder}/behave"
"""
HOLD = 'while [ -e "{folder}/hold" ]; do sleep 0.02; done\n'
COUNT = 'echo "ATTR: job-impressions-completed={printed}" >&2\n'


def missing() -> str:
    return ", ".join(program for program in PROGRAMS if shutil.which(program, path=PATH) is None)


@dataclass
class Peer:
    """One running printer."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"ipp://localhost:{self.port}/ipp/print"

    def driver(self, **options: object) -> IppPrinter:
        given = {"duplex": True, **QUICK, **options}
        address = str(given.pop("address", self.address))
        dpi = int(str(given.pop("dpi", DPI)))
        return IppPrinter("sheets", address, dpi, **given)  # type: ignore[arg-type]

    def behave(self, script: str = "", printed: int | None = None, hold: bool = False) -> None:
        """From the next job on. `printed`: sides it counts at the end."""
        if hold:
            (self.folder / "hold").touch()
            script += HOLD
        if printed is not None:
            script += COUNT
        text = script.format(folder=self.folder, printed=printed)
        (self.folder / "behave").write_text(text)

    def load(self, media: str = A4, sheets: int = 250, envelopes: int = 25) -> None:
        """Its main tray and its other one, by the form that it shows in a browser."""
        main = f"size1={media}&type1=stationery&level1={sheets}"
        other = f"size3=iso_dl_110x220mm&type3=envelope&level3={envelopes}"
        form = f"http://localhost:{self.port}/media?{main}&{other}"
        with urlopen(form, timeout=10) as page:
            page.read()

    def go_on(self) -> None:
        (self.folder / "hold").unlink(missing_ok=True)

    @property
    def received(self) -> list[Path]:
        """The documents, in the order of the jobs."""
        return sorted(self.folder.glob("got*"), key=lambda path: int(path.name[3:]))

    def asked(self, job: int) -> dict[str, str]:
        """The attributes of a job (by its place in `received`), as the script sees them."""
        name = self.received[job].name.replace("got", "env")
        lines = (self.folder / name).read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if line.startswith("IPP_"))

    def said(self, text: str) -> int:
        """How often the printer's own log says so."""
        return (self.folder / "log").read_bytes().count(text.encode())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def ipp_peer(folder: Path, *options: str, formats: str = "image/pwg-raster") -> Iterator[Peer]:
    """A printer for both sides; `options` are ippeveprinter's."""
    for name in ("spool", "keys"):
        (folder / name).mkdir()
    (folder / "bus.conf").write_text(BUS.format(bus=folder / "bus"))
    script = folder / "print"
    script.write_text(SCRIPT.format(folder=folder))
    script.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": PATH,
        "HOME": str(folder),
        "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder / 'bus'}",
    }
    bus_command = ("dbus-daemon", f"--config-file={folder / 'bus.conf'}", "--nofork")
    bus = subprocess.Popen(bus_command, env=environment, stderr=subprocess.DEVNULL)
    port = _free_port()
    command = [
        *("ippeveprinter", "-v", "-v", "-r", "off", "-n", "localhost", "-p", str(port)),
        *("-k", "-d", str(folder / "spool"), "-K", str(folder / "keys"), "-c", str(script)),
        *("-f", formats, *(options or ("-2",)), "kiosk"),
    ]
    try:
        _until((folder / "bus").exists)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        peer = Peer(folder, port, process)
        peer.behave()
        try:
            _until(lambda: _answers(port))
            peer.load()
            yield peer
        finally:
            peer.go_on()
            peer.kill()
    finally:
        bus.kill()
        bus.wait()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("ippeveprinter does not start")
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("localhost", port), 1).close()
    except OSError:
        return False
    return True


# --- CUPS's reader (cups/raster.h): the sides of a document as a printer would see them

HEADER = 1796  # sizeof(cups_page_header2_t)


def cups_pages(document: Path) -> list[tuple[bytes, Bitmap]]:
    """(page header, pixels) of each side, read by libcups. Pixels of 8 bits come out as 1-bit,
    black below 128.
    """
    cups = ctypes.CDLL(ctypes.util.find_library("cups") or "libcups.so.2")
    cups.cupsRasterOpen.restype = ctypes.c_void_p
    cups.cupsRasterReadPixels.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint)
    cups.cupsRasterReadHeader2.argtypes = (ctypes.c_void_p, ctypes.c_char_p)
    cups.cupsRasterClose.argtypes = (ctypes.c_void_p,)
    pages = []
    with document.open("rb") as file:
        raster = cups.cupsRasterOpen(file.fileno(), 0)
        if not raster:
            raise ValueError("libcups cannot read this")
        header = ctypes.create_string_buffer(HEADER)
        while cups.cupsRasterReadHeader2(raster, header):
            width, height, stride, bits = (
                int.from_bytes(header.raw[at : at + 4], "little") for at in (372, 376, 392, 388)
            )
            pixels = ctypes.create_string_buffer(stride * height)
            if cups.cupsRasterReadPixels(raster, pixels, len(pixels)) != len(pixels):
                raise ValueError("libcups reads less than a page")
            pages.append((header.raw, _bitmap(width, height, bits, pixels.raw)))
        cups.cupsRasterClose(raster)
    return pages


def _bitmap(width: int, height: int, bits: int, pixels: bytes) -> Bitmap:
    if bits == 1:
        return Bitmap(width, height, pixels)
    rows = [pixels[at : at + width] for at in range(0, len(pixels), width)]
    packed = b"".join(
        int("".join("1" if pixel < 128 else "0" for pixel in row), 2).to_bytes(width // 8, "big")
        for row in rows
    )
    return Bitmap(width, height, packed)
