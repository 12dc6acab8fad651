"""What can go wrong with the line to the city and with the reader's cable; in their loop."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hal.sim.fault import Argument, Fault, setting
from hal.sim.line import Cable, LineRelay

SECONDS = Argument("seconds", usual=1.0, most=600)

FAULTS: Mapping[str, Fault[LineRelay]] = MappingProxyType(
    {
        "line-cut": Fault(
            "no connection to the city comes about, and those that there are end",
            lambda line, _: line.cut(),
            LineRelay.restore,
            lambda line: line.cut_off,
        ),
        "line-stall": Fault(
            "whoever is connected to the city stays so, and nothing comes through",
            lambda line, _: line.stall(),
            LineRelay.flow,
            lambda line: line.stalled,
        ),
        "line-slow": setting(
            "each piece of data is held back so long, in both directions",
            "delay_s",
            well=0.0,
            argument=SECONDS,
        ),
    }
)
OF_READER: Mapping[str, Fault[Cable]] = MappingProxyType(
    {
        "reader-lost": Fault(
            "the reader is unplugged",
            lambda cable, _: cable.cut(),
            Cable.restore,
            lambda cable: cable.cut_off,
        ),
    }
)
