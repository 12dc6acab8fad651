"""A scenario on the simulated wires with a kiosk of which some tables are another's: the way to try
a driver of one's own in a whole journey.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firmware.service import toml
from firmware.service.config import load as load_config
from testbed.far_ends import addresses, filled
from testbed.rehearsal import Rehearsal
from testbed.scenario import wires
from testbed.scenario_file import load
from testbed.system import System


async def play(file: Path, folder: Path, run: Path, tables: Mapping[str, Any]) -> None:
    """Every journey of the file. Nothing is spoken. Raises BadScript, ConfigError, Failed,
    RehearsalError, ProcessDead.
    """
    for number, script in enumerate(load(file)):
        rehearsal = wires.prepare_for(script, folder, run / str(number), spoken=())
        _put_in(rehearsal, tables)
        async with System(rehearsal) as system:
            await wires.run(script, system)


def _put_in(rehearsal: Rehearsal, tables: Mapping[str, Any]) -> None:
    document = tomllib.loads(rehearsal.kiosk_toml.read_text("utf-8"))
    document |= filled(tables, addresses(rehearsal.wiring))
    rehearsal.kiosk_toml.write_text(toml.dumps(document), "utf-8")
    load_config(rehearsal.kiosk_toml)
