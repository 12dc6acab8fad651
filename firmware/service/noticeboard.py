"""The supervisor's side of the status: what its children told, and the file that others read."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec

from firmware.service import status
from firmware.service.build import build
from firmware.service.config import Config
from firmware.service.log import log
from firmware.service.status import Availability, End, Report, Status, Tally
from firmware.service.stop import TECHNICIAN
from firmware.service.teller import count_in, told_report


@dataclass
class Noticeboard:
    config: Config
    report: Report = field(default_factory=Report)
    why: str = ""
    case: str = ""
    _tally: Tally = field(default_factory=Tally)
    _changed: bool = True
    _written: float = 0.0  # monotonic seconds
    _trouble: str = ""  # why it could not be written, as it was logged

    def __post_init__(self) -> None:
        with suppress(OSError):
            if earlier := status.read(self.config.kiosk.runtime):
                self._tally = earlier.tally

    def hear(self, word: str) -> None:
        """Of the child that serves, or that says why the kiosk is closed."""
        report = told_report(word)
        if report is not None:
            self.report = report
            self._changed = True
        elif count_in(word, self._tally):
            self._changed = True

    def closed(self, problem: str, case: str, why: str = "") -> None:
        self.case, self.why = case, why
        self._tell(Availability.OUT_OF_SERVICE, problem)

    def opened_for_technician(self) -> None:
        """Nobody is served; what is known of the devices stays."""
        self.report = msgspec.structs.replace(
            self.report, availability=Availability.OUT_OF_SERVICE, problem=TECHNICIAN
        )
        self._changed = True

    def reopened(self) -> None:
        self.case = self.why = ""
        self._tell(Availability.STARTING)

    def died(self) -> None:
        """The process of a person."""
        self._tally.count_visit(End.DIED)
        self._changed = True

    def stopped(self, why: str = "", code: str = "") -> None:
        """The last word. `code` is one of `start_trouble`, when the kiosk could not start."""
        self.why, self.case = why, code
        self._tell(Availability.STOPPED)
        self.write()

    def _tell(self, availability: Availability, problem: str = "") -> None:
        self.report = Report(availability=availability, problem=problem)
        self._changed = True

    def write_when_due(self) -> None:
        if self._changed or time.monotonic() - self._written >= status.BEAT_S:
            self.write()

    def write(self) -> None:
        """Never raises: whoever is being served is not to suffer for it."""
        self._changed, self._written = False, time.monotonic()
        kiosk = self.config.kiosk
        try:
            disk = os.statvfs(kiosk.state)
            content = Status(
                kiosk=kiosk.id,
                build=build(),
                pid=os.getpid(),
                at=time.time(),
                report=self.report,
                why=self.why,
                case=self.case,
                disk_free=disk.f_bavail * disk.f_frsize,
                tally=self._tally,
            )
            status.write(kiosk.runtime, content)
            trouble = ""
        except OSError as error:
            trouble = error.strerror or type(error).__name__
        if trouble and trouble != self._trouble:
            log("error", where="status", what=trouble)
        self._trouble = trouble
