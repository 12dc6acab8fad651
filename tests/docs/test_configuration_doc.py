from __future__ import annotations

import msgspec
import pytest

from city.config import Config as CityConfig
from docs.generate import configuration
from docs.generate.city_keys import CITY, CITY_SECTIONS
from docs.generate.configuration import MissingSentence


def test_the_page_is_the_types() -> None:
    """When this fails: `python -m docs.generate.configuration`, and read what changed."""
    assert configuration.PAGE.read_text(encoding="utf-8") == configuration.page()


def test_every_key_has_a_whole_sentence() -> None:
    rows = [line for line in configuration.page().splitlines() if line.startswith(("| `", "| ..."))]
    assert len(rows) > 90
    for row in rows:
        said = row.rsplit(" | ", 1)[1].removesuffix(" |")
        assert said[0].isupper() or not said[0].isalpha(), row
        assert said.endswith("."), row


def test_no_sentence_is_left_over() -> None:
    assert {field.name for field in msgspec.structs.fields(CityConfig)} == CITY_SECTIONS.keys()
    page = configuration.page()
    assert [key for key, said in CITY.items() if said not in page] == []


def test_a_key_without_a_sentence_is_told() -> None:
    class New(msgspec.Struct):
        """A section that nobody has explained."""

        key: str

    for sentence in (configuration._kiosk_sentence, configuration._city_sentence):
        with pytest.raises(MissingSentence, match=r"New\.key"):
            sentence(New, "key")
