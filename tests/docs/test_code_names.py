"""Every `name` in `file` of the documentation is a class, function or constant of that file."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])
NAME = r"`([A-Za-z_]\w*(?:\.\w+)?)`"
NAMED = re.compile(rf"((?:{NAME}(?:,\s+|\s+and\s+))*{NAME})\s+in\s+`([\w/]+\.py)`")


def file(path: str) -> Path:
    """The module that a text calls by its path, or by the end of it."""
    (found,) = {
        one
        for folder in ("firmware", "hal", "city", "testbed", "docs", "tests")
        for one in ((ROOT / folder).rglob(path) if not path.startswith(folder) else [ROOT / path])
        if one.exists()
    }
    return found


@cache
def defined(path: str) -> frozenset[str]:
    """The names at the top of a module, and those of its classes with the class before a dot."""
    module = ast.parse(file(path).read_text("utf-8"))
    return frozenset(
        name
        for statement in module.body
        for name in (
            *_bound(statement),
            *(
                f"{statement.name}.{inner}"
                for part in (statement.body if isinstance(statement, ast.ClassDef) else ())
                for inner in _bound(part)
                if isinstance(statement, ast.ClassDef)
            ),
        )
    )


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        return [statement.name]
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return []
    return [target.id for target in targets if isinstance(target, ast.Name)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_names_in_files_exist(path: Path) -> None:
    text = path.read_text("utf-8")
    missing = [
        f"{name} in {named[-1]}"
        for named in NAMED.findall(text)
        for name in re.findall(NAME, named[0])
        if name not in defined(named[-1])
    ]
    assert missing == []


def test_the_tour_names_many() -> None:
    tour = (ROOT / "docs" / "tour.md").read_text("utf-8")
    assert len(NAMED.findall(tour)) > 50
