"""`kiosk sim speaker`: the far end of a network speaker, which writes down what is said."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from hal.sim.speaker import SpeakerFarEnd


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM: 0; or 2 when the port cannot be had."""
    parser = argparse.ArgumentParser(prog="kiosk sim speaker", description=__doc__)
    parser.add_argument("--listen", metavar="HOST:PORT", default="127.0.0.1:9200")
    host, _, port = (listen := parser.parse_args(argv).listen).rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        parser.error("--listen wants HOST:PORT")
    try:
        asyncio.run(_run(host.strip("[]"), int(port)))
    except OSError as error:
        sys.stderr.write(f"kiosk sim speaker: {listen}: {error.strerror or error}\n")
        return 2
    return 0


async def _run(host: str, port: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    speaker = SpeakerFarEnd(lambda text, _: _write_line(text), lambda: _write_line("-"), host, port)
    await speaker.start()
    _write_line(f"speaker at {speaker.address}")
    await ended.wait()
    await speaker.close()


def _write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
