"""Every screen as a page of its own, to be looked at: `python -m firmware.panel.gallery FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from firmware.flow.screens import Screen
from firmware.flow.timers import TEN, THIRD, seconds_left
from firmware.panel.render import page, render
from firmware.panel.samples import screens
from firmware.texts.texts import Texts, languages


def distinct(language: str) -> Iterator[tuple[str, Screen]]:
    """A name for each screen that looks unlike all before it."""
    seen: dict[str, list[Screen]] = {}
    for screen in screens(language):
        alike = seen.setdefault(screen.name, [])
        if (screen.facts, screen.about) not in [(other.facts, other.about) for other in alike]:
            alike.append(screen)
            yield f"{screen.name}-{len(alike)}-{language}", screen


def warned(language: str) -> Iterator[tuple[str, Screen]]:
    """The screens whose time runs out, each as it warns of that."""
    for name, screen in distinct(language):
        if screen.runs_out and screen.limit_s:
            for warning in (THIRD, TEN) if "-1-" in name else (THIRD,):
                left = seconds_left(screen.limit_s, warning)
                yield f"{name}-{warning}", replace(screen, warning=warning, limit_s=left)


def write(folder: Path) -> int:
    """Write the pages and what they load; how many. Raises OSError."""
    shell, files = page(assets=".")
    shell = shell.replace('<script src="./panel/panel.js" defer></script>\n', "").split(
        '<div id="stage">'
    )[0]
    for path, (content, _) in files.items():
        file = folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    pages = [(name, screen) for language in languages() for name, screen in distinct(language)]
    for name, screen in pages:
        html = render(screen, Texts.load(screen.language))
        (folder / f"{name}.html").write_text(
            f'{shell}<div id="stage">{html}</div>', encoding="utf-8"
        )
    return len(pages)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m firmware.panel.gallery FOLDER")
    write(Path(sys.argv[1]))
