"""A new certificate for the line before the old one ends, asked for while nobody is being served.

It is tried with a hello of its own before it is kept, and used from the next resident's process on.
What goes wrong is in the log, and tried again later; the old certificate serves meanwhile, and
`kiosk diagnose` says when it is late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from firmware.link import messages, renewal
from firmware.link.client import CityRefusal, Line, LineConfig, LineFault, LineSetupError
from firmware.link.renewal import Papers, RenewalError
from firmware.service.log import log

AGAIN_S = 3600.0  # between two attempts of one process


def settle(config: LineConfig) -> None:
    """Before the line is opened: put a renewed certificate in place, if there is one."""
    try:
        if renewal.settle(Papers(config.certificate, config.key)):
            log("line.renewal", step="in-use")
    except RenewalError as error:
        log("line.renewal", step=str(error))


@dataclass
class RenewDesk:
    """`days`: so many before its end, a new certificate is asked for."""

    line: Line
    config: LineConfig
    days: int
    build: str
    now: Callable[[], datetime | None]  # the city's time; None: not known yet
    _next: float = 0.0  # monotonic seconds

    async def renew(self) -> None:
        """When it is time. Every end of it is a line in the log; nothing is raised."""
        now = self.now()
        if now is None or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + AGAIN_S
        papers = Papers(self.config.certificate, self.config.key)
        try:
            if renewal.due(papers, self.days, now):
                await self._exchange(papers)
                log("line.renewal", step="adopted")
        except RenewalError as error:
            log("line.renewal", step=str(error))
        except LineFault as fault:
            log("line.fault", call="renew", reason=fault.reason.value)
        except CityRefusal as refused:
            log("line.refused", call="renew", code=refused.refusal.code.value)
        except LineSetupError:
            log("line.renewal", step="not-usable")

    async def _exchange(self, papers: Papers) -> None:
        answer = await self.line.renew(messages.RenewRequest(csr=renewal.request(papers)))
        renewal.try_out(papers, answer.certificate)
        async with Line(
            replace(self.config, certificate=papers.trial, key=papers.next_key)
        ) as other:
            await other.hello(messages.Hello(protocol=messages.PROTOCOL, build=self.build))
        renewal.adopt(papers)
