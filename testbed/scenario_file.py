"""The format of a scenario file: TOML, one step a line, one verb a step.

    [[steps]] or steps = [{touch = "start"}, {card = "taro"}, {see = "pin", facts = {tries = 3}},
    ...]

The comments above the keys and the sentences of `VERBS` are the reference (docs/scenarios.md is
made of them). `happens` is of counter-examples (testbed/model_check): a file with it has no other
verb, and is run against the properties.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from firmware.flow.states import State
from firmware.service.config_words import allowed
from hal.sim.breakage import FAULTS
from hal.sim.fault import UnknownFault, find, suggest
from testbed.toml_places import Place, find_lines, line_of

PLACE: Final = re.compile(r" - at `\$([^`]*)`$")
PART: Final = re.compile(r"\.([\w-]+)|\[(\d+)\]|\[\.\.\.\]")
WRONG: Final = re.compile(r"[`']([^`']*)[`']")
ONE_OF: Final = re.compile(r" \(one of: (.*)\)$")
SYNTAX_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")

# Each verb, and what it does. A step has one of them.
VERBS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "touch": "The resident touches this button of the screen: an action, or `action:value`.",
        "slip": "As `touch`, though the screen does not offer it.",
        "pin": "The PIN of the card on the reader, `right` or `wrong`, is typed and entered.",
        "card": "The card or phone of this sample resident is laid on the reader; `off`: what lies"
        " there is taken off.",
        "coin": "A coin of so many yen is put in; 0 is what is no coin.",
        "present": "A `phone` is held to the payment terminal.",
        "take": "The resident takes the `sheets`, or the `receipt`.",
        "fault": "A far end gets this fault, `NAME` or `NAME:ARGUMENT`, of the tables below.",
        "heal": "The fault of this name is put right.",
        "wait": "Until `limit`: the screen's time runs out; `remind`: its words are said again;"
        " `noticed`: the kiosk knows that the card was moved; `shut`: no coin can fall in.",
        "operator": "`close-cases`: the operator looks into every open case.",
        "happens": "Only in counter-examples of `./scripts/model-check`: something of the model's"
        " own happens.",
        "see": "This screen is shown, or comes; with `facts` and `says`, they must hold.",
    }
)


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
    fault: str | None = None
    heal: str | None = None
    wait: Literal["limit", "remind", "noticed", "shut"] | None = None
    operator: Literal["close-cases"] | None = None
    happens: str | None = None
    see: str | None = None
    # With `see`: facts of the screen that must be so.
    facts: dict[str, Any] = {}
    # With `see`: a phrase that is spoken contains this.
    says: str | None = None

    @property
    def verb(self) -> str:
        return next(name for name in VERBS if getattr(self, name) is not None)

    @property
    def value(self) -> Any:
        return getattr(self, self.verb)


class Expect(ScenarioPart, frozen=True, kw_only=True):
    """At the end of the file. Money in yen; every session must balance besides."""

    # Whole sheets of certificates that came out.
    sheets: int = 0
    # Receipts that came out.
    receipts: int = 0
    # Coins that were put in.
    inserted: int = 0
    # Taken at the payment terminal, by its own account, and not given back there.
    charged: int = 0
    # Fees that became the city's.
    kept: int = 0
    # Paid out, or given back at the payment terminal.
    returned: int = 0
    # Neither kept nor returned: a claim slip came out for it.
    owed: int = 0
    # Nobody's until an operator has looked.
    held: int = 0
    # Reported to the city, in order.
    outcomes: tuple[str, ...] = ()
    # Opened, in order, whether closed since or not.
    cases: tuple[str, ...] = ()
    # Sessions begun here that the city still holds; not asked where it is left out.
    open_at_city: int | None = None


class Variant(ScenarioPart, frozen=True, kw_only=True):
    """Another end: the file's own steps up to and with the first `see` of screen `at`; then its
    own.
    """

    # The screen up to which it is the file's own journey.
    at: str
    # What it is called, where one screen has several.
    name: str = ""
    # As in the file.
    defect: str = ""
    # What follows.
    steps: tuple[Step, ...]
    # As in the file.
    expect: Expect = Expect()


class Script(ScenarioPart, frozen=True, kw_only=True):
    """The whole file."""

    # One line for the list of results.
    title: str
    # The journey, or the part that all variants begin with.
    steps: tuple[Step, ...]
    # What it must have come to.
    expect: Expect | None = Expect()  # None, in a script that no file has: nothing is compared
    # Other ends of the same journey; where there is one, the file's own steps alone are not run.
    variants: tuple[Variant, ...] = ()
    # The language in which the sentences of `says` are; the first screen is in Japanese always.
    language: str = "ja"
    # Sheets of one copy, for the machine, which has no typesetting.
    sheets_per_copy: int = 1
    # There is a payment terminal.
    cashless: bool = False
    # Merged over the rehearsal city's data.
    city: dict[str, Any] = {}
    # The city's clock at the start, ISO 8601.
    at: str | None = None
    # A name of testbed/model_check/defects.py: this journey is on a kiosk that has that defect.
    defect: str = ""

    @property
    def is_counter_example(self) -> bool:
        """Whether it is a counter-example, replayed against the properties."""
        return any(step.happens is not None for step in self.steps)


class BadScript(Exception):
    """One line: file, line of it, step, what is wrong, and what would be right."""


@dataclass(frozen=True)
class _Source:
    path: Path
    text: str

    def wrong(self, place: Place, what: str) -> BadScript:
        line = line_of(find_lines(self.text), place)
        where = f"{self.path}:{line}" if line else str(self.path)
        told = _name(place)
        return BadScript(f"{where}: {told}: {what}" if told else f"{where}: {what}")


def load(path: Path) -> list[Script]:
    """The file's journey, or its variants where it has any. Raises BadScript."""
    try:
        source = _Source(path, path.read_bytes().decode("utf-8"))
        script = msgspec.toml.decode(source.text, type=Script)
    except OSError as error:
        raise BadScript(
            f"{path}: {error.strerror}: name a file as docs/scenarios.md says"
        ) from None
    except UnicodeDecodeError:
        raise BadScript(f"{path}: this is no text in UTF-8") from None
    except msgspec.ValidationError as error:
        raise _explained(source, str(error)) from None
    except msgspec.DecodeError as error:
        told = str(error)
        found = SYNTAX_LINE.search(told)
        where = f"{path}:{found[1]}" if found else str(path)
        raise BadScript(f"{where}: {SYNTAX_LINE.sub('', told)}") from None
    _check(source, ("steps",), script.steps)
    if script.is_counter_example and any(step.happens is None for step in script.steps):
        first = next(n for n, step in enumerate(script.steps) if step.happens is None)
        raise source.wrong(("steps", first), "happens goes with no other verb")
    return [
        _varied(source, script, number, variant) for number, variant in enumerate(script.variants)
    ] or [script]


def _explained(source: _Source, told: str) -> BadScript:
    """What msgspec says, with its place in the file and the words or keys that would be right."""
    found = PLACE.search(told)
    place = _place(found[1]) if found else ()
    words = ONE_OF.search(allowed(told, Script))
    wrong = WRONG.search(PLACE.sub("", told))
    known = words[1].split(", ") if words else []
    right = suggest(wrong[1] if wrong else "", known) if known else ""
    missing = wrong is not None and "unknown field" in told
    at = (*place, wrong[1]) if missing and wrong else place
    return source.wrong(at, PLACE.sub("", told) + right)


def _place(told: str) -> Place:
    """Of msgspec's `.steps[15].fault`."""
    return tuple(key if key else int(number) for key, number in PART.findall(told) if key or number)


def _name(place: Place) -> str:
    """For a person, who counts from one: ("variants", 0, "steps", 15, "fault") is `variant 1, step
    16, fault`.
    """
    parts: list[str] = []
    for part in place:
        if isinstance(part, int):
            parts[-1] = f"{parts[-1].removesuffix('s')} {part + 1}"
        else:
            parts.append(part)
    return ", ".join(parts)


def _check(source: _Source, place: Place, steps: Iterable[Step]) -> None:
    for number, step in enumerate(steps):
        at = (*place, number)
        verbs = [name for name in VERBS if getattr(step, name) is not None]
        if len(verbs) != 1:
            has = f"it has {' and '.join(verbs)}" if verbs else "it has none"
            raise source.wrong(at, f"a step needs one verb of {', '.join(VERBS)}; {has}")
        if (step.facts or step.says) and step.see is None:
            raise source.wrong(at, "facts and says belong to see")
        if step.see is not None and step.see not in SCREENS:
            told = f"no screen {step.see!r} is known{suggest(step.see, SCREENS)}"
            raise source.wrong((*at, "see"), told)
        for verb in ("fault", "heal"):
            if said := getattr(step, verb):
                try:
                    find(FAULTS, said)
                except UnknownFault as error:
                    raise source.wrong((*at, verb), str(error)) from None


SCREENS: Final = tuple(sorted({state.screen for state in State}))


def _varied(source: _Source, script: Script, number: int, variant: Variant) -> Script:
    place = ("variants", number)
    _check(source, (*place, "steps"), variant.steps)
    places = [i for i, step in enumerate(script.steps, 1) if step.see == variant.at]
    if not places:
        seen = dict.fromkeys(step.see for step in script.steps if step.see)
        told = f"no step of the file sees {variant.at!r}{suggest(variant.at, seen)}"
        raise source.wrong((*place, "at"), told)
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
