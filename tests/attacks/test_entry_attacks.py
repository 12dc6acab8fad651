"""The generated adversary on certificates of tax payments, vehicles and removed entries.

`./scripts/attack --entries` makes as many attempts as one likes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attack_bench import Attack
from campaign import BAD, CAUGHT, Campaign
from city_bench import CITY_FILES, Authority, Rehearsal
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from errands import ENTRY_ERRANDS
from stages import AT_THE_DOOR

from city.pki import Files

SEED, DOOR = 11, 10
# Each form; of the payments and vehicles another of the same person's.
ERRANDS_HERE = (*ENTRY_ERRANDS[:2], ENTRY_ERRANDS[6], ENTRY_ERRANDS[10])


@pytest.fixture(scope="module")
def campaign(
    tmp_path_factory: pytest.TempPathFactory,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
) -> Iterator[Campaign]:
    """The city's honest content of each errand has been compared with the sample's own files."""
    folder = tmp_path_factory.mktemp("entries")
    shiomi = CITY_FILES["shiomi"]
    town = Rehearsal(folder, line_pki, authority, card_key, city_file=shiomi)
    made = Campaign(Attack(town, folder), ERRANDS_HERE)
    yield made
    made.close()


def test_a_sample_of_attempts_on_entries(campaign: Campaign) -> None:
    became = [campaign.at_the_door(attempt) for attempt in campaign.draw(DOOR, SEED, AT_THE_DOOR)]
    assert [one.attempt.name for one in became if one.outcome in BAD] == []
    assert sum(one.outcome == CAUGHT for one in became) > DOOR / 2
