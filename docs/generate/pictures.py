"""All pictures of the documentation, and every screen to be looked at: `scripts/pictures`.

It draws the screens that changed since the reference set was made, says what is wrong with each by
the geometric check, tells which look different, and writes the guides in docs/manual.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from PIL import Image

from docs.generate import demo_pictures, manual, reference
from docs.generate import panel_pictures as panel
from firmware.texts.texts import languages
from testbed.drawing.sheet import MODES, PANELS, browser

OUT: Final = Path(__file__).parents[2] / "var" / "pictures"


@dataclass
class Found:
    """What came of drawing."""

    seen: dict[str, reference.Seen] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    fresh: int = 0
    drawn: int = 0


def main(argv: Sequence[str] | None = None) -> int:
    """0 when nothing is wrong with any screen; changed screens are told and kept."""
    given = _parser().parse_args(argv)
    began = time.monotonic()
    with browser() as chromium:
        easel = panel.Easel(chromium)
        found = draw(easel, given)
        seconds = time.monotonic() - began
        if not _narrowed(given):
            reference.write(found.seen)
            manual.write(easel)
    if given.demo:
        demo_pictures.make(demo_pictures.FOLDER)
    _report(found, easel, seconds)
    return 1 if easel.least.wrong or easel.axe else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/pictures", description="draw every screen, compare, write the guides"
    )
    parser.add_argument("--out", type=Path, default=OUT, help="folder (default: var/pictures)")
    parser.add_argument("--all", action="store_true", help="every screen in every combination")
    parser.add_argument("--again", action="store_true", help="also what has not changed")
    parser.add_argument("--demo", action="store_true", help="also the pictures of the demo")
    parser.add_argument("--language", action="append", choices=languages(), help="only this")
    parser.add_argument("--panel", action="append", choices=PANELS, help="only this")
    parser.add_argument("--mode", action="append", choices=MODES, help='only this ("": none)')
    return parser


def _narrowed(given: argparse.Namespace) -> bool:
    return bool(given.language or given.panel or given.mode)


def draw(easel: panel.Easel, given: argparse.Namespace) -> Found:
    """Picture by picture; a contact sheet for each kind of which one was drawn."""
    before = reference.read()
    found = Found()
    for kind in panel.kinds():
        if _is_wanted(kind, given):
            kept = {name for name, _ in panel.chosen(kind, everything=False)}
            small: dict[str, Image.Image] = {}
            for name, screen in panel.chosen(kind, given.all):
                mark = panel.mark_of(kind, screen)
                known = _pages(before, panel.key_of(kind, name))
                if (
                    not given.again
                    and not given.all
                    and known
                    and all(before[key].mark == mark for key in known)
                ):
                    found.seen |= {key: before[key] for key in known}
                    found.fresh += 1
                    continue
                for key, png in easel.draw(kind, name, screen):
                    found.drawn += 1
                    panel.keep(png, given.out / f"{key}.png")
                    picture = panel.opened(png)
                    small[key.split("/")[1]] = panel.thumb(picture)
                    if name in kept:
                        found.seen[key] = reference.Seen(mark, reference.cells(picture))
                        _compare(found, before, key, picture, given.out)
            if small:
                sheet = panel.contact_sheet(small)
                panel.save(sheet, given.out / "contact" / f"{kind.folder}.png")
    return found


def _is_wanted(kind: panel.Kind, given: argparse.Namespace) -> bool:
    return all(
        not wanted or value in wanted
        for value, wanted in (
            (kind.language, given.language),
            (kind.panel, given.panel),
            (kind.mode, given.mode),
        )
    )


def _pages(before: dict[str, reference.Seen], key: str) -> list[str]:
    """The pages of this screen in the reference set."""
    found = [key] if key in before else []
    while found and f"{key}-p{len(found) + 1}" in before:
        found.append(f"{key}-p{len(found) + 1}")
    return found


def _compare(
    found: Found,
    before: dict[str, reference.Seen],
    key: str,
    picture: Image.Image,
    out: Path,
) -> None:
    if key not in before or before[key].differs(found.seen[key]):
        found.changed.append(key)
        if before:
            both = panel.beside(before.get(key), picture)
            panel.save(both, out / "changed" / f"{key.replace('/', '-')}.png")


def _report(found: Found, easel: panel.Easel, seconds: float) -> None:
    least = easel.least
    by_kind: dict[str, list[str]] = defaultdict(list)
    for key in found.changed:
        kind, name = key.split("/")
        by_kind[kind].append(name)
    lines = [f"changed  {kind}: {' '.join(names)}" for kind, names in by_kind.items()]
    lines += [f"wrong    {line}" for line in (*least.wrong, *easel.axe)]
    faults = Counter(line.split(": ")[1].split(" ")[0] for line in least.wrong)
    lines.append(
        f"{found.drawn} pictures drawn ({found.drawn / seconds:.1f} a second), "
        f"{found.fresh} screens as they were; {len(found.changed)} look different; "
        f"{len(least.wrong)} faults {dict(faults)}, {len(easel.axe)} findings of axe-core"
    )
    if found.drawn:
        lines.append(
            f"least text {least.text_mm:.2f} mm, target {least.target_mm:.2f} mm, "
            f"contrast {least.contrast:.2f}:1"
        )
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    sys.exit(main())
