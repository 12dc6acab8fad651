"""The wire: a pty whose far end is the coin unit. Lives in an asyncio loop; call it from there."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import Callable, Sequence
from pathlib import Path

from hal.cash.frame import LONGEST, Frame, FrameError, decode, encode, frame_length
from hal.sim.coins.acceptor import Acceptor, Way
from hal.sim.coins.device import Device
from hal.sim.coins.hopper import HopperDevice

BYTE_GAP_S = 0.05  # a frame that pauses longer is dropped (ccTalk part 1)


class CoinBus:
    """Echoes what the host says, as one wire does, and lets the addressed device answer.

    `cup` is what lies in the return cup (yen); `returned` and `paid_out` are everything that ever fell into it.
    `baud` 0 answers at once, 9600 paces like the wire; `coin_s` is the time a hopper needs for a coin. `changed` is
    called after each coin that moved.
    """

    def __init__(
        self,
        acceptor: Acceptor | None = None,
        hoppers: Sequence[HopperDevice] | None = None,
        link: Path | None = None,
        baud: int = 0,
        coin_s: float = 0.002,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.acceptor = acceptor or Acceptor()
        self.hoppers = list(hoppers) if hoppers is not None else [HopperDevice()]
        self.cup: list[int] = []
        self.returned: list[int] = []
        self.paid_out: list[int] = []
        self.port = ""
        self._unheard: list[str] = []
        self._devices: dict[int, Device] = {d.address: d for d in (self.acceptor, *self.hoppers)}
        self._link = link
        self._baud = baud
        self._coin_s = coin_s
        self._changed = changed
        self._muted: set[int] = set()
        self._garble = 0
        self._lost_answers: dict[int, int] = {}
        self._lost_requests: dict[int, int] = {}
        self._heard = bytearray()
        self._heard_at = 0.0
        self._fds: tuple[int, ...] = ()

    @property
    def violations(self) -> list[str]:
        """What no correct host does."""
        return self._unheard + [v for device in self._devices.values() for v in device.violations]

    async def start(self) -> None:
        """Open the pty; `port` (and `link`) is where the host finds it. Raises OSError."""
        far, near = os.openpty()
        tty.setraw(near)
        os.set_blocking(far, False)
        self._fds = far, near  # the near end stays open: hosts come and go
        self.port = os.ttyname(near)
        if self._link is not None:
            self._link.parent.mkdir(parents=True, exist_ok=True)
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.port)
        asyncio.get_running_loop().add_reader(far, self._read)

    async def close(self) -> None:
        if not self._fds:
            return
        asyncio.get_running_loop().remove_reader(self._fds[0])
        for fd in self._fds:
            os.close(fd)
        self._fds = ()
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    # the hand

    def insert(self, value: int) -> bool:
        """Put a coin in (0: not a coin). True: swallowed. False: it lies in the cup, or is stuck."""
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
        """These devices hear nothing; without addresses all are well again."""
        self._muted = set(addresses)

    def garble(self, answers: int = 1) -> None:
        """A bit of each of the next answers flips."""
        self._garble = answers

    def noise(self, raw: bytes) -> None:
        """The host hears what nobody said."""
        self._say(raw)

    def jam_coin(self) -> None:
        """The next coin gets stuck."""
        self.acceptor.jam_next = True

    def lose_answer_to(self, header: int, times: int = 1) -> None:
        """The command is carried out, nobody hears that."""
        self._lost_answers[header] = times

    def lose_request(self, header: int, times: int = 1) -> None:
        """The command never arrives."""
        self._lost_requests[header] = times

    def reset_in_the_middle(self, address: int | None = None) -> None:
        """A device (the acceptor) loses power for a moment."""
        self._devices[self.acceptor.address if address is None else address].power_cycle()

    # the wire

    def _read(self) -> None:
        try:
            piece = os.read(self._fds[0], 4096)
        except OSError:
            return
        now = asyncio.get_running_loop().time()
        if self._heard and now - self._heard_at > BYTE_GAP_S:
            self._unheard.append(f"half a frame: {self._heard.hex()}")
            self._heard.clear()
        self._heard_at = now
        self._heard += piece
        self._say(piece)
        while (length := frame_length(self._heard)) is not None and len(self._heard) >= length:
            raw = bytes(self._heard[:length])
            del self._heard[:length]
            self._serve(raw)
        if len(self._heard) > LONGEST:
            self._heard.clear()

    def _serve(self, raw: bytes) -> None:
        try:
            frame = decode(raw)
        except FrameError as error:
            self._unheard.append(f"{error}: {raw.hex()}")
            return
        device = self._devices.get(frame.destination)
        if device is None or device.address in self._muted or _spend(self._lost_requests, frame.header):
            return
        was_turning = isinstance(device, HopperDevice) and device.turning
        answer = device.answer(frame)
        if isinstance(device, HopperDevice) and device.turning and not was_turning:
            asyncio.get_running_loop().call_later(self._coin_s, self._turn, device)
        if answer is not None and not _spend(self._lost_answers, frame.header):
            self._reply(answer)

    def _reply(self, answer: Frame) -> None:
        raw = bytearray(encode(answer))
        if self._garble:
            self._garble -= 1
            raw[-1] ^= 0b100
        delay = 10 * len(raw) / self._baud if self._baud else 0
        if delay:
            asyncio.get_running_loop().call_later(delay, self._say, bytes(raw))
        else:
            self._say(bytes(raw))

    def _say(self, raw: bytes) -> None:
        if self._fds:
            with contextlib.suppress(OSError):  # nobody listens and the buffer is full: lost, as on a wire
                os.write(self._fds[0], raw)

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
