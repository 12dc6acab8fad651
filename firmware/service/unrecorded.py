"""Certificates that the voice cannot tell of: whoever does not see the screen would order what they
do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from firmware.link.base import Localized
from firmware.link.form_terms import Form
from firmware.link.messages import Terms
from firmware.service.config import Config
from firmware.texts import city_words, recordings

MAKE: Final = (
    "kiosk city words CITY.toml > words.json; kiosk voice --config KIOSK.toml --words words.json"
)


def unrecorded(config: Config, forms: Sequence[Form], terms: Terms) -> tuple[str, ...]:
    """Kinds, of this day and to come, of which a title is not recorded; or of which, today, what
    they cannot be used for is not.
    """
    folder = config.voice.recordings
    languages = recordings.ready(config.kiosk.languages, config.voice.languages)
    if not languages:
        return ()
    found = {
        kind
        for kind, text in _own_words(forms, terms)
        if recordings.missing(folder, city_words.phrases([tuple(text.items())], languages))
    }
    return tuple(sorted(found))


def _own_words(forms: Sequence[Form], terms: Terms) -> Iterator[tuple[str, Localized]]:
    """Kind and text, of the texts that are not the kiosk's own."""
    today = datetime.fromisoformat(terms.now).date()
    for form in forms:
        over = form.until is not None and form.until < today
        if not (over or city_words.is_usual(form.kind, tuple(form.title.items()))):
            yield form.kind, form.title
    for notice in terms.certificates:
        if notice.not_for:
            yield notice.kind, notice.not_for
