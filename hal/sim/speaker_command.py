"""`kiosk sim speaker`: the far end of a network speaker, which writes down what is said."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hal.sim import console
from hal.sim.console import Act
from hal.sim.speaker import SpeakerFarEnd
from hal.sim.speaker_faults import FAULTS


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM: 0; or 2 when the port or the socket cannot be had."""
    parser = argparse.ArgumentParser(prog="kiosk sim speaker", description=__doc__)
    parser.add_argument(
        "--listen", type=console.address, metavar="HOST:PORT", default="127.0.0.1:9200"
    )
    console.add_option(parser)
    given = parser.parse_args(argv)
    host, port = given.listen
    try:
        asyncio.run(_run(host, port, given.control))
    except OSError as error:
        where = error.filename or f"{host}:{port}"
        sys.stderr.write(f"kiosk sim speaker: {where}: {error.strerror or error}\n")
        return 2
    return 0


async def _run(host: str, port: int, control: Path | None) -> None:
    speaker = SpeakerFarEnd(lambda text, _: console.say(text), lambda: console.say("-"), host, port)
    await speaker.start()
    console.say(f"speaker at {speaker.address}")
    try:
        await console.serve(console.Console(speaker, FAULTS, acts(speaker)), control)
    finally:
        await speaker.close()


def acts(speaker: SpeakerFarEnd) -> Mapping[str, Act]:
    """What a hand does at the speaker."""

    def plug(plugged: bool) -> str:
        speaker.plug(plugged)
        return ""

    return {
        "plug": Act("put headphones in", lambda _: plug(True)),
        "unplug": Act("take them out", lambda _: plug(False)),
        "show": Act("what was said last, and what no correct kiosk sent", lambda _: _show(speaker)),
    }


def _show(speaker: SpeakerFarEnd) -> str:
    last = speaker.last[-1][0] if speaker.last else "nothing"
    return f"said last: {last} {speaker.violations}"
