"""A counter-example as acts on the simulated devices: card, hand, coins, paper, time, broken wires.

The simulated devices answer by themselves, well and at once. So what happens on the model is an
act, or an answer that comes anyway, or one that a broken wire gives, or nothing that the devices
can do. Which screen each act waits for the machine itself says. What can be done until the first
step that cannot is a journey of its own.
"""

from __future__ import annotations

import tomllib
from typing import Any, NamedTuple

import msgspec

from firmware.flow import commands
from firmware.flow.machine import Moment
from firmware.flow.states import State
from firmware.flow.table import SPECS
from testbed.model_check.defects import find_defect
from testbed.model_check.kiosk import Kiosk
from testbed.model_check.search import Search
from testbed.rehearsal import CITY_DATA
from testbed.scenario_file import Script, Step
from testbed.world.answers import AHEAD, Happening
from testbed.world.happenings import list_happenings
from testbed.world.state import Ask, World

PLAIN = "inkan"  # has one question, answered beforehand
BARRED = "kazei"
RESIDENT = "taro"
ANOTHER = "hanako"
RESIDENTS = {"card-read 1": "isamu", "card-read 0": "sachiko", "touch choose barred": "shota"}
FREE = "document-checked 1 1 0"

# The simulated devices and the city do this by themselves.
COMES = frozenset(
    {
        "terms",
        "health",
        "health case-open",
        "card-read 3",
        "card-read 1",
        "card-read 0",
        "card-authenticated",
        "pin-wrong 2",
        "session-opened plain",
        "session-opened asked",
        "document-checked 1 1 100",
        "document-checked 1 1 0",
        "printers-ready sensor",
        "coins-stopped",
        "released",
        "sheet-printed 1",
        "paid-out 50",
        "paid-out 400",
        "paid-out 450",
        "receipt-done",
    }
)
# They do this where a wire is broken before the act that leads there.
BROKEN = {
    "city-refused": "line-cut",
    "printers-not-ready": "paper-out",
    "payout-failed 50 0": "hoppers-empty",
    "payout-failed 400 0": "hoppers-empty",
    "payout-failed 450 0": "hoppers-empty",
}
# And they are silent until this is healed.
HELD: dict[type[commands.Command], str] = {
    commands.OpenSession: "line-stall",
    commands.PlaceOrder: "line-stall",
    commands.ReleaseOrder: "line-stall",
    commands.PrintSheet: "printer-slow",
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
    "warn": (),
    "headphones": (),
    "operator": (Step(operator="close-cases"),),
}


class Translation(NamedTuple):
    """`short`: the step that could not be done, and why; "" when all were."""

    script: Script
    short: str


class _Cannot(Exception):
    """Why it cannot be done on the simulated devices."""


def translate(script: Script) -> Translation:
    """The journey of a counter-example, at the kiosk as it is or at that with the
    script's defect.
    """
    kiosk = find_defect(script.defect).kiosk() if script.defect else Kiosk()
    labels = [str(step.happens) for step in script.steps]
    translator = _Translator(labels, Search(kiosk, stops=True))
    short = translator.translate()
    journey = msgspec.structs.replace(
        script,
        steps=tuple(translator.steps),
        expect=None,
        city=free_city() if FREE in labels else script.city,
    )
    return Translation(journey, short)


def free_city() -> dict[str, Any]:
    """A city whose certificates cost nothing."""
    certificates = tomllib.loads(CITY_DATA.read_text("utf-8"))["certificates"]
    return {
        "certificates": [
            {**one, "fees": [{**fee, "yen": 0} for fee in one["fees"]]} for one in certificates
        ]
    }


class _Translator:
    def __init__(self, labels: list[str], search: Search) -> None:
        self.labels = labels
        self.steps: list[Step] = []
        self._search = search
        self._act = 0  # where the steps of the last act begin
        self._answered: set[str] = set()  # wires that were needed since
        self._held: set[str] = set()
        self._lost = False
        self._cards = 0

    def translate(self) -> str:
        """Fill `steps`; what is left out, or ""."""
        number: int | None = self._search.begin()
        for count, label in enumerate(self.labels, 1):
            node = self._search.nodes[number or 0]
            moment = self._search.kiosk.moments[node.moment]
            happening = next(
                (h for h in list_happenings(node.world, moment) if h.label == label), None
            )
            try:
                if happening is None:
                    raise _Cannot("it can no longer happen")  # noqa: TRY301 - as any other step
                self._step(count, happening, moment, node.world)
            except _Cannot as cannot:
                self._see(moment, node.world)
                return f"step {count} ({label}): {cannot}"
            number = self._search.follow(number or 0, happening)
            if number is None:
                # The process has stopped, and the next one shows that.
                self.steps.append(Step(see="fault"))
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
            raise _Cannot("nobody can make it happen")
        else:
            self._do(self._acts(count, label, moment), moment, world)

    def _answer(self, label: str, ask: Ask) -> None:
        wire = HELD.get(ask.kind, ask.device)
        if label in BROKEN and not self._held:
            self._before(BROKEN[label], wire)
        elif label not in COMES:
            raise _Cannot("no simulated device answers so")
        elif wire in self._held:
            self._held.remove(wire)
            self.steps.append(Step(heal=wire))
        self._answered.add(wire)

    def _before(self, fault: str, wire: str) -> None:
        """Break it before the last act, where nothing needed it since."""
        if wire in self._answered:
            raise _Cannot("it would have to break between two answers")
        self.steps.insert(self._act, Step(fault=fault))

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
        self._act = len(self.steps)
        self._answered = set()
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
        if label == "card-present":
            return self._card_present()
        if label == "card-absent":
            return (*ACTS[label], *self._reader_healed())
        if label == "card-unknown":
            self._lost = True
        if label in ACTS:
            return ACTS[label]
        if label.startswith("touch pick"):
            return ()
        return (Step(touch=label.removeprefix("touch ").replace(" ", ":")),)

    def _card_present(self) -> tuple[Step, ...]:
        card = self._resident()
        self._cards += 1
        return (Step(card=card), NOTICED, *self._reader_healed())

    def _reader_healed(self) -> tuple[Step, ...]:
        if not self._lost:
            return ()
        self._lost = False
        return (Step(heal="reader-lost"),)

    def _resident(self) -> str:
        if self._cards:
            return ANOTHER
        return next((name for label, name in RESIDENTS.items() if label in self.labels), RESIDENT)

    def _digits(self, count: int, label: str, moment: Moment) -> tuple[Step, ...]:
        if moment.session.digits:
            raise _Cannot("the digits before may be wrong ones")
        entered = self.labels[count : count + 1] == ["touch enter"]
        if entered and label == "digit 4":
            answers = self.labels[count + 1 : count + 2]
            wrong = any(answer.startswith("pin-wrong") for answer in answers)
            return (Step(pin="wrong" if wrong else "right"),)
        steps: list[Step] = []
        for digit in range(1, int(label.removeprefix("digit ")) + 1):
            steps.append(Step(touch=f"digit:{digit}"))
            steps.append(Step(see="pin", facts={"digits": digit}))
        return tuple(steps)


def _pending(world: World) -> list[Ask]:
    """What is asked and will be answered, whatever a customer does; of what is read ahead only a
    failure is reported.
    """
    ahead = [ask for ask in world.asks if ask.kind is commands.ReadCard and ask.number == AHEAD]
    return [ask for ask in world.asks if ask.kind is not commands.WatchOutlet and ask not in ahead]
