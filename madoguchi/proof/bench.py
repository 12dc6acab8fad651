"""A counter-example told again as what a person and a bench can do: card, hand, coins, paper, time, broken wires.

The far ends of a bench answer by themselves, well and at once. So what happens on the model is an act, or an answer
that comes anyway, or one that a broken wire gives, or nothing that a bench can do. Which screen each act waits for the
machine itself says. What can be done until the first step that cannot is a journey of its own.
"""

from __future__ import annotations

import tomllib
from typing import Any, NamedTuple

import msgspec

from firmware.flow import commands as c
from firmware.flow.machine import Moment
from firmware.flow.states import State
from firmware.flow.table import SPECS
from madoguchi.proof.defects import named
from madoguchi.proof.kiosk import Kiosk
from madoguchi.proof.search import Search
from madoguchi.proof.world import AHEAD, Ask, Happening, World, happenings
from madoguchi.rehearsal import CITY_DATA
from madoguchi.scenario.script import Script, Step

PLAIN, BARRED = "inkan", "kazei"  # PLAIN has one question, answered beforehand
RESIDENT, ANOTHER = "taro", "hanako"
RESIDENTS = {"card-read 1": "isamu", "card-read 0": "sachiko", "touch choose barred": "shota"}
FREE = "document-checked 1 0"

# The far ends do this by themselves.
COMES = frozenset(
    "terms,health,health case-open,card-read 3,card-read 1,card-read 0,card-authenticated,pin-wrong 2,"
    "session-opened plain,session-opened asked,document-checked 1 100,document-checked 1 0,printers-ready sensor,"
    "coins-stopped,released,sheet-printed 1,paid-out 50,paid-out 400,paid-out 450,receipt-done".split(",")
)
# They do this where a wire is broken before the act that leads there.
BROKEN = {
    "city-refused": "line-cut",
    "printers-not-ready": "paper-out",
    **{f"payout-failed {amount} 0": "hoppers-empty" for amount in (50, 400, 450)},
}
# And they are silent until this is healed.
HELD: dict[type[c.Command], str] = {
    c.OpenSession: "line-stall",
    c.PlaceOrder: "line-stall",
    c.ReleaseOrder: "line-stall",
    c.PrintSheet: "printer-slow",
}
NOTICED = Step(wait="noticed")
ACTS: dict[str, tuple[Step, ...]] = {
    "card-absent": (Step(card="off"), NOTICED),
    "card-swapped": (Step(card=ANOTHER), NOTICED),
    "card-unknown": (Step(fault="reader-lost"), NOTICED),
    "line-lost": (Step(fault="line-cut"),),
    "health paper-out": (Step(fault="paper-out"),),
    "touch choose plain": (Step(touch=f"choose:{PLAIN}"), Step(see="options"), Step(touch="next")),
    "touch choose asked": (Step(touch=f"choose:{PLAIN}"),),
    "touch choose barred": (Step(touch=f"choose:{BARRED}"),),
    "coin 50": (Step(coin=50),),
    "coin 500": (Step(coin=500),),
    "coin-returned": (Step(coin=0),),
    "coins-failed": (Step(fault="coin-jam"), Step(coin=50)),
    "paper-taken": (Step(take="sheets"),),
    "limit": (Step(wait="limit"),),
    "remind": (Step(wait="remind"),),
    "operator": (Step(operator="close-cases"),),
}


class Told(NamedTuple):
    """`short`: the step that could not be done, and why; "" when all were."""

    script: Script
    short: str


class _Cannot(Exception):
    """Why a bench cannot do it."""


def told(script: Script) -> Told:
    """The journey of a counter-example, at the kiosk as it is or at that with the script's defect."""
    kiosk = named(script.defect).kiosk() if script.defect else Kiosk()
    teller = _Teller([str(step.happens) for step in script.steps], Search(kiosk, stops=True))
    short = teller.tell()
    journey = msgspec.structs.replace(
        script, steps=tuple(teller.steps), expect=None, city=_free() if FREE in teller.labels else script.city
    )
    return Told(journey, short)


def _free() -> dict[str, Any]:
    """A city whose certificates cost nothing."""
    certificates = tomllib.loads(CITY_DATA.read_text("utf-8"))["certificates"]
    return {"certificates": [{**one, "fees": [{**fee, "yen": 0} for fee in one["fees"]]} for one in certificates]}


class _Teller:
    def __init__(self, labels: list[str], search: Search) -> None:
        self.labels = labels
        self.steps: list[Step] = []
        self._search = search
        self._act = 0  # where the steps of the last act begin
        self._answered: set[str] = set()  # wires that were needed since
        self._held: set[str] = set()
        self._lost = False
        self._cards = 0

    def tell(self) -> str:
        """Fill `steps`; what is left out, or ""."""
        number: int | None = self._search.begin()
        for count, label in enumerate(self.labels, 1):
            node = self._search.nodes[number or 0]
            moment = self._search.kiosk.moments[node.moment]
            happening = next((h for h in happenings(node.world, moment) if h.label == label), None)
            try:
                if happening is None:
                    raise _Cannot("it can no longer happen")  # noqa: TRY301 - as any other step that cannot be done
                self._step(count, happening, moment, node.world)
            except _Cannot as cannot:
                self._see(moment, node.world)
                return f"step {count} ({label}): {cannot}"
            number = self._search.follow(number or 0, happening)
            if number is None:
                self.steps.append(Step(see="fault"))  # the process has stopped, and the next one tells it
                return ""
        node = self._search.nodes[number or 0]
        self._see(self._search.kiosk.moments[node.moment], node.world)
        return ""

    def _see(self, moment: Moment, world: World) -> None:
        """Where it ends; unless a device's answer leads on from there."""
        passing = SPECS[moment.state].device and _pending(world) and not self._held
        if not passing and moment.state is not State.ENDING:
            self.steps.append(Step(see=moment.state.screen))

    def _step(self, count: int, happening: Happening, moment: Moment, world: World) -> None:
        label = happening.label
        if happening.ask is not None and label != "paper-taken":
            self._answer(label, happening.ask)
        elif label in COMES or (label == "card-absent" and not self._cards and not self._lost):
            pass
        elif label.startswith(("falling", "stray", "shutdown", "terms")):
            raise _Cannot("nobody at the bench can make it happen")
        else:
            self._do(self._acts(count, label, moment), moment, world)

    def _answer(self, label: str, ask: Ask) -> None:
        wire = HELD.get(ask.kind, ask.lane)
        if label in BROKEN and not self._held:
            self._before(BROKEN[label], wire)
        elif label not in COMES:
            raise _Cannot("no far end answers so")
        elif wire in self._held:
            self._held.remove(wire)
            self.steps.append(Step(heal=wire))  # type: ignore[arg-type]
        self._answered.add(wire)

    def _before(self, fault: str, wire: str) -> None:
        """Break it before the last act, where nothing needed it since."""
        if wire in self._answered:
            raise _Cannot("it would have to break between two answers")
        self.steps.insert(self._act, Step(fault=fault))  # type: ignore[arg-type]

    def _do(self, acts: tuple[Step, ...], moment: Moment, world: World) -> None:
        if not acts:
            return
        for ask in _pending(world):
            wire = HELD.get(ask.kind, "")
            if not wire:
                raise _Cannot("what is asked of a device is answered before anybody can do that")
            if wire not in self._held:
                self._before(wire, wire)
                self._held.add(wire)
        self.steps.append(Step(see=moment.state.screen))
        self._act, self._answered = len(self.steps), set()
        self.steps += acts

    def _acts(self, count: int, label: str, moment: Moment) -> tuple[Step, ...]:
        if label == "limit" and SPECS[moment.state].device:
            raise _Cannot("that long a device is never silent here")
        if label == "touch next" and not dict(moment.session.answers).get("members"):
            raise _Cannot("the question is answered beforehand")
        if label.startswith("digit"):
            return self._digits(count, label, moment)
        if label == "touch enter" and self.labels[count - 2] == "digit 4":
            return ()  # typed and entered
        acts = ACTS.get(label)
        if label == "card-present":
            acts, self._cards = (Step(card=self._resident()), NOTICED), self._cards + 1
        if label in ("card-present", "card-absent") and self._lost:
            acts, self._lost = (*(acts or ()), Step(heal="reader-lost")), False
        self._lost = self._lost or label == "card-unknown"
        if acts is None and label.startswith("touch pick"):
            return ()
        return acts or (Step(touch=label.removeprefix("touch ").replace(" ", ":")),)

    def _resident(self) -> str:
        if self._cards:
            return ANOTHER
        return next((name for label, name in RESIDENTS.items() if label in self.labels), RESIDENT)

    def _digits(self, count: int, label: str, moment: Moment) -> tuple[Step, ...]:
        if moment.session.digits:
            raise _Cannot("the digits before may be wrong ones")
        entered = self.labels[count : count + 1] == ["touch enter"]
        if entered and label == "digit 4":
            wrong = any(later.startswith("pin-wrong") for later in self.labels[count + 1 : count + 2])
            return (Step(pin="wrong" if wrong else "right"),)
        typed = int(label.removeprefix("digit "))
        return tuple(
            step
            for n in range(1, typed + 1)
            for step in (Step(touch=f"digit:{n}"), Step(see="pin", facts={"digits": n}))
        )


def _pending(world: World) -> list[Ask]:
    """What is asked and will be answered, whatever a person does; of what is read ahead only a failure is told."""
    ahead = [ask for ask in world.asks if ask.kind is c.ReadCard and ask.number == AHEAD]
    return [ask for ask in world.asks if ask.kind is not c.WatchOutlet and ask not in ahead]
