"""Every screen of the panel as a picture: which there are, how one is drawn, which have changed."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import axe_playwright_python  # type: ignore[import-untyped]
from PIL import Image, ImageDraw
from playwright.sync_api import Browser

from docs.generate import reference
from firmware.flow.screens import Screen
from firmware.panel.gallery import distinct
from firmware.panel.render import page as shell
from firmware.panel.render import render
from firmware.texts.texts import Texts, languages
from testbed.drawing.geometry import Least, measure
from testbed.drawing.sheet import ANYWHERE, MODES, PANELS, Sheet

USUAL: Final = "15.6"
LOOKED_AT: Final = ("ja", "en")  # every screen of these is in the reference set
MODE_PANELS: Final = (USUAL, "7")
LONGER_SIDE: Final = 960  # of a picture, in picture elements
THUMB: Final = 240
COLUMNS: Final = 8
LABEL: Final = 14
GREY: Final = (207, 212, 222)

STILL: Final = "performance.now = () => 0;"  # the countdown stands on its first second
AXE: Final = Path(axe_playwright_python.__file__).parent / "axe.min.js"
FINDINGS: Final = """async () => (await axe.run()).violations.map(
  (found) => `axe ${found.id}: ${found.nodes.map((node) => node.target.join(" ")).join(", ")}`)"""


@dataclass(frozen=True)
class Kind:
    """What the screens of one contact sheet have in common."""

    language: str
    panel: str
    mode: str

    @property
    def folder(self) -> str:
        return "-".join((self.language, self.panel.replace(" ", "-"), self.mode or "plain"))


def kinds() -> Iterator[Kind]:
    """All of them, language by language."""
    for language in languages():
        for panel in PANELS:
            yield from (Kind(language, panel, mode) for mode in MODES)


@functools.cache
def screens(language: str) -> Sequence[tuple[str, Screen]]:
    return [(name.removesuffix(f"-{language}"), screen) for name, screen in distinct(language)]


def chosen(kind: Kind, everything: bool) -> Sequence[tuple[str, Screen]]:
    """Without `everything`: each screen of the languages that are looked at, and the first of each
    name in every other language, on every other panel, and in every mode.
    """
    if everything or (_is_plain(kind) and kind.language in LOOKED_AT):
        return screens(kind.language)
    if is_chosen(kind):
        return [(name, screen) for name, screen in screens(kind.language) if name.endswith("-1")]
    return ()


def is_chosen(kind: Kind) -> bool:
    """Whether any screen of this kind is, without `everything`."""
    by_panel = kind.language == "ja" and not kind.mode
    by_mode = kind.language == "ja" and kind.panel in MODE_PANELS
    return _is_plain(kind) or by_panel or by_mode


def _is_plain(kind: Kind) -> bool:
    return (kind.panel, kind.mode) == (USUAL, "")


def html_of(screen: Screen, mode: str) -> str:
    actions = (*screen.actions, *(a for a in ANYWHERE if a not in screen.actions))
    shown = replace(screen, modes=MODES[mode], actions=actions)
    return render(shown, Texts.load(screen.language))


@functools.cache
def _assets(panel: str) -> bytes:
    html, files = shell(size=PANELS[panel].size)
    return b"".join([html.encode(), *(path.encode() + body for path, (body, _) in files.items())])


def mark_of(kind: Kind, screen: Screen) -> bytes:
    return reference.mark(html_of(screen, kind.mode).encode(), _assets(kind.panel))


def key_of(kind: Kind, name: str, page: int = 1) -> str:
    return f"{kind.folder}/{name}" + (f"-p{page}" if page > 1 else "")


class Easel:
    """Draws, one kind after the other, in one page for each panel."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._sheets: dict[str, Sheet] = {}
        self.least = Least()
        self.axe: list[str] = []  # what axe-core finds

    def _sheet(self, panel: str) -> Sheet:
        if panel not in self._sheets:
            width, height = PANELS[panel].pixels
            page = self._browser.new_page(
                viewport={"width": width, "height": height},
                device_scale_factor=min(1.0, LONGER_SIDE / max(width, height)),
                reduced_motion="reduce",
            )
            page.add_init_script(STILL)
            self._sheets[panel] = Sheet(page, PANELS[panel])
            page.evaluate(AXE.read_text(encoding="utf-8"))
        return self._sheets[panel]

    def draw(self, kind: Kind, name: str, screen: Screen) -> Iterator[tuple[str, bytes]]:
        """Each page of a screen as PNG, and its key; what is wrong with it goes to `least`."""
        sheet = self._sheet(kind.panel)
        sheet.put(html_of(screen, kind.mode))
        for number in sheet.pages():
            key = key_of(kind, name, number)
            self.least.add(sheet, *measure(sheet, MODES[kind.mode]), key)
            self.axe += [f"{key}: {line}" for line in sheet.ask(FINDINGS)]
            yield key, sheet.page.screenshot()


def contact_sheet(small: Mapping[str, Image.Image]) -> Image.Image:
    """Side by side, each with its name."""
    height = max(picture.height for picture in small.values()) + LABEL
    rows = -(-len(small) // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * (THUMB + 4), rows * (height + 4)), GREY)
    pen = ImageDraw.Draw(whole)
    for n, (name, picture) in enumerate(small.items()):
        left, top = n % COLUMNS * (THUMB + 4), n // COLUMNS * (height + 4)
        pen.text((left + 2, top), name, fill=0)
        whole.paste(picture, (left, top + LABEL))
    return whole


def thumb(picture: Image.Image) -> Image.Image:
    height = round(picture.height * THUMB / picture.width)
    return picture.resize((THUMB, height), Image.Resampling.BOX)


def beside(before: reference.Seen | None, now: Image.Image) -> Image.Image:
    """The cells of the reference set, and the picture of today."""
    whole = Image.new("RGB", (2 * now.width + 10, now.height), GREY)
    if before is not None:
        old = Image.fromarray(before.cells * (256 // reference.SHADES)).convert("RGB")
        whole.paste(old.resize(now.size, Image.Resampling.NEAREST), (0, 0))
    whole.paste(now, (now.width + 10, 0))
    return whole


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png)).convert("RGB")


def keep(png: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png)


def save(picture: Image.Image, path: Path, colours: int = 256) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
