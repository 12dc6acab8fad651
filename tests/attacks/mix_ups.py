"""What a mixed-up city really does: exchanges that make sense to it, each as it was, or could be,
in a real case.

Each changes a draft of an answer; `others` is what the city said to others, by who they are. One
that needs somebody or something that is not there is impossible.
"""

from __future__ import annotations

from typing import Final

from mix_ups_of_another import OF_ANOTHER, WHO, Change
from mix_ups_of_its_own import OF_ITS_OWN

# name, kind, what it is whosever it is, and the change
MIX_UPS: Final[tuple[tuple[str, str, str, Change], ...]] = (
    *((name.format(who), "exchange", name, make(who)) for name, make in OF_ANOTHER for who in WHO),
    *((name, kind, name, change) for name, kind, change in OF_ITS_OWN),
)
