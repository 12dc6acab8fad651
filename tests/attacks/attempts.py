"""One attempt of the mixed-up city, and what all of them are made from: what the city said in
honest journeys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import mutations
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from forger import Draft, Spoken
from mutations import plain

Hook = Callable[[Any], Any]  # plain data of an answer, before it leaves the city
Alter = Callable[[Draft], None]


@dataclass(frozen=True)
class Attempt:
    """`hooks`: what becomes of the answers to hello, sessions, release, outcome and cancel;
    `alter`: of an order's.

    `family`: what is done, without which of several alike things it is done to. `width`: dots of
    the kiosk's printer, where it is not the usual one.
    """

    errand: str
    stage: str
    what: str
    kind: str
    family: str
    alter: Alter | None = field(default=None, repr=False, compare=False)
    hooks: Mapping[str, Hook] = field(default_factory=dict, repr=False, compare=False)
    width: int | None = None

    @property
    def name(self) -> str:
        return f"{self.errand} | {self.stage} | {self.what}"


@dataclass
class Material:
    """`own`: what the city said on one errand; `others`: what it said to others, by who
    they are.
    """

    own: Spoken
    others: Mapping[str, Spoken]
    issuing: Ed25519PrivateKey = field(repr=False)

    @cached_property
    def content(self) -> Any:
        return plain(self.own.manifest)["content"]

    @cached_property
    def openings(self) -> Any:
        return plain(self.own.manifest)["openings"]

    def of_others(self, what: Callable[[Spoken], Any]) -> dict[str, Any]:
        return {name: what(spoken) for name, spoken in self.others.items()}

    def made(
        self,
        stage: str,
        mutation: mutations.Mutation,
        alter: Alter | None,
        family: str = "",
        **hooks: Hook,
    ) -> Attempt:
        kind = mutation.kind.value
        family = family or f"{kind} {mutations.name_of(mutation)}"
        return Attempt(self.own.who, stage, mutation.name, kind, family, alter, hooks)
