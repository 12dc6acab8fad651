"""One resident of an inspection: answers each question as the errand says, looks at the total, and
on a dry run leaves before the money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from testbed.field_day import visit
from testbed.field_day.judge import Stay
from testbed.field_day.visit import Act, Place, Visit
from testbed.field_day.visitors import Visitor
from testbed.inspection.errand import Errand
from testbed.screen import Seen

DECLINING: Final = ("cancel", "stop", "back")
MONEY: Final = frozenset({"payway", "paying", "charging"})
PAID_WITH_CARD: Final = 4  # one journey in so many


@dataclass
class Notes:
    """What this resident saw. `total`: yen, as the confirmation says; None when it never came."""

    total: int | None = None
    at_the_money: bool = False


@dataclass(frozen=True, kw_only=True)
class Guest(Visitor):
    """Somebody with an errand. `dry`: who leaves before the money."""

    errand: Errand
    dry: bool
    notes: Notes = field(default_factory=Notes)


class Inspected(Visit):
    """A guest's visit."""

    @property
    def guest(self) -> Guest:
        if not isinstance(self.visitor, Guest):
            raise TypeError("only a guest is inspected")
        return self.visitor

    def does(self, screen: str) -> Act:
        if self.guest.dry and screen in MONEY:
            return _decline
        return ACTS.get(screen) or super().does(screen)


def _guest(resident: Visit) -> Guest:
    if not isinstance(resident, Inspected):
        raise TypeError("only a guest is inspected")
    return resident.guest


async def _answer(resident: Visit, seen: Seen) -> None:
    """One touch; the screen that follows is answered again until it is as it should be."""
    touch = _touch(_guest(resident).errand, seen)
    if touch:
        await resident.touch(seen, "pick", touch)
    else:
        await resident.touch(seen, "next")


def _touch(errand: Errand, seen: Seen) -> str:
    """What is still to be picked, or to be picked no longer; "" when all is as it should be."""
    if seen.offers("pick", "more"):
        return "" if int(seen.facts["count"]) == errand.copies else "more"
    wanted = errand.picks.get(str(seen.facts["option"]))
    if wanted is None:
        return ""
    chosen = {button.value for button in seen.buttons if button.chosen}
    # Where only one can be chosen, picking it lets the other go.
    return min(set(wanted) - chosen or chosen - set(wanted), default="")


async def _confirm(resident: Visit, seen: Seen) -> None:
    _guest(resident).notes.total = int(seen.facts["total"])
    await resident.touch(seen, "confirm")


async def _decline(resident: Visit, seen: Seen) -> None:
    _guest(resident).notes.at_the_money = True
    for action in DECLINING:
        if seen.offers(action):
            await resident.watcher.touch(seen, action)
            resident.over = True
            return


ACTS: Final[Mapping[str, Act]] = {"options": _answer, "confirm": _confirm}


async def serve(place: Place, number: int, errand: Errand, dry: bool) -> tuple[Stay, Notes]:
    """From the first screen to the first screen."""
    cashless = number % PAID_WITH_CARD == PAID_WITH_CARD - 1
    guest = Guest(errand.resident, errand.kind, cashless=cashless, errand=errand, dry=dry)
    stay = await visit.serve(place, number, guest, place.system.rehearsal.run, Inspected)
    return stay, guest.notes
