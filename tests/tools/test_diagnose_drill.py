"""The drill: its table is whole, and a sample of its faults is named by the real command."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from firmware.tools import diagnose
from firmware.tools.diagnose.finding import causes
from testbed.diagnose_drill.command import report
from testbed.diagnose_drill.drill import Judged, Outcome, drill, sample
from testbed.diagnose_drill.fault import Fault
from testbed.diagnose_drill.faults import FAULTS
from testbed.diagnose_drill.site import READABLE, Site

SEED, COUNT = 11, 10
SLOW = {"check.timeout"}  # it waits for the deadline
# Lines that nothing can be put into: they only tell.
ONLY_TELL = {"build", "exchanges", "screen-fonts", "clock"}


def test_the_table_is_whole() -> None:
    assert [name for name, n in Counter(each.name for each in FAULTS).items() if n > 1] == []
    assert {each.check for each in FAULTS} == set(diagnose.TITLES) - ONLY_TELL
    assert {each.code for each in FAULTS} <= set(causes())
    assert len(FAULTS) >= 87


def test_a_sample_is_the_same_each_time() -> None:
    assert sample(FAULTS, 5, 3) == sample(FAULTS, 5, 3) != sample(FAULTS, 5, 4)
    assert sample(FAULTS, 10_000, 1) == list(FAULTS)


def test_a_sample_is_named() -> None:
    """In a folder that the service's user may enter: those of pytest are its own alone."""
    quick = [each for each in FAULTS if each.code not in SLOW]
    with tempfile.TemporaryDirectory(prefix="madoguchi-drill-") as folder:
        Path(folder).chmod(READABLE)
        judged = asyncio.run(_drilled(Path(folder) / "site", sample(quick, COUNT, SEED)))
    wrong = [each.as_json() for each in judged if each.outcome not in GOOD]
    assert not wrong
    assert report(judged)["faults"] == COUNT


GOOD = (Outcome.NAMED, Outcome.NOT_PUT)


async def _drilled(folder: Path, faults: list[Fault]) -> list[Judged]:
    async with Site(folder) as site:
        return [each async for each in drill(site, faults)]
