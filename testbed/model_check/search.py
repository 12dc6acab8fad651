"""Breadth first over everything that can happen, until nothing new is met; the first fault met is
the nearest.

A state is the journey's moment, the permits' facts and the world. A restart leads to one of the two
roots: a process knows nothing of the one before it but whether a case is open.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from firmware.flow import commands, events
from firmware.flow.session import Presence
from firmware.flow.states import State
from testbed.model_check.command_rules import is_forbidden
from testbed.model_check.kiosk import Kiosk, Reaction, relative_epoch
from testbed.model_check.probes import COMMANDS, UNASKED, old_events
from testbed.model_check.properties import PROPERTIES, Breach
from testbed.model_check.state_checks import faults_in_state
from testbed.model_check.step_checks import Move, faults_at_step
from testbed.world.answers import Happening, after_command, after_happening, list_answers
from testbed.world.happenings import list_happenings
from testbed.world.state import ANOTHER, HERE, IDLE, LATE, NOW, Ask, Device, World

ALARMS = frozenset({State.CARDLEFT, State.UNCOLLECTED})
# What needs nobody but a customer who takes card and sheets, and the clock.
HANDS = frozenset({"limit", "remind", "paper-taken", "card-absent"})
# Outside these states the journey does not wait for these answers.
AWAITED = {
    commands.PrintReceipt: (State.RECEIPTING,),
    commands.WatchOutlet: (State.SHEETS, State.UNCOLLECTED),
}
# Devices whose answers carry no epoch.
TIMELESS = (Device.CASH, Device.CASHLESS, Device.OUTLET)


class Node(NamedTuple):
    moment: int
    facts: int
    world: World


@dataclass
class SearchResult:
    """What a search met. `counterexamples`: the labels that lead to each fault, the last one being
    the fault's.
    """

    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    closed: bool = False
    # events the production flow handled; the rest was known from the same moment
    dispatched: int = 0
    counterexamples: dict[Breach, tuple[str, ...]] = field(default_factory=dict)

    def broken(self) -> set[str]:
        return {fault.letter for fault in self.counterexamples}


class Search:
    """`first`: stop at the first fault. `without`: labels of what shall not happen.

    `stops`: a refused command is no fault but stops the process, as in the service; `first` is then
    the first stop.

    `refusals`: what the permits refused, and the labels that lead there.
    """

    def __init__(
        self,
        kiosk: Kiosk,
        *,
        first: bool = False,
        stops: bool = False,
        without: Collection[str] = (),
    ) -> None:
        self.kiosk = kiosk
        self.found = SearchResult()
        self._first = first
        self._stops = stops
        self._without = frozenset(without)
        self.refusals: dict[str, tuple[str, ...]] = {}
        self.nodes: list[Node] = []
        self._ids: dict[Node, int] = {}
        self._from: list[tuple[int, str]] = []
        self._hands: array[int] = array("q")  # pairs: from, to
        self._patience: array[int] = array("q")  # the same, without the card's removal
        self._once: set[tuple[State, str]] = set()
        self._asked_of: set[State] = set()
        self._taught: dict[tuple[int, Ask], bool] = {}
        self._checked: set[int] = set()
        self._permitted: dict[int, tuple[commands.Command, ...]] = {}
        self._enough = False

    def run(self, depth: int | None = None) -> SearchResult:
        """Everything within `depth` steps; without one, everything."""
        began = time.perf_counter()
        self.begin()
        done = 0
        next_depth_begins = len(self.nodes)
        while done < len(self.nodes) and not self._enough:
            if done == next_depth_begins:
                self.found.depth += 1
                next_depth_begins = len(self.nodes)
                if depth is not None and self.found.depth >= depth:
                    break
            self._expand(done)
            done += 1
        self.found.closed = done == len(self.nodes) and not self._enough
        if self.found.closed:
            self._dead_ends()
        self.found.states = len(self.nodes)
        self.found.dispatched = self.kiosk.dispatched
        self.found.seconds = time.perf_counter() - began
        return self.found

    def begin(self) -> int:
        """The two roots; the number of that without an open case."""
        start = self.kiosk.start()
        root = self._meet(Node(start.moment, start.facts, World(paused=False)), -1, "")
        self._meet(Node(start.moment, start.facts, World(paused=True)), -1, "")
        return root

    # -- one state

    def _expand(self, number: int) -> None:
        node = self.nodes[number]
        moment = self.kiosk.moments[node.moment]
        if moment.state is State.ENDING:
            return
        for happening in list_happenings(node.world, moment):
            if self._enough:
                return
            if happening.label in self._without:
                continue
            if not self._known(moment.state, happening):
                self.follow(number, happening)

    def _known(self, state: State, happening: Happening) -> bool:
        """What the table passes over is followed once a state: it can only be remembered."""
        event = happening.event
        if event is None or happening.ask is not None or not self.kiosk.passes_over(state, event):
            return False
        if (state, happening.label) in self._once:
            return True
        self._once.add((state, happening.label))
        return False

    def follow(self, number: int, happening: Happening) -> int | None:
        """What it leads to from this state; None where the process stops."""
        node = self.nodes[number]
        self.found.transitions += 1
        if happening.event is None:
            closed = node._replace(world=after_happening(node.world, happening))
            return self._meet(closed, number, happening.label)
        step = self.kiosk.step(node.moment, node.facts, happening.event)
        faults: list[Breach] = []
        if step.error:
            faults.append(Breach("g", step.error))
        if step.refused and self._stops:
            self.refusals.setdefault(step.refused, (*self.path(number), happening.label))
            self._enough = self._enough or self._first
        elif step.refused:
            faults.append(Breach("l", f"refused: {step.refused}"))
        world = self._carry_out(node.world, happening, step, faults)
        after = Node(step.moment, step.facts, self._relative(world, step))
        if not step.error and not step.refused:
            move = Move(
                before=self.kiosk.moments[node.moment],
                world_before=node.world,
                happening=happening,
                commands=step.commands,
                after=self.kiosk.moments[step.moment],
                world_after=after.world,
                has_new_epoch=step.epoch > NOW,
            )
            faults += faults_at_step(move)
        if faults:
            self._record(faults, (*self.path(number), happening.label))
        if step.error or step.refused:
            return None
        met = self._meet(after, number, happening.label)
        if happening.label in HANDS:
            self._hands.extend((number, met))
            if happening.label != "card-absent":
                self._patience.extend((number, met))
        return met

    def _carry_out(
        self, world: World, happening: Happening, step: Reaction, faults: list[Breach]
    ) -> World:
        world = after_happening(world, happening)
        stay = ANOTHER if isinstance(happening.event, events.CardPresent) else HERE
        for command in step.commands:
            if is_forbidden(world, command, stay):
                faults.append(Breach("b", f"{type(command).__name__} went out"))
            world = after_command(world, command)
        return world

    def _relative(self, world: World, step: Reaction) -> World:
        """Epochs counted from the present; what nothing waits for is forgotten."""
        state = self.kiosk.moments[step.moment].state
        kept: list[Ask] = []
        for ask in world.asks:
            if ask.device not in TIMELESS:
                epoch = relative_epoch(ask.epoch, step.epoch, step.permits_epoch)
                ask = ask._replace(epoch=epoch)
            if self._is_waited_for(ask, state, step.facts):
                kept.append(ask)
        if world.complete:
            world = world._replace(sheets=1, printed=1)
        return world._replace(asks=tuple(sorted(kept, key=attrgetter("device"))))

    def _is_waited_for(self, ask: Ask, state: State, facts: int) -> bool:
        if ask.device in (Device.CASH, Device.CASHLESS):
            return True
        if state not in AWAITED.get(ask.kind, (state,)):
            return False
        if ask.device in TIMELESS or ask.epoch == NOW:
            return True
        return ask.epoch == LATE and self._teaches(facts, ask)

    def _teaches(self, facts: int, ask: Ask) -> bool:
        key = (facts, ask)
        if key not in self._taught:
            possible = (answer.event for answer in list_answers(ask))
            self._taught[key] = any(
                self.kiosk.teaches(facts, event) for event in possible if event is not None
            )
        return self._taught[key]

    def _meet(self, node: Node, number: int, label: str) -> int:
        known = self._ids.get(node)
        if known is not None:
            return known
        met = len(self.nodes)
        self._ids[node] = met
        self.nodes.append(node)
        self._from.append((number, label))
        faults = list(self._faults(node))
        if faults:
            self._record(faults, self.path(met))
        return met

    def _faults(self, node: Node) -> Iterator[Breach]:
        moment = self.kiosk.moments[node.moment]
        yield from faults_in_state(moment, node.world)
        for command in self._list_permitted(node.facts):
            if is_forbidden(node.world, command):
                yield Breach("l", f"not refused: {type(command).__name__}")
        if node.moment not in self._checked:
            self._checked.add(node.moment)
            for event in old_events(moment):
                if not self.kiosk.unmoved(node.moment, event):
                    yield Breach("f", f"{events.trigger(event)} is old and changed something")
        if moment.state not in self._asked_of and moment.state is not State.ENDING:
            self._asked_of.add(moment.state)
            for event in UNASKED:
                error = self.kiosk.handle(node.moment, event)[2]
                if error:
                    yield Breach("g", error)

    def _list_permitted(self, facts: int) -> tuple[commands.Command, ...]:
        if facts not in self._permitted:
            self._permitted[facts] = tuple(
                command for command in COMMANDS if not self.kiosk.refuse(facts, command)
            )
        return self._permitted[facts]

    # -- what was found

    def path(self, number: int) -> tuple[str, ...]:
        labels = []
        while number >= 0:
            number, label = self._from[number]
            labels.append(label)
        return tuple(reversed(labels))[1:]

    def _record(self, faults: Iterable[Breach], path: tuple[str, ...]) -> None:
        for fault in faults:
            self.found.counterexamples.setdefault(fault, path)
            self._enough = self._enough or (self._first and not self._stops)

    def _dead_ends(self) -> None:
        states = [self.kiosk.moments[node.moment].state for node in self.nodes]
        ends: list[int] = []
        alarms: list[int] = []
        for number, state in enumerate(states):
            if state is State.ENDING or state.phase in IDLE:
                ends.append(number)
            if state in ALARMS or state.phase in IDLE:
                alarms.append(number)
        alive = self._backwards(self._hands, ends)
        alarmed = self._backwards(self._patience, alarms)
        for number, node in enumerate(self.nodes):
            if number not in alive:
                self._record([Breach("e", "a dead end")], self.path(number))
            left = node.world.card is not Presence.ABSENT and states[number] is not State.ENDING
            if left and number not in alarmed:
                fault = Breach("e", "a card left for ever rings no alarm")
                self._record([fault], self.path(number))

    def _backwards(self, edges: array[int], goals: Iterable[int]) -> set[int]:
        sources: dict[int, list[int]] = {}
        for i in range(0, len(edges), 2):
            sources.setdefault(edges[i + 1], []).append(edges[i])
        reached = set(goals)
        todo = list(reached)
        while todo:
            for source in sources.get(todo.pop(), ()):
                if source not in reached:
                    reached.add(source)
                    todo.append(source)
        return reached


def verdicts(found: SearchResult) -> dict[str, dict[str, object]]:
    """Per property: whether it holds, and if not, in which ways, with the shortest way there."""
    return {
        letter: {
            "holds": found.closed and letter not in found.broken(),
            "words": held.words,
            "counterexamples": [
                {"what": fault.what, "steps": list(path)}
                for fault, path in found.counterexamples.items()
                if fault.letter == letter
            ],
        }
        for letter, held in PROPERTIES.items()
    }
