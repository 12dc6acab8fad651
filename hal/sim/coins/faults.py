"""What can go wrong with a coin unit, by name; done to its bus, in its loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hal.sim.coins.bus import CoinBus
from hal.sim.coins.device import Device
from hal.sim.coins.hopper import HopperDevice
from hal.sim.fault import Argument, Fault, moment

CREDITS, MASTER_INHIBIT, DISPENSE, STATUS = 229, 228, 167, 166
LATE_ANSWERS = 6
SECOND_SERIAL = 0x0B_0007
FULL_HOPPER = 60
COINS = Argument("coins that still come", usual=1, most=1000)
TIMES = Argument("answers", usual=1, least=1, most=1000)
SECONDS = Argument("seconds", usual=1.0, most=60)


def _mute(bus: CoinBus, _: object = None) -> None:
    bus.mute(bus.acceptor.address, *(hopper.address for hopper in bus.hoppers))


def _is_mute(bus: CoinBus) -> bool:
    return bool(bus.muted)


def _unjam(bus: CoinBus) -> None:
    bus.acceptor.jam_next = False
    bus.acceptor.stuck.clear()


def _is_jammed(bus: CoinBus) -> bool:
    return bus.acceptor.jam_next or bool(bus.acceptor.stuck)


def _of_hoppers(
    says: str, attribute: str, well: object, argument: Argument | None = None, broken: object = None
) -> Fault[CoinBus]:
    """One attribute of every hopper."""

    def set_all(bus: CoinBus, value: object) -> None:
        for hopper in bus.hoppers:
            setattr(hopper, attribute, value)

    return Fault(
        says,
        lambda bus, value: set_all(bus, value if argument else broken),
        lambda bus: set_all(bus, well),
        lambda bus: any(getattr(hopper, attribute) != well for hopper in bus.hoppers),
        argument,
    )


def _empty(bus: CoinBus, _: object) -> None:
    for hopper in bus.hoppers:
        hopper.coins = 0


def _fill(bus: CoinBus) -> None:
    for hopper in bus.hoppers:
        hopper.coins = FULL_HOPPER


def _are_empty(bus: CoinBus) -> bool:
    return all(hopper.coins == 0 for hopper in bus.hoppers)


def _reset_hoppers(bus: CoinBus) -> None:
    for hopper in bus.hoppers:
        bus.reset_in_the_middle(hopper.address)


def _hoppers(bus: CoinBus) -> list[Device]:
    return list(bus.hoppers)


def _acceptor(bus: CoinBus) -> list[Device]:
    return [bus.acceptor]


def _refusal(says: str, of: Callable[[CoinBus], list[Device]], header: int) -> Fault[CoinBus]:
    """The next command of this kind is refused, once, by each of these devices."""

    def put(bus: CoinBus, _: object) -> None:
        for device in of(bus):
            device.refuse(header)

    def heal(bus: CoinBus) -> None:
        for device in of(bus):
            device.refused.pop(header, None)

    def holds(bus: CoinBus) -> bool:
        return any(device.refused.get(header) for device in of(bus))

    return Fault(says, put, heal, holds)


def _lie(
    says: str,
    of: Callable[[CoinBus], list[Device]],
    header: int,
    answers: Callable[[CoinBus], tuple[bytes, ...]],
) -> Fault[CoinBus]:
    """The next answers to this question are made up."""

    def put(bus: CoinBus, _: object) -> None:
        for device in of(bus):
            device.lie(header, *answers(bus))

    def heal(bus: CoinBus) -> None:
        for device in of(bus):
            device.lies.pop(header, None)

    def holds(bus: CoinBus) -> bool:
        return any(device.lies.get(header) for device in of(bus))

    return Fault(says, put, heal, holds)


def _impossible_credits(bus: CoinBus) -> tuple[bytes, ...]:
    return (bytes([bus.acceptor.counter]) + bytes([4, 0] * 5),) * 2


def _loss(says: str, table: str) -> Fault[CoinBus]:
    """The next dispense command is lost, or its answer."""

    def put(bus: CoinBus, _: object) -> None:
        getattr(bus, table)[DISPENSE] = 1

    def heal(bus: CoinBus) -> None:
        getattr(bus, table).pop(DISPENSE, None)

    return Fault(says, put, heal, lambda bus: bool(getattr(bus, table).get(DISPENSE)))


def _join_second(bus: CoinBus, _: object) -> None:
    first = bus.hoppers[0]
    bus.join(HopperDevice(first.address, first.value, serial=SECOND_SERIAL))


def _end_silently(bus: CoinBus, _: object) -> None:
    for hopper in bus.hoppers:
        hopper.empty_after, hopper.silent_about_why = 1, True


def _end_as_usual(bus: CoinBus) -> None:
    for hopper in bus.hoppers:
        hopper.empty_after, hopper.silent_about_why = None, False


FAULTS: Mapping[str, Fault[CoinBus]] = MappingProxyType(
    {
        "coin-jam": Fault(
            "the next coin gets stuck", lambda bus, _: bus.jam_coin(), _unjam, _is_jammed
        ),
        "coins-mute": Fault(
            "no device of the coin unit receives anything", _mute, lambda bus: bus.mute(), _is_mute
        ),
        "coins-garbled": Fault(
            "a bit of each of the next answers flips",
            CoinBus.garble,
            lambda bus: bus.garble(0),
            lambda bus: bus.garbles > 0,
            TIMES,
        ),
        "coins-late": Fault(
            "the next answer comes so much later",
            CoinBus.delay_answer,
            lambda bus: bus.delay_answer(0),
            lambda bus: bus.late_s > 0,
            SECONDS,
        ),
        "coins-noise": moment(
            "the kiosk receives three bytes that nobody sent",
            lambda bus: bus.noise(b"\x00\xff\x55"),
        ),
        "acceptor-reset": moment(
            "the acceptor loses power for a moment", CoinBus.reset_in_the_middle
        ),
        "hopper-reset": moment("every hopper loses power for a moment", _reset_hoppers),
        "hoppers-empty": Fault("no hopper holds a coin", _empty, _fill, _are_empty),
        "hopper-jams": _of_hoppers(
            "a payout jams when so many more coins came", "jam_after", None, COINS
        ),
        "hopper-restarts": _of_hoppers(
            "a hopper loses power when so many more coins came", "reset_after", None, COINS
        ),
        "count-late": _of_hoppers(
            "a hopper's count of paid coins is that of six answers ago",
            "count_late",
            0,
            broken=LATE_ANSWERS,
        ),
        "uncounted-coin": _of_hoppers(
            "one coin of each hopper falls without being counted", "uncounted", 0, broken=1
        ),
        "empty-without-a-word": Fault(
            "a hopper stops after one coin and does not say why",
            _end_silently,
            _end_as_usual,
            lambda bus: any(hopper.silent_about_why for hopper in bus.hoppers),
        ),
        "opening-refused": _refusal(
            "the acceptor refuses to open the slot, once", _acceptor, MASTER_INHIBIT
        ),
        "dispense-refused": _refusal("each hopper refuses to pay out, once", _hoppers, DISPENSE),
        "dispense-answer-lost": _loss(
            "the next payout is made and its answer is lost", "lost_answers"
        ),
        "dispense-lost": _loss("the next command to pay out never arrives", "lost_requests"),
        "impossible-credit": _lie(
            "the acceptor reports coins that its own counter does not have, twice",
            _acceptor,
            CREDITS,
            _impossible_credits,
        ),
        "impossible-payout": _lie(
            "a hopper says twice that it paid 200 coins",
            _hoppers,
            STATUS,
            lambda _: (b"\x07\x00\xc8\x00",) * 2,
        ),
        "two-at-one-address": Fault(
            "a second hopper answers at the first one's address",
            _join_second,
            lambda bus: bus.part(),
            lambda bus: bool(bus.second),
        ),
    }
)
