"""What can go wrong with the key switch, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hal.sim.fault import Fault, setting
from hal.sim.service_key.device import KeySim

FAULTS: Mapping[str, Fault[KeySim]] = MappingProxyType(
    {
        "key-mute": setting("its module answers nothing", "mute"),
        "key-cut": setting("the wires of its contacts are cut", "cut"),
        "key-shorted": setting("the wires of its contacts touch each other", "shorted"),
        "key-garbled": setting("a bit of its next answer flips", "garbles", 1, 0),
    }
)
