"""How a build goes out to the kiosks: ring by ring, until something is not as it should be. Pure.

A ring begins when every kiosk of those before it trusts the new build, which it does after its
first journeys, and is heard (docs/updates.md). What stops a rollout is for a person to look at;
only a person starts it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from city.fleet import SILENT_S, Seen
from firmware.link.base import Key
from firmware.link.build_version import is_newer
from firmware.link.messages import BuildVersion, UpdateReport

Ring = Annotated[tuple[Key, ...], Meta(min_length=1)]


class State(StrEnum):
    """Of a rollout."""

    RUNNING = "running"
    STOPPED = "stopped"
    DONE = "done"


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The file that a person writes. `version` and `build` are those of the image's `build.json`;
    a kiosk has `hours` from the beginning of its ring until it trusts the build.
    """

    board: Key
    version: BuildVersion
    build: Annotated[str, Meta(min_length=1, max_length=400)]
    rings: Annotated[tuple[Ring, ...], Meta(min_length=1)]
    hours: Annotated[int, Meta(ge=1, le=2160)] = 72


class Rollout(Plan, frozen=True, kw_only=True):
    """`ring` has its turn since `since` (seconds since 1970)."""

    ring: int = 0
    since: int
    state: State = State.RUNNING
    why: str = ""

    @property
    def reached(self) -> Sequence[str]:
        """Kiosks that were told of the build."""
        return [kiosk for ring in self.rings[: self.ring + 1] for kiosk in ring]


class Stage(StrEnum):
    """Of a kiosk in a rollout."""

    WAITING = "waiting"  # it has the old build
    INSTALLED = "installed"  # and the new one in its other slot
    ON_TRIAL = "on-trial"
    TRUSTED = "trusted"
    FELL_BACK = "fell-back"


def stage(told: UpdateReport | None, version: str) -> Stage:
    """`told`: None of a kiosk that never said which image it runs."""
    if told is None:
        return Stage.WAITING
    if told.fell_back == version:
        return Stage.FELL_BACK
    if is_newer(version, told.version):
        return Stage.INSTALLED if told.staged == version else Stage.WAITING
    return Stage.ON_TRIAL if told.on_trial else Stage.TRUSTED


def _fell_back(rollout: Rollout, kiosk: str, seen: Seen | None, _: int) -> str:
    told = seen.update if seen else None
    if told is None or stage(told, rollout.version) is not Stage.FELL_BACK:
        return ""
    return f"fell-back {kiosk} {told.why}".strip()


def _case(rollout: Rollout, kiosk: str, seen: Seen | None, _: int) -> str:
    """An open case of a kiosk with the new build, whatever it is about."""
    if seen is None or not (seen.cases or seen.city_cases):
        return ""
    has_it = stage(seen.update, rollout.version) in (Stage.ON_TRIAL, Stage.TRUSTED)
    return f"case {kiosk}" if has_it else ""


def _late(rollout: Rollout, kiosk: str, seen: Seen | None, now: int) -> str:
    """It did not come back, or nobody used it, or it never could install the build; or it came to
    trust the build and was not heard of since.
    """
    if now - rollout.since <= rollout.hours * 3600:
        return ""
    found = stage(seen.update if seen else None, rollout.version)
    if found is not Stage.TRUSTED:
        return f"late {kiosk} {found}"
    return f"late {kiosk} silent" if _is_silent(seen) else ""


def _is_silent(seen: Seen | None) -> bool:
    """What it told last says nothing about now: the new build may be what silenced it."""
    return seen is None or seen.silent_s > SILENT_S


STOPS: Final[Sequence[Callable[[Rollout, str, Seen | None, int], str]]] = (
    _fell_back,
    _case,
    _late,
)


def judge(rollout: Rollout, fleet: Mapping[str, Seen], now: int) -> Rollout:
    """As it is now, after what the kiosks have told."""
    if rollout.state is not State.RUNNING:
        return rollout
    for stops in STOPS:
        for kiosk in rollout.reached:
            if why := stops(rollout, kiosk, fleet.get(kiosk), now):
                return replace(rollout, state=State.STOPPED, why=why)
    heard = [fleet.get(kiosk) for kiosk in rollout.reached]
    if any(map(_is_silent, heard)):
        return rollout
    told = [seen.update for seen in heard if seen]
    if any(stage(each, rollout.version) is not Stage.TRUSTED for each in told):
        return rollout
    if rollout.ring + 1 == len(rollout.rings):
        return replace(rollout, state=State.DONE, since=now)
    return replace(rollout, ring=rollout.ring + 1, since=now)


def word(rollout: Rollout, kiosk: str) -> str:
    """The version that this kiosk shall have; "" for: as it is."""
    wanted = rollout.state is State.RUNNING and kiosk in rollout.reached
    return rollout.version if wanted else ""


def objections(plan: Plan, fleet: Mapping[str, Seen]) -> Sequence[str]:
    """Why this plan cannot be carried out; a line each."""
    named = [kiosk for ring in plan.rings for kiosk in ring]
    found = [f"{kiosk}: stands twice" for kiosk in sorted(set(named)) if named.count(kiosk) > 1]
    for kiosk in dict.fromkeys(named):
        told = fleet[kiosk].update if kiosk in fleet else None
        if told is None:
            found.append(f"{kiosk}: has not told which image it runs")
        elif told.board != plan.board:
            found.append(f"{kiosk}: is a {told.board}, not a {plan.board}")
        elif is_newer(told.version, plan.version):
            found.append(f"{kiosk}: runs {told.version}, which is newer")
        elif told.fell_back == plan.version:
            found.append(f"{kiosk}: fell back from this version ({told.why})")
    return found
