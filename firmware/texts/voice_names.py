"""Names, spelled: the city's reading of a name, one recorded sound after the other.

A name itself is never recorded, and no engine runs on a board. Where the city gives a name's
reading in kana, its sounds are recorded once for everybody.
"""

from __future__ import annotations

import re
from typing import Final

from firmware.texts.phrase import Phrase

LANGUAGE: Final = "ja"
_ROWS = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン"
    "ガギグゲゴザジズゼゾダヂヅデドバビブベボパピプペポヴ"
)
_GLIDES = tuple(row + small for row in "キシチニヒミリギジビピ" for small in "ャュョ")
_FOREIGN = (
    "シェ ジェ チェ ティ ディ トゥ ドゥ ファ フィ フェ フォ ウィ ウェ ウォ ヴァ ヴィ ヴェ ヴォ"
).split()
# Two letters are sounds that none of these says: they are read by their names.
_ALONE = {"ッ": "小さいツ", "ー": "のばす音"}
SOUNDS: Final = (*_ROWS, *_GLIDES, *_FOREIGN)
_SOUND = re.compile("|".join(sorted((*SOUNDS, *_ALONE), key=len, reverse=True)))
MARKED = {"小さいツ": "小《ちい》さいツ", "のばす音": "のばす音《おん》"}


def sounds() -> frozenset[Phrase]:
    """All that must be recorded."""
    return frozenset(
        Phrase(MARKED.get(sound, sound), LANGUAGE) for sound in (*SOUNDS, *_ALONE.values())
    )


def spell(reading: str) -> tuple[Phrase, ...]:
    """The sounds of a name in katakana; nothing when one of them cannot be said."""
    letters = re.sub(r"[\s・　]", "", reading)
    found = _SOUND.findall(letters)
    if "".join(found) != letters:
        return ()
    names = (_ALONE.get(sound, sound) for sound in found)
    return tuple(Phrase(MARKED.get(name, name), LANGUAGE) for name in names)
