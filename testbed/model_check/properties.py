"""What must hold, whatever happens: each property in plain words, and how it is decided.

The predicates are in state_checks.py, step_checks.py and command_rules.py, the events and commands
that are tried at every moment in probes.py. They look at the journey's moment and at the world's
own account (`World`), never at how the table is made.
"""

from __future__ import annotations

from typing import NamedTuple

from firmware.flow.states import Phase


class Property(NamedTuple):
    """`checked` says where and by what."""

    words: str
    checked: str


PROPERTIES: dict[str, Property] = {
    "a": Property(
        words=(
            "While a card lies there, or nobody knows, no screen to choose, order, pay or print is "
            "shown."
        ),
        checked="in every state, by what the reader said last",
    ),
    "b": Property(
        words=(
            "A sheet is printed only when the card is absent and this very document is checked, "
            "paid and released, and it is the next one. Likewise everything else that is asked of "
            "card, city, coins and paper has its moment."
        ),
        checked="at every command, by the world's own account",
    ),
    "c": Property(
        words=(
            "No money is lost and none is given twice: what was inserted or charged is kept for "
            "copies that came out, returned, reversed, owed, or held for an operator; the fee of a "
            "copy that is or may be out is never given back."
        ),
        checked=(
            "in every state the books agree, with whatever really came out of printer and hoppers; "
            "where a session ends they balance, and a released order has its outcome"
        ),
    ),
    "d": Property(
        words=(
            "Idle is empty: no person's data, no limit, nothing asked of a device; never two "
            "documents in the machine; the city keeps nothing open."
        ),
        checked="in every idle state, at every order, where a session ends",
    ),
    "e": Property(
        words=(
            "No screen is a dead end: with time, the card taken and the sheets taken, every state "
            "reaches the end; a card left for ever ends in the alarm."
        ),
        checked="backwards over the whole graph, though no device and no line ever answers again",
    ),
    "f": Property(
        words=(
            "An answer of an older epoch, a touch on an older screen or of what is not offered, a "
            "timer of an older generation, the same card once more: nothing changes but the log."
        ),
        checked="one of each, at every moment of the journey",
    ),
    "g": Property(
        words="Every state answers every event.",
        checked="every event in every state, asked for or not: no error",
    ),
    "h": Property(
        words="The PIN exists only between its first digit and the card's check of it.",
        checked="in every state, by digits, wipes and checks",
    ),
    "i": Property(
        words="Coins can fall in only while paying.",
        checked="in every state: the slot is shut, or told to shut, everywhere else",
    ),
    "j": Property(
        words=(
            "A time that runs out ends the whole transaction: person, document, order and card at "
            "once."
        ),
        checked="at every limit between the first card and the last sheet",
    ),
    "k": Property(
        words="An anomaly opens a case, and nobody is served until it is closed.",
        checked="in every state, and at every card that is read",
    ),
    "l": Property(
        words=(
            "The interlock stands by itself: what must not go out is refused, whatever asks for "
            "it; and the journey never asks for it."
        ),
        checked=(
            "every device command is held before the permits in every state, and every command "
            "that is given"
        ),
    ),
    "m": Property(
        words=(
            "The technician's screens open from idle only: nobody is served, no card lies there, "
            "no money is in the machine, nothing of a person is known, and the process that waited "
            "for a person ends."
        ),
        checked="at every step at which they open, and where that step leads",
    ),
}
# Where no card may lie on the reader.
NEEDS_ABSENCE = frozenset({Phase.CHOOSE, Phase.ORDER, Phase.PAY, Phase.ISSUE})


class Breach(NamedTuple):
    """A property that does not hold, and in what way."""

    letter: str
    what: str
