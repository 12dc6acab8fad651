"""Puts one fault in after the other, lets the real command look, and judges what it says."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from testbed.diagnose_drill.fault import Fault, Put
from testbed.diagnose_drill.site import Site

HUNG_S: Final = 60.0  # a whole walk has 15; this one may run on a machine that is busy


class Outcome(StrEnum):
    NAMED = "named"  # with its own code
    SEEN = "seen"  # not OK, with another code
    MISSED = "missed"
    HUNG = "hung"
    NOT_PUT = "not-put"  # it cannot be put in here


@dataclass(frozen=True)
class Judged:
    fault: Fault
    outcome: Outcome
    code: str = ""
    detail: str = ""
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "fault": self.fault.name,
            "line": self.fault.check,
            "wanted": self.fault.code,
            "outcome": self.outcome.value,
            "code": self.code,
            "detail": self.detail,
            "seconds": round(self.seconds, 2),
        }


def sample(faults: Sequence[Fault], count: int, seed: int) -> list[Fault]:
    """So many of them, in the table's order."""
    chosen = random.Random(seed).sample(range(len(faults)), min(count, len(faults)))  # noqa: S311
    return [faults[at] for at in sorted(chosen)]


async def drill(site: Site, faults: Sequence[Fault]) -> AsyncIterator[Judged]:
    for fault in faults:
        yield await judge(site, fault)


async def judge(site: Site, fault: Fault) -> Judged:
    """The fault is in while the diagnosis looks, and only then."""
    if lacking := fault.lacking(site):
        return Judged(fault, Outcome.NOT_PUT, detail=lacking)
    began = time.monotonic()
    async with fault.put(site) as put:
        findings = await diagnose(site, put, fault.check)
    seconds = time.monotonic() - began
    if findings is None:
        return Judged(fault, Outcome.HUNG, seconds=seconds)
    found = next((each for each in findings if each["name"] == fault.check), None)
    if found is None or found["ok"]:
        return Judged(fault, Outcome.MISSED, detail=str(found), seconds=seconds)
    outcome = Outcome.NAMED if found["code"] == fault.code else Outcome.SEEN
    return Judged(fault, outcome, found["code"], found["detail"], seconds)


async def diagnose(site: Site, put: Put, *only: str) -> list[dict[str, Any]] | None:
    """What `kiosk diagnose` reports; None when it came to no end. Raises RuntimeError when it is
    no report.
    """
    file = put.file or site.configured(put.over)
    clock = ("testbed.diagnose_drill.other_clock", str(put.ahead_s))
    program = ("-m", *clock) if put.ahead_s else ("-m", "firmware.tools", "diagnose")
    arguments = ("--config", str(file), "--json", *site.whose, *put.arguments)
    named = ("--only", *only) if only else ()
    process = await asyncio.create_subprocess_exec(
        *put.wrapper,
        sys.executable,
        *program,
        *arguments,
        *named,
        env=os.environ | put.environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, errors = await asyncio.wait_for(process.communicate(), HUNG_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    try:
        findings: list[dict[str, Any]] = json.loads(out)["findings"]
    except (ValueError, KeyError):
        raise RuntimeError(f"no report: {out.decode()} {errors.decode()}") from None
    return findings
