"""No damaged journal is served with other entries than it had. JOURNAL_DAMAGE=all tries every page
and length.
"""

from __future__ import annotations

import os
from collections import Counter

from service.damage import campaign


def test_a_damaged_journal_is_refused_or_unharmed() -> None:
    found = campaign(sessions=40, seed=7, every=os.environ.get("JOURNAL_DAMAGE") == "all")
    total = sum(found.values(), Counter())
    assert total["served wrongly"] == 0, found
    assert total["refused"] > 100, "and the damage was done"
