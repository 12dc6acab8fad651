"""The copy guard: one grey on the original, 複写 on a copy."""

from __future__ import annotations

import numpy as np
import pytest
from scan import copy, scan

from firmware.sheets.calibration import field_mask, field_pattern, fields
from firmware.sheets.guard import guard, two_screens
from firmware.sheets.guard_style import (
    STYLES,
    TOLERANCE,
    GuardStyle,
    Halftone,
    default_style,
    require_sane,
)
from firmware.sheets.raster import PageArray

RESOLUTIONS = sorted(STYLES)


def tints(style: GuardStyle, dpi: int, times: int, gain: float = 0.0) -> tuple[float, float]:
    """The share of ink in ground and letters, each on a paper of its own, after so many copies."""
    found = []
    for mask in (np.zeros((480, 480), np.bool_), np.ones((480, 480), np.bool_)):
        page: PageArray = two_screens(mask, style.ground, style.letters)
        for _ in range(times):
            page = copy(page, dpi, gain=gain)
        found.append(float(page[40:-40, 40:-40].mean()))
    return found[0], found[1]


@pytest.mark.parametrize("dpi", RESOLUTIONS)
def test_the_original_is_one_grey_and_a_copy_shows_the_letters(dpi: int) -> None:
    style = STYLES[dpi]
    ground, letters = tints(style, dpi, 0)
    assert ground == pytest.approx(letters, rel=0.02)
    assert ground == pytest.approx(style.ground.tint, rel=0.02)
    ground, letters = tints(style, dpi, 1)
    assert ground < 0.0005
    assert letters > 0.03


@pytest.mark.parametrize("dpi", RESOLUTIONS)
def test_the_letters_are_still_there_on_a_copy_of_a_copy(dpi: int) -> None:
    """The ink of every copier spreads a little; without that, small letters would fade."""
    ground, letters = tints(STYLES[dpi], dpi, 2, gain=0.02)
    assert ground < 0.0005
    assert letters > 0.03


@pytest.mark.parametrize("dpi", RESOLUTIONS)
def test_to_the_eye_the_letters_are_as_grey_as_the_ground(dpi: int) -> None:
    """At reading distance the eye blurs about 0.4 mm; a contrast below 2 % of white is not seen."""
    mask = field_mask(dpi)
    field = next(one for one in fields(dpi) if one.default)
    seen = scan(field_pattern(field, dpi), dpi, blur=0.6, resolution=dpi)
    inside = seen[_resized(mask, seen.shape)].mean()
    outside = seen[~_resized(mask, seen.shape)].mean()
    assert abs(inside - outside) < 0.02 * 255


def _resized(mask: PageArray, shape: tuple[int, ...]) -> PageArray:
    return mask[: shape[0], : shape[1]]


def test_the_guard_is_the_configurations_or_that_of_the_resolution() -> None:
    usual = guard(400, 400, 300)
    assert guard(400, 400, 300, None) is usual
    assert guard(400, 400, 300, STYLES[300]) is usual
    chosen = GuardStyle(ground=Halftone(1, 4), letters=Halftone(2, 8))
    assert guard(400, 400, 300, chosen).pattern.mean() < 0.6 * usual.pattern.mean()


def test_the_pattern_shared_by_all_pages_cannot_be_changed() -> None:
    pattern = guard(64, 64, 203).pattern
    with pytest.raises(ValueError, match="read-only"):
        pattern[0, 0] = True


@pytest.mark.parametrize("halo", [1, 2, 4])
def test_the_print_has_as_much_white_around_it_as_the_style_says(halo: int) -> None:
    page = np.zeros((80, 80), np.bool_)
    page[40, 40] = True
    guarded = guard(80, 80, 203, GuardStyle(halo=halo)).apply(page)
    around = guarded[40 - halo : 41 + halo, 40 - halo : 41 + halo]
    assert (guarded[40, 40], around.sum()) == (True, 1)
    assert guarded[40 - halo - 3 : 41 + halo + 3, 40 - halo - 3 : 41 + halo + 3].sum() > 1


@pytest.mark.parametrize("dpi", [203, 300, 600])
def test_every_style_of_ours_is_sane(dpi: int) -> None:
    style = default_style(dpi)
    require_sane(style.ground, style.letters)
    for field in fields(dpi):
        require_sane(field.ground, field.letters)


INSANE = {
    "dot": (Halftone(0, 3), Halftone(2, 6)),
    "large dot": (Halftone(1, 3), Halftone(13, 39)),
    "touching": (Halftone(1, 3), Halftone(3, 5)),
    "tint": (Halftone(1, 6), Halftone(2, 12)),
    "larger": (Halftone(2, 6), Halftone(2, 6)),
    "nearly one tint": (Halftone(1, 4), Halftone(3, 8)),
}


@pytest.mark.parametrize("what", INSANE)
def test_what_cannot_hide_or_show_the_letters_is_refused(what: str) -> None:
    with pytest.raises(ValueError, match=r"^(ground|letters)"):
        require_sane(*INSANE[what])


def test_the_tolerance_is_for_dot_gain_only() -> None:
    """Ink that spreads by a sixth of a dot darkens the ground by more than the letters: by about
    the tolerance.
    """
    ground, letters = Halftone(1, 3), Halftone(2, 6)
    grown = [((screen.dot + 1 / 3) / screen.dot) ** 2 * screen.tint for screen in (ground, letters)]
    assert 1.2 < grown[0] / grown[1] < TOLERANCE
