"""`kiosk city words FILE`: what kiosks say in this city's own words, for `kiosk voice --words`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from city import municipality
from city.entries import Names
from city.municipality import Municipality
from firmware.link.city_words import CityWords


def words(city: Municipality) -> CityWords:
    """Of all entries: also of those that begin later."""
    found = {tuple(sorted(text.items())): text for text in _texts(city)}
    return CityWords(city=city.code, texts=tuple(found.values()))


def _texts(city: Municipality) -> Iterator[Names]:
    for certificate in city.certificates:
        yield certificate.title
        if certificate.not_for:
            yield certificate.not_for
    for offices in city.contacts.values():
        yield from (each.office for each in offices)


def main(argv: Sequence[str]) -> int:
    """Raises ConfigError for a file that cannot be used."""
    parser = argparse.ArgumentParser(prog="kiosk city words", description=__doc__)
    parser.add_argument("file", type=Path, metavar="FILE", help="the city's data")
    found = words(municipality.load(parser.parse_args(argv).file))
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    return 0
