"""What the README shows is true: its configuration loads, its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

from firmware.service.config import load
from firmware.tools.cli import commands

HOUSE = Path(__file__).parents[2]
README = (HOUSE / "README.md").read_text()


def block(language: str, starts: str) -> str:
    return next(
        text
        for text in re.findall(rf"```{language}\n(.*?)```", README, re.S)
        if text.startswith(starts)
    )


def test_the_configuration_shown_is_one(tmp_path: Path) -> None:
    path = tmp_path / "kiosk.toml"
    path.write_text(block("toml", "[kiosk]"))
    config = load(path)
    assert config.line.key == tmp_path / "keys" / "kiosk-key.pem"


def test_the_commands_shown_are_there() -> None:
    shown = {tuple(line.split()[1:3]) for line in block("sh", "kiosk run").splitlines()}
    known = commands()
    for words in shown:
        assert words in known or words[:1] in known, words


def test_pictures_and_pages_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (HOUSE / target).exists(), target
