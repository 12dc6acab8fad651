"""The glossary of docs/words.md has a word for every language, and each is the one that is used."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from languages_bench import ALL, LANGUAGES, plain

PAGE = Path(__file__).parents[2] / "docs/words.md"


def words() -> Iterator[tuple[str, str]]:
    """(language, word) of both tables."""
    columns: list[str] = []
    for line in PAGE.read_text(encoding="utf-8").split("## Glossary")[1].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            columns = []
        elif not columns:
            columns = cells
        elif set(line) - set("|-"):
            yield from zip(columns, cells, strict=True)


GLOSSARY = sorted(set(words()))


def test_every_language_is_in_the_glossary() -> None:
    assert {language for language, _ in GLOSSARY} == {*LANGUAGES}
    counted = {language: sum(each == language for each, _ in words()) for language in LANGUAGES}
    assert counted["ja"] == 2 * counted["en"] and len(set(counted.values())) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_word_of_the_glossary_is_the_one_that_the_texts_use(language: str) -> None:
    used = "\n".join(plain(ALL[language], key) for key in ALL[language].known).lower()
    assert not [word for each, word in GLOSSARY if each == language and word.lower() not in used]
