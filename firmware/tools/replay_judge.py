"""What happened in each recorded process, step by step, and what of it was not as it should be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from firmware.flow.table import SPECS
from firmware.service.flight_record import Step, What, in_order
from firmware.service.flight_steps import parsed
from firmware.tools.replay_model import Model, Reached, Unreadable, event_of, reached
from firmware.tools.replay_words import ANSWERS, command_text, event_text

ANSWER_S: Final = 120.0  # the longest time of a device's state is shorter


@dataclass
class Turn:
    """An event with all that came of it. `wrong`: what was not as it should be, in order."""

    at: float
    text: str
    name: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    begins: bool = False
    state: Reached | None = None
    commands: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stopped: str = ""
    cases: list[str] = field(default_factory=list)
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
        """The index of the first turn at which something was wrong."""
        return next((index for index, turn in enumerate(self.turns) if turn.wrong), None)


def judge(steps: Iterable[Step]) -> Sequence[Process]:
    """The processes, oldest first, each judged. Raises Unreadable."""
    processes = _processes(in_order(steps))
    for index, process in enumerate(processes):
        _judge(process)
        if index < len(processes) - 1 and process.turns and not process.ended:
            process.turns[-1].wrong.append("the process ended here without ending its session")
    return processes


def _processes(steps: Sequence[Step]) -> list[Process]:
    found: list[Process] = []
    for step in steps:
        begins = step.what is What.START
        # A case may be opened by the supervisor: it belongs to whoever was serving.
        other = step.what is not What.CASE and found and found[-1].number != step.process
        if not found or begins or other:
            found.append(Process(step.process))
        _add(found[-1], step)
    return found


def _add(process: Process, step: Step) -> None:
    try:
        name, facts = parsed(step.words or "-")
    except ValueError:
        raise Unreadable(f"step {step.number} has no words that this build knows") from None
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


def _judge(process: Process) -> None:
    model, waiting = Model(), list[Asked]()
    for turn in process.turns:
        before = model.at
        _follow(model, turn)
        _look_for_answers(before, turn, waiting)
        turn.wrong += [f"a case was opened: {case}" for case in _cases(turn)]


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
    for each in [each for each in waiting if times_out or turn.at - each.at > ANSWER_S]:
        who = ANSWERS[each.name][0]
        turn.wrong.append(f"{who} did not answer {each.name} within {turn.at - each.at:.1f} s")
        waiting.remove(each)
    epoch = turn.state.epoch if turn.state else 0
    waiting[:] = [each for each in waiting if not 0 < each.epoch < epoch]
    for name, facts in turn.commands:
        if name in ANSWERS:
            waiting.append(Asked(name, int(facts.get("epoch", 0)), turn.at))


def _cases(turn: Turn) -> list[str]:
    """What the flow asked for, unless the case itself is in the record."""
    asked = [command_text(name, facts) for name, facts in turn.commands if name == "OpenCase"]
    return turn.cases or asked
