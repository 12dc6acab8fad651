"""The guides and the pictures show the kiosk as it is. When one of these fails: `scripts/pictures`,
and look at what changed.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from docs.generate import manual, reference
from docs.generate import panel_pictures as panel
from docs.generate.pictures import _pages
from firmware.texts.texts import languages
from testbed.drawing.sheet import MODES, PANELS

SEEN = reference.read()


@pytest.mark.parametrize("guide", manual.guides(), ids=lambda guide: guide.file)
def test_a_guide_quotes_the_screens_as_they_are(guide: manual.Guide) -> None:
    assert (manual.FOLDER / guide.file).read_text(encoding="utf-8") == guide.text()


def test_the_pictures_of_the_guides_show_the_screens_as_they_are() -> None:
    wanted = manual.marks()
    assert json.loads((manual.FOLDER / manual.MARKS).read_text()) == wanted
    there = {path.stem for path in (manual.FOLDER / "pictures").glob("*.png")}
    assert there == set(wanted)


def test_the_reference_set_has_every_screen() -> None:
    for kind in panel.kinds():
        missing = [
            name
            for name, _ in panel.chosen(kind, everything=False)
            if panel.key_of(kind, name) not in SEEN
        ]
        assert not missing, kind


@pytest.mark.parametrize("kind", filter(panel.is_chosen, panel.kinds()), ids=str)
def test_the_reference_set_was_drawn_from_the_screens_as_they_are(kind: panel.Kind) -> None:
    """All in Japanese, and a few of every other kind."""
    few = None if kind == panel.Kind("ja", panel.USUAL, "") else 3
    for name, screen in panel.chosen(kind, everything=False)[:few]:
        pages = _pages(SEEN, panel.key_of(kind, name))
        assert {SEEN[page].mark for page in pages} == {panel.mark_of(kind, screen)}, name


def test_every_language_size_and_mode_is_in_the_set() -> None:
    kinds = {tuple(key.split("/")[0:1]) for key in SEEN}
    for language in languages():
        assert (panel.Kind(language, panel.USUAL, "").folder,) in kinds
    for size in PANELS:
        assert (panel.Kind("ja", size, "").folder,) in kinds
    for mode in MODES:
        assert (panel.Kind("ja", panel.USUAL, mode).folder,) in kinds


# -- the comparison


def picture(words: str = "certificate", left: int = 100) -> Image.Image:
    made = Image.new("RGB", (960, 540), "white")
    pen = ImageDraw.Draw(made)
    pen.text((left, 100), words, fill="black", font_size=40)
    pen.rectangle((600, 400, 900, 500), fill="blue")
    return made


def seen(made: Image.Image) -> reference.Seen:
    return reference.Seen(bytes(8), reference.cells(made))


def test_what_somebody_would_see_is_a_difference() -> None:
    before = seen(picture())
    assert before.differs(seen(picture("nothing")))
    assert before.differs(seen(picture(left=160)))
    assert before.differs(seen(picture().rotate(90, expand=True)))


def test_the_smoothing_of_letters_is_none() -> None:
    shaken = np.asarray(picture()).astype(int)
    shaken += np.random.default_rng(1).integers(-6, 7, shaken.shape)
    again = Image.fromarray(shaken.clip(0, 255).astype(np.uint8))
    assert not seen(picture()).differs(seen(again))


def test_the_set_is_read_as_it_was_written(tmp_path: Path) -> None:
    tall = picture().rotate(90, expand=True)
    made = {"b": reference.Seen(b"12345678", reference.cells(tall)), "a": seen(picture())}
    for path in (tmp_path / "one.npz", tmp_path / "two.npz"):
        reference.write(made, path)
        found = reference.read(path)
        assert {name: one.mark for name, one in found.items()} == {"a": bytes(8), "b": b"12345678"}
        assert all((found[name].cells == made[name].cells).all() for name in made)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
