"""Every sample screen on every panel, in every mode and language: `python -m testbed.drawing`.

It takes many minutes; the tests draw a representative part. Options narrow it down.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from firmware.flow.screens import Screen
from firmware.flow.session import Mode
from firmware.panel.gallery import distinct, warned
from firmware.panel.samples import every_code
from firmware.texts.texts import languages
from testbed.drawing.geometry import Least, inspect, inspect_help
from testbed.drawing.sheet import MODES, PANELS, Sheet, browser, sheet

HELPED = (
    "starting-1",
    "menu-1",
    "pin-1",
)  # the view of modes and languages lies over each of these


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m testbed.drawing")
    parser.add_argument("--panel", action="append", choices=PANELS, help="only this panel")
    parser.add_argument("--mode", action="append", choices=MODES, help="only this mode")
    parser.add_argument("--language", action="append", choices=languages())
    parser.add_argument("--screen", default="", help="only screens whose names begin so")
    parser.add_argument("--zoom", type=float, default=1, help="the browser's size of text")
    given = parser.parse_args()
    least = Least()
    with browser() as chromium:
        for name in given.panel or PANELS:
            on = sheet(chromium, PANELS[name], given.zoom)
            for language in given.language or languages():
                screens = [
                    s
                    for s in (*distinct(language), *every_code(language), *warned(language))
                    if s[0].startswith(given.screen)
                ]
                for mode in given.mode or MODES:
                    told = len(least.wrong)
                    _draw(on, screens, MODES[mode], least)
                    sys.stdout.writelines(f"{line}\n" for line in least.wrong[told:])
                    sys.stdout.flush()
    kinds = Counter(line.split(": ")[1].split(" ")[0] for line in least.wrong)
    sys.stdout.write(
        f"{least.drawn} pages drawn, {len(least.wrong)} faults {dict(kinds)}; least text "
        f"{least.text_mm:.2f} mm, target {least.target_mm:.2f} mm, "
        f"contrast {least.contrast:.2f}:1\n"
    )
    return 1 if least.wrong else 0


def _draw(
    on: Sheet, screens: list[tuple[str, Screen]], modes: frozenset[Mode], least: Least
) -> None:
    for name, screen in screens:
        inspect(on, screen, modes, least, name)
        if name.removesuffix(f"-{screen.language}") in HELPED:
            inspect_help(on, screen, modes, least, name)


if __name__ == "__main__":
    sys.exit(main())
