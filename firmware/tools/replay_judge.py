"""What happened in each recorded process, step by step, and what of it was not as it should be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from firmware.flow.states import State
from firmware.flow.table import SPECS
from firmware.service.flight_record import BESIDE, Step, What, in_order
from firmware.service.flight_steps import parsed
from firmware.tools.replay_model import Model, Reached, Unreadable, event_of, reached
from firmware.tools.replay_words import (
    ANSWERS,
    BY_A_PERSON,
    UNSEEN_DEATH,
    books_text,
    command_text,
    death_text,
    event_text,
    trouble,
)

ANSWER_S: Final = 120.0  # the longest time of a device's state is shorter
SLOW_S: Final = 2.0  # whoever gives up a wait that was longer has a reason


@dataclass
class Turn:
    """An event with all that came of it. `wrong`: what was not as it should be, in order.

    `death`: how the process ended behind it, when it did not end in order; `books`: what became
    of the money then.
    """

    at: float
    text: str
    name: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    begins: bool = False
    state: Reached | None = None
    commands: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stopped: str = ""
    cases: list[str] = field(default_factory=list)
    death: str = ""
    books: str = ""
    wrong: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Asked:
    """A command that waits for its answer."""

    name: str
    epoch: int
    at: float


@dataclass
class Process:
    """`whole`: its beginning is in the record."""

    number: int
    turns: list[Turn] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        return bool(self.turns) and self.turns[0].begins

    @property
    def ended(self) -> bool:
        return any(name == "EndSession" for turn in self.turns for name, _ in turn.commands)

    @property
    def first_wrong(self) -> int | None:
        """The index of the first turn at which something was wrong. What was over when the kiosk
        last became ready explains nothing, unless there is nothing else.
        """
        wrong = [index for index, turn in enumerate(self.turns) if turn.wrong]
        return next((index for index in wrong if index >= self._ready), next(iter(wrong), None))

    @property
    def _ready(self) -> int:
        """The index of the last turn at which the first screen was reached."""
        states = [turn.state.state if turn.state else None for turn in self.turns]
        reached = [
            index
            for index, (before, after) in enumerate(pairwise([None, *states]))
            if after is State.MENU and before is not after
        ]
        return reached[-1] if reached else 0

    @property
    def case_codes(self) -> Sequence[str]:
        """Of the cases that were opened in it, each once."""
        opened = [parsed(f"case {words}")[1]["code"] for turn in self.turns for words in turn.cases]
        asked = [
            facts.get("code", "")
            for turn in self.turns
            for name, facts in turn.commands
            if name == "OpenCase"
        ]
        return [*dict.fromkeys((*asked, *opened))]

    @property
    def grave(self) -> Sequence[int]:
        """The indices of the turns with more than a device that failed: a case, a process that
        ended, a flow that stopped.
        """
        return [
            index
            for index, turn in enumerate(self.turns)
            if _cases(turn) or turn.death or turn.stopped
        ]


def judge(steps: Iterable[Step]) -> Sequence[Process]:
    """The processes, oldest first, each judged. Raises Unreadable."""
    processes = _processes(in_order(steps))
    for index, process in enumerate(processes):
        _judge(process)
        _look_for_death(process, newest=index == len(processes) - 1)
        for turn in process.turns:
            turn.wrong += [f"a case was opened: {case}" for case in _cases(turn)]
    return processes


def _look_for_death(process: Process, *, newest: bool) -> None:
    """A process that ended without ending its session. The newest one may be serving."""
    last = process.turns[-1]
    if last.death or not (newest or process.ended):
        last.wrong.append(last.death or UNSEEN_DEATH)


def _processes(steps: Sequence[Step]) -> list[Process]:
    found: list[Process] = []
    for step in steps:
        begins = step.what is What.START
        other = step.what not in BESIDE and found and found[-1].number != step.process
        if not found or begins or other:
            found.append(Process(step.process))
        _add(found[-1], step)
    return found


def _add(process: Process, step: Step) -> None:
    try:
        _add_words(process, step, *parsed(step.words or "-"))
    except (ValueError, KeyError):
        raise Unreadable(f"step {step.number} has no words that this build knows") from None


def _add_words(process: Process, step: Step, name: str, facts: dict[str, str]) -> None:
    """Raises ValueError, KeyError, Unreadable."""
    turns = process.turns
    if step.what is What.EVENT:
        turns.append(Turn(step.at, event_text(name, facts), name, facts))
        return
    if step.what is What.START or not turns:
        begins = step.what is What.START
        text = "a process begins to serve" if begins else "the record begins in the middle"
        turns.append(Turn(step.at, text, begins=begins))
    if step.what is What.REACHED:
        turns[-1].state = reached(name, facts)
    elif step.what is What.COMMAND:
        turns[-1].commands.append((name, facts))
    elif step.what is What.STOPPED:
        turns[-1].stopped = step.words
    elif step.what is What.CASE:
        turns[-1].cases.append(step.words)
    elif step.what is What.DIED:
        turns[-1].death = death_text(facts)
    elif step.what is What.BOOKS:
        turns[-1].books = books_text(facts)


def _judge(process: Process) -> None:
    model, waiting = Model(), list[Asked]()
    for turn in process.turns:
        before = model.at
        turn.wrong += filter(None, [trouble(turn.name, turn.facts)])
        _follow(model, turn)
        _look_for_answers(before, turn, waiting)


def _follow(model: Model, turn: Turn) -> None:
    if turn.stopped and turn.name:
        error, _, state = turn.stopped.partition(" state=")
        agrees = model.refuses(event_of(turn.name, turn.facts))
        beside = "the model has none either" if agrees else "the model, with stand-ins, has one"
        what = f"had no answer to it ({beside})" if error == "UnhandledEvent" else f"broke: {error}"
        turn.wrong.append(f"the flow {what}, in {state}")
    elif turn.state is not None and turn.begins:
        turn.wrong += filter(None, [model.begin(turn.state)])
    elif turn.state is not None and turn.name:
        noted = any(name == "Note" for name, _ in turn.commands)
        event = event_of(turn.name, turn.facts)
        turn.wrong += filter(None, [model.follow(turn.name, event, turn.state, noted=noted)])


def _look_for_answers(before: Reached | None, turn: Turn, waiting: list[Asked]) -> None:
    """Who was asked must answer before the state's time for it runs out."""
    answered = next((each for each in waiting if turn.name in ANSWERS[each.name][1]), None)
    if answered:  # what is asked again meanwhile has one answer
        waiting[:] = [each for each in waiting if each.name != answered.name]
    is_stale = any(name == "Note" for name, _ in turn.commands)
    waits = before is not None and SPECS[before.state].device
    times_out = turn.name == "time-up" and waits and not is_stale
    late = [each for each in waiting if _is_late(each, turn, times_out)]
    for each in late:
        who = ANSWERS[each.name][0]
        turn.wrong.append(f"{who} did not answer {each.name} within {turn.at - each.at:.1f} s")
        waiting.remove(each)
    if times_out and before is not None and not late:
        turn.wrong.append(f"what {before.state.value} waits for did not come in time")
    for each in [each for each in waiting if _is_given_up(each, turn)]:
        waited = turn.at - each.at
        if waited > SLOW_S and each.name not in BY_A_PERSON:
            who = ANSWERS[each.name][0]
            turn.wrong.append(f"{who} had not answered {each.name} for {waited:.1f} s, and it ends")
        waiting.remove(each)
    for name, facts in turn.commands:
        if name in ANSWERS:
            waiting.append(Asked(name, int(facts.get("epoch", 0)), turn.at))


def _is_late(asked: Asked, turn: Turn, times_out: bool) -> bool:
    """What an idle kiosk asks again and again may have been asked a moment ago."""
    waited = turn.at - asked.at
    return waited > ANSWER_S or (times_out and (asked.epoch > 0 or waited > SLOW_S))


def _is_given_up(asked: Asked, turn: Turn) -> bool:
    """What belongs to an earlier epoch, or to a session that ends, is not waited for."""
    epoch = turn.state.epoch if turn.state else 0
    ends = any(name == "EndSession" for name, _ in turn.commands)
    return asked.epoch > 0 and (ends or asked.epoch < epoch)


def _cases(turn: Turn) -> list[str]:
    """What the flow asked for, unless the case itself is in the record."""
    asked = [command_text(name, facts) for name, facts in turn.commands if name == "OpenCase"]
    return turn.cases or asked
