"""What the service may ask of the technician's key switch."""

from __future__ import annotations

from typing import Protocol


class ServiceKey(Protocol):
    """A switch in the cabinet that only a technician's key turns. Call it from one thread."""

    def turned(self) -> bool:
        """Whether the key is turned now. Raises DeviceFault when nobody can tell: a broken wire is
        neither turned nor turned back.
        """
        ...

    def close(self) -> None:
        """Never raises."""
        ...
