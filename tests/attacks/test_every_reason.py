"""Every reason for which a document is refused is reached by the generated adversary: one attempt
of each kind; in the whole suite, of every fourth kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from attack_bench import Attack
from campaign import BAD, CAUGHT, Became, Campaign
from city_bench import Authority, Rehearsal
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from errands import ERRANDS
from stages import AT_THE_DOOR, DOOR_ONLY

from city.pki import Files
from firmware.sheets.fault import SheetReason

SEED: Final = 1
SAMPLE: Final = 7  # one kind in so many, unless all are wanted
WHO: Final = (  # each form; a household, somebody else's applicant, an imprint, two years
    "taro: juminhyo (scope household, fields relationship+domicile+mynumber)",
    "taro: juminhyo (scope some, members m2, fields relationship)",
    "taro: inkan",
    "taro: kazei (year y2025)",
    "hanako: kazei",
)
FILES: Final = ("file", "named file", "sealed file", *DOOR_ONLY)
MESSAGES: Final = tuple(stage for stage in AT_THE_DOOR if stage not in (*FILES, "pair"))
# Kiosk and judge disagree: docs/forms.md gives no places for columns, the judge wants the line
# between two of them where the city sets it.
OPEN: Final = (
    "taro: juminhyo (scope household, fields relationship+domicile+mynumber) | file | page 1, "
    "path 62: moved"
)


@pytest.fixture(scope="module")
def campaign(
    tmp_path_factory: pytest.TempPathFactory,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
) -> Iterator[Campaign]:
    folder = tmp_path_factory.mktemp("every-reason")
    errands = tuple(errand for errand in ERRANDS if errand.name in WHO)
    made = Campaign(Attack(Rehearsal(folder, line_pki, authority, card_key), folder), errands)
    yield made
    made.close()


@pytest.fixture(scope="module")
def one_in(all_wanted: bool) -> int:
    return 1 if all_wanted else SAMPLE


@pytest.fixture(scope="module")
def messages(campaign: Campaign, one_in: int) -> list[Became]:
    return list(campaign.every_kind(SEED, MESSAGES, one_in))


@pytest.fixture(scope="module")
def files(campaign: Campaign, one_in: int) -> list[Became]:
    return list(campaign.every_kind(SEED, FILES, one_in))


def test_no_kind_of_message_gets_through(messages: list[Became]) -> None:
    assert [
        f"{one.outcome}: {one.attempt.name}: {one.by}" for one in messages if one.outcome in BAD
    ] == []


def test_no_kind_of_file_gets_through(files: list[Became]) -> None:
    """But for what is open, in docs/attacks.md."""
    through = [one.attempt.name for one in files if one.outcome in BAD]
    assert [name for name in through if not name.startswith(OPEN)] == []


def test_what_is_open_is_still_open(campaign: Campaign) -> None:
    """When it is settled, this fails and the row goes."""
    moved = [one for one in campaign.all_of(("file",)) if one.name.startswith(OPEN)]
    assert any(campaign.at_the_door(one).outcome in BAD for one in moved)


def test_every_reason_is_reached(messages: list[Became], files: list[Became], one_in: int) -> None:
    reached = {one.by for one in (*messages, *files) if one.outcome == CAUGHT}
    reasons = {reason.value for reason in SheetReason}
    assert len(reasons & reached) >= len(reasons) / one_in
