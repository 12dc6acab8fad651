"""What is said about a screen: recorded phrases, one after the other, each the very text of a key.

The PIN, a birth date and an address are never spoken; a name only where nobody else can hear it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from firmware.flow.keys import CHOOSES_LANGUAGE, NAMES, Press
from firmware.flow.screens import Screen
from firmware.flow.session import Mode
from firmware.texts.phrase import Phrase, SpokenTexts
from firmware.texts.texts import Texts
from firmware.texts.voice_keys import (
    say_changes,
    say_choices,
    say_going,
    say_press,
    say_step,
)
from firmware.texts.voice_names import LANGUAGE, sounds
from firmware.texts.voice_parts import (
    CASE_SIGNS,
    NUMBERS,
    Words,
    letter,
)
from firmware.texts.voice_screens import speaks

RECORDED = (
    "screen.",
    "notice.",
    "refusal.",
    "problem.",
    "option.",
    "choose.",
    "kind.",
    "label.",
    "spoken.",
    "phone.",
    "either.",
    "action.",
    "time.",
    "page.",
)
NOWHERE: Mapping[str, str] = {}


def phrases(texts: Texts) -> frozenset[Phrase]:
    """All that must be recorded for this language."""
    say = SpokenTexts.of(texts)
    fixed = (
        say.get(key)
        for key, text in texts.known.items()
        if key.startswith(RECORDED) and "{" not in text
    )
    months = (say.get(f"format.month.{month}") for month in range(1, 13))
    numbered = (say.get(key, n=n) for key, values in NUMBERS.items() for n in values)
    pressed = (
        say.get("spoken.press", button=say.raw(f"key.{name}", {})) for name in NAMES.values()
    )
    signs = (letter(sign, texts.language) for sign in CASE_SIGNS)
    spelled = sounds() if texts.language == LANGUAGE else ()
    return frozenset(
        (*fixed, *months, *numbered, *pressed, *signs, *spelled, say.get("name.language"))
    )


# What is said only when something has gone wrong, or of a phone.
SELDOM = tuple(
    f"{of}{group}."
    for of in ("", "phone.", "either.")
    for group in ("refusal", "problem", "notice")
)
MOST_OFTEN = {"count.yen": 1000}  # greater numbers are seldom said; of other things, those above 5


def often(texts: Texts) -> frozenset[Phrase]:
    """What an ordinary journey needs: where people wait for recordings, they are made first."""
    say = SpokenTexts.of(texts)
    seldom = {
        say.get(key)
        for key, text in texts.known.items()
        if key.startswith((*SELDOM, "phone.")) and "{" not in text
    }
    great = {
        say.get(key, n=n)
        for key, values in NUMBERS.items()
        for n in values
        if n > MOST_OFTEN.get(key, 5) and key != "spoken.digit"
    }
    return phrases(texts) - seldom - great - sounds()


def words(
    screen: Screen,
    texts: Texts,
    languages: Sequence[str] = (),
    private: bool = False,
    cabinet: Mapping[str, str] = NOWHERE,
) -> tuple[str, ...]:
    """The phrases for a screen, all of them in the `phrases` of their language. `languages`: those
    that can be chosen here. `private`: nobody else can hear. `cabinet`: on which side of the screen
    each device is. Raises MissingText for a screen without words.
    """
    spoken = SpokenTexts.of(texts).about(screen.about)
    say = speaks(screen.name)
    choices, going = say_choices(screen, spoken, languages, private), say_going(screen, spoken)
    return (
        *warned(screen, spoken),
        *say({**screen.facts, "private": private}, spoken),
        *(
            spoken.get(f"page.{part}.{cabinet[part]}")
            for part in _parts_of(screen)
            if part in cabinet
        ),
        *((*going, *choices) if screen.name in CHOOSES_LANGUAGE else (*choices, *going)),
        *(spoken.get(key) for key in HELP.get(screen.name, ())),
    )


def _parts_of(screen: Screen) -> tuple[str, ...]:
    """The devices that the person needs on this screen."""
    if screen.name == "receipt":
        receipt = () if screen.facts["notice"] == "no-receipt" else ("receipt",)
        return (*receipt, "change") if screen.facts["change"] else receipt
    return WHERE.get(screen.name, ())


WHERE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("place", "remove", "removealarm", "hold", "takecard", "cardleft"), ("card",)),
    "paying": ("coins",),
    "refunding": ("change",),
    **dict.fromkeys(("sheets", "uncollected"), ("sheets",)),
}

# How the keys are used is told where there is time for it.
HELP = {"menu": ("spoken.help", "spoken.private"), "pin": ("spoken.pin",)}


def changed(before: Screen, after: Screen, texts: Texts, private: bool = False) -> tuple[str, ...]:
    """What is said when a screen stays and something on it changes."""
    spoken = SpokenTexts.of(texts).about(after.about)
    warning = warned(after, spoken) if after.warning != before.warning else ()
    slow = Mode.SLOW in after.modes
    pace = "spoken.slower" if slow else "spoken.as-usual"
    changes = tuple(say_changes(before, after, spoken, private))
    return (
        *warning,
        *([spoken.get(pace)] if slow != (Mode.SLOW in before.modes) else []),
        *changes,
        *(say_going(after, spoken) if changes else ()),
    )


def stepped(screen: Screen, texts: Texts, press: Press, private: bool = False) -> tuple[str, ...]:
    """What is said of one button, where a person goes from one to the next."""
    spoken = SpokenTexts.of(texts).about(screen.about)
    return tuple(say_step(screen, spoken, press, private))


def warned(screen: Screen, texts: Texts) -> Words:
    """That the time is running out, and the key that gives more of it."""
    if screen.warning:
        yield texts.get(f"time.{screen.warning}")
        if screen.runs_out:
            yield texts.get(f"time.up.{screen.runs_out}")
        if "more-time" in screen.actions:
            yield texts.get("action.more-time")
            yield from say_press(texts, "*")
