"""The file of what kiosks say in a city's own words: titles of certificates, what they cannot be
used for, and the places to go. `kiosk city words` writes it, and `kiosk voice --words` records it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from firmware.link.base import CityCode, Localized, Message


class CityWords(Message, frozen=True):
    """Each text in all languages in which the city has it."""

    city: CityCode
    texts: Annotated[tuple[Localized, ...], Meta(max_length=1000)]
