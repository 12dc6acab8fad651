"""Every single change of what the city signs and says, generated from its structure: nothing of it
is admitted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import msgspec
import pytest
import sheet_cases
from mutations import Impossible, Mutation, message_of, plain, sample, single
from sheet_cases import FORM_TERMS, RIGHT, TERMS, Case

from firmware.link import signing
from firmware.link.form_terms import FormTerms
from firmware.link.messages import Manifest, SessionAnswer
from firmware.sheets.admit import RefusedDocument, SignedTerms
from firmware.sheets.fault import SheetReason

# What the session says besides: it decides neither what is printed nor what the confirmation shows
# of it.
NOT_ON_PAPER = ("offers", "card_expires_in_days", "ends_in_s")
MOST = int(os.environ.get("MUTATIONS", "600"))  # of one message; a large number takes all of them
# A file that is no PDF: whoever comes so far has passed every comparison of the content.
PASSED = SheetReason.UNREADABLE


@pytest.fixture(autouse=True)
def no_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_cases, "paper", lambda *_: b"no PDF")


def reason(case: Case) -> SheetReason:
    found = case.run()
    assert isinstance(found, RefusedDocument)
    return found.reason


def changed(value: object, made: Iterable[Mutation]) -> Iterator[tuple[str, object]]:
    """What each mutation makes of a value, but for those that change nothing."""
    for mutation in made:
        try:
            other = mutation.apply(value)
        except Impossible:
            continue
        if other != value:
            yield mutation.name, other


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_right_passes_to_the_file(name: str) -> None:
    assert reason(RIGHT[name]()) is PASSED


@pytest.mark.parametrize("name", RIGHT)
def test_no_changed_manifest_passes(name: str) -> None:
    """Signed anew with the city's own key each time; other people's manifests lend their parts."""
    case = RIGHT[name]()
    own = plain(case.manifest())
    others = {other: plain(RIGHT[other]().manifest()) for other in RIGHT if other != name}
    tried = 0
    for what, value in changed(own, sample(list(single(own, others)), MOST, seed=1)):
        try:
            manifest = message_of(value, Manifest)
        except msgspec.ValidationError:
            continue  # no such message: another test
        if manifest == case.manifest():
            continue
        tried += 1
        found = reason(replace(case, edit_manifest=_given(manifest)))
        harmless = found is SheetReason.DOCUMENT_HASH and what.startswith("document_sha256")
        assert found is not PASSED or harmless, what
    assert tried > 300


@pytest.mark.parametrize("name", RIGHT)
def test_no_changed_session_passes(name: str) -> None:
    """The city contradicts itself: what it says when the card is checked, and what it prints."""
    case = RIGHT[name]()
    own = plain(case.session())
    others = {other: plain(RIGHT[other]().session()) for other in RIGHT if other != name}
    needed = set(case.open)
    for what, value in changed(own, sample(list(single(own, others)), MOST, seed=1)):
        try:
            session = message_of(value, SessionAnswer)
        except msgspec.ValidationError:
            continue
        found = reason(replace(case, edit_session=_given(session)))
        if found is PASSED:
            certified = sum(len(sheet.people) for sheet in case.content.sheets)
            certified = certified if case.kind == "juminhyo" else 0
            assert _same_where_it_counts(case.session(), session, needed, certified), what


def _same_where_it_counts(
    own: SessionAnswer, other: SessionAnswer, needed: set[str], certified: int
) -> bool:
    """The same records and people, and the same answer to whether these are the whole household.

    `certified`: how many people a certificate of residence names; 0 on any other.
    """
    for name in SessionAnswer.__struct_fields__:
        if name in NOT_ON_PAPER:
            continue
        if name in ("records", "members"):
            its, theirs = getattr(own, name), getattr(other, name)
            if any(its.get(key) != theirs.get(key) for key in needed):
                return False
            whole_before, whole_now = len(its) == certified, len(theirs) == certified
            if name == "members" and certified and whole_before is not whole_now:
                return False
        elif getattr(own, name) != getattr(other, name):
            return False
    return True


def test_no_changed_terms_pass_without_the_terms_key() -> None:
    case = RIGHT["juminhyo-alone"]()
    own = plain(FORM_TERMS)
    signature = signing.sign_form_terms(TERMS, msgspec.json.encode(FORM_TERMS))
    for what, value in changed(own, single(own)):
        try:
            terms = message_of(value, FormTerms)
        except msgspec.ValidationError:
            continue
        signed = SignedTerms(msgspec.json.encode(terms), signature)
        if terms != FORM_TERMS:
            assert reason(replace(case, edit_terms=_given(signed))) is SheetReason.TERMS, what


def _given(value: object) -> Callable[[object], object]:
    return lambda _: value
