"""The format of a scenario file: TOML, one step a line, one verb a step.

    [[steps]] or steps = [{touch = "start"}, {card = "taro"}, {see = "pin", facts = {tries = 3}},
    ...]

Verbs: `touch` an action, or "action:value"; `slip` the same, though the screen does not offer it;
`pin` right or wrong, typed and entered; `card` a sample resident's, put on the reader, or "off";
`coin` yen; `present` a phone; `take` sheets or receipt; `fault` and `heal` something at the far end
of a wire; `wait` for "limit" (the screen's time runs out), "remind" (its words are said again),
"noticed" (the kiosk knows that the card was moved) or "shut" (no coin can fall in); `operator`
"close-cases"; `see` a screen, with facts that must hold. `happens` is of counter-examples
(testbed/model_check): a file with it has no other verb, and is run against the properties.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from firmware.service.config_words import allowed

INDEX: Final = re.compile(r"\[(\d+)\]")

Fault = Literal[
    "line-cut",  # no connection to the city
    "line-stall",  # connected, and nothing comes through
    "reader-lost",
    "paper-out",  # no sheet is left
    "paper-out-in-second-sheet",
    "paper-out-in-last-lines",  # nobody can tell whether the sheet is whole
    "paper-out-behind-next",  # the printer says so behind the next sheet, and confirms nothing
    "printer-mute",
    "printer-reports",  # its state by itself, at any moment
    "printer-late",  # each answer, by a second
    "printer-hangs-up",  # behind each cut
    "printer-holds-port",  # for half a minute after a connection has ended
    "printer-slow",  # a sheet takes longer than anybody waits in a test
    "phone-sleeps",  # its field is off while it lies there; an iPhone before its holder confirms
    "yank-at-verify",  # the card is pulled while it works on the PIN: nobody hears its answer
    "verify-answer-lost",  # the card stays, and nobody hears what it says of the PIN
    "card-stumbles",  # it starts late, and then answers a READ with nothing, once
    "card-mute",  # it never starts
    "card-foreign",  # the card laid down is no My Number card
    "coins-mute",
    "coin-jam",  # by the next coin
    "hoppers-empty",
    "terminal-declines",  # the next charge
    "terminal-forgets",  # what became of the next charge
    "terminal-mute",
    "reversal-unknown",
]


class ScenarioPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all tables of the file."""


class Step(ScenarioPart, frozen=True, kw_only=True):
    touch: str | None = None
    slip: str | None = None
    pin: Literal["right", "wrong"] | None = None
    card: str | None = None
    coin: int | None = None
    present: Literal["phone"] | None = None
    take: Literal["sheets", "receipt"] | None = None
    fault: Fault | None = None
    heal: Fault | None = None
    wait: Literal["limit", "remind", "noticed", "shut"] | None = None
    operator: Literal["close-cases"] | None = None
    happens: str | None = None
    see: str | None = None
    facts: dict[str, Any] = {}  # with `see`
    says: str | None = None  # with `see`: a phrase that is spoken contains this

    @property
    def verb(self) -> str:
        return next(name for name in VERBS if getattr(self, name) is not None)

    @property
    def value(self) -> Any:
        return getattr(self, self.verb)


VERBS = (
    "touch",
    "slip",
    "pin",
    "card",
    "coin",
    "present",
    "take",
    "fault",
    "heal",
    "wait",
    "operator",
    "happens",
    "see",
)


class Expect(ScenarioPart, frozen=True, kw_only=True):
    """At the end of the file. Money in yen; every session must balance besides."""

    sheets: int = 0  # whole sheets of certificates that came out
    receipts: int = 0
    inserted: int = 0
    charged: int = 0  # at the payment terminal, by its own account, and not given back there
    kept: int = 0
    returned: int = 0
    owed: int = 0
    held: int = 0  # until an operator has looked
    outcomes: tuple[str, ...] = ()  # reported to the city, in order
    cases: tuple[str, ...] = ()  # opened, in order, whether closed since or not
    open_at_city: int | None = (
        None  # sessions begun here that the city still holds; None: not asked
    )


class Variant(ScenarioPart, frozen=True, kw_only=True):
    """The file's own steps up to and with the first `see` of screen `at`; then these."""

    at: str
    name: str = ""  # where one screen has several
    defect: str = ""  # as in Script
    steps: tuple[Step, ...]
    expect: Expect = Expect()


class Script(ScenarioPart, frozen=True, kw_only=True):
    title: str
    steps: tuple[Step, ...]
    expect: Expect | None = Expect()  # None: nothing is compared
    variants: tuple[Variant, ...] = ()
    language: str = "ja"
    sheets_per_copy: int = 1  # the model's world has no typesetting
    cashless: bool = False  # there is a payment terminal
    city: dict[str, Any] = {}  # merged over the rehearsal city's data
    at: str | None = None  # the city's clock, ISO 8601
    defect: str = (
        ""  # of testbed/model_check/defects.py: this journey is on the wires of a kiosk that has it
    )

    @property
    def is_counter_example(self) -> bool:
        """Whether it is a counter-example, replayed against the properties."""
        return any(step.happens is not None for step in self.steps)


class BadScript(Exception):
    """One line: file, place, what is wrong."""


def load(path: Path) -> list[Script]:
    """The file's journey, or its variants where it has any. Raises BadScript."""
    try:
        content = path.read_bytes()
        script = msgspec.toml.decode(content, type=Script)
    except OSError as error:
        raise BadScript(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        told = _counted_from_one(str(error))
        where = _line(content.decode("utf-8", "replace"), str(error))
        raise BadScript(f"{path}{where}: {told}{allowed(str(error), Script)}") from None
    _check(path, script.steps)
    if script.is_counter_example and any(step.happens is None for step in script.steps):
        raise BadScript(f"{path}: happens goes with no other verb")
    return [_varied(path, script, variant) for variant in script.variants] or [script]


def _counted_from_one(told: str) -> str:
    """The sixteenth step is `steps[16]`, as in everything else that is said of a journey."""
    return INDEX.sub(lambda found: f"[{int(found[1]) + 1}]", told)


def _line(text: str, told: str) -> str:
    """`:LINE` of a step of the file's own, where each stands on a line of its own; else ""."""
    found = re.search(r"`\$\.steps\[(\d+)\]", told)
    steps = [n for n, line in enumerate(text.splitlines(), 1) if line.lstrip().startswith("{")]
    at = int(found[1]) if found else len(steps)
    return f":{steps[at]}" if at < len(steps) else ""


def _check(path: Path, steps: tuple[Step, ...]) -> None:
    for number, step in enumerate(steps, 1):
        verbs = [name for name in VERBS if getattr(step, name) is not None]
        if len(verbs) != 1:
            raise BadScript(f"{path}: step {number} needs one verb of {', '.join(VERBS)}")
        if (step.facts or step.says) and step.see is None:
            raise BadScript(f"{path}: step {number}: facts and says belong to see")


def _varied(path: Path, script: Script, variant: Variant) -> Script:
    _check(path, variant.steps)
    places = [i for i, step in enumerate(script.steps, 1) if step.see == variant.at]
    if not places:
        raise BadScript(f"{path}: no step sees {variant.at!r}")
    title = ", ".join(
        filter(
            None,
            (f"{script.title}: {variant.at}", variant.name, variant.defect and "wrong machine"),
        )
    )
    own = {
        "steps": script.steps[: places[0]] + variant.steps,
        "expect": variant.expect,
        "defect": variant.defect,
    }
    return msgspec.structs.replace(script, title=title, variants=(), **own)


class Failed(Exception):
    """A step or an expectation did not hold: which, and what was there instead."""


def compare(expect: Expect | None, found: Expect) -> None:
    """Raises Failed with every difference."""
    if expect is None:
        return
    differences = [
        f"{name}: expected {getattr(expect, name)!r}, found {getattr(found, name)!r}"
        for name in expect.__struct_fields__
        if getattr(expect, name) not in (None, getattr(found, name))
    ]
    if differences:
        raise Failed("; ".join(differences))


def holds(facts: dict[str, Any], shown: Any) -> list[str]:
    """What of `facts` is not true of the screen's facts."""
    return [
        f"{k}: expected {v!r}, shown {shown.get(k)!r}"
        for k, v in facts.items()
        if shown.get(k) != v
    ]
