"""What can go wrong with a payment terminal, by name; each is done to it once, in its loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hal.cashless.frame import MessageKind
from hal.sim.cashless.device import TerminalSim, changed_fields

MANY = 1000
SLOW_S = 40.0  # longer than anybody waits for a decision


def _declined(sim: TerminalSim) -> None:
    sim.terminal.declines = 1


def _unknown(sim: TerminalSim) -> None:
    sim.terminal.forgets = True


def _answers_lost(sim: TerminalSim) -> None:
    """Whatever it takes from now on, no answer to it arrives: after the charge has begun."""
    sim.lose_answers[MessageKind.QUERY] = sim.lose_answers[MessageKind.CANCEL] = MANY


def _busy(sim: TerminalSim) -> None:
    sim.terminal.busy = True


def _slow(sim: TerminalSim) -> None:
    sim.terminal.slow_s = SLOW_S


def _mute(sim: TerminalSim) -> None:
    sim.mute = True


def _no_reversal(how: str) -> Callable[[TerminalSim], None]:
    return lambda sim: setattr(sim.terminal, "no_reversal", how)


def _lie(kind: MessageKind, **fields: str) -> Callable[[TerminalSim], None]:
    return lambda sim: sim.lies.setdefault(kind, []).append(changed_fields(**fields))


def _times(name: str, times: int) -> Callable[[TerminalSim], None]:
    return lambda sim: setattr(sim, name, times)


def _lose(which: str, kind: MessageKind, times: int = 1) -> Callable[[TerminalSim], None]:
    return lambda sim: getattr(sim, which).update({kind: times})


def _memory_lost(sim: TerminalSim) -> None:
    sim.terminal.memory_lost = True
    sim.restart()


FAULTS: Mapping[str, Callable[[TerminalSim], None]] = MappingProxyType(
    {
        "declined": _declined,
        "outcome-unknown": _unknown,
        "answers-lost": _answers_lost,
        "charge-answer-lost": _lose("lose_answers", MessageKind.CHARGE),
        "charge-lost": _lose("lose_questions", MessageKind.CHARGE),
        "double-answer": _times("double_answers", 3),
        "late-approval": _slow,
        "nak-storm": _times("naks", MANY),
        "garbled": _times("garbles", 2),
        "another-reference": _lie(
            MessageKind.QUERY, reference="0" * 32, state="A", transaction="000000000099"
        ),
        "wrong-amount": _lie(
            MessageKind.QUERY, amount="000001", state="A", transaction="000000000099"
        ),
        "restart": TerminalSim.restart,
        "restart-without-memory": _memory_lost,
        "busy": _busy,
        "mute": _mute,
        "reversal-refused": _no_reversal("refused"),
        "reversal-unknown": _no_reversal("unknown"),
        "reversal-unknown-and-done": _no_reversal("unknown-and-done"),
        "reversal-answer-lost": _lose("lose_answers", MessageKind.REVERSE, MANY),
    }
)


def mend(sim: TerminalSim) -> None:
    """Everything well again; what it has taken and given back stays."""
    terminal = sim.terminal
    terminal.declines, terminal.slow_s, terminal.busy, terminal.forgets = 0, 0.0, False, False
    terminal.no_reversal, terminal.memory_lost = "", False
    sim.mute, sim.naks, sim.double_answers, sim.garbles = False, 0, 0, 0
    for table in (sim.lose_answers, sim.lose_questions, sim.lies):
        table.clear()
