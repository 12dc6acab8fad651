"""The coin unit at the far end of its line. Lives in an asyncio loop; call it from there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from hal.cash.frame import (
    BROADCAST,
    LONGEST,
    Checksum,
    Frame,
    FrameError,
    decode,
    encode,
    frame_length,
)
from hal.sim.coins.acceptor import Acceptor, Way
from hal.sim.coins.device import Device
from hal.sim.coins.hopper import HopperDevice
from hal.sim.far_line import FarLine

ADDRESS_POLL, ADDRESS_CLASH = 253, 252
BYTE_GAP_S = 0.05  # a frame that pauses longer is dropped (ccTalk part 1)


class CoinBus:
    """Echoes what the host sends, as one wire does, and lets the addressed device answer.

    `cup` is what lies in the return cup (yen); `returned` and `paid_out` are everything that ever
    fell into it. `baud` 0 answers at once, 9600 paces like the wire; `coin_s` is the time a hopper
    needs for a coin. `changed` is called after each coin that moved. `checksum`: the devices are
    silent to frames of the other kind.
    """

    def __init__(
        self,
        acceptor: Acceptor | None = None,
        hoppers: Sequence[HopperDevice] | None = None,
        link: Path | None = None,
        baud: int = 0,
        coin_s: float = 0.002,
        changed: Callable[[], None] = lambda: None,
        checksum: Checksum = Checksum.SUM,
    ) -> None:
        self.acceptor = acceptor or Acceptor()
        self.hoppers = list(hoppers) if hoppers is not None else [HopperDevice()]
        self.cup: list[int] = []
        self.returned: list[int] = []
        self.paid_out: list[int] = []
        self._misunderstood: list[str] = []
        self._devices: dict[int, Device] = {d.address: d for d in (self.acceptor, *self.hoppers)}
        self.second: dict[int, Device] = {}  # address: another device that has it too
        self._checksum = checksum
        self._baud = baud
        self._coin_s = coin_s
        self._changed = changed
        self.muted: set[int] = set()
        # told of each question that reaches a device, before it is answered
        self.on_question: Callable[[Frame], None] = lambda _question: None
        self.garbles = 0
        self.late_s = 0.0  # of the next answer
        self.lost_answers: dict[int, int] = {}
        self.lost_requests: dict[int, int] = {}
        self._line = FarLine(self._came, self._broken, BYTE_GAP_S, link)

    @property
    def violations(self) -> list[str]:
        """What no correct host does."""
        return self._misunderstood + [
            v for device in self._devices.values() for v in device.violations
        ]

    @property
    def port(self) -> str:
        return self._line.port

    async def start(self) -> None:
        """Open the line; `port` (and `link`) is where the host finds it. Raises OSError."""
        await self._line.start()

    async def close(self) -> None:
        await self._line.close()

    # the hand

    def insert(self, value: int) -> bool:
        """Put a coin in (0: not a coin). True: swallowed. False: it lies in the cup, or
        is stuck.
        """
        way = self.acceptor.insert(value)
        if way is Way.RETURNED:
            self.returned.append(value)
            self.cup.append(value)
        self._changed()
        return way is Way.SWALLOWED

    def take(self) -> list[int]:
        """Empty the cup."""
        taken, self.cup = self.cup, []
        self._changed()
        return taken

    # faults

    def mute(self, *addresses: int) -> None:
        """These devices receive nothing; without addresses all are well again."""
        self.muted = set(addresses)

    def garble(self, answers: int = 1) -> None:
        """A bit of each of the next answers flips."""
        self.garbles = answers

    def delay_answer(self, seconds: float) -> None:
        """The next answer comes so much later."""
        self.late_s = seconds

    def noise(self, raw: bytes) -> None:
        """The host receives what nobody sent."""
        self._line.send(raw)

    def jam_coin(self) -> None:
        """The next coin gets stuck."""
        self.acceptor.jam_next = True

    def lose_answer_to(self, header: int, times: int = 1) -> None:
        """The command is carried out, and its answer is lost."""
        self.lost_answers[header] = times

    def lose_request(self, header: int, times: int = 1) -> None:
        """The command never arrives."""
        self.lost_requests[header] = times

    def reset_in_the_middle(self, address: int | None = None) -> None:
        """A device (the acceptor) loses power for a moment."""
        self._devices[self.acceptor.address if address is None else address].power_cycle()

    def plug(self, hopper: HopperDevice) -> None:
        """One more hopper, at an address of its own."""
        self.hoppers.append(hopper)
        self._devices[hopper.address] = hopper

    def join(self, device: Device) -> None:
        """Put another device on the wire, at an address that is taken."""
        self.second[device.address] = device

    def part(self) -> None:
        """What was put at a taken address is gone again."""
        self.second.clear()

    # the wire

    def _came(self, piece: bytes) -> None:
        received = self._line.received
        self._line.send(piece)
        while (length := frame_length(received)) is not None and len(received) >= length:
            raw = bytes(received[:length])
            del received[:length]
            self._serve(raw)
        if len(received) > LONGEST:
            received.clear()

    def _broken(self, half: bytes) -> None:
        self._misunderstood.append(f"half a frame: {half.hex()}")

    def _serve(self, raw: bytes) -> None:
        try:
            frame = decode(raw, self._checksum)
        except FrameError as error:
            self._not_for_us(raw, error)
            return
        if frame.header in (ADDRESS_POLL, ADDRESS_CLASH):
            self._send_addresses(frame)
            return
        device = self._devices.get(frame.destination)
        if device is not None:
            self.on_question(frame)
        if (
            device is None
            or device.address in self.muted
            or _spend(self.lost_requests, frame.header)
        ):
            return
        was_turning = isinstance(device, HopperDevice) and device.turning
        answer = device.answer(frame)
        if isinstance(device, HopperDevice) and device.turning and not was_turning:
            asyncio.get_running_loop().call_later(self._coin_s, self._turn, device)
        second = self.second.get(frame.destination)
        answers = [answer, second.answer(frame) if second else None]
        frames = [encode(one, self._checksum) for one in answers if one is not None]
        if frames and not _spend(self.lost_answers, frame.header):
            self._reply(_together(frames))

    def _not_for_us(self, raw: bytes, error: FrameError) -> None:
        """A host that looks for the other kind of checksum does nothing wrong."""
        try:
            decode(raw, self._checksum.other)
        except FrameError:
            self._misunderstood.append(f"{error}: {raw.hex()}")

    def _send_addresses(self, frame: Frame) -> None:
        """Each device sends its address alone: 4 ms later for each number, or after a random time
        up to 1 s.
        """
        everybody = [*self._devices.values(), *self.second.values()]
        for device in everybody:
            if device.address in self.muted or frame.destination not in (
                BROADCAST,
                device.address,
            ):
                continue
            if frame.header == ADDRESS_POLL and self.second.get(device.address) is device:
                continue  # it sends in the same moment: one byte arrives
            steps = device.address if frame.header == ADDRESS_POLL else random.randrange(256)  # noqa: S311
            delay = 0.004 * steps if self._baud else 0
            asyncio.get_running_loop().call_later(delay, self._line.send, bytes([device.address]))

    def _reply(self, answer: bytes) -> None:
        raw = bytearray(answer)
        if self.garbles:
            self.garbles -= 1
            raw[-1] ^= 0b100
        delay = self.late_s + (10 * len(raw) / self._baud if self._baud else 0)
        self.late_s = 0.0
        if delay:
            asyncio.get_running_loop().call_later(delay, self._line.send, bytes(raw))
        else:
            self._line.send(bytes(raw))

    def _turn(self, hopper: HopperDevice) -> None:
        if hopper.turn():
            self.paid_out.append(hopper.value)
            self.cup.append(hopper.value)
            self._changed()
        if hopper.turning:
            asyncio.get_running_loop().call_later(self._coin_s, self._turn, hopper)


def _spend(counts: dict[int, int], header: int) -> bool:
    left = counts.get(header, 0)
    counts[header] = max(left - 1, 0)
    return left > 0


def _together(frames: list[bytes]) -> bytes:
    """What arrives when all send at once: on this wire a 0 wins over a 1."""
    length = max(map(len, frames))
    mixed = bytearray(length)
    for place in range(length):
        mixed[place] = 0xFF
        for one in frames:
            mixed[place] &= one[place] if place < len(one) else 0xFF
    return bytes(mixed)
