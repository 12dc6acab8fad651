"""What a city puts in the place of somebody's own: file, content, records, codes and answers of
another.

`others` is what the city said to others, by who they are. One that needs somebody who is not there
is impossible.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from forger import Draft, Spoken
from mutations import Impossible, plain, put

from firmware.link.messages import seal_info

Change = Callable[[Draft, Mapping[str, Spoken]], None]

BEFORE: Final = "the applicant before"
NEXT_KIOSK: Final = "the applicant at the next kiosk"
NAMESAKE: Final = "somebody of the same name"
HOUSEHOLD: Final = "another of the household"
YEAR: Final = "the same person's other year"
CERTIFICATE: Final = "the same person's other certificate"
EVERYTHING: Final = "the same person with every field"
OWN_NUMBERS: Final = ("unique_number", "issued_on")


def other_of(others: Mapping[str, Spoken], who: str) -> Spoken:
    """Raises Impossible."""
    try:
        return others[who]
    except KeyError:
        raise Impossible from None


def content_of(spoken: Spoken) -> Any:
    return plain(spoken.manifest)["content"]


def stamped(other: Spoken, draft: Draft) -> Any:
    """Another's content under this document's number and date."""
    return {**content_of(other), **{key: draft.content[key] for key in OWN_NUMBERS}}


# -- somebody else's -------------------------------------------------------------------------------


def _file_of(who: str) -> Change:
    """The file as it lies there, with that one's own number."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        pdf = other_of(others, who).pdf
        draft.file.append(lambda _: pdf)

    return change


def _paper_of(who: str) -> Change:
    """Set from that one's content, under this document's number and date."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        draft.paper = stamped(other_of(others, who), draft)

    return change


def content_from(who: str) -> Change:
    """Composed from that one's content: the manifest says so too."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        draft.content = draft.paper = stamped(other_of(others, who), draft)

    return change


def records_from(who: str) -> Change:
    """The content and the opened records are that one's."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        other = other_of(others, who)
        draft.content = draft.paper = stamped(other, draft)
        draft.openings = plain(other.manifest)["openings"]

    return change


def _everything_of(who: str) -> Change:
    """That one's content, records and salt, under the ids of this order."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        other = other_of(others, who)
        draft.content = draft.paper = content_of(other)
        draft.openings = plain(other.manifest)["openings"]
        codes = [plain(code) for code in other.codes]
        draft.codes.append(lambda _: codes)
        draft.manifest.append(lambda own: put(own, ("salt",), other.manifest.salt))

    return change


def _manifest_of(who: str) -> Change:
    """The signed manifest of that one, with this file."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        other = other_of(others, who).answer
        signed = {"manifest": other.manifest, "manifest_signature": other.manifest_signature}
        draft.answer.append(lambda own: {**own, **signed})

    return change


def _answer_of(who: str) -> Change:
    """That one's whole answer under the id of this order."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        other = plain(other_of(others, who).answer)
        draft.answer.append(lambda own: {**other, "order": own["order"]})

    return change


def _sealed_of(who: str) -> Change:
    """That one's sealed file in this answer."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        sealed = other_of(others, who).answer.sealed
        draft.sealed.append(lambda _: sealed)

    return change


def _sealed_for(who: str) -> Change:
    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        other = other_of(others, who)
        draft.info = seal_info(other.manifest.kiosk, other.request.session, other.request.order)

    return change


def _codes_of(who: str) -> Change:
    """The signed codes of that one's sheets on this one's."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        codes = other_of(others, who).manifest.codes
        draft.signed_codes.append(lambda own: [codes[at % len(codes)] for at in range(len(own))])

    return change


def _persons_of(who: str) -> Change:
    """Only the people's boxes are that one's."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        theirs = content_of(other_of(others, who))["sheets"][0]["people"]
        draft.content = draft.paper = put(draft.content, ("sheets", 0, "people"), theirs)

    return change


def _rows_of(who: str) -> Change:
    """That one's rows under this one's name."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        theirs = content_of(other_of(others, who))["sheets"][0]["people"]
        if not theirs or not draft.content["sheets"][0]["people"]:
            raise Impossible
        place = ("sheets", 0, "people", 0, "rows")
        draft.content = draft.paper = put(draft.content, place, theirs[0]["rows"])

    return change


def _amounts_of(who: str) -> Change:
    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        theirs = content_of(other_of(others, who))["sheets"][0]["amounts"]
        if theirs == draft.content["sheets"][0]["amounts"]:
            raise Impossible
        draft.content = draft.paper = put(draft.content, ("sheets", 0, "amounts"), theirs)

    return change


def _imprint_of(who: str) -> Change:
    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        theirs = content_of(other_of(others, who))["sheets"][0]["seal"]
        if theirs == draft.content["sheets"][0]["seal"]:
            raise Impossible
        draft.content = draft.paper = put(draft.content, ("sheets", 0, "seal"), theirs)

    return change


def _one_more_of(who: str) -> Change:
    """That one beside those who were asked for."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        theirs = content_of(other_of(others, who))["sheets"][0]["people"]
        own = draft.content["sheets"][0]["people"]
        draft.content = draft.paper = put(
            draft.content, ("sheets", 0, "people"), [*own, *theirs[:1]]
        )

    return change


def _last_sheet_of(who: str) -> Change:
    """Tokushima: the last sheet of several is another household's."""

    def change(draft: Draft, others: Mapping[str, Spoken]) -> None:
        theirs = content_of(other_of(others, who))["sheets"][0]
        last = len(draft.content["sheets"]) - 1
        if not last:
            raise Impossible
        draft.paper = put(draft.content, ("sheets", last, "people"), theirs["people"])

    return change


WHO: Final = (BEFORE, NEXT_KIOSK, NAMESAKE, HOUSEHOLD, YEAR, CERTIFICATE)
OF_ANOTHER: Final[tuple[tuple[str, Callable[[str], Change]], ...]] = (
    ("the file of {}", _file_of),
    ("on paper the content of {}", _paper_of),
    ("the content of {}", content_from),
    ("content and records of {}", records_from),
    ("content, records and codes of {}", _everything_of),
    ("the manifest of {}", _manifest_of),
    ("the answer of {}", _answer_of),
    ("the sealed file of {}", _sealed_of),
    ("sealed for the order of {}", _sealed_for),
    ("the codes of {}", _codes_of),
    ("the people of {}", _persons_of),
    ("the rows of {} under the right name", _rows_of),
    ("the amounts of {}", _amounts_of),
    ("the imprint of {}", _imprint_of),
    ("{} beside those who were asked for", _one_more_of),
    ("the last sheet of {}", _last_sheet_of),
)
