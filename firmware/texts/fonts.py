"""Which fonts a screen in each language needs, in the order in which the page asks for them.

Chinese, Korean and Japanese write one character in different ways, so each has its own face of
Noto Sans CJK. `styles.css` names the same families by `:lang()`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

CJK = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
NOTO = Path("/usr/share/fonts/truetype/noto")


@dataclass(frozen=True)
class Font:
    family: str
    path: Path
    package: str  # of Debian


JAPANESE = Font("Noto Sans CJK JP", CJK, "fonts-noto-cjk")
SIMPLIFIED = Font("Noto Sans CJK SC", CJK, "fonts-noto-cjk")
TRADITIONAL = Font("Noto Sans CJK TC", CJK, "fonts-noto-cjk")
KOREAN = Font("Noto Sans CJK KR", CJK, "fonts-noto-cjk")
LATIN = Font("Noto Sans", NOTO / "NotoSans-Regular.ttf", "fonts-noto-core")
DEVANAGARI = Font(
    "Noto Sans Devanagari", NOTO / "NotoSansDevanagari-Regular.ttf", "fonts-noto-core"
)

FONTS: Mapping[str, tuple[Font, ...]] = {
    "ja": (JAPANESE,),
    "ja-easy": (JAPANESE,),
    "en": (JAPANESE,),  # its Latin letters go with the Japanese ones that stand beside them
    "zh-Hans": (SIMPLIFIED,),
    "zh-Hant": (TRADITIONAL,),
    "ko": (KOREAN,),
    "vi": (LATIN,),
    "pt": (LATIN,),
    "id": (LATIN,),
    "tl": (LATIN,),
    "ne": (DEVANAGARI, LATIN),
}


def of(languages: Iterable[str]) -> list[Font]:
    """Each font of these languages once. A language that no list knows needs none."""
    return list(dict.fromkeys(font for each in languages for font in FONTS.get(each, ())))


def missing(languages: Iterable[str]) -> list[Font]:
    """Those that are not installed."""
    return [font for font in of(languages) if not font.path.is_file()]
