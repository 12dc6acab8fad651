"""What the service may ask of a speaker: play, be quiet, tell whether headphones are in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

# True: headphones are in; False: they are not; None: nobody can tell, which is never private.
Plugged = Callable[[bool | None], None]


class Speaker(Protocol):
    """Playing never blocks the caller; a new recording interrupts the one that plays."""

    def check(self) -> None:
        """Whether it takes sound; nothing is heard. Raises DeviceFault, which says why not."""
        ...

    def play(self, recordings: tuple[bytes, ...]) -> None:
        """Play WAV recordings (16 bit, mono; LIST/INFO INAM holds what is said) one after the
        other.

        Raises DeviceFault NOT_CONNECTED when nothing can play.
        """
        ...

    def stop(self) -> None:
        """Be quiet at once. Never raises."""
        ...

    def set_volume(self, percent: int) -> None:
        """0..100, from the next recording on."""
        ...

    def watch(self, plugged: Plugged) -> None:
        """From now on tell, from a thread of its own, whether headphones are in: at first, and
        whenever that changes. What is being played to headphones ends before it is told that
        they are not in any more. Never raises.
        """
        ...

    def close(self) -> None:
        """Never raises."""
        ...
