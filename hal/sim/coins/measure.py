"""`python -m hal.sim.coins.measure [--seconds N]`: how often the acceptor is polled, and what that
costs the processor.

The far end is a process of its own at the pace of the wire (9600 baud); only the driver's time is
counted.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hal.cash.cctalk import JAPAN, CctalkCoinUnit, Hopper

FAR_END = "from hal.sim.coins.program import main; main()"
HOPPERS = {3: 10, 4: 50, 5: 100}
BOOT_S = 10.0


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m hal.sim.coins.measure")
    options.add_argument("--seconds", type=float, default=20)
    seconds: float = options.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / "coins"
        hoppers = [f"--hopper={address}:{value}:50" for address, value in HOPPERS.items()]
        command = [sys.executable, "-c", FAR_END, "--link", str(link), *hoppers]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as far_end:
            try:
                _await(link.exists)
                _measure(str(link), seconds)
            finally:
                far_end.terminate()
    return 0


def _measure(port: str, seconds: float) -> None:
    unit = CctalkCoinUnit(
        port, hoppers=[Hopper(address, value) for address, value in HOPPERS.items()]
    )
    polled: list[float] = []
    ask_news = unit._acceptor.news

    def news() -> object:
        polled.append(time.monotonic())
        return ask_news()

    unit._acceptor.news = news  # type: ignore[method-assign, assignment]
    began = time.monotonic()
    unit.start(lambda _event: None)
    _write_line(f"start: {time.monotonic() - began:.2f} s")
    _watch("slot shut", polled, seconds)
    unit.accept(JAPAN)
    _watch("slot open", polled, seconds)
    unit.close()


def _watch(name: str, polled: list[float], seconds: float) -> None:
    polled.clear()
    used = time.process_time()
    time.sleep(seconds)
    used = time.process_time() - used
    gaps = [(later - earlier) * 1000 for earlier, later in itertools.pairwise(polled)]
    _write_line(
        f"{name}: a poll every {statistics.mean(gaps):.0f} ms (longest {max(gaps):.0f}), "
        f"{used / seconds * 100:.2f} % of one processor, {used / len(polled) * 1000:.2f} ms a poll"
    )


def _await(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + BOOT_S
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError("the far end does not come up")
        time.sleep(0.05)


def _write_line(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
