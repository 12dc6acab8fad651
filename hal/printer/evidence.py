"""Did the sheet come out? What is known when a page could not be confirmed, and what follows from
it.

A page that was not confirmed is not a page that did not come out. The driver collects facts; the
table below says what they prove. What they do not prove is UNKNOWN, and then a person has to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hal.faults import DeviceFault, Reason
from hal.printer.contract import Outlet

FENCES = 3  # before the last printed band, before the cut, behind the cut


class Out(StrEnum):
    """Whether the whole sheet is out of the printer."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Evidence:
    """`sent`: every byte that carries black dots was handed to the wire. `fences`: how many of
    FENCES were answered.

    `cleared`: the printer itself named, twice and over the same connection, a cause that keeps it
    from printing, and then said that it has thrown away what it had not drawn: no refill makes it
    go on. `before` and `after`: what the outlet's sensor said before the page was sent and after it
    had failed.
    """

    sent: bool
    fences: int
    cleared: bool = False
    before: Outlet = Outlet.NOT_SUPPORTED
    after: Outlet = Outlet.NOT_SUPPORTED
    interrupted: bool = False


def out(evidence: Evidence) -> Out:
    """What the evidence proves. The first line that applies decides.

    A cut connection or silence proves nothing: the printer goes on with what it holds. An empty
    outlet proves nothing either: a quick hand may have taken the sheet.
    """
    arrived = evidence.before is Outlet.CLEAR and evidence.after is Outlet.PRESENT
    proofs = (
        (evidence.fences >= FENCES and not evidence.interrupted, Out.YES),
        (not evidence.sent, Out.NO),  # its last dots never left this machine
        (evidence.fences == 0 and evidence.cleared, Out.NO),  # its last band stood behind the fence
        (
            evidence.fences == FENCES - 1 and arrived and not evidence.interrupted,
            Out.YES,
        ),  # all of it was drawn, and a sheet lies there
    )
    return next((proved for holds, proved in proofs if holds), Out.UNKNOWN)


class PageFault(DeviceFault):
    """A page was begun and not confirmed. `out`: whether the whole sheet came out all the same."""

    def __init__(self, device: str, reason: Reason, out: Out, detail: str = "") -> None:
        super().__init__(device, reason, detail)
        self.out = out
