"""What one resident asks a kiosk for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

Picks = Mapping[str, tuple[str, ...]]
HOUSEHOLDS: Final = {
    "taro": "akashi",
    "hanako": "akashi",
}  # the others live by themselves, or are of another


@dataclass(frozen=True)
class Errand:
    """`picks`: option to choices, where the default is not wanted."""

    resident: str
    kind: str
    picks: Picks = field(default_factory=dict)
    copies: int = 1

    @property
    def name(self) -> str:
        words = [f"{option} {'+'.join(chosen)}" for option, chosen in self.picks.items()]
        words += [f"{self.copies} copies"] if self.copies > 1 else []
        return f"{self.resident}: {self.kind}" + (f" ({', '.join(words)})" if words else "")

    @property
    def household(self) -> str:
        return HOUSEHOLDS.get(self.resident, self.resident)
