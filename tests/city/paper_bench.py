"""A city that sets real paper, what the kiosk's one door says of it, and what poppler reads
on it.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec
from city_bench import Direct, Rehearsal, Visit, strings

from firmware.link import messages
from firmware.link.content import Content
from firmware.sheets.admit import Admitted
from firmware.sheets.admit import RefusedDocument as SheetRefused
from firmware.sheets.glyphs import load_glyphs

Choices = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Made:
    """One certificate as it came to the kiosk."""

    manifest: messages.Manifest
    pdf: bytes
    verdict: Admitted | SheetRefused


def visit_of(town: Rehearsal, resident: str) -> Visit:
    visit = Visit(Direct(town.city), town.card(resident))
    asyncio.run(visit.enter())
    return visit


def order(
    town: Rehearsal, visit: Visit, kind: str, copies: int = 1, **choices: tuple[str, ...]
) -> Made:
    """Raises CityRefusal."""
    manifest, pdf = asyncio.run(visit.orders(kind, copies, **choices))
    return Made(manifest, pdf, visit.admits(town.trust))


def some_choices(offer: messages.Offer) -> Iterator[Choices]:
    """Every question answered, as a kiosk does: by default; everything; all but the first, one
    field; each year, each entry.
    """
    asked = {option.id: option for option in offer.options if option.type != "count"}
    usual = {id_: option.default for id_, option in asked.items() if option.when is None}
    fields = tuple(choice.id for choice in asked["fields"].choices) if "fields" in asked else ()
    if "members" in usual:  # of a family register: nobody is chosen beforehand
        usual["members"] = tuple(choice.id for choice in asked["members"].choices)[:1]
    yield usual
    if fields:
        yield {**usual, "fields": fields}
    if "scope" in asked:
        others = tuple(choice.id for choice in asked["members"].choices)[1:]
        yield {**usual, "scope": ("household",), "fields": fields}
        yield {**usual, "scope": ("some",), "members": others, "fields": fields[-1:]}
    elif "members" in asked:
        everybody = tuple(choice.id for choice in asked["members"].choices)
        yield from ({**usual, "members": some} for some in (everybody, everybody[1:]) if some)
    for one in ("year", "payment", "vehicle", "removed"):
        if one in asked:
            yield from ({**usual, one: (choice.id,)} for choice in asked[one].choices[1:])


def everything(offer: messages.Offer) -> list[Choices]:
    """The choice with the most on paper alone."""
    return [
        max(
            some_choices(offer),
            key=lambda c: (c.get("scope") == ("household",), len(c.get("fields", ()))),
        )
    ]


# -- what a reader who shares no code with either end finds on the paper ---------------------------


def letters(text: str) -> str:
    """Without white space, and each glyph in one spelling: a PDF has one text for a glyph."""
    return load_glyphs().canonical(text)


@lru_cache(maxsize=64)
def _read(pdf: bytes) -> tuple[str, ...]:
    done = subprocess.run(
        ["pdftotext", "-raw", "-", "-"], input=pdf, capture_output=True, check=True, timeout=60
    )
    return tuple(letters(page) for page in done.stdout.decode().split("\f")[:-1])


def assert_on_paper(content: Content, pdf: bytes) -> None:
    """Each sheet shows every string of its content, and nothing of another sheet's people."""
    pages = _read(pdf)
    assert len(pages) == content.pages
    for number, (page, sheet) in enumerate(zip(pages, content.sheets, strict=True), 1):
        own = msgspec.structs.replace(content, sheets=(sheet,))
        for text in strings(own):
            assert letters(text) in page, number
        assert f"（{number}/{content.pages}）" in page
        assert ("以下余白" in page) is (number == content.pages)


def assert_taken(made: Made) -> None:
    assert isinstance(made.verdict, Admitted), made.verdict
    assert len(made.verdict.sheets) == made.manifest.content.pages
    assert_on_paper(made.manifest.content, made.pdf)
