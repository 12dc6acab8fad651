"""What the kiosk tells of itself while it runs: one small file, written by the supervisor, for
`kiosk status` and `kiosk metrics`. docs/telemetry.md says what each field means.

It holds states, codes and counts; nothing of a person. It lies on a tmpfs, so it is replaced as
often as something changes, and never synced. Who reads it touches no device and no journal.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from firmware.flow.states import Phase, State
from firmware.link.messages import CaseCount

FILE: Final = "status.json"
FILE_MODE: Final = 0o644  # whoever has a board's shell may know how it is
BEAT_S: Final = 5.0  # it is written so often although nothing changes
SILENT_S: Final = 60.0  # a kiosk that settles after a power cut may be busy for 45 s


class Availability(StrEnum):
    """What a person in front of it, or an operator far away, can count on."""

    STARTING = "starting"
    READY = "ready"  # waits for anybody
    SERVING = "serving"
    OFF_HOURS = "off-hours"  # the city's service is closed now
    OUT_OF_SERVICE = "out-of-service"
    STOPPED = "stopped"  # it was asked to end, or it could not start


WELL: Final = frozenset({Availability.READY, Availability.SERVING, Availability.OFF_HOURS})
OF_STATE: Final[Mapping[State, Availability]] = {
    State.STARTING: Availability.STARTING,
    State.FAULT: Availability.OUT_OF_SERVICE,
    State.CLOSED: Availability.OFF_HOURS,
    State.MENU: Availability.READY,
}


def availability(state: State) -> Availability:
    return OF_STATE.get(state, Availability.SERVING)


class End(StrEnum):
    """How a visit ended: from the first card, or coin, to the end of its process."""

    PRINTED = "printed"  # all of the sheets
    REFUSED = "refused"  # by the city or the card, as it should
    LEFT = "left"  # the person went, or time was over
    UNCLEAR = "unclear"  # money or a sheet of which nobody can tell: there is a case
    DIED = "died"  # a process that served, or waited for somebody, did


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a resident's process knows, replaced as a whole."""

    availability: Availability = Availability.STARTING
    problem: str = ""  # a key of the texts; "" for none
    devices: dict[str, str] = {}  # device -> its trouble, "" for none
    paper: dict[str, str] = {}  # printer -> a `PaperSupply`
    change: dict[str, int] = {}  # yen -> coins that are certainly in its hoppers
    exact_only: bool = False
    cases: int = 0  # open ones
    case_codes: tuple[CaseCount, ...] = ()  # the same by their codes
    waiting: int = 0  # outcomes that the city has not heard
    # version of the image that the city wants to run here; "": as it is, None: it does not say
    wanted: str | None = None


class Histogram(msgspec.Struct, kw_only=True):
    """Counts of what lasted at most so many seconds (`BUCKETS_S`, and one for longer)."""

    counts: list[int]
    total_s: float = 0.0


BUCKETS_S: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)


class Tally(msgspec.Struct, kw_only=True):
    """Counted since the board was switched on: the file outlives the processes."""

    visits: dict[str, int] = {}
    stages: dict[str, Histogram] = {}
    faults: dict[str, dict[str, int]] = {}  # device -> reason -> times

    def count_visit(self, end: End) -> None:
        self.visits[end] = self.visits.get(end, 0) + 1

    def count_stage(self, phase: Phase, seconds: float) -> None:
        empty = [0] * (len(BUCKETS_S) + 1)
        histogram = self.stages.setdefault(phase.value, Histogram(counts=empty))
        if len(histogram.counts) != len(empty):  # counted by a build with other limits
            histogram = self.stages[phase.value] = Histogram(counts=empty)
        place = next((n for n, most in enumerate(BUCKETS_S) if seconds <= most), len(BUCKETS_S))
        histogram.counts[place] += 1
        histogram.total_s += seconds

    def count_fault(self, device: str, reason: str) -> None:
        of_device = self.faults.setdefault(device, {})
        of_device[reason] = of_device.get(reason, 0) + 1


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content."""

    kiosk: str
    build: str
    pid: int  # of the supervisor
    at: float  # seconds since 1970, when it was written
    report: Report
    why: str = ""  # one line: why the kiosk could not start, or why its journal takes nothing
    case: str = ""  # of a kiosk that the supervisor has closed, or what was not signed so
    disk_free: int = 0  # bytes, for the journal
    tally: Tally


def status_file(runtime: Path) -> Path:
    """`runtime` is `kiosk.runtime`."""
    return runtime / FILE


def write(runtime: Path, status: Status) -> None:
    """Whole or not at all. Raises OSError."""
    path = status_file(runtime)
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        file.write(msgspec.json.encode(status))
    fresh.replace(path)


def read(runtime: Path) -> Status | None:
    """None when there is none that this build understands. Raises PermissionError."""
    try:
        return msgspec.json.decode(status_file(runtime).read_bytes(), type=Status)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # msgspec's errors are of these
        return None


def is_silent(status: Status, now: float | None = None) -> bool:
    """Whether whoever wrote it has ended without a word, or hangs."""
    age = (time.time() if now is None else now) - status.at
    return status.report.availability is not Availability.STOPPED and abs(age) > SILENT_S
