"""The keys of a ten-key pad, on every screen: the page and the voice read this table.

A pad has the digits with a raised dot on 5, Enter, Backspace, the point, and the four signs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from firmware.flow.screens import Screen
from firmware.flow.session import Mode

DIGITS = "123456789"
STEP = "0"  # goes to the next thing that can be pressed, and says it; Enter presses it


class Press(NamedTuple):
    """What a key does: an action of the screen, or one that changes no screen."""

    action: str
    value: str = ""


# A key does the first of its actions that the screen offers.
GO: Mapping[str, tuple[str, ...]] = {
    "Enter": ("enter", "start", "next", "confirm", "taken", "ok"),
    "Backspace": ("clear", "back", "cancel"),
    ".": ("cancel",),
}
# The same on every screen.
ASIDE: Mapping[str, Press] = {
    "*": Press("repeat"),
    "/": Press("mode", Mode.SLOW.value),
    "+": Press("volume", "up"),
    "-": Press("volume", "down"),
}
# Actions that are chosen by a digit, in the order in which they are drawn.
NUMBERED = ("cash", "cashless", "stop", "try")
# What each key is called in the texts: `key.<name>`.
NAMES: Mapping[str, str] = {
    **{digit: digit for digit in "0" + DIGITS},
    "Enter": "enter",
    "Backspace": "backspace",
    ".": "point",
    "*": "star",
    "/": "slash",
    "+": "plus",
    "-": "minus",
}


def choices(screen: Screen, languages: Sequence[str]) -> tuple[Press, ...]:
    """What can be chosen on this screen, in the order in which it is drawn and said."""
    facts, offered = screen.facts, screen.actions
    if "choose" in offered:
        return tuple(Press("choose", each["kind"]) for each in facts["certificates"])
    if "pick" in offered and facts.get("type") == "count":
        return Press("pick", "less"), Press("pick", "more")
    if "pick" in offered:
        return tuple(Press("pick", each["id"]) for each in facts.get("choices", ()))
    if numbered := tuple(Press(action) for action in NUMBERED if action in offered):
        return numbered
    if screen.name in CHOOSES_LANGUAGE and "language" in offered and len(languages) > 1:
        return tuple(Press("language", language) for language in languages)
    return ()


# Screens on which nothing else is chosen.
CHOOSES_LANGUAGE = ("menu", "closed", "fault")


def keys(screen: Screen, languages: Sequence[str]) -> dict[str, Press]:
    """Every key that does something on this screen. Where a sensor feels that paper is taken,
    nobody has to say so.
    """
    going = {
        key: Press(action)
        for key, actions in GO.items()
        for action in actions[::-1]
        if action in screen.actions and not (action == "taken" and screen.facts.get("sensor"))
    }
    if screen.name == "pin":
        return {**{digit: Press("digit", digit) for digit in "0" + DIGITS}, **going, **ASIDE}
    chosen = zip(DIGITS, choices(screen, languages), strict=False)
    return {**dict(chosen), **going, **ASIDE}


def key_of(screen: Screen, languages: Sequence[str], action: str, value: str = "") -> str:
    """The keys that press this button, with spaces between them; "" when none does."""
    wanted = Press(action, value)
    return " ".join(key for key, press in keys(screen, languages).items() if press == wanted)
