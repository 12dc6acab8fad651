"""What can go wrong with a network speaker, by name; done to it in its loop."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hal.sim.fault import Fault, moment, setting
from hal.sim.speaker import SpeakerFarEnd

FAULTS: Mapping[str, Fault[SpeakerFarEnd]] = MappingProxyType(
    {
        "speaker-gone": setting("its line is cut, and every new one too", "gone"),
        "speaker-deaf": setting("it takes nothing of what it is sent", "deaf"),
        "speaker-hangs-up": moment("it ends the connection, once", SpeakerFarEnd.hang_up),
    }
)
