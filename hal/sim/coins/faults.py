"""What can go wrong with a coin unit, by name; each is done to a bus once, in its loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hal.sim.coins.bus import CoinBus
from hal.sim.coins.hopper import HopperDevice

CREDITS, MASTER_INHIBIT, DISPENSE, STATUS = 229, 228, 167, 166
LATE_ANSWERS = 6
SECOND_SERIAL = 0x0B_0007


def _mute(bus: CoinBus) -> None:
    bus.mute(bus.acceptor.address, *(hopper.address for hopper in bus.hoppers))


def _count_late(bus: CoinBus) -> None:
    for hopper in bus.hoppers:
        hopper.count_late = LATE_ANSWERS


def _uncounted(bus: CoinBus) -> None:
    for hopper in bus.hoppers:
        hopper.uncounted = 1


def _empty_silently(bus: CoinBus) -> None:
    for hopper in bus.hoppers:
        hopper.empty_after = 1
        hopper.silent_about_why = True


def _refuse_dispense(bus: CoinBus) -> None:
    for hopper in bus.hoppers:
        hopper.refuse(DISPENSE)


def _impossible_credit(bus: CoinBus) -> None:
    answer = bytes([bus.acceptor.counter]) + bytes([4, 0] * 5)
    bus.acceptor.lie(CREDITS, answer, answer)


def _impossible_payout(bus: CoinBus) -> None:
    for hopper in bus.hoppers:
        hopper.lie(STATUS, *[b"\x07\x00\xc8\x00"] * 2)


def _second_hopper(bus: CoinBus) -> None:
    first = bus.hoppers[0]
    bus.join(HopperDevice(first.address, first.value, serial=SECOND_SERIAL))


def _hopper_reset(bus: CoinBus) -> None:
    for hopper in bus.hoppers:
        bus.reset_in_the_middle(hopper.address)


FAULTS: Mapping[str, Callable[[CoinBus], None]] = MappingProxyType(
    {
        "coin-jam": CoinBus.jam_coin,
        "mute": _mute,
        "acceptor-reset": CoinBus.reset_in_the_middle,
        "hopper-reset": _hopper_reset,
        "count-late": _count_late,
        "uncounted-coin": _uncounted,
        "empty-without-a-word": _empty_silently,
        "opening-refused": lambda bus: bus.acceptor.refuse(MASTER_INHIBIT),
        "dispense-refused": _refuse_dispense,
        "dispense-answer-lost": lambda bus: bus.lose_answer_to(DISPENSE),
        "dispense-lost": lambda bus: bus.lose_request(DISPENSE),
        "impossible-credit": _impossible_credit,
        "impossible-payout": _impossible_payout,
        "two-at-one-address": _second_hopper,
    }
)
