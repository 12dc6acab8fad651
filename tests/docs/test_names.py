"""Whatever a text names must be there: files, commands and configuration keys in pages, units, help
and comments.
"""

from __future__ import annotations

import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec

from firmware.service.config import Config
from firmware.tools.cli import commands

ROOT = Path(__file__).parents[2]
ENDINGS = "py|md|toml|css|js|svg|service|jinja|typ|html|txt"
FILE = re.compile(rf"(?<![\w./{{}}*$<>@-])((?:[\w-]+/)*[\w-]+\.(?:{ENDINGS}))\b(?![\w/(])")
COMMAND = re.compile(r"[`/]kiosk ([a-z][a-z-]+)\b")
SCRIPT = re.compile(r"(?<![\w-])scripts/([a-z][\w-]*)")
MODULE = re.compile(r"python3? -m ((?:firmware|hal|city|testbed|docs|power_cut)[\w.]*)")
# Made when the programs run, on an installed board, in a browser, or of systemd's own; and one
# package's name.
ELSEWHERE = {
    *("board.txt", "city.txt"),
    *(
        "kiosk.toml",
        "fleet.toml",
        "plan.toml",
        "city.toml",
        "verification.toml",
        "machine.toml",
        "residents.toml",
        "city-data.toml",
        "card.toml",
        "bench.toml",
        "journey.toml",
    ),
    *(
        "seatd.service",
        "pcscd.service",
        "index.js",
        "firmware.service",
    ),
}


@cache
def tracked() -> tuple[str, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
    )
    return tuple(name for name in listed.stdout.splitlines() if (ROOT / name).exists())


@cache
def prose() -> dict[str, str]:
    """Comments and docstrings of every program; everything of other texts."""
    names = (name for name in tracked() if name.endswith((".md", ".py", ".service", ".conf")))
    return {name: _prose(name) for name in names if name != "tests/docs/test_names.py"}


def _prose(name: str) -> str:
    text = (ROOT / name).read_text("utf-8")
    if not name.endswith(".py"):
        return text
    said = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT or (
            token.type == tokenize.STRING and '"""' in token.string
        ):
            said.append(token.string)
    return "\n".join(said)


def missing(found: Callable[[str], Iterable[str]], is_there: Callable[[str], bool]) -> list[str]:
    """What each text names, by `found`, and is not there."""
    return [
        f"{name}: {what}"
        for name, text in prose().items()
        for what in sorted(set(found(text)))
        if not is_there(what)
    ]


def test_files_that_are_named_exist() -> None:
    ends = {
        name[at:] for name in tracked() for at in (0, *(m.end() for m in re.finditer("/", name)))
    }
    assert missing(FILE.findall, lambda name: name in ends or Path(name).name in ELSEWHERE) == []


def test_commands_that_are_named_exist() -> None:
    known = {words[0] for words in commands()}
    assert missing(COMMAND.findall, lambda word: word in known) == []


def test_scripts_that_are_named_exist() -> None:
    assert missing(SCRIPT.findall, lambda name: (ROOT / "scripts" / name).exists()) == []


def test_modules_that_are_named_exist() -> None:
    def is_there(name: str) -> bool:
        try:
            return find_spec(name.rstrip(".")) is not None
        except ModuleNotFoundError:
            return False

    assert missing(MODULE.findall, is_there) == []


def structs(given: object) -> Iterator[type[msgspec.Struct]]:
    for one in (given, *get_args(given)):
        if isinstance(one, type) and issubclass(one, msgspec.Struct):
            yield one


def keys() -> dict[str, set[str]]:
    """Of each section of the kiosk's configuration."""
    hints = get_type_hints(Config)
    found: dict[str, set[str]] = {}
    for field in msgspec.structs.fields(Config):
        for struct in structs(hints[field.name]):
            names = {inner.encode_name for inner in msgspec.structs.fields(struct)} | {
                struct.__struct_config__.tag_field
            }
            found.setdefault(field.encode_name, set()).update(names - {None})
    return found


def test_configuration_keys_that_are_named_exist() -> None:
    known = keys()
    assert len(known) >= 10
    key = re.compile(rf"\[({'|'.join(known)})\]`?\s+`?([a-z_0-9]+)\b(?= *[`=,.;)])")
    found = [(name, *pair) for name, text in prose().items() for pair in key.findall(text)]
    assert [
        f"{name}: [{section}] {what}" for name, section, what in found if what not in known[section]
    ] == []
