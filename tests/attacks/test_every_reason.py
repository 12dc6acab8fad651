"""Every reason for which a document is refused is reached by the generated adversary: one attempt
of each kind.
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
WHO: Final = (  # each form; a household, somebody else's applicant, an imprint, two years
    "taro: juminhyo (scope household, fields relationship+domicile+mynumber)",
    "taro: juminhyo (scope some, members m2, fields relationship)",
    "taro: inkan",
    "taro: kazei (year y2025)",
    "hanako: kazei",
)
FILES: Final = ("file", "named file", "sealed file", *DOOR_ONLY)
MESSAGES: Final = tuple(stage for stage in AT_THE_DOOR if stage not in (*FILES, "pair"))
# Kiosk and judge disagree: docs/forms.md gives no places for columns, the judge wants them where
# the city sets them.
OPEN: Final = (
    (
        "taro: juminhyo (scope household, fields relationship+domicile+mynumber) | file | page 1, "
        "path 62: moved by 2 mm"
    ),
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
def messages(campaign: Campaign) -> list[Became]:
    return list(campaign.every_kind(SEED, MESSAGES))


@pytest.fixture(scope="module")
def files(campaign: Campaign) -> list[Became]:
    return list(campaign.every_kind(SEED, FILES))


def test_no_kind_of_message_gets_through(messages: list[Became]) -> None:
    assert [
        f"{one.outcome}: {one.attempt.name}: {one.by}" for one in messages if one.outcome in BAD
    ] == []


def test_no_kind_of_file_gets_through(files: list[Became]) -> None:
    """But for what is open, in docs/attacks.md: when it is settled, this fails and the row goes."""
    assert tuple(one.attempt.name for one in files if one.outcome in BAD) == OPEN


def test_every_reason_is_reached(messages: list[Became], files: list[Became]) -> None:
    reached = {one.by for one in (*messages, *files) if one.outcome == CAUGHT}
    assert {reason.value for reason in SheetReason} - reached == set()
