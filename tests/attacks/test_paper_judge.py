"""The judge is judged: shown sheets that are wrong in one thing, he must see each; shown right
ones, none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hostile_pdf
import mutations
import numpy as np
import pytest
from attack_bench import Attack
from attempts import Attempt
from campaign import HARMLESS, TARGET, Campaign, Journey
from city_bench import Authority, Rehearsal
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from errands import Errand

from city.pki import Files
from firmware.link import sheet_code
from firmware.sheets.prepare import prepare
from testbed.inspection import paper_judge
from testbed.inspection.paper import blank_sheet, dots_of
from testbed.inspection.paper_judge import Dots, Verdict
from testbed.inspection.sheet_code import read_code

TARO, HANAKO, TAX = (
    Errand("taro", "juminhyo"),
    Errand("hanako", "juminhyo"),
    Errand("taro", "kazei"),
)
SEAL = Errand("taro", "inkan")


@pytest.fixture(scope="module")
def campaign(
    tmp_path_factory: pytest.TempPathFactory,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
) -> Iterator[Campaign]:
    folder = tmp_path_factory.mktemp("judged")
    made = Campaign(
        Attack(Rehearsal(folder, line_pki, authority, card_key), folder), (TARO, HANAKO, TAX, SEAL)
    )
    yield made
    made.close()


def printed(journey: Journey, pdf: bytes, codes: tuple[bytes, ...] = ()) -> list[Dots]:
    """As a kiosk would print it that checks nothing."""
    page = journey.truth.address
    addresses = [sheet_code.address(page, code) for code in codes or journey.spoken.manifest.codes]
    return [dots_of(s.rows, s.width, s.height) for s in prepare(pdf, addresses, TARGET)]


def verdict(campaign: Campaign, journey: Journey, pdf: bytes, **more: Any) -> Verdict:
    return campaign._judge.judge(journey.truth, printed(journey, pdf, **more), pdf)


@pytest.mark.parametrize("errand", [TARO, HANAKO, TAX, SEAL], ids=lambda e: e.name)
def test_the_right_sheet_has_no_fault(campaign: Campaign, errand: Errand) -> None:
    """As the kiosk prints it."""
    became = campaign.at_the_door(Attempt(errand.name, "none", "nothing", "none", "none"))
    assert (became.outcome, became.by) == (HARMLESS, "")


CONTENTS = (
    (TARO, "sheets[0].people[0].name: one character changed"),
    (TARO, "sheets[0].people[0].name: a look-alike"),
    (TARO, "sheets[0].people[0].name: a character less"),
    (TARO, "sheets[0].people[0].rows[1].value: one digit changed"),
    (TARO, "sheets[0].people[0].rows[1].value: two digits exchanged"),
    (TARO, "sheets[0].people[0].rows[2].value: one character changed"),
    (TARO, "sheets[0].people[0].rows: element 2 left out"),
    (TARO, "sheets[0].people[0].rows: element 3 twice"),
    (TARO, "sheets[0].people[0].rows: elements 0 and 1 exchanged"),
    (TARO, "sheets[0].head[0].value: one digit changed"),
    (TARO, "sheets[0].head: empty"),
    (TARO, "statement: empty"),
    (TARO, "statement: another value"),
    (TARO, "subtitle: one character changed"),
    (TARO, "title: one character changed"),
    (TARO, "heading: one character changed"),
    (TARO, "issued_on: one digit changed"),
    (TARO, "officer: one character changed"),
    (TARO, "stamp: one character changed"),
    (TARO, "notes: empty"),
    (TARO, "verification: one character changed"),
    (TAX, "sheets[0].amounts[1].value: one digit changed"),
    (TAX, "sheets[0].amounts: element 2 left out"),
    (TAX, "sheets[0].amounts: elements 1 and 2 exchanged"),
    (TAX, "sheets[0].amounts[1].label and sheets[0].amounts[2].label: exchanged"),
    (TAX, "sheets[0].amounts: empty"),
)


@pytest.mark.parametrize(
    ("errand", "name"), CONTENTS, ids=lambda value: getattr(value, "name", value)
)
def test_a_sheet_of_another_content_is_seen(campaign: Campaign, errand: Errand, name: str) -> None:
    journey = campaign.journeys[errand.name]
    mutation = next(m for m in mutations.single(journey.truth.content) if m.name == name)
    pdf = campaign._adversary.forger.set_content(
        mutation.apply(journey.truth.content), journey.spoken.form
    )
    assert pdf, "cannot be set"
    assert verdict(campaign, journey, pdf).faults


EDITS = (
    (TARO, "page 1, text 20: removed"),
    (TARO, "page 1, text 20: moved down by a line"),
    (TARO, "page 1, text 20: its last glyph missing"),
    (TARO, "page 1, text 20: exchanged with the next text"),
    (TARO, "page 1, text 20: covered with white"),
    (TARO, "page 1, text 20: half transparent"),
    (TARO, "page 1, path 3: removed"),
    (TARO, "page 1, path 3: moved by 2 mm"),
    (TARO, "page 1: a thin line"),
    (TARO, "page 1: a black square"),
    (TARO, "page 1: words of its own in the free space"),
    (SEAL, "page 1, picture 1: removed"),
    (SEAL, "page 1, picture 1: turned about"),
    (SEAL, "page 1, picture 1: one stroke more"),
    (SEAL, "page 1, picture 1: larger by a tenth"),
    (SEAL, "page 1, picture 1: moved off the page"),
    (TARO, "file: glyph numbers that lead to other drawings"),
)


@pytest.mark.parametrize(("errand", "name"), EDITS, ids=lambda value: getattr(value, "name", value))
def test_a_file_that_was_edited_is_seen(campaign: Campaign, errand: Errand, name: str) -> None:
    journey = campaign.journeys[errand.name]
    edit = next(e for e in hostile_pdf.edits(journey.spoken.pdf) if e.name == name)
    pdf = edit.apply(journey.spoken.pdf, campaign.journeys[HANAKO.name].spoken.pdf)
    assert verdict(campaign, journey, pdf).faults


OTHERWISE = (
    (SEAL, "page 1, picture 1: moved by 2 mm"),
    (TARO, "page 1, text 20: moved by 0.3 mm"),
    (TARO, "page 1, text 20: larger by a tenth"),
)


@pytest.mark.parametrize(
    ("errand", "name"), OTHERWISE, ids=lambda value: getattr(value, "name", value)
)
def test_the_right_letters_at_other_points_are_told_apart(
    campaign: Campaign, errand: Errand, name: str
) -> None:
    journey = campaign.journeys[errand.name]
    edit = next(e for e in hostile_pdf.edits(journey.spoken.pdf) if e.name == name)
    seen = verdict(campaign, journey, edit.apply(journey.spoken.pdf, journey.spoken.pdf))
    assert (seen.faults, seen.otherwise) == ((), True)


def test_anothers_sheet_and_anothers_code_are_seen(campaign: Campaign) -> None:
    own, other = campaign.journeys[TARO.name], campaign.journeys[HANAKO.name]
    assert verdict(campaign, own, other.spoken.pdf).faults
    assert verdict(campaign, own, own.spoken.pdf, codes=other.spoken.manifest.codes).faults


def test_a_sheet_too_many_too_few_or_mirrored_is_seen(campaign: Campaign) -> None:
    journey = campaign.journeys[TARO.name]
    right = printed(journey, journey.spoken.pdf)
    judge = campaign._judge
    assert judge.judge(journey.truth, right * 2, journey.spoken.pdf).faults
    assert judge.judge(replace(journey.truth, copies=2), right, journey.spoken.pdf).faults
    assert judge.judge(journey.truth, [right[0][:, ::-1]], journey.spoken.pdf).faults
    blank = np.zeros_like(right[0])
    assert judge.judge(journey.truth, [blank], journey.spoken.pdf).faults
    assert judge.judge(
        journey.truth, [right[0] & ~blank_sheet(TARGET)], journey.spoken.pdf
    ).faults, "no copy guard"


def test_a_code_that_says_something_else_is_seen(campaign: Campaign) -> None:
    journey = campaign.journeys[TAX.name]
    right, pdf, judge = printed(journey, journey.spoken.pdf), journey.spoken.pdf, campaign._judge
    for change in (
        {"holder": "別府　一郎"},
        {"year": 2025},
        {"kind": "inkan"},
        {"salt": bytes(16)},
        {"city": "442020"},
    ):
        assert judge.judge(replace(journey.truth, **change), right, pdf).faults, change


def test_a_code_is_read_by_the_judges_own_hand(campaign: Campaign) -> None:
    """The same as the project's reader says, and nothing of a code that was altered."""
    journey = campaign.journeys[TARO.name]
    keys = campaign._trust.issuing_keys
    payload = journey.spoken.manifest.codes[0]
    told = read_code(sheet_code.address(journey.truth.address, payload), keys)
    own = sheet_code.decode(sheet_code.split(payload)[0])
    assert (told["number"], told["holder"], told["digest"]) == (
        own.unique_number,
        own.holder,
        own.digest,
    )
    for at in (3, 8, 11, 20, len(payload) - 1):
        altered = payload[:at] + bytes((payload[at] ^ 1,)) + payload[at + 1 :]
        with pytest.raises((ValueError, KeyError, AttributeError, IndexError)):
            read_code(sheet_code.address(journey.truth.address, altered), keys)


def test_the_judge_imports_nothing_of_the_kiosk() -> None:
    folder = Path(paper_judge.__file__).parent
    for name in ("paper_judge.py", "same_words.py", "sheet_code.py", "register.py"):
        assert "firmware.sheets" not in (folder / name).read_text("utf-8"), name
