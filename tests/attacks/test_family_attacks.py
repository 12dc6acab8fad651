"""The generated adversary at a city that has family registers.

`./scripts/attack --families` makes as many attempts as one likes.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attack_bench import Attack
from campaign import BAD, CAUGHT, Campaign
from city_bench import CITY_FILES, Authority, Rehearsal
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from errands import FAMILY_ERRANDS
from stages import AT_THE_DOOR

from city.pki import Files

SEED, DOOR = 5, 12
# Each form, somebody chosen by another, and somebody who lives elsewhere.
ERRANDS_HERE = (FAMILY_ERRANDS[2], FAMILY_ERRANDS[3], FAMILY_ERRANDS[7])


@pytest.fixture(scope="module")
def campaign(
    tmp_path_factory: pytest.TempPathFactory,
    line_pki: Files,
    authority: Authority,
    card_key: RSAPrivateKey,
) -> Iterator[Campaign]:
    """The city's honest content of each errand has been compared with the sample's own file."""
    folder = tmp_path_factory.mktemp("families")
    shiomi = CITY_FILES["shiomi"]
    town = Rehearsal(folder, line_pki, authority, card_key, city_file=shiomi)
    made = Campaign(Attack(town, folder), ERRANDS_HERE)
    yield made
    made.close()


def test_a_sample_of_attempts_on_family_registers(campaign: Campaign) -> None:
    became = [campaign.at_the_door(attempt) for attempt in campaign.draw(DOOR, SEED, AT_THE_DOOR)]
    assert [one.attempt.name for one in became if one.outcome in BAD] == []
    assert sum(one.outcome == CAUGHT for one in became) > DOOR / 2
