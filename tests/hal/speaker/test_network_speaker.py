from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from hal.faults import DeviceFault, Reason
from hal.sim.speaker import SpeakerFarEnd
from hal.speaker import wav
from hal.speaker.network import NetworkSpeaker


def spoken(text: str, seconds: float = 0.1) -> bytes:
    return wav.encode(wav.Recording(8000, np.full(int(8000 * seconds), 1000, np.int16), text))


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not done():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


class Room:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.hushes = 0
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.speaker = self.listen(0)

    def listen(self, port: int) -> SpeakerFarEnd:
        self.speaker = SpeakerFarEnd(
            lambda text, _wav: self.heard.append(text), self.hush, port=port, keep=3
        )
        self.run(self.speaker.start())
        return self.speaker

    def hush(self) -> None:
        self.hushes += 1

    def run(self, work) -> None:  # type: ignore[no-untyped-def]
        asyncio.run_coroutine_threadsafe(work, self.loop).result(5)


@pytest.fixture
def room() -> Iterator[Room]:
    room = Room()
    yield room
    room.run(room.speaker.close())
    room.loop.call_soon_threadsafe(room.loop.stop)


def test_says_what_it_is_told(room: Room) -> None:
    speaker = NetworkSpeaker(room.speaker.address)
    speaker.check()
    speaker.play((spoken("カードを"), spoken("置いてください")))
    until(lambda: room.heard == ["カードを", "置いてください"])
    assert room.hushes == 1  # a new recording interrupts the one before
    speaker.stop()
    until(lambda: room.hushes == 2)
    before = time.monotonic()
    speaker.play((spoken("again"),))
    assert time.monotonic() - before < 5
    speaker.close()
    assert room.speaker.violations == []


def test_keeps_the_last_ones_and_applies_the_volume(room: Room) -> None:
    speaker = NetworkSpeaker(room.speaker.address)
    speaker.set_volume(50)
    speaker.play(tuple(spoken(str(n)) for n in range(5)))
    until(lambda: len(room.heard) == 5)
    assert [text for text, _ in room.speaker.last] == ["2", "3", "4"]
    assert wav.decode(room.speaker.last[0][1]).samples[0] == 500
    speaker.close()


def test_connects_again(room: Room) -> None:
    speaker = NetworkSpeaker(room.speaker.address)
    speaker.play((spoken("one"),))
    until(lambda: room.heard == ["one"])
    port = room.speaker.port
    room.run(room.speaker.close())
    with pytest.raises(DeviceFault) as caught:
        speaker.play((spoken("lost"),))
    assert caught.value.reason is Reason.NOT_CONNECTED
    room.listen(port)
    speaker.play((spoken("two"),))
    until(lambda: room.heard == ["one", "two"])
    speaker.close()


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        speaker = NetworkSpeaker(f"127.0.0.1:{free.getsockname()[1]}")
        with pytest.raises(DeviceFault, match="not-connected"):
            speaker.check()
        with pytest.raises(DeviceFault, match="not-connected"):
            speaker.play((spoken("x"),))
        speaker.stop()
        speaker.close()


def test_a_peer_that_does_not_read_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        speaker = NetworkSpeaker("127.0.0.1:%d" % deaf.getsockname()[1], connect_s=0.3)  # noqa: UP031
        before = time.monotonic()
        with pytest.raises(DeviceFault, match="silent"):
            for _ in range(20):
                speaker.play((spoken("long", 300),))
        assert time.monotonic() - before < 5
        speaker.close()


@pytest.mark.parametrize("address", ["", "localhost", "host:", ":1", "host:x"])
def test_addresses(address: str) -> None:
    with pytest.raises(DeviceFault, match="configuration"):
        NetworkSpeaker(address)


def test_not_a_recording(room: Room) -> None:
    with pytest.raises(DeviceFault, match="refused"):
        NetworkSpeaker(room.speaker.address).play((b"nonsense",))
    assert not room.speaker.last


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x04RIFF"])
def test_the_far_end_cuts_off_nonsense(room: Room, raw: bytes) -> None:
    host, _, port = room.speaker.address.partition(":")
    with socket.create_connection((host, int(port)), 5) as wire:
        wire.sendall(raw)
        assert wire.recv(1) == b""
    assert len(room.speaker.violations) == 1
    assert not room.heard
