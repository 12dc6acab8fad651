"""An insider of the line alters every message in every way: no wrong paper, no paper twice, every
yen accounted for.
"""

from __future__ import annotations

from attack_bench import Attack
from attack_judge import Table
from sweep import NAMES, Sweep, some

# What only the city's signature under its release, or under its receipt, would show to the kiosk:
# the paper is the right person's and paid for, and the city's books tell.
BEHIND_THE_KIOSK = {"city: printed-unissued", "unnoticed"}


def test_every_message_altered_in_every_way(attack: Attack, table: Table) -> None:
    """`python tests/attacks/every_attempt.py` makes all attempts, this test a part of them."""
    sweep = Sweep(attack, table)
    sweep.run(some)
    assert sweep.failed == []
    made = {what.partition(":")[0] for what, _ in table.rows}
    assert made >= set(NAMES)
    behind = {(what, reason) for what, reason in table.rows if reason in BEHIND_THE_KIOSK}
    assert {what.partition(":")[0] for what, _ in behind} <= {"release", "outcome"}
