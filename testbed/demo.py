"""`kiosk demo`: start everything and print one address; with --auto a script takes the customer's
place.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from testbed.customer import Errand, run_errand
from testbed.ports import HOST
from testbed.process import Process, ProcessDead
from testbed.rehearsal import CITY_DATA, Rehearsal, prepare
from testbed.rehearsal_error import RehearsalError
from testbed.system import System

CLONE = Path(__file__).parents[1]
# Of the clone; an installed testbed writes where it is started.
FOLDER = (CLONE if (CLONE / "pyproject.toml").exists() else Path.cwd()) / "var" / "demo"
PORT = 8400
VPCD_PORT = 35963  # of vsmartcard-vpcd's first slot, where virtual cards connect
# as slow as things are, so that a person can watch
LINES_S = 900.0
COIN_S = 0.15
APDU_MS = 12.0


def main(argv: Sequence[str] | None = None) -> int:
    """0 when it ended as asked; 1 with one line on stderr when it did not."""
    given = _parser().parse_args(argv)
    try:
        if given.prepare:
            return _prepare(given.folder)
        if given.auto:
            return _auto(given)
        rehearsal = prepare(
            given.folder,
            given.run,
            pace=given.pace,
            cashless=True,
            report=_print_progress,
            seldom=False,
            data=given.city,
            **_wires(given),
        )
        return asyncio.run(run_dock(rehearsal, PORT if given.port is None else given.port))
    except (RehearsalError, ProcessDead) as error:
        sys.stderr.write(f"demo: {error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("demo: interrupted\n")
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk demo", description=__doc__)
    parser.add_argument(
        "--port", type=_port, help=f"the dock's port (default: {PORT}; with --auto any free one)"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        default=FOLDER,
        help="where everything is kept (default: %(default)s)",
    )
    parser.add_argument(
        "--run", type=Path, help="where this run writes (default: run in FOLDER); not with --auto"
    )
    parser.add_argument(
        "--pace", type=float, default=1.0, help="all waiting times of the journey, times this"
    )
    parser.add_argument(
        "--reader", metavar="NAME", help='cards through pcscd, on this reader ("Virtual PCD 00 00")'
    )
    parser.add_argument(
        "--vpcd-port",
        type=int,
        default=VPCD_PORT,
        metavar="N",
        help="the virtual reader's port (default: %(default)s)",
    )
    parser.add_argument(
        "--prepare", action="store_true", help="make keys, cards and voice, and end"
    )
    parser.add_argument(
        "--city",
        type=Path,
        default=CITY_DATA,
        metavar="FILE",
        help="the city's data (docs/city.md; default: Akashi's)",
    )
    auto = parser.add_argument_group("without a browser")
    auto.add_argument("--auto", action="store_true", help="a script in the customer's place")
    auto.add_argument(
        "--resident", default="taro", metavar="NAME", help="whose card (default: %(default)s)"
    )
    auto.add_argument(
        "--certificate",
        default="juminhyo",
        metavar="KIND",
        help="one of the city's (default: %(default)s)",
    )
    auto.add_argument("--json", action="store_true", help="print nothing but the JSON object")
    auto.add_argument("--out", type=Path, help="folder for the pages (default: pages in FOLDER)")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"no port: {text}")
    return int(text)


def _wires(given: argparse.Namespace) -> dict[str, Any]:
    """What `prepare` is to do otherwise. Raises RehearsalError."""
    if given.reader is None:
        return {}
    return pcsc_wires(given.reader, given.vpcd_port, None if given.auto else _print_progress)


def pcsc_wires(
    reader: str, port: int, report: Callable[[str], None] | None = None
) -> dict[str, Any]:
    """Cards through pcscd: what `prepare` needs for them. `port` is where the virtual reader waits
    for cards. When nobody waits there, `report` is called; without it this raises RehearsalError
    with what to do.
    """
    from firmware.tools.card_check import pcsc
    from firmware.tools.diagnose.finding import Wrong

    try:
        names = pcsc.readers()
    except Wrong as wrong:
        raise RehearsalError(f"{wrong.detail}: {wrong.remedy.en}") from None
    if reader not in names:
        known = (
            ", ".join(names)
            or "none; the virtual one: apt install vsmartcard-vpcd, then restart pcscd"
        )
        raise RehearsalError(f"no reader {reader!r}; PC/SC knows: {known}")
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        deaf = (
            f"no virtual reader listens on port {port} (--vpcd-port): virtual cards would go "
            "nowhere"
        )
        if report is None:
            raise RehearsalError(deaf) from None
        report(deaf)
    card = {"driver": "pcsc", "reader": reader, "listen": None, "cable": None}
    return {"ports": {"reader": port}, "kiosk": {"card": card}}


def _prepare(folder: Path) -> int:
    with tempfile.TemporaryDirectory(prefix="madoguchi-") as run:
        prepare(folder, Path(run), report=_print_progress)
    return 0


async def run_dock(rehearsal: Rehearsal, port: int) -> int:
    """Until Ctrl-C, or until a part dies. Raises ProcessDead, RehearsalError."""
    ended = _ended()
    config = str(rehearsal.kiosk_toml)
    log = rehearsal.run / "voice.log"
    voice = Process("voice", ("voice", "--config", config), "record", log)  # what is seldom said
    async with System(rehearsal, port, LINES_S, COIN_S, APDU_MS) as system:
        await voice.start()
        print(f"窓口 → {system.dock.address}   (Ctrl-C ends it)", flush=True)
        print(f"証明書の確認 → {system.page_address}", flush=True)
        stop = asyncio.create_task(ended.wait())
        failed = asyncio.create_task(system.failed())
        await asyncio.wait((stop, failed), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        failed.cancel()
        await voice.stop()
        if not ended.is_set():
            raise ProcessDead(failed.result())
    return 0


def _auto(given: argparse.Namespace) -> int:
    """In a run folder of its own, so that an open demo, or what it left behind, is not in
    the way.
    """
    given.folder.mkdir(parents=True, exist_ok=True)
    run = Path(tempfile.mkdtemp(prefix="auto-", dir=given.folder))
    try:
        report = _quiet if given.json else _print_progress
        rehearsal = prepare(
            given.folder, run, pace=given.pace, report=report, data=given.city, **_wires(given)
        )
        errand = Errand(given.resident, given.certificate, given.out or given.folder / "pages")
        found = asyncio.run(_send(rehearsal, given.port or 0, errand))
    except BaseException:
        failed = given.folder / "failed"  # its logs, until the next failure
        shutil.rmtree(failed, ignore_errors=True)
        run.rename(failed)
        raise
    shutil.rmtree(run, ignore_errors=True)
    print(json.dumps(found, ensure_ascii=False, indent=None if given.json else 2), flush=True)
    return 0


async def _send(rehearsal: Rehearsal, port: int, errand: Errand) -> dict[str, Any]:
    """Somebody on an errand. Raises ProcessDead, RehearsalError, KeyboardInterrupt."""
    async with System(rehearsal, port) as system:
        ended = asyncio.create_task(_ended().wait())
        done = asyncio.create_task(run_errand(system, errand))
        failed = asyncio.create_task(system.failed())
        try:
            await asyncio.wait((ended, done, failed), return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                raise ProcessDead(failed.result())
            if not done.done():
                raise KeyboardInterrupt
            return done.result()
        finally:
            for task in (ended, done, failed):
                task.cancel()
                with suppress(BaseException):
                    await task


def _ended() -> asyncio.Event:
    """Set by Ctrl-C, by SIGTERM and when the terminal is closed."""
    event = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


def _print_progress(text: str) -> None:
    sys.stderr.write(f"{text} …\n")


def _quiet(_: str) -> None:
    pass
