"""Breadth first over everything that can happen, until nothing new is met; the first fault met is the nearest.

A state is the journey's moment, the permits' facts and the world. A restart leads to one of the two roots: a process
knows nothing of the one before it but whether a case is open.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from firmware.flow import commands as c
from firmware.flow import events as e
from firmware.flow.session import Presence
from firmware.flow.states import State
from madoguchi.proof.kiosk import Kiosk, Step, tag
from madoguchi.proof.properties import (
    ALARMS,
    CANDIDATES,
    PROPERTIES,
    UNASKED,
    Fault,
    Move,
    at_step,
    forbidden,
    in_state,
    old,
)
from madoguchi.proof.world import (
    ANOTHER,
    HERE,
    IDLE,
    LATE,
    NOW,
    Ask,
    Happening,
    World,
    answers,
    happened,
    happenings,
    told,
)

# What needs nobody but a person who takes card and sheets, and the clock.
HANDS = frozenset({"limit", "remind", "paper-taken", "card-absent"})
# An answer that nothing listens to outside these states.
HEARD = {c.PrintReceipt: (State.RECEIPTING,), c.WatchOutlet: (State.SHEETS, State.UNCOLLECTED)}
TIMELESS = ("cash", "outlet")  # lanes whose answers carry no epoch


class Node(NamedTuple):
    moment: int
    facts: int
    world: World


@dataclass
class Found:
    """What a search met. `counterexamples`: the labels that lead to each fault, the last one being the fault's."""

    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    closed: bool = False
    dispatched: int = 0  # events the production flow handled; the rest was known from the same moment
    counterexamples: dict[Fault, tuple[str, ...]] = field(default_factory=dict)

    def broken(self) -> set[str]:
        return {fault.letter for fault in self.counterexamples}


class Search:
    """`first`: stop at the first fault.

    `stops`: a refused command is no fault but stops the process, as in the service; `first` is then the first stop.

    `refusals`: what the permits refused, and the labels that lead there.
    """

    def __init__(self, kiosk: Kiosk, *, first: bool = False, stops: bool = False) -> None:
        self.kiosk = kiosk
        self.found = Found()
        self._first = first
        self._stops = stops
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
        self._enough = False

    def run(self, depth: int | None = None) -> Found:
        """Everything within `depth` steps; without one, everything."""
        began = time.perf_counter()
        self.begin()
        done, edge = 0, len(self.nodes)
        while done < len(self.nodes) and not self._enough:
            if done == edge:
                self.found.depth, edge = self.found.depth + 1, len(self.nodes)
                if depth is not None and self.found.depth >= depth:
                    break
            self._expand(done)
            done += 1
        self.found.closed = done == len(self.nodes) and not self._enough
        if self.found.closed:
            self._dead_ends()
        self.found.states, self.found.dispatched = len(self.nodes), self.kiosk.dispatched
        self.found.seconds = time.perf_counter() - began
        return self.found

    def begin(self) -> int:
        """The two roots; the number of that without an open case."""
        start = self.kiosk.start()
        roots = [Node(start.moment, start.facts, World(paused=paused)) for paused in (False, True)]
        first, _ = (self._meet(root, -1, "") for root in roots)
        return first

    # -- one state

    def _expand(self, number: int) -> None:
        node = self.nodes[number]
        moment = self.kiosk.moments[node.moment]
        if moment.state is State.ENDING:
            return
        for happening in happenings(node.world, moment):
            if self._enough:
                return
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
            return self._meet(node._replace(world=happened(node.world, happening)), number, happening.label)
        step = self.kiosk.step(node.moment, node.facts, happening.event)
        faults: list[Fault] = []
        if step.error:
            faults.append(Fault("g", step.error))
        if step.refused and self._stops:
            self.refusals.setdefault(step.refused, (*self.path(number), happening.label))
            self._enough = self._enough or self._first
        elif step.refused:
            faults.append(Fault("l", f"refused: {step.refused}"))
        world = self._carry_out(node.world, happening, step, faults)
        after = Node(step.moment, step.facts, self._relative(world, step))
        if not step.error and not step.refused:
            before, now = self.kiosk.moments[node.moment], self.kiosk.moments[step.moment]
            faults += at_step(Move(before, node.world, happening, step.commands, now, after.world, step.epoch > NOW))
        if faults:
            self._tell(faults, (*self.path(number), happening.label))
        if step.error or step.refused:
            return None
        met = self._meet(after, number, happening.label)
        if happening.label in HANDS:
            self._hands.extend((number, met))
            if happening.label != "card-absent":
                self._patience.extend((number, met))
        return met

    def _carry_out(self, world: World, happening: Happening, step: Step, faults: list[Fault]) -> World:
        world = happened(world, happening)
        stay = ANOTHER if isinstance(happening.event, e.CardPresent) else HERE
        for command in step.commands:
            if forbidden(world, command, stay):
                faults.append(Fault("b", f"{type(command).__name__} went out"))
            world = told(world, command)
        return world

    def _relative(self, world: World, step: Step) -> World:
        """Epochs told relative to the present; what can be heard no more is not waited for."""
        state, kept = self.kiosk.moments[step.moment].state, []
        for ask in world.asks:
            if ask.lane != "cash" and state not in HEARD.get(ask.kind, (state,)):
                continue
            if ask.lane not in TIMELESS:
                ask = ask._replace(epoch=tag(ask.epoch, step.epoch, step.permits_epoch))
                if not (ask.epoch == NOW or (ask.epoch == LATE and self._teaches(step.facts, ask))):
                    continue
            kept.append(ask)
        if world.complete:
            world = world._replace(sheets=1, printed=1)
        return world._replace(asks=tuple(sorted(kept, key=_lane)))

    def _teaches(self, facts: int, ask: Ask) -> bool:
        key = (facts, ask)
        if key not in self._taught:
            events = (answer.event for answer in answers(ask))
            self._taught[key] = any(self.kiosk.teaches(facts, event) for event in events if event is not None)
        return self._taught[key]

    def _meet(self, node: Node, number: int, label: str) -> int:
        known = self._ids.get(node)
        if known is not None:
            return known
        met = self._ids[node] = len(self.nodes)
        self.nodes.append(node)
        self._from.append((number, label))
        faults = list(self._faults(node))
        if faults:
            self._tell(faults, self.path(met))
        return met

    def _faults(self, node: Node) -> Iterator[Fault]:
        moment = self.kiosk.moments[node.moment]
        yield from in_state(moment, node.world)
        for command in CANDIDATES:
            if forbidden(node.world, command) and not self.kiosk.refuse(node.facts, command):
                yield Fault("l", f"not refused: {type(command).__name__}")
        if node.moment not in self._checked:
            self._checked.add(node.moment)
            for event in old(moment):
                if not self.kiosk.unmoved(node.moment, event):
                    yield Fault("f", f"{e.trigger(event)} is old and changed something")
        if moment.state not in self._asked_of and moment.state is not State.ENDING:
            self._asked_of.add(moment.state)
            for event in UNASKED:
                error = self.kiosk.handle(node.moment, event)[2]
                if error:
                    yield Fault("g", error)

    # -- what was found

    def path(self, number: int) -> tuple[str, ...]:
        labels = []
        while number >= 0:
            number, label = self._from[number]
            labels.append(label)
        return tuple(reversed(labels))[1:]

    def _tell(self, faults: Iterable[Fault], path: tuple[str, ...]) -> None:
        for fault in faults:
            self.found.counterexamples.setdefault(fault, path)
            self._enough = self._enough or (self._first and not self._stops)

    def _dead_ends(self) -> None:
        at = [self.kiosk.moments[node.moment].state for node in self.nodes]
        alive = self._backwards(self._hands, (n for n, s in enumerate(at) if s is State.ENDING or s.phase in IDLE))
        alarmed = self._backwards(self._patience, (n for n, s in enumerate(at) if s in ALARMS or s.phase in IDLE))
        for number, node in enumerate(self.nodes):
            if number not in alive:
                self._tell([Fault("e", "a dead end")], self.path(number))
            left = node.world.card is not Presence.ABSENT and at[number] is not State.ENDING
            if left and number not in alarmed:
                self._tell([Fault("e", "a card left for ever rings no alarm")], self.path(number))

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


def _lane(ask: Ask) -> str:
    return ask.lane


def verdicts(found: Found) -> dict[str, dict[str, object]]:
    """Per property: whether it holds, and if not, in which ways, with the shortest way there."""
    return {
        letter: {
            "holds": found.closed and letter not in found.broken(),
            "words": words,
            "counterexamples": [
                {"what": fault.what, "steps": list(path)}
                for fault, path in found.counterexamples.items()
                if fault.letter == letter
            ],
        }
        for letter, (words, _) in PROPERTIES.items()
    }
