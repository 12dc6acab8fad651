"""What each bit of a hopper's self-test (header 163) means for a payout. Pure.

One to three registers, bit 0 first. Source: ccTalk Generic Specification 4.7, part 2 (Test hopper).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from hal.faults import Reason


class FlagMeaning(Enum):
    """What a flag says about how many coins came out."""

    NOTE = "the count holds"
    SHORT = "the count holds, and this is why no more came"
    DOUBT = "the count cannot be believed"
    RESET = "the count cannot be believed, unless the event counter shows that it went on"


@dataclass(frozen=True)
class Flag:
    """`reason` is that of a payout which ended early because of it."""

    text: str
    kind: FlagMeaning
    reason: Reason = Reason.UNCERTAIN


SINGLE_COIN = Flag("single coin mode", FlagMeaning.NOTE)
EMPTY, JAM, WRONG = Reason.HOPPER_EMPTY, Reason.COIN_JAM, Reason.CONFIGURATION
FLAGS: tuple[tuple[Flag, ...], ...] = (
    (
        Flag("maximum current exceeded", FlagMeaning.SHORT, JAM),
        Flag("payout timeout", FlagMeaning.SHORT, EMPTY),
        Flag("motor was reversed", FlagMeaning.NOTE),
        Flag("exit blocked while idle", FlagMeaning.DOUBT),
        Flag("exit sensor dazzled while idle", FlagMeaning.DOUBT),
        Flag("exit blocked during payout", FlagMeaning.SHORT, JAM),
        Flag("power-up", FlagMeaning.RESET),
        Flag("payout disabled", FlagMeaning.RESET),
    ),
    (
        Flag("exit sensor dazzled during payout", FlagMeaning.DOUBT),
        SINGLE_COIN,
        Flag("another hopper is asked to pay", FlagMeaning.SHORT, EMPTY),
        Flag("exit sensors disagree", FlagMeaning.DOUBT),
        Flag("motor reverse limit reached", FlagMeaning.SHORT, JAM),
        Flag("coil fault", FlagMeaning.DOUBT),
        Flag("memory checksum wrong", FlagMeaning.DOUBT),
        Flag("PIN mechanism", FlagMeaning.NOTE),
    ),
    (
        Flag("power lost during payout", FlagMeaning.DOUBT),
        Flag("unknown coin paid", FlagMeaning.DOUBT),
        Flag("PIN incorrect", FlagMeaning.SHORT, WRONG),
        Flag("cipher key incorrect", FlagMeaning.SHORT, WRONG),
        Flag("encryption is on", FlagMeaning.NOTE),
    ),
)
RESET = b"\xc0"  # registers of a hopper that was only powered up or disabled


def flags(registers: bytes) -> Iterator[Flag]:
    """The flags that are set. A bit without a meaning is skipped."""
    for register, table in zip(registers, FLAGS, strict=False):
        for bit, flag in enumerate(table):
            if register >> bit & 1:
                yield flag


def why_short(registers: bytes, before: bytes = b"") -> Reason | None:
    """Why a payout ended early: UNCERTAIN when its count cannot be believed, None when nothing
    explains it.

    `before`: the registers when the payout began; a doubt that was there then is not about this
    payout.
    """
    old = set(flags(before))
    found = [flag for flag in flags(registers) if flag.kind is FlagMeaning.SHORT or flag not in old]
    if any(flag.kind in (FlagMeaning.DOUBT, FlagMeaning.RESET) for flag in found):
        return Reason.UNCERTAIN
    return next((flag.reason for flag in found if flag.kind is FlagMeaning.SHORT), None)


def describe(registers: bytes) -> str:
    """The flags in words, for a log."""
    return ", ".join(flag.text for flag in flags(registers)) or "no flag"
