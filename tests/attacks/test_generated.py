"""The generated adversary in small: a sample at the door, a few whole journeys, and what it has
found before.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pdf_pages
import pytest
from attack_bench import Attack
from attack_command import summary, table
from attempts import Attempt
from campaign import BAD, CAUGHT, HARMLESS, Became, Campaign
from city_bench import Authority, Rehearsal
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from errands import ERRANDS
from forger import Draft
from mutations import Kind
from stages import AT_THE_DOOR, STAGES, WEIGHTS

from city.pki import Files
from firmware.sheets.fault import SheetReason

SEED = 9
DOOR, KIOSK = 60, 12
ERRANDS_HERE = tuple(
    e for e in ERRANDS if e.resident in ("taro", "yoshiko", "hanako", "namesake") and e.copies == 1
)


@pytest.fixture(scope="module")
def campaign(
    tmp_path_factory: pytest.TempPathFactory,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
) -> Iterator[Campaign]:
    folder = tmp_path_factory.mktemp("campaign")
    made = Campaign(Attack(Rehearsal(folder, line_pki, authority, card_key), folder), ERRANDS_HERE)
    yield made
    made.close()


def failures(became: list[Became]) -> list[str]:
    return [f"{one.outcome}: {one.attempt.name}: {one.by}" for one in became if one.outcome in BAD]


def test_a_sample_of_attempts_at_the_door(campaign: Campaign) -> None:
    """`./scripts/attack --at door` makes as many as one likes."""
    became = [campaign.at_the_door(attempt) for attempt in campaign.draw(DOOR, SEED, AT_THE_DOOR)]
    assert failures(became) == []
    assert sum(one.outcome == CAUGHT for one in became) > DOOR / 2
    assert len({one.by for one in became}) > 10, "the sample meets few reasons"


def test_a_sample_of_attempts_through_whole_kiosks(campaign: Campaign) -> None:
    """Paper, money, log and case of each."""
    became = campaign.at_the_kiosk(campaign.draw(KIOSK, SEED, list(WEIGHTS)))
    assert len(became) == KIOSK
    assert failures(became) == []


def test_the_same_seed_makes_the_same_attempts(campaign: Campaign) -> None:
    one, other = (campaign.draw(10, 4, AT_THE_DOOR) for _ in range(2))
    assert [attempt.name for attempt in one] == [attempt.name for attempt in other]


@pytest.mark.parametrize(
    "stage", [s for s in STAGES if s not in ("outcome's answer", "cancel's answer")]
)
def test_every_stage_has_attempts(campaign: Campaign, stage: str) -> None:
    assert len(list(islice(campaign.all_of([stage]), 6))) == 6


def test_a_city_that_is_wrong_from_its_first_answer_on_is_seen_by_the_person_alone(
    campaign: Campaign,
) -> None:
    """What no check can find: told in docs/attacks.md. The screen shows name, birth date and
    address.
    """
    wrong = [
        a
        for a in campaign.all_of(["registry"])
        if a.errand == "taro: juminhyo" and "one character" in a.what
    ]
    assert wrong
    became = campaign.at_the_kiosk(wrong[:4])
    assert {one.outcome for one in became} <= {"left", "WRONG SHEET", CAUGHT}
    assert any(one.outcome == "left" for one in became)


# -- what it has found -----------------------------------------------------------------------------


def drawn(campaign: Campaign, errand: str, *rows: tuple[object, ...]) -> Became:
    """These operators painted over the first sheet."""

    def alter(draft: Draft) -> None:
        edit = pdf_pages.page_edit(0, pdf_pages.drawn(*rows))
        draft.file.append(lambda pdf: edit(pdf, pdf))

    return campaign.at_the_door(
        Attempt(errand, "file", "painted over", Kind.INSERT.value, "painted over", alter)
    )


def test_a_line_through_a_note_is_refused(campaign: Campaign) -> None:
    """Both its ends lay nearest to the same border, and it was taken for a line of no length."""
    line = (("w", 0.9), ("m", 140, 82.7), ("l", 200, 82.7), ("S",))
    assert drawn(campaign, "taro: juminhyo", *line).by == "rules"


@pytest.mark.parametrize("length", [0.3, 1.0, 5.0, 100.0, 400.0])
def test_a_line_in_free_space_is_refused_however_short(campaign: Campaign, length: float) -> None:
    line = (("w", 0.9), ("m", 140, 300), ("l", 140 + length, 300), ("S",))
    assert drawn(campaign, "taro: juminhyo", *line).outcome == CAUGHT


def test_lines_close_to_each_other_do_not_lead_into_a_cell(campaign: Campaign) -> None:
    """Each was one place with the one before: from the border through the text."""
    ladder: list[tuple[object, ...]] = []
    for step in range(12):
        y = 736.0 - step * 1.2
        ladder += [("w", 0.9), ("m", 42.5, y), ("l", 552.7, y), ("S",)]
    assert drawn(campaign, "taro: juminhyo", *ladder).outcome == CAUGHT


def test_the_honest_answer_passes(campaign: Campaign) -> None:
    """Without it everything above would be refused for nothing."""
    for errand in campaign.journeys:
        assert (
            campaign.at_the_door(Attempt(errand, "none", "nothing", "none", "none")).outcome
            == HARMLESS
        )


def test_the_command_tells_its_stages() -> None:
    root = Path(__file__).parents[2]
    path = [root, root / "tests", root / "tests/attacks", root / "tests/city"]
    asked = [sys.executable, "-m", "attack_command", "--list"]
    done = subprocess.run(
        asked, env={"PYTHONPATH": ":".join(map(str, path))}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert all(stage in done.stdout for stage in STAGES)


def test_the_command_tells_what_became_of_its_attempts() -> None:
    attempt = Attempt("taro: juminhyo", "content", "heading: empty", "alter", "heading: empty")
    became = [Became(attempt, CAUGHT, "heading"), Became(attempt, BAD[0], "another heading")]
    told = table(became, summary(became, seed=1, at="door", seconds=0.1))
    assert "2 attempts" in told and "1 wrong sheets, 1 caught" in told
    assert f"1 of {len(SheetReason)} reasons reached; not: active-content, " in told
