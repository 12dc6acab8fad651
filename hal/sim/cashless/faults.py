"""What can go wrong with a payment terminal, by name; done to it in its loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hal.cashless.frame import MessageKind, TerminalMessage
from hal.sim.cashless.device import TerminalSim, changed_fields
from hal.sim.fault import Argument, Fault, mend_now, moment, setting

MANY = 1000
SLOW_S = 40.0  # longer than anybody waits for a decision
TIMES = Argument("times", usual=1, least=1, most=MANY)
STORM = Argument("times", usual=MANY, least=1, most=MANY)
SECONDS = Argument("seconds", usual=SLOW_S, most=600)


def _loss(says: str, table: str, *kinds: MessageKind, times: int = 1) -> Fault[TerminalSim]:
    """Questions of these kinds, or the answers to them, are lost so many times."""

    def put(sim: TerminalSim, _: object) -> None:
        getattr(sim, table).update(dict.fromkeys(kinds, times))

    def heal(sim: TerminalSim) -> None:
        for kind in kinds:
            getattr(sim, table).pop(kind, None)

    def holds(sim: TerminalSim) -> bool:
        return all(getattr(sim, table).get(kind) for kind in kinds)

    return Fault(says, put, heal, holds)


def _lie(says: str, name: str, value: str) -> Fault[TerminalSim]:
    """The next answer to a query is an approval with another field than it was asked for."""
    lie = changed_fields(**{name: value}, state="A", transaction="000000000099")

    def put(sim: TerminalSim, _: object) -> None:
        sim.lies.setdefault(MessageKind.QUERY, []).append(lie)

    def heal(sim: TerminalSim) -> None:
        sim.lies[MessageKind.QUERY] = [one for one in _lies(sim) if one is not lie]

    return Fault(says, put, heal, lambda sim: lie in _lies(sim))


def _lies(sim: TerminalSim) -> list[Callable[[TerminalMessage], TerminalMessage]]:
    return list(sim.lies.get(MessageKind.QUERY, ()))


def _no_reversal(says: str, how: str) -> Fault[TerminalSim]:
    return Fault(
        says,
        lambda sim, _: setattr(sim.terminal, "no_reversal", how),
        lambda sim: setattr(sim.terminal, "no_reversal", ""),
        lambda sim: sim.terminal.no_reversal == how,
    )


def _lose_memory(sim: TerminalSim, _: object) -> None:
    sim.terminal.memory_lost = True
    sim.restart()


FAULTS: Mapping[str, Fault[TerminalSim]] = MappingProxyType(
    {
        "terminal-mute": setting("it hears everything and says nothing", "mute"),
        "terminal-busy": setting("it is not ready for a charge", "terminal.busy"),
        "terminal-declines": setting(
            "the next charges are declined", "terminal.declines", well=0, argument=TIMES
        ),
        "terminal-forgets": setting(
            "it takes the next charge and does not know what became of it", "terminal.forgets"
        ),
        "terminal-answers-lost": _loss(
            "no answer to a query or a cancellation arrives",
            "lose_answers",
            MessageKind.QUERY,
            MessageKind.CANCEL,
            times=MANY,
        ),
        "charge-answer-lost": _loss(
            "the next charge begins and the answer to it is lost",
            "lose_answers",
            MessageKind.CHARGE,
        ),
        "charge-lost": _loss("the next charge never arrives", "lose_questions", MessageKind.CHARGE),
        "double-answer": setting(
            "the next three answers come twice", "double_answers", broken=3, well=0
        ),
        "late-approval": setting(
            "it takes so long to decide", "terminal.slow_s", well=0.0, argument=SECONDS
        ),
        "nak-storm": setting("it takes no frame, so many times", "naks", well=0, argument=STORM),
        "terminal-garbled": setting(
            "a bit of each of the next two answers flips", "garbles", broken=2, well=0
        ),
        "another-reference": _lie(
            "the next query is answered with another charge", "reference", "0" * 32
        ),
        "wrong-amount": _lie("the next query is answered with another amount", "amount", "000001"),
        "terminal-restart": moment("it loses power for a moment", TerminalSim.restart),
        "terminal-restart-without-memory": Fault(
            "it loses power and, with it, all its records",
            _lose_memory,
            lambda sim: setattr(sim.terminal, "memory_lost", False),
            lambda sim: sim.terminal.memory_lost,
        ),
        "reversal-refused": _no_reversal("it refuses to give back", "refused"),
        "reversal-unknown": _no_reversal(
            "it does not know whether it gave back, and did not", "unknown"
        ),
        "reversal-unknown-and-done": _no_reversal(
            "it does not know whether it gave back, and did", "unknown-and-done"
        ),
        "reversal-answer-lost": _loss(
            "no answer to a reversal arrives", "lose_answers", MessageKind.REVERSE, times=MANY
        ),
    }
)


def mend(sim: TerminalSim) -> None:
    """Everything well again; what it has taken and given back stays."""
    mend_now(sim, FAULTS)
