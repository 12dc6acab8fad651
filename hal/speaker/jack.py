"""Whether headphones are in the socket, as the card's own control says (`amixer`, alsa-utils).

The control is a BOOLEAN of the card's interface, such as `Headphone Jack`; `amixer -c CARD
contents` lists them. A card that cannot feel its socket has none.
"""

from __future__ import annotations

import queue
import re
import subprocess
import threading
import time
from dataclasses import dataclass

from hal.speaker.contract import Plugged

VALUE = re.compile(rb"^\s*: values=(on|off)\s*$", re.MULTILINE)
END_S = 1.0


@dataclass(frozen=True)
class Pace:
    """Seconds. An answer that comes later than `answer` is none. While headphones are in, `silent`
    without an answer is "nobody can tell", whatever it is that hangs.
    """

    look: float = 1.0
    look_private: float = 0.1
    answer: float = 0.15
    silent: float = 0.3


PACE = Pace()


class Jack:
    """Looks once a second, and ten times while headphones are in; an error of any kind is "nobody
    can tell".

    One thread asks, another tells: asking may hang in the kernel, and that is told in time.
    """

    def __init__(self, card: str, control: str, program: str = "amixer", pace: Pace = PACE) -> None:
        self._command = [program, "-c", card, "cget", f"iface=CARD,name='{control}'"]
        self._pace = pace
        self._ended = threading.Event()
        self._answers: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
        self._threads: tuple[threading.Thread, ...] = ()
        self._child: subprocess.Popen[bytes] | None = None  # the last one that was asked

    def look(self) -> bool | None:
        """Never longer than an answer may take, as far as the kernel lets go of a process."""
        if self._child is not None and self._child.poll() is None:
            return None  # the one that was asked before still hangs, though it was ended
        began = time.monotonic()
        try:
            self._child = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError:
            return None
        with self._child.stdout:  # type: ignore[union-attr]
            try:
                said, _ = self._child.communicate(timeout=self._pace.answer)
            except (subprocess.TimeoutExpired, OSError, ValueError):
                self._child.kill()
                return None
        if self._child.returncode or time.monotonic() - began > self._pace.answer:
            return None
        values = VALUE.findall(said)
        return values[0] == b"on" if len(values) == 1 else None

    def watch(self, plugged: Plugged) -> None:
        """See Speaker."""
        self._threads = (
            threading.Thread(target=self._ask, name="headphones", daemon=True),
            threading.Thread(
                target=self._tell, args=(plugged,), name="headphones told", daemon=True
            ),
        )
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._ended.set()
        self._answers.put(None)
        if (asked := self._child) is not None:
            asked.kill()
        for thread in self._threads:
            thread.join(END_S)
        if (asked := self._child) is not None:
            asked.poll()

    def _ask(self) -> None:
        while not self._ended.is_set():
            now = self.look()
            self._answers.put(now)
            self._ended.wait(self._pace.look_private if now else self._pace.look)

    def _tell(self, plugged: Plugged) -> None:
        told: list[bool | None] = []
        while True:
            try:
                now = self._answers.get(timeout=self._pace.silent if told == [True] else None)
            except queue.Empty:
                now = None
            if self._ended.is_set():
                return
            if told != [now]:
                told = [now]
                plugged(now)
