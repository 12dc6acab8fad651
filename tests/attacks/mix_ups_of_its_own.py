"""What a city makes wrong of this very person's certificate: words, rows, imprint, numbers, copies
and fee.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Final

from forger import Draft, Spoken, hashed
from mix_ups_of_another import EVERYTHING, Change, content_from, other_of, records_from
from mutations import Impossible, plain, put
from PIL import Image

INVALID: Final = "この証明書は無効です。"
MYNUMBER: Final = "個人番号"


# -- the certificate -------------------------------------------------------------------------------


def _certified_as(case: str) -> Change:
    """Another case of the form: some of the household certified as all of it, or the other way."""

    def change(draft: Draft, _: Mapping[str, Spoken]) -> None:
        form = draft.spoken.form
        if form.statements.get(case, draft.content["statement"]) == draft.content["statement"]:
            raise Impossible
        made = put(draft.content, ("statement",), form.statements[case])
        draft.content = draft.paper = put(made, ("subtitle",), form.subtitles.get(case, ""))

    return change


def _says(key: str, text: str) -> Change:
    def change(draft: Draft, _: Mapping[str, Spoken]) -> None:
        draft.content = draft.paper = put(draft.content, (key,), text)

    return change


def _note_more(draft: Draft, _: Mapping[str, Spoken]) -> None:
    draft.content = draft.paper = put(draft.content, ("notes",), [*draft.content["notes"], INVALID])


def _old_era(draft: Draft, _: Mapping[str, Spoken]) -> None:
    year, rest = draft.content["issued_on"].removeprefix("令和").split("年", 1)
    draft.content = draft.paper = put(
        draft.content, ("issued_on",), f"平成{int(year) + 30}年{rest}"
    )


def _yesterday(draft: Draft, _: Mapping[str, Spoken]) -> None:
    head, day = draft.content["issued_on"].rsplit("月", 1)
    made = f"{head}月{int(day.removesuffix('日')) - 1}日"
    draft.content = draft.paper = put(draft.content, ("issued_on",), made)


# -- the rows --------------------------------------------------------------------------------------


def _row_more(label: str, value: str) -> Change:
    """Printed though nobody asked for it."""

    def change(draft: Draft, _: Mapping[str, Spoken]) -> None:
        place = ("sheets", 0, "people", 0, "rows")
        rows = draft.content["sheets"][0]["people"][0]["rows"]
        if any(row["label"] == label for row in rows):
            raise Impossible
        draft.content = draft.paper = put(
            draft.content, place, [*rows, {"label": label, "value": value}]
        )

    return change


def _unasked(draft: Draft, others: Mapping[str, Spoken]) -> None:
    """Every field though only some were asked for; the records are opened for it."""
    records_from(EVERYTHING)(draft, others)


def _unasked_unopened(draft: Draft, others: Mapping[str, Spoken]) -> None:
    content_from(EVERYTHING)(draft, others)


def _opened_unasked(draft: Draft, others: Mapping[str, Spoken]) -> None:
    """Nothing wrong on paper, but the kiosk is told more than was asked for."""
    draft.openings = plain(other_of(others, EVERYTHING).manifest)["openings"]


def _row_missing(at: int, *, hidden: bool) -> Change:
    """A row that was asked for is not there; `hidden`: nor is its field opened."""

    def change(draft: Draft, _: Mapping[str, Spoken]) -> None:
        people = draft.content["sheets"][0]["people"]
        if not people or len(people[0]["rows"]) <= abs(at):
            raise Impossible
        rows = list(people[0]["rows"])
        gone = rows.pop(at)
        draft.content = draft.paper = put(draft.content, ("sheets", 0, "people", 0, "rows"), rows)
        if hidden:
            draft.openings = {
                record: hashed(opening, gone["label"]) for record, opening in draft.openings.items()
            }

    return change


def _as_if_empty(draft: Draft, _: Mapping[str, Spoken]) -> None:
    """A value is opened as empty, so that its row need not be there."""
    rows = draft.content["sheets"][0]["people"][0]["rows"]
    if not rows:
        raise Impossible
    gone = rows[-1]["label"]
    draft.content = draft.paper = put(draft.content, ("sheets", 0, "people", 0, "rows"), rows[:-1])
    draft.openings = {
        record: {
            **opening,
            "fields": [
                {**f, "value": ""} if isinstance(f, dict) and f["label"] == gone else f
                for f in opening["fields"]
            ],
        }
        for record, opening in draft.openings.items()
    }


def _no_amounts(draft: Draft, _: Mapping[str, Spoken]) -> None:
    if not draft.content["sheets"][0]["amounts"]:
        raise Impossible
    draft.content = draft.paper = put(draft.content, ("sheets", 0, "amounts"), [])


def _no_amounts_on_paper(draft: Draft, _: Mapping[str, Spoken]) -> None:
    if not draft.content["sheets"][0]["amounts"]:
        raise Impossible
    draft.paper = put(draft.content, ("sheets", 0, "amounts"), [])


def _names_exchanged(draft: Draft, _: Mapping[str, Spoken]) -> None:
    """Two members' names over each other's rows."""
    people = draft.content["sheets"][0]["people"]
    if len(people) < 2:
        raise Impossible
    one, other = people[0]["name"], people[1]["name"]
    made = put(draft.content, ("sheets", 0, "people", 0, "name"), other)
    draft.content = draft.paper = put(made, ("sheets", 0, "people", 1, "name"), one)


def _person_missing(draft: Draft, _: Mapping[str, Spoken]) -> None:
    sheets = draft.content["sheets"]
    last = len(sheets) - 1
    if len(sheets[last]["people"]) < 2:
        raise Impossible
    draft.content = draft.paper = put(
        draft.content, ("sheets", last, "people"), sheets[last]["people"][:-1]
    )


def _imprint(image: Callable[[Image.Image], Image.Image], *, paper_only: bool = False) -> Change:
    def change(draft: Draft, _: Mapping[str, Spoken]) -> None:
        own = draft.content["sheets"][0]["seal"]
        if not own:
            raise Impossible
        out = io.BytesIO()
        image(Image.open(io.BytesIO(own)).convert("L")).save(out, "PNG")
        draft.paper = put(draft.content, ("sheets", 0, "seal"), out.getvalue())
        if not paper_only:
            draft.content = draft.paper

    return change


def _imprint_saved_anew(draft: Draft, _: Mapping[str, Spoken]) -> None:
    """The same dots in another file: what is drawn is right."""
    _imprint(lambda image: image, paper_only=True)(draft, _)


def _blank(image: Image.Image) -> Image.Image:
    return Image.new("L", image.size, 255)


# -- numbers and copies ----------------------------------------------------------------------------


def _another_number(draft: Draft, _: Mapping[str, Spoken]) -> None:
    """On paper another unique number than in manifest and code."""
    draft.paper = put(draft.content, ("unique_number",), "ZZZZZZZZZZZZ")


def _codes_exchanged(draft: Draft, _: Mapping[str, Spoken]) -> None:
    """Each sheet with the code of the next."""
    if len(draft.content["sheets"]) < 2:
        raise Impossible
    draft.signed_codes.append(lambda own: [*own[1:], own[0]])


def _more_copies(draft: Draft, _: Mapping[str, Spoken]) -> None:
    draft.manifest.append(lambda own: {**own, "copies": own["copies"] + 1})


def _free_of_charge(draft: Draft, _: Mapping[str, Spoken]) -> None:
    draft.manifest.append(lambda own: {**own, "fee": 0})


def _dearer(draft: Draft, _: Mapping[str, Spoken]) -> None:
    draft.manifest.append(lambda own: {**own, "fee": own["fee"] + 100})


OF_ITS_OWN: Final[tuple[tuple[str, str, Change], ...]] = (
    ("part of the household certified as all of it", "alter", _certified_as("household")),
    ("all of the household certified as part of it", "alter", _certified_as("part")),
    ("a sentence that says the sheet is invalid", "alter", _says("statement", INVALID)),
    ("no certifying sentence", "drop", _says("statement", "")),
    ("another title", "alter", _says("title", "所得・課税証明書")),
    ("another city", "alter", _says("heading", "別府市")),
    ("another mayor", "alter", _says("officer", "別府　一郎")),
    ("another official seal", "alter", _says("stamp", "別府市長之印")),
    ("no line on how to check the sheet", "drop", _says("verification", "")),
    ("a note more", "insert", _note_more),
    ("the date in the era before", "alter", _old_era),
    ("the date of yesterday", "alter", _yesterday),
    ("個人番号 though nobody asked for it", "insert", _row_more(MYNUMBER, "123456789018")),
    ("a row with a label of its own", "insert", _row_more("備考", INVALID)),
    ("every field though only some were asked for", "insert", _unasked),
    ("every field, the records not opened", "insert", _unasked_unopened),
    ("records opened that nobody asked for", "insert", _opened_unasked),
    ("the first row missing", "drop", _row_missing(0, hidden=False)),
    ("the first row missing and not opened", "drop", _row_missing(0, hidden=True)),
    ("the last row missing", "drop", _row_missing(-1, hidden=False)),
    ("the last row missing and not opened", "drop", _row_missing(-1, hidden=True)),
    ("the last row missing as if it were empty", "drop", _as_if_empty),
    ("no amounts", "drop", _no_amounts),
    ("no amounts on paper", "drop", _no_amounts_on_paper),
    ("two names over each other's rows", "exchange", _names_exchanged),
    ("one person missing", "drop", _person_missing),
    ("an empty imprint", "alter", _imprint(_blank)),
    ("an empty imprint on paper", "alter", _imprint(_blank, paper_only=True)),
    (
        "the imprint upside down on paper",
        "alter",
        _imprint(lambda image: image.rotate(180), paper_only=True),
    ),
    (
        "the imprint in fewer dots on paper",
        "alter",
        _imprint(lambda image: image.reduce(3), paper_only=True),
    ),
    ("the imprint in a file saved anew", "alter", _imprint_saved_anew),
    ("another number on paper", "alter", _another_number),
    ("each sheet with the code of the next", "exchange", _codes_exchanged),
    ("a copy more", "alter", _more_copies),
    ("free of charge", "alter", _free_of_charge),
    ("a hundred yen more", "alter", _dearer),
)
