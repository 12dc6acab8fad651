"""Whether headphones are in: what nobody can tell is not private."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from hal.sim.speaker import SpeakerFarEnd
from hal.speaker import jack, wav
from hal.speaker.alsa import AlsaSpeaker
from hal.speaker.jack import Jack, Pace
from hal.speaker.network import NetworkSpeaker

AMIXER = """#!/bin/sh
[ "$1 $2 $3 $4" = "-c 0 cget iface=CARD,name='Headphone Jack'" ] || exit 1
cat {answer}
"""
PATIENT = Pace(look=0.01, look_private=0.01, answer=30, silent=30)  # of a machine that is busy


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


@pytest.fixture
def card(tmp_path: Path) -> tuple[Path, str]:
    """What the card says, and the program that asks it."""
    answer, program = tmp_path / "answer", tmp_path / "amixer"
    program.write_text(AMIXER.format(answer=answer))
    program.chmod(0o755)
    return answer, str(program)


def says(value: str) -> str:
    kind = "; type=BOOLEAN,access=r-------,values=1"
    return f"numid=5,iface=CARD,name='Headphone Jack'\n  {kind}\n  : values={value}\n"


@pytest.mark.parametrize(
    ("answer", "plugged"),
    [
        (says("on"), True),
        (says("off"), False),
        ("", None),
        (says("on,off"), None),
        (says("on") + says("off"), None),
        ("amixer: Cannot find the given element\n", None),
        ("\xff" * 1000, None),
    ],
)
def test_what_the_card_says(card: tuple[Path, str], answer: str, plugged: bool | None) -> None:
    card[0].write_text(answer, "latin-1")
    assert Jack("0", "Headphone Jack", card[1], PATIENT).look() is plugged


def test_no_card_or_no_program(card: tuple[Path, str]) -> None:
    assert Jack("0", "Headphone Jack", card[1], PATIENT).look() is None
    assert Jack("1", "Headphone Jack", card[1], PATIENT).look() is None
    assert Jack("0", "Headphone Jack", "/nowhere/amixer", PATIENT).look() is None


def test_changes_are_told(card: tuple[Path, str]) -> None:
    told: list[bool | None] = []
    card[0].write_text(says("off"))
    speaker = AlsaSpeaker(jack=Jack("0", "Headphone Jack", card[1], PATIENT))
    speaker.watch(told.append)
    until(lambda: told == [False])
    card[0].write_text(says("on"))
    until(lambda: told[-1] is True)
    card[0].unlink()
    until(lambda: told[-1] is None)
    speaker.close()


def test_while_headphones_are_in_it_is_looked_often_and_silence_is_soon_no_headphones() -> None:
    pace = jack.PACE
    assert pace.look_private + pace.answer <= pace.silent <= 0.3


HANGS = """#!/bin/sh
echo $$ > {folder}/asked
if [ -e {folder}/hangs ]; then exec sleep 600; fi
cat {folder}/answer
"""


@pytest.fixture
def hanging(tmp_path: Path) -> tuple[Path, str]:
    """A card that does not answer any more once the file `hangs` is there."""
    (tmp_path / "answer").write_text(says("on"))
    program = tmp_path / "amixer"
    program.write_text(HANGS.format(folder=tmp_path))
    program.chmod(0o755)
    return tmp_path, str(program)


@pytest.mark.parametrize(
    "pace",
    [Pace(0.01, 0.01, answer=600, silent=0.2), Pace(0.01, 0.01, answer=0.2, silent=600)],
    ids=["asking never ends", "the answer is late"],
)
def test_a_card_that_hangs_is_not_private(hanging: tuple[Path, str], pace: Pace) -> None:
    """And what is being said is cut before that is told."""
    folder, program = hanging
    told: list[bool | None] = []
    heard: list[str] = []
    speaker = AlsaSpeaker(jack=Jack("0", "Headphone Jack", program, pace))
    speaker.stop = lambda: heard.append(f"quiet after {told[-1]}")  # type: ignore[method-assign]
    speaker.watch(told.append)
    until(lambda: True in told)
    (folder / "hangs").touch()
    until(lambda: told[-1] is None)
    assert heard == ["quiet after True"] * told.count(True)
    speaker.close()


def test_a_card_that_hangs_holds_nobody_up_at_the_end(hanging: tuple[Path, str]) -> None:
    folder, program = hanging
    (folder / "hangs").touch()
    watched = Jack("0", "Headphone Jack", program, Pace(answer=600, silent=600))
    watched.watch(lambda _: None)
    until(lambda: (folder / "asked").exists() and watched._child is not None)
    watched.close()
    assert watched._child is not None and watched._child.poll() is not None
    assert not any(thread.is_alive() for thread in watched._threads)


def test_who_was_asked_and_hangs_is_not_asked_again(hanging: tuple[Path, str]) -> None:
    folder, program = hanging
    (folder / "hangs").touch()
    watched = Jack("0", "Headphone Jack", program, Pace(answer=0.01))

    class Stuck:
        """A process in the kernel: it cannot be ended."""

        returncode = None

        def poll(self) -> None:
            return None

    watched._child = Stuck()  # type: ignore[assignment]
    assert watched.look() is None
    assert not (folder / "asked").exists()


def test_a_card_that_cannot_feel_its_socket() -> None:
    told: list[bool | None] = []
    speaker = AlsaSpeaker()
    speaker.watch(told.append)
    assert told == [None]
    speaker.close()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    threading.Thread(target=made.run_forever, daemon=True).start()
    yield made
    made.call_soon_threadsafe(made.stop)


def test_a_speaker_on_the_network_tells(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hal.speaker.network.AGAIN_S", 0.02)
    hushes: list[None] = []
    far = SpeakerFarEnd(hushed=lambda: hushes.append(None))
    asyncio.run_coroutine_threadsafe(far.start(), loop).result(30)
    told: list[bool | None] = []
    speaker = NetworkSpeaker(far.address)
    speaker.watch(told.append)
    loop.call_soon_threadsafe(far.plug, True)
    until(lambda: told == [None, True])
    speaker.play((wav.encode(wav.Recording(8000, np.ones(80, np.int16), "a name")),))
    until(lambda: bool(far.last))
    hushed = len(hushes)
    loop.call_soon_threadsafe(far.plug, False)
    until(lambda: told == [None, True, False])
    until(lambda: len(hushes) > hushed)
    loop.call_soon_threadsafe(far.plug, True)
    until(lambda: told[-1] is True)
    loop.call_soon_threadsafe(far.hang_up)  # and it says so again to whoever connects again
    until(lambda: told[-2:] == [None, True] and len(told) == 6)
    speaker.close()
    asyncio.run_coroutine_threadsafe(far.close(), loop).result(30)
    assert not far.violations
