"""Every attempt that the mixed-up city makes on one errand: by stage and kind, drawn alone or in
pairs.

A stage is the place where the hands work: what is composed, what is set on paper, what the manifest
says, the codes, the file and so on (`stages`). A pair is two attempts on one answer.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from attempts import Attempt, Hook, Material
from forger import Draft
from mutations import Impossible
from stages import HOOKED, PAIRED, STAGES


@dataclass
class Repertoire(Material):
    """All attempts on one errand."""

    _made: dict[str, dict[str, list[Attempt]]] = field(default_factory=dict, repr=False)

    def stage(self, stage: str) -> list[Attempt]:
        return [attempt for same in self._by_kind(stage).values() for attempt in same]

    def families(self, stage: str) -> dict[str, list[Attempt]]:
        """What can be done at this stage, each with all the attempts that do it."""
        families: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in self.stage(stage):
            families[attempt.family].append(attempt)
        return families

    def draw(self, stage: str, dice: random.Random) -> Attempt:
        """Of a kind drawn first, so that the many exchanges do not crowd out the few others. Raises
        Impossible.
        """
        if stage == "pair":
            return self._pair(dice)
        by_kind = self._by_kind(stage)
        if not by_kind:
            raise Impossible
        return dice.choice(by_kind[dice.choice(sorted(by_kind))])

    def _by_kind(self, stage: str) -> dict[str, list[Attempt]]:
        if stage not in self._made:
            by_kind: dict[str, list[Attempt]] = defaultdict(list)
            for attempt in STAGES[stage](self):
                by_kind[attempt.kind].append(attempt)
            self._made[stage] = dict(by_kind)
        return self._made[stage]

    def _pair(self, dice: random.Random) -> Attempt:
        one, other = (self.draw(dice.choice(PAIRED), dice) for _ in range(2))
        alters = [attempt.alter for attempt in (one, other) if attempt.alter]

        def alter(draft: Draft) -> None:
            """What the first has taken away the second may need."""
            try:
                for change in alters:
                    change(draft)
            except (KeyError, IndexError, TypeError, AttributeError, ValueError):
                raise Impossible from None

        hooks = {
            name: chained([a.hooks[name] for a in (one, other) if name in a.hooks])
            for name in HOOKED
        }
        what = f"{one.stage}: {one.what} + {other.stage}: {other.what}"
        used = {name: hook for name, hook in hooks.items() if hook}
        return Attempt(self.own.who, "pair", what, "pair", "pair", alter if alters else None, used)


def chained(hooks: list[Hook]) -> Hook | None:
    if not hooks:
        return None

    def hook(value: Any) -> Any:
        for one in hooks:
            value = one(value)
        return value

    return hook
