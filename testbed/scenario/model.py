"""A scenario on the pure machine: time is virtual, and every command passes the same permits as on
the board.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from firmware.flow import commands, events
from firmware.flow.screens import Screen
from firmware.flow.states import State
from firmware.flow.timers import Timer
from firmware.texts.texts import Texts, languages
from firmware.texts.voice import words
from testbed.scenario.city import find_city
from testbed.scenario.far_ends import FarEnds, Reply, known_to_machine
from testbed.scenario_file import Expect, Failed, Script, Step, compare, holds
from testbed.world import happenings
from testbed.world.answers import Happening
from testbed.world.journey import Journey, Refused
from testbed.world.state import World

TEXTS = {language: Texts.load(language) for language in languages()}
FELT_BY_READER = ("reader-lost", "phone-sleeps")
STEPS_WITHOUT_TIME = 200  # screens may follow each other by themselves, but not for ever


class ModelRun:
    """One scenario: one journey after the other, each a process of its own."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.far = FarEnds(script, find_city(script))
        self._stays = 0
        self._journeys: list[Journey] = []
        self._start(Journey())

    def run(self) -> None:
        """Raises Failed, with the step's number."""
        if self._script.defect:
            raise Failed("a machine that is wrong is run on the wires only")
        for number, step in enumerate(self._script.steps, 1):
            try:
                STEPS[step.verb](self, step)
                self._settle()
            except (Failed, Refused) as failed:
                raise Failed(f"step {number} ({step.verb} {step.value}): {failed}") from None
        compare(self._script.expect, count(self._journeys))

    # -- the process

    @property
    def journey(self) -> Journey:
        return self._journeys[-1]

    @property
    def screen(self) -> Screen:
        return self.journey.flow.screen

    def _start(self, journey: Journey) -> None:
        self._journeys.append(journey)
        self._follow(journey.start())
        self._report_card()
        self._settle()

    def _happen(self, happening: Happening) -> None:
        self._follow(self.journey.happen(happening))

    def _follow(self, carried_out: commands.Commands) -> None:
        """What the commands ask besides an answer."""
        journey = self.journey
        for command in carried_out:
            match command:
                case (
                    commands.ShowScreen(screen=screen, speak=True)
                    | commands.Announce(screen=screen)
                ):
                    self._announce(screen)
                case commands.CancelCharge() if journey.waiting("cashless"):
                    self.far.presented = Reply("charge-declined", {"reason": "cancelled"})
                case commands.PurgePrinter():
                    kept = [ask for ask in journey.world.asks if ask.device != "sheets"]
                    journey.world = journey.world._replace(asks=tuple(kept))
        if journey.ended:
            # The customer is gone, and so is the process: the next one knows nothing.
            self._balance()
            self._start(Journey(World(paused=journey.world.paused), journey.now))

    def _settle(self) -> None:
        """Everything that can be answered now is answered."""
        for _ in range(STEPS_WITHOUT_TIME):
            answer = self._next_answer()
            if answer is None:
                return
            self._happen(answer)
        raise Failed("the machine does not come to rest")

    def _next_answer(self) -> Happening | None:
        for ask in self.journey.world.asks:
            if self.far.yank(ask):
                return happenings.CARD_ABSENT
            answer = self.far.answer(ask, self.journey)
            if answer is not None:
                return answer
        return None

    def _announce(self, screen: Screen) -> None:
        self.said = words(screen, TEXTS[screen.language])
        if not self.said:
            raise Failed(f"nothing is said on {screen.name}")

    def _balance(self) -> None:
        """inserted = kept + returned + owed + held, for the customer who leaves."""
        session = self.journey.flow.session
        sums = {
            "kept": self.journey.permits.facts.fee.kept,
            "returned": session.returned + session.reversed,
            "owed": session.owed,
            "held": session.undecided,
        }
        taken = session.inserted + session.charged + session.doubted
        if taken != sum(sums.values()):
            raise Failed(f"money: {taken} in, {sums}")

    # -- steps

    def touch(self, step: Step) -> None:
        action, _, value = str(step.touch).partition(":")
        if action == "digit" and self.journey.flow.state is State.PIN:
            return self._type_digit()
        if action not in self.screen.actions:
            raise Failed(f"{self.screen.name} does not offer {action!r}")
        return self._touch(action, value)

    def _touch(self, action: str, value: str = "") -> None:
        self._follow(self.journey.touch(action, value))

    def _type_digit(self) -> None:
        self._follow(self.journey.type_digit(self.journey.flow.session.digits + 1))

    def slip(self, step: Step) -> None:
        self._touch(str(step.slip))

    def pin(self, step: Step) -> None:
        self.far.pin_is_right = step.pin == "right"
        for _ in range(4):
            self._type_digit()
            self._settle()
        self._touch("enter")

    def card(self, step: Step) -> None:
        card = str(step.card)
        if card == "off":
            self.far.card = ""
        elif card not in self.far.city.tokens:
            raise Failed(f"no sample resident {card!r} has a card")
        else:
            self.far.card = card
            self._stays += 1
            self.far.tries.setdefault(card, self.far.token.pin_tries)
        self._report_card()

    def _report_card(self) -> None:
        if "reader-lost" in self.far.faults:
            self._happen(happenings.CARD_UNKNOWN)
        elif self.far.is_felt:
            stay = events.CardPresent(stay=f"model#{self._stays}")
            self._happen(happenings.CARD_PRESENT._replace(event=stay))
        else:
            self._happen(happenings.CARD_ABSENT)

    def coin(self, step: Step) -> None:
        value = step.coin or 0
        if not self.journey.world.slot:
            return
        due = self.journey.all(commands.AcceptCoins)[-1].due
        if "coin-jam" in self.far.faults:
            jam = events.CoinsFailed(reason="coin-jam")
            self._happen(happenings.JAM._replace(event=jam))
        elif self.journey.flow.session.exact_only and value > due:
            self._happen(happenings.RETURNED)
        elif "coins-mute" not in self.far.faults:
            coin = events.CoinInserted(value=value)
            self._happen(happenings.COIN._replace(event=coin))

    def present(self, _: Step) -> None:
        if not self.journey.world.waiting(commands.Charge):
            raise Failed("nothing is to be paid at the terminal")
        self.far.presented = self.far.reply_with_fault(commands.Charge)

    def take(self, step: Step) -> None:
        if step.take == "sheets":
            if not self.far.in_outlet:
                raise Failed("nothing is in the outlet")
            self.far.in_outlet = 0

    def fault(self, step: Step) -> None:
        fault = str(step.fault)
        name = fault.partition(":")[0]
        known = known_to_machine()
        if fault not in known and name not in known:
            raise Failed(f"the machine has no wire on which {name} could be: run it --on wires")
        self.far.faults.add(fault if fault in known else name)
        if step.fault in FELT_BY_READER:
            self._report_card()

    def heal(self, step: Step) -> None:
        if step.heal == "paper-out":
            self._heal("paper-ends-in")
        self._heal(str(step.heal))
        if step.heal == "phone-sleeps":
            self._stays += 1
        if step.heal in FELT_BY_READER:
            self._report_card()

    def _heal(self, name: str) -> None:
        """Whatever its argument was."""
        self.far.faults = {one for one in self.far.faults if one.partition(":")[0] != name}

    def operator(self, _: Step) -> None:
        self._happen(happenings.OPERATOR_CLOSES_THE_CASE)

    def wait(self, step: Step) -> None:
        if step.wait in ("noticed", "shut"):  # at once
            return
        if step.wait not in self.journey.timers:
            raise Failed(f"{self.screen.name} has no {step.wait}")
        while self._fire_next_timer() != step.wait:
            self._settle()

    def _fire_next_timer(self) -> Timer:
        name = min(self.journey.timers, key=lambda each: self.journey.due[each])
        self._follow(self.journey.fire(name))
        return name

    def see(self, step: Step) -> None:
        for _ in range(STEPS_WITHOUT_TIME):
            wrong = holds(step.facts, self.screen.facts)
            if (self.screen.name == step.see and not wrong) or not self._pass_by():
                break
        if self.screen.name != step.see:
            raise Failed(f"the screen is {self.screen.name}")
        if wrong:
            raise Failed("; ".join(wrong))
        if step.says and not any(step.says in phrase for phrase in self.said):
            raise Failed(f"said {self.said}")

    def _pass_by(self) -> bool:
        """Out of service is asked again and again by itself: let that time pass, and only that."""
        journey = self.journey
        if journey.flow.state.phase not in ("out", "welcome") or not journey.timers:
            return False
        self._fire_next_timer()
        self._settle()
        return True


def count(journeys: list[Journey]) -> Expect:
    """What came in and out, in all of them together."""
    issued = [command for journey in journeys for command in journey.issued]
    happened = [happening for journey in journeys for happening in journey.happened]
    sums: Counter[str] = Counter(sheets=sum(each.comes_out for each in happened))
    outcomes: list[str] = []
    cases: list[str] = []
    for each in (*issued, *(happening.event for happening in happened)):
        match each:
            case commands.PrintReceipt():
                sums["receipts"] += 1
            case commands.PrintClaim(owed=owed):
                sums["owed"] += owed
            case commands.ReportOutcome(result=result, kept=kept):
                outcomes.append(result)
                sums["kept"] += kept
            case commands.OpenCase(code=code, held=held):
                cases.append(code)
                sums["held"] += held
            case events.CoinInserted(value=value):
                sums["inserted"] += value
            case events.Charged(amount=amount) | events.ChargeUnknown(amount=amount):
                sums["charged"] += amount
            case events.PaidOut(amount=paid) | events.PayoutFailed(paid=paid):
                sums["returned"] += paid
            case events.Reversed(amount=amount):
                sums["charged"] -= amount
                sums["returned"] += amount
    return Expect(
        outcomes=tuple(outcomes),
        cases=tuple(cases),
        open_at_city=sum(journey.world.at_city for journey in journeys),
        **sums,
    )


STEPS: dict[str, Callable[[ModelRun, Step], None]] = {
    "touch": ModelRun.touch,
    "slip": ModelRun.slip,
    "pin": ModelRun.pin,
    "card": ModelRun.card,
    "coin": ModelRun.coin,
    "present": ModelRun.present,
    "take": ModelRun.take,
    "fault": ModelRun.fault,
    "heal": ModelRun.heal,
    "operator": ModelRun.operator,
    "wait": ModelRun.wait,
    "see": ModelRun.see,
}
