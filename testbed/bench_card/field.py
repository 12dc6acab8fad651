"""Cards as they are in the field: sessions of the kiosk's own card desk, with trouble mixed in.

The card, its ways and its faults are the virtual card's. A judge looks at every session: what was
told, how often a PIN was sent, and whether the card still has the tries it should have.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from firmware.flow import events
from firmware.link.clock import board_time
from firmware.service import card_desk
from firmware.service.card_desk import CardDesk
from firmware.service.card_outcomes import CardOutcomes
from firmware.service.vault import Vault
from hal.card import exchange, session
from hal.card.contract import Stay
from hal.sim.card.options import CardFaults, Options
from hal.sim.card.pki import CardCa, load_card, make_card, make_card_ca
from hal.sim.card.wire import CardProgram
from testbed.bench_card.near import Clock, NearReader

PIN, WRONG_PIN = "1234", "9999"
TRIES: Final = 3
MOST_STAYS = 3  # a person lays the card down again so often
MOST_TYPED = 3
VERIFY: Final = 0x20
# What may happen once to one exchange, and passes.
PASSING: Final = (
    "glitch",
    "lose_command",
    "lose_answer",
    "empty_answer",
    "cut_answer",
    "damage_answer",
    "bounce_at",
)
WAYS: Final[dict[str, tuple[Any, ...]]] = {
    "short_ef": (True, True, False),
    "short_ef_status": (0x6A86, 0x6A88, 0x6A82, 0x6700, 0x6985),
    "read_limit": (256, 256, 255, 200, 128, 64),
    "kind": ("card", "card", "android"),
    "first_6f00": (False, True),
    "reads_on": (True, True, False),
    "p2_0c": (True, True, False),
    "fci_le": (False, True),
    "le_00": (True, True, False),
    "exact_le": (False, True),
    "exact_rest": (False, True),
    "vague_rest": (False, False, True),
    "chunk": (0, 0, 100, 255),
    "t0": (False, True),
}
KINDS: Final = (*["good"] * 3, *["noise"] * 2, "foreign", "mute", "deaf", "late")
FOREIGN: Final = (0x6300, 0x6700, 0x6881, 0x6985, 0x6A80, 0x6A81, 0x6A82, 0x6A86, 0x6D00, 0x6F00)


@dataclass
class Session:
    """What came of one person with one card."""

    told: str
    typed: int
    stays: int
    apdus: int
    connects: int
    wrong: list[str]  # what the judge found


@dataclass
class Field:
    """Makes one card, and plays sessions with it."""

    folder: Path
    ca: CardCa = field(init=False)
    trusted: tuple[x509.Certificate, ...] = field(init=False)

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        self.ca = make_card_ca(self.folder / "ca")
        self.trusted = (self.ca.certificate,)
        day = timedelta(days=1)
        make_card(self.folder / "card", self.ca, "T0", PIN, now - day, now + 400 * day)
        self._card = load_card(self.folder / "card")

    def program(self, options: dict[str, Any], faults: CardFaults) -> CardProgram:
        """The card anew, with these ways and faults."""
        # What withholds its certificate until the PIN, and has no label that says what it is, may
        # have the certificate of a card.
        label = "" if options.get("kind", "card") == "card" else "NOLABELTHATISKNOWN"
        card = self._card
        card.revive(replace(Options(label=label), **options), TRIES)
        return CardProgram(card, ("", 0), faults)

    def play(
        self,
        program: CardProgram,
        trouble: Callable[[CardProgram], None],
        pin: str = PIN,
        outcomes: CardOutcomes | None = None,
    ) -> Session:
        """One person: lays the card down again when told so, types again when asked to."""
        reader = NearReader(program, trouble)
        desk = CardDesk(
            reader,
            self.trusted,
            allow_test=True,
            now=board_time,
            outcomes=outcomes or CardOutcomes(),
        )
        typed = epoch = 0
        wrong: list[str] = []
        told = ""
        while epoch < MOST_STAYS:
            epoch += 1
            event: events.Event | None = desk.read(epoch, Stay("near", reader.stays))
            if isinstance(event, events.CardRead) and event.tries:
                event = desk.read_ahead(epoch) or event
            while isinstance(event, events.CardRead | events.PinWrong) and event.tries:
                if typed == MOST_TYPED or (isinstance(event, events.PinWrong) and pin != PIN):
                    break
                if isinstance(event, events.PinWrong):
                    wrong.append("a right PIN was called wrong")
                    break
                typed += 1
                event = self._enter(desk, reader, epoch, pin, wrong)
            told = _word(event)
            if told == "mute":
                reader.stays += 1
            elif told != "removed":
                break
        desk.release()
        self._judge(program, reader, pin, typed, wrong)
        return Session(told, typed, epoch, len(reader.sent), reader.connects, wrong)

    def _enter(
        self, desk: CardDesk, reader: NearReader, epoch: int, pin: str, wrong: list[str]
    ) -> events.Event:
        vault = Vault("5" * 32)
        for digit in pin:
            vault.pin.add(int(digit))
        before = _verified(reader)
        event = desk.authenticate(epoch, vault, "kiosk-1", bytes(32))
        if _verified(reader) > before + 1:
            wrong.append("a PIN was sent twice")
        return event

    def _judge(
        self, program: CardProgram, reader: NearReader, pin: str, typed: int, wrong: list[str]
    ) -> None:
        gone = TRIES - program.applet.tries
        if gone > (0 if pin == PIN else typed):
            wrong.append("a try was spent by accident")
        if len(reader.sent) > exchange.MOST_APDUS * reader.connects or reader.connects > 100:
            wrong.append("it does not end")


def _verified(reader: NearReader) -> int:
    return sum(1 for ins, size in reader.sent if ins == VERIFY and size)


def _word(event: events.Event | None) -> str:
    match event:
        case events.CardAuthenticated():
            return "served"
        case events.CardFailed(cause=cause):
            return cause
        case events.CardRead(tries=0):
            return "pin-locked"
        case events.CardRead():
            return "pin-again"
        case events.PinWrong():
            return "pin-wrong"
    return "nothing"


@contextmanager
def at_once(*, patient: bool = True) -> Iterator[None]:
    """Pauses take no time. Not `patient`: the first fault counts, as if it had stayed."""
    changes: list[tuple[Any, str, Any]] = [(session, "time", Clock())]
    if not patient:
        changes += [
            (session, "LIMIT_S", 0.0),
            (card_desk, "PASSING", frozenset()),
            (card_desk, "_twice", lambda work: work()),
        ]
    before = [(module, name, getattr(module, name)) for module, name, _ in changes]
    for module, name, value in changes:
        setattr(module, name, value)
    try:
        yield
    finally:
        for module, name, value in before:
            setattr(module, name, value)


def quiet(_: CardProgram) -> None:
    """No trouble."""


def at(index: int, fault: str) -> Callable[[CardProgram], None]:
    """This fault at this exchange, counted over all connections; once."""

    def trouble(program: CardProgram) -> None:
        if program.apdus + 1 == index:
            setattr(program.faults, fault, index)

    return trouble


def now_and_then(luck: random.Random, share: float) -> Callable[[CardProgram], None]:
    """Any passing fault, at this share of all exchanges."""

    def trouble(program: CardProgram) -> None:
        if luck.random() < share:
            setattr(program.faults, luck.choice(PASSING), program.apdus + 1)

    return trouble


def saved(where: Field, sessions: int, share: float, seed: int) -> dict[str, Any]:
    """How many of the same sessions end with a signature, with and without a second attempt."""
    found: dict[str, Any] = {"sessions": sessions, "share": share, "wrong": {}}
    for name, patient in (("with", True), ("without", False)):
        luck = random.Random(seed)  # noqa: S311
        served = apdus = 0
        wrong: Counter[str] = Counter()
        with at_once(patient=patient):
            for _ in range(sessions):
                played = where.play(where.program({}, CardFaults()), now_and_then(luck, share))
                served += played.told == "served"
                apdus += played.apdus
                wrong.update(played.wrong)
        found[name] = {"served": served, "apdus": round(apdus / sessions, 2)}
        found["wrong"].update(wrong)
    return found


def any_session(where: Field, seed: int) -> Session:
    """One session with cards, ways, faults and answers of any kind, by its number."""
    luck = random.Random(seed)  # noqa: S311
    ways = {n: luck.choice(v) for n, v in WAYS.items() if luck.random() < 0.4}
    faults = CardFaults()
    share = luck.choice((0.0, 0.0, 0.05, 0.3))
    trouble = now_and_then(luck, share)
    kind = luck.choice(KINDS)
    if kind == "foreign":
        ways = {"applet": False, "select_status": luck.choice(FOREIGN)}
    elif kind == "late":
        faults.mute_resets = luck.randrange(1, 5)
    elif kind in ("mute", "deaf"):
        setattr(faults, kind, True)
    program = where.program(ways, faults)
    if kind == "noise":
        program = Noisy(program, luck)
    pin = PIN if kind == "noise" or luck.random() < 0.8 else WRONG_PIN
    played = where.play(program, trouble, pin)
    if kind == "noise":  # any answer may claim that the PIN was wrong
        played.wrong = [w for w in played.wrong if w != "a right PIN was called wrong"]
    if share == 0:
        played.wrong += _undisturbed(kind, pin, played)
    return played


def _undisturbed(kind: str, pin: str, played: Session) -> list[str]:
    """What must be told where no passing fault was mixed in."""
    wanted = {
        "good": "served" if pin == PIN else "pin-wrong",
        "late": "served" if pin == PIN else "pin-wrong",
        "foreign": "not-mynumber",
        "deaf": "not-mynumber",
        "mute": "mute",
    }.get(kind, played.told)
    return [] if played.told == wanted else [f"{kind}: told {played.told}"]


class Noisy(CardProgram):
    """Now and then it answers anything."""

    def __init__(self, program: CardProgram, luck: random.Random) -> None:
        super().__init__(program.applet, ("", 0), program.faults)
        self._luck = luck
        self._share = luck.choice((0.05, 0.3, 1.0))

    def execute(self, apdu: bytes) -> bytes | None:
        answer, luck = super().execute(apdu), self._luck
        if luck.random() >= self._share:
            return answer
        return luck.choice(
            (
                luck.randbytes(luck.choice((0, 1, 2, 3, 16, 256, 258, 300))),
                luck.randbytes(luck.randrange(257)) + b"\x90\x00",
                (answer or b"\x90\x00")[:-2] + luck.randbytes(2),
                b"\x61" + luck.randbytes(1),
                b"\x6c" + luck.randbytes(1),
                b"\x30\x82" + luck.randbytes(luck.randrange(255)) + b"\x90\x00",
                None,
            )
        )


def fuzz(where: Field, cases: int, seed: int) -> dict[str, Any]:
    """Any card, any trouble: how it ended, and what the judge found. An exception is a finding."""
    ends: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    first: dict[str, int] = {}
    longest_s, most = 0.0, 0
    with at_once():
        for case in range(seed, seed + cases):
            began = time.perf_counter()
            try:
                played = any_session(where, case)
            except Exception as error:  # each is one the desk should have told as an event
                played = Session("", 0, 0, 0, 0, [f"traceback: {type(error).__name__}"])
            longest_s = max(longest_s, time.perf_counter() - began)
            most = max(most, played.apdus)
            ends[played.told] += 1
            wrong.update(played.wrong)
            for what in played.wrong:
                first.setdefault(what, case)
    return {
        "cases": cases,
        "ends": dict(ends),
        "wrong": dict(wrong),
        "first": first,
        "longest_s": round(longest_s, 3),
        "most_apdus": most,
    }
