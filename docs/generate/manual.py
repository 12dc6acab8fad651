"""docs/manual: the guides for residents and for operators, in Japanese and English.

The guides are written in docs/generate/guides. What a screen says is taken there from the texts of
the screens, and the pictures are drawn from the same screens, so that neither can say anything
else than the kiosk. `marks.json` holds what each picture was drawn from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import jinja2
from PIL import Image

from docs.generate import panel_pictures as panel
from firmware.texts.texts import Texts
from testbed.drawing.sheet import browser

GUIDES: Final = Path(__file__).parent / "guides"
FOLDER: Final = Path(__file__).parents[1] / "manual"
MARKS: Final = "marks.json"
SIZE: Final = (640, 360)
COLOURS: Final = 64
QUOTES: Final = {"ja": "「{}」", "en": "“{}”"}
NOT_EDITED: Final = "<!-- Written by scripts/pictures from docs/generate/guides. -->\n\n"


@dataclass
class Guide:
    """One guide in one language; `shown` are the screens of its pictures, with the mode."""

    name: str
    language: str
    shown: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return f"{self.name}.{self.language}.md"

    def text(self) -> str:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(GUIDES),
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=False,  # noqa: S701 - Markdown of our own words
        )
        texts = Texts.load(self.language)
        return NOT_EDITED + environment.get_template(self.file).render(
            say=lambda key, **values: QUOTES[self.language].format(texts.get(key, **values)),
            words=texts.get,
            keys=lambda group: _keys(texts, group),
            picture=self._picture,
        )

    def _picture(self, screen: str, mode: str = "") -> str:
        name = f"{screen}-{mode}" if mode else screen
        self.shown[name] = mode
        texts = Texts.load(self.language)
        title = texts.known.get(
            f"screen.{screen.rsplit('-', 1)[0]}.title", texts.get("step.choose")
        )
        return f"![{title}](pictures/{self.language}-{name}.png)"


GUIDES_MADE: Final = ("resident", "operator", "technician")


def guides() -> list[Guide]:
    return [Guide(name, language) for name in GUIDES_MADE for language in QUOTES]


def _keys(texts: Texts, group: str) -> list[str]:
    """The names right under a group, in the order of the file."""
    found = re.compile(rf"{re.escape(group)}\.([^.]+)\.")
    return list(dict.fromkeys(match[1] for key in texts.known if (match := found.match(key))))


def pictures() -> Mapping[str, tuple[panel.Kind, str]]:
    """Of each picture of the guides, which screen it is."""
    wanted: dict[str, tuple[panel.Kind, str]] = {}
    for guide in guides():
        guide.text()
        for name, mode in guide.shown.items():
            screen = name.removesuffix(f"-{mode}") if mode else name
            kind = panel.Kind(guide.language, panel.USUAL, mode)
            wanted[f"{guide.language}-{name}"] = (kind, screen)
    return wanted


def marks() -> dict[str, str]:
    """What each picture is drawn from, as it is now. Raises KeyError for an unknown screen."""
    return {
        name: panel.mark_of(kind, dict(panel.screens(kind.language))[screen]).hex()
        for name, (kind, screen) in sorted(pictures().items())
    }


def write(easel: panel.Easel) -> None:
    """The guides, and those pictures that are not there or show an older screen."""
    folder = FOLDER / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    known = json.loads((FOLDER / MARKS).read_text()) if (FOLDER / MARKS).exists() else {}
    wanted = marks()
    for path in folder.glob("*.png"):
        if path.stem not in wanted:
            path.unlink()
    for name, (kind, screen) in pictures().items():
        path = folder / f"{name}.png"
        if known.get(name) != wanted[name] or not path.exists():
            _, png = next(easel.draw(kind, screen, dict(panel.screens(kind.language))[screen]))
            small = panel.opened(png).resize(SIZE, Image.Resampling.LANCZOS)
            panel.save(small, path, COLOURS)
    (FOLDER / MARKS).write_text(json.dumps(wanted, indent=1) + "\n")
    for guide in guides():
        (FOLDER / guide.file).write_text(guide.text(), encoding="utf-8")


if __name__ == "__main__":  # the guides alone
    with browser() as chromium:
        write(panel.Easel(chromium))
