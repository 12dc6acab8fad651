"""Pictures of what a city's data means: its days, and one sheet of each certificate.

The sheets are those of the rehearsal's residents, who do not exist, and are marked 見本.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageDraw, ImageFont

from city import database, files, registry, rules, sample, tables
from city.calendars import Spans
from city.clock import JST
from city.composition import Stamp, compose, on_sheets
from city.document import CannotPrint, Layout
from city.entries import Certificate
from city.municipality import Municipality
from city.opening import open_spans, opening
from city.outlook import AHEAD_DAYS, sites, written
from city.records import File
from city.typesetting import FONT, draw, people_on_sheets, rasterise, typeset
from firmware.link.messages import Offer

DPI: Final = 110.0
NUMBER: Final = "SPEC1MEN0000"  # in place of a unique number
MARK: Final = "見本"
WEEKDAYS: Final = "月火水木金土日"
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class NoSpecimen(Exception):
    """Says why there is none."""


# -- days ------------------------------------------------------------------------------------------


def calendars(city: Municipality, first: date) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of the days of each site, and of each certificate with days of its own."""
    days = [first + timedelta(days=n) for n in range(AHEAD_DAYS)]
    for key, here in sites(city).items():
        place = f"{city.name['ja']}　{city.sites[key].name['ja']}" if key else city.name["ja"]
        service = [open_spans(here, day) for day in days]
        yield "-".join(filter(None, ("calendar", key))), _drawn(place, days, service)
        for kind in dict.fromkeys(each.kind for each in here.certificates):
            own = [open_spans(here, day, kind) for day in days]
            if own != service:
                title = next(e.title["ja"] for e in here.certificates if e.kind == kind)
                name = "-".join(filter(None, ("calendar", key, kind)))
                yield name, _drawn(f"{place}　{title}", days, own)


def _drawn(title: str, days: Sequence[date], times: Sequence[Spans]) -> bytes:
    distinct = sorted({spans for spans in times if spans}, key=times.count, reverse=True)
    letters = {spans: LETTERS[min(n, len(LETTERS) - 1)] for n, spans in enumerate(distinct)}
    marks = {day: letters.get(spans, "") for day, spans in zip(days, times, strict=True)}
    legend = [{"letter": letters[spans], "times": written(spans)} for spans in distinct]
    data = {
        "title": f"{title}　利用できる日時",
        "weekdays": list(WEEKDAYS),
        "months": list(_months(days, marks)),
        "legend": [*legend, {"letter": "", "times": "休止"}],
    }
    return draw("calendar.typ", data, DPI)


def _months(days: Sequence[date], letters: Mapping[date, str]) -> Iterator[dict[str, Any]]:
    for year, month in dict.fromkeys((day.year, day.month) for day in days):
        shown = [day for day in days if (day.year, day.month) == (year, month)]
        yield {
            "name": f"{year}年{month}月",
            "before": shown[0].weekday(),
            "days": [{"number": str(day.day), "letter": letters[day]} for day in shown],
        }


# -- sheets ----------------------------------------------------------------------------------------


def sheets(city: Municipality, now: datetime) -> Iterator[tuple[str, bytes | NoSpecimen]]:
    """Name and PDF of one specimen of each certificate that is offered or will be. Of a kind with
    several entries the later ones in the file are named with their first day too.
    """
    today = now.astimezone(JST).date()
    named: set[str] = set()
    for certificate in city.certificates:
        if certificate.until is None or certificate.until >= today:
            kind = certificate.kind
            name = f"{kind}-{certificate.since}" if kind in named else kind
            named.add(kind)
            try:
                yield name, _sheet(city, certificate, now)
            except NoSpecimen as reason:
                yield name, reason


def _sheet(city: Municipality, certificate: Certificate, now: datetime) -> bytes:
    """Raises NoSpecimen."""
    begins = datetime.combine(certificate.since, datetime.min.time(), JST)
    at = max(now, begins)
    here = next((c for c in sites(city).values() if certificate.kind in _kinds(c, at)), city)
    when = opening(here, at, certificate.kind)
    at = when.opens_at or at
    for file in _people(here, at):
        offer = next(o for o in rules.offers(here, at, file) if o.kind == certificate.kind)
        if offer.refusal is None:
            return _set(here, certificate, file, offer, at)
    raise NoSpecimen(f"nobody of the rehearsal can have it at {at:%Y-%m-%d %H:%M}")


def _kinds(city: Municipality, at: datetime) -> set[str]:
    return {each.kind for each in city.offered(at.astimezone(JST).date())}


def _set(
    city: Municipality, certificate: Certificate, file: File, offer: Offer, at: datetime
) -> bytes:
    """With everything on it that can be chosen."""
    choices = {
        option.id: tuple(choice.id for choice in option.choices)
        for option in offer.options
        if option.id == "fields" or (option.id == "members" and option.when is None)
    }
    chosen = rules.picked(offer, choices, 1)
    stamp = Stamp(NUMBER, at.astimezone(JST).date())
    composed = compose(city, certificate, file, chosen, stamp)
    layout = Layout(certificate.form, certificate.seal_mm)
    try:
        sizes = people_on_sheets(composed.content, layout)
        return typeset(on_sheets(composed, sizes), layout).pdf
    except CannotPrint as error:
        raise NoSpecimen(f"cannot be printed: {error.reason}") from None


def _people(city: Municipality, at: datetime) -> Iterator[File]:
    """The files of the rehearsal's residents, in a registry that lives in memory."""
    today = at.astimezone(JST).date()
    engine = database.connect("sqlite://")
    try:
        sample.seed(engine, lambda: at, city)
        for name, (person, card) in sample.tokens().items():
            if not card.linked or card.revoked:
                continue
            with engine.begin() as connection:
                dates = sample.card_dates(connection, person.id, card, today)
                values = {"fingerprint": name, "resident": person.id, "revoked": False}
                registry.put(connection, tables.cards, {**values, **dates})
                file = files.file_of(connection, name)
            if file and rules.person_refusal(city, at, file) is None:
                yield file
    finally:
        engine.dispose()


def marked(pdf: bytes, path: Path) -> None:
    """The first page as a PNG that nobody takes for a certificate. Raises OSError."""
    page = rasterise(pdf, DPI).convert("RGB")
    over = Image.new("L", page.size)
    size = page.width // 3
    font = ImageFont.truetype(str(FONT), size)
    middle = (page.width // 2, page.height // 2)
    ImageDraw.Draw(over).text(middle, MARK, fill=110, font=font, anchor="mm")
    page.paste((200, 0, 0), mask=over.rotate(35))
    page.save(path)
