"""Who carries out which command: one handler a subject, each with a table of its own.

A new command needs its dataclass (`flow/commands.py`), its permit (`flow/permits.py`), and a line
in the table of one handler here.
"""

from __future__ import annotations

from firmware.flow import commands
from firmware.service.handlers.base import Handler, check_complete
from firmware.service.handlers.card import CardHandler
from firmware.service.handlers.cases import CaseHandler
from firmware.service.handlers.cash import CashHandler
from firmware.service.handlers.cashless import CashlessHandler
from firmware.service.handlers.city import CityHandler
from firmware.service.handlers.outbox import OutboxHandler
from firmware.service.handlers.panel import PanelHandler
from firmware.service.handlers.paper import PaperHandler
from firmware.service.handlers.readiness import ReadinessHandler
from firmware.service.handlers.session import SessionHandler
from firmware.service.handlers.timers import TimerHandler

HANDLERS: tuple[type[Handler], ...] = (
    PanelHandler,
    TimerHandler,
    CardHandler,
    CityHandler,
    OutboxHandler,
    CashHandler,
    CashlessHandler,
    ReadinessHandler,
    PaperHandler,
    CaseHandler,
    SessionHandler,
)
check_complete(HANDLERS, commands.Command.__subclasses__())
