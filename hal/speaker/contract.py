"""What the service may ask of a speaker: play one recording, or be quiet."""

from __future__ import annotations

from typing import Protocol


class Speaker(Protocol):
    """Playing never blocks the caller; a new recording interrupts the one that plays."""

    def play(self, recordings: tuple[bytes, ...]) -> None:
        """Play WAV recordings (16 bit, mono; LIST/INFO INAM holds what is said) one after the other.

        Raises DeviceFault NOT_CONNECTED when nothing can play.
        """
        ...

    def stop(self) -> None:
        """Be quiet at once. Never raises."""
        ...

    def set_volume(self, percent: int) -> None:
        """0..100, from the next recording on."""
        ...

    def close(self) -> None:
        """Never raises."""
        ...
