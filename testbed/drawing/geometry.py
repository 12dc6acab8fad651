"""Whether a screen stands on its panel as docs/panel-design.md says: nothing cut or overlapping,
nothing too small, enough contrast.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from firmware.flow.screens import Screen
from firmware.flow.session import Mode
from testbed.drawing.sheet import Sheet

CHECK = (Path(__file__).parent / "geometry.js").read_text(encoding="utf-8")
TEXT_MM, TARGET_MM, CONTRAST = 4.8, 18.0, 7.0


@dataclass
class Least:
    """The smallest of everything that was measured."""

    text_mm: float = 1e9
    target_mm: float = 1e9
    contrast: float = 1e9
    drawn: int = 0
    wrong: list[str] = field(default_factory=list)

    def add(self, sheet: Sheet, wrong: list[str], least: dict[str, float], where: str) -> None:
        per_mm = sheet.panel.px_per_mm
        self.drawn += 1
        self.text_mm = min(self.text_mm, least["text"] / per_mm)
        self.target_mm = min(self.target_mm, least["target"] / per_mm)
        self.contrast = min(self.contrast, least["contrast"])
        self.wrong += [f"{where}: {line}" for line in wrong]


def measure(sheet: Sheet, modes: frozenset[Mode]) -> tuple[list[str], dict[str, float]]:
    """What is wrong with what stands there now."""
    per_mm = sheet.panel.px_per_mm
    floor = {
        "text": TEXT_MM * per_mm,
        "target": TARGET_MM * per_mm,
        "contrast": CONTRAST,
        "half": Mode.LOW in modes and not sheet.panel.is_small,
    }
    wrong, least = sheet.ask(f"floor => ({CHECK})(floor)", floor)
    return wrong, least


def inspect(sheet: Sheet, screen: Screen, modes: frozenset[Mode], least: Least, name: str) -> None:
    """Every page of a screen."""
    sheet.show(screen, modes)
    for number in sheet.pages():
        where = f"{name} {screen.language} {sheet.panel.name} {_named(modes)} p{number}"
        least.add(sheet, *measure(sheet, modes), where)


def inspect_help(
    sheet: Sheet, screen: Screen, modes: frozenset[Mode], least: Least, name: str = ""
) -> None:
    """Every page of the view of modes and languages over a screen."""
    sheet.show(screen, modes)
    sheet.ask("document.querySelector('[data-page=help]').click()")
    for number in sheet.pages(".help"):
        where = f"help-{name} {screen.language} {sheet.panel.name} {_named(modes)} p{number}"
        least.add(sheet, *measure(sheet, modes), where)
    sheet.ask("document.querySelector('[data-page=close]').click()")


def _named(modes: frozenset[Mode]) -> str:
    return "+".join(sorted(modes)) or "plain"
