"""What can be wrong with a card, or happen to it, by name.

What happens to it is a field of `CardFaults` and holds at once. How it differs from the usual card
is a field of `Options`, and what is burnt in a name of `FLAWS`: these are of the card that is laid
down next. The names here are those fields, with `card-` before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Protocol, get_args, get_type_hints

from hal.sim.card.applet import Applet
from hal.sim.card.flaws import FLAWS, flawed
from hal.sim.card.options import CardFaults, Options
from hal.sim.card.pki import Chip, find_ca, load_card, load_card_ca, make_card_ca, revoke
from hal.sim.fault import Argument, Fault, setting

APDU: Final = Argument("the number of an APDU, from 1", usual=1, least=1, most=1000)
STATUS: Final = Argument("status word", usual=0x6985, most=0xFFFF, form="#06x")
COUNT: Final = Argument("times", usual=1, least=1, most=1000)
MS: Final = Argument("milliseconds", usual=200.0, most=60_000)
# What the arguments of those fields are that are neither yes or no, nor the number of an APDU.
ARGUMENTS: Final[Mapping[str, Argument]] = MappingProxyType(
    {
        "glitch_status": STATUS,
        "mute_resets": COUNT,
        "flaps": COUNT,
        "bounce_ms": MS,
        "apdu_ms": MS,
        "sign_ms": MS,
        "flap_ms": MS,
        "read_limit": Argument("bytes", usual=64, least=1, most=256),
        "select_status": replace(STATUS, usual=0x6300),
        "short_ef_status": replace(STATUS, usual=0x6A82),
        "chunk": Argument("bytes", usual=99, most=255),
        "label": Argument("which", usual="TOKEN-X", words={"unknown": "TOKEN-X"}),
        "kind": Argument(
            "which",
            usual="android",
            words={kind: kind for kind in get_args(get_type_hints(Options)["kind"])},
        ),
    }
)
# What a fault does, where the words for `--help` say what the option is.
SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "glitch_status": "the answer of `card-glitch` is this status word",
        "bounce_ms": "the bounce of `card-bounce-at` is so long",
        "sign_ms": "a signature takes so much longer than another APDU",
        "flaps": "it bounces so many times when it is set down",
        "flap_ms": "each of these bounces, and the pause after it, is so long",
        "short_ef": "it takes no short EF identifiers in READ, VERIFY and SIGN, and answers 6A86",
        "read_limit": "one READ returns at most so many bytes",
        "kind": "its label says that it is such a token; a phone's certificate needs the PIN",
        "label": "its token label is none that is known",
        "applet": "it has no JPKI applet",
        "select_status": "without the applet, this answers its SELECT and every other command",
        "short_ef_status": "without short EF identifiers, this answers a command that has one",
        "reads_on": "a READ by short EF identifier selects no file, and 6986 answers the next one",
        "p2_0c": "it takes SELECT with P2 = 00 only, with FCI",
        "fci_le": "with `card-no-p2-0c`, it answers 6700 to a SELECT without Le",
        "le_00": "it answers 6700 to a READ with Le = 00",
        "chunk": "it answers so many bytes at once and then 61xx; 0: whole answers",
    }
)
FLAW: Final = Argument("which", usual="rubbish", words={name: name for name in FLAWS})
TRIES: Final = Argument("tries", usual=0, most=3)


@dataclass
class CardTrouble:
    """What is wrong: `faults` with whatever card lies there, the rest with the card that is made
    next. `well`: the faults that are none, such as the pace of the chip.
    """

    well: CardFaults = field(default_factory=CardFaults)
    faults: CardFaults = field(default_factory=CardFaults)
    ways: dict[str, Any] = field(default_factory=dict)
    flaw: str = ""
    revoked: bool = False
    tries: int | None = None
    ca: Path | None = None  # the folder of the CA that issues anew; None: the card's own

    @property
    def of_next(self) -> tuple[object, ...]:
        """Two cards for which this is the same are the same card."""
        return (tuple(sorted(self.ways.items())), self.flaw, self.revoked, self.tries)

    def make_card(self, folder: Path, tries: int | None = None, remember: bool = False) -> Applet:
        """`tries`: those that are left of the same card. `remember`: write them back to its folder.
        Raises OSError, ValueError, TypeError.
        """
        left = tries if self.tries is None else self.tries
        return load_card(folder, remember, self.ways, lambda chip: self._burn(chip, folder), left)

    def _burn(self, chip: Chip, card: Path) -> Chip:
        """The chip with the flaw that was asked for; the CA is made where there is none."""
        if not (self.flaw or self.revoked):
            return chip
        folder = self.ca or find_ca(card)
        ca = load_card_ca(folder) if (folder / "ca.der").exists() else make_card_ca(folder)
        chip = flawed(self.flaw or "reissued", ca)(chip)
        if self.revoked and chip.certificate:
            revoke(folder, chip.certificate, datetime.now(UTC))
        return chip


class CardHolder(Protocol):
    """Whoever lays cards on a reader. `phone_asleep`: a phone that lies there has no field."""

    card: CardTrouble
    phone_asleep: bool

    def sleep_phone(self, asleep: bool) -> None: ...


def _mishap(option: Field[Any]) -> Fault[CardHolder]:
    name, argument = option.name, _argument(option)

    def put(holder: CardHolder, value: Any) -> None:
        setattr(holder.card.faults, name, value if argument else True)

    def heal(holder: CardHolder) -> None:
        setattr(holder.card.faults, name, getattr(holder.card.well, name))

    def holds(holder: CardHolder) -> bool:
        return bool(getattr(holder.card.faults, name) != getattr(holder.card.well, name))

    return Fault(_sentence(option), put, heal, holds, argument)


def _way(option: Field[Any]) -> Fault[CardHolder]:
    name, argument = option.name, _argument(option)

    def put(holder: CardHolder, value: Any) -> None:
        holder.card.ways[name] = value if argument else not option.default

    def heal(holder: CardHolder) -> None:
        holder.card.ways.pop(name, None)

    return Fault(_sentence(option), put, heal, lambda holder: name in holder.card.ways, argument)


def _argument(option: Field[Any]) -> Argument | None:
    if isinstance(option.default, bool):
        return None
    return ARGUMENTS.get(option.name, APDU)


def _sentence(option: Field[Any]) -> str:
    return SENTENCES.get(option.name, option.metadata["help"])


def _name(option: Field[Any]) -> str:
    without = "no-" if option.default is True else ""
    return f"card-{without}{option.name.replace('_', '-')}"


def _set_flaw(holder: CardHolder, value: str) -> None:
    holder.card.flaw = value


def _set_tries(holder: CardHolder, value: int | None) -> None:
    holder.card.tries = value


FAULTS: Mapping[str, Fault[CardHolder]] = MappingProxyType(
    {
        "phone-sleeps": Fault(
            "a phone's field is off while it lies there; an iPhone's is before its holder confirms",
            lambda holder, _: holder.sleep_phone(True),
            lambda holder: holder.sleep_phone(False),
            lambda holder: holder.phone_asleep,
        ),
        **{_name(option): _mishap(option) for option in fields(CardFaults)},
        **{_name(option): _way(option) for option in fields(Options)},
        "card-flaw": Fault(
            "a certificate or key with this flaw is burnt in",
            _set_flaw,
            lambda holder: _set_flaw(holder, ""),
            lambda holder: holder.card.flaw != "",
            FLAW,
        ),
        "card-revoked": setting(
            "its certificate is issued anew, and in the CA's ca.crl", "card.revoked"
        ),
        "card-tries": Fault(
            "so many tries of its PIN are left; 0: locked",
            _set_tries,
            lambda holder: _set_tries(holder, None),
            lambda holder: holder.card.tries is not None,
            TRIES,
        ),
    }
)
