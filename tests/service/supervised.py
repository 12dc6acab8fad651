"""A supervisor whose residents are played: argv is the state folder, then what each child in turn shall do.

Run by test_service_supervisor.py as a program of its own: it forks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from firmware.service import supervisor
from firmware.service.cases import journal_path
from firmware.service.journal import Journal
from firmware.service.log import configure

STATE, PLAN = Path(sys.argv[1]), sys.argv[2:]


class Played:
    """Takes the next word of the plan when its turn has come; after the last one it waits to be told to stop."""

    def __init__(self, config: Any, listeners: Any, tell: Callable[[str], None]) -> None:
        self.turn = len(list(STATE.glob("turn-*")))
        self.does = PLAN[self.turn] if self.turn < len(PLAN) else "wait"
        self.tell = tell

    async def run(self) -> int:
        if self.does == "stillborn":
            (STATE / f"turn-{self.turn}").touch()
            return 1
        journal = Journal(journal_path(STATE))
        session = os.urandom(16).hex()
        journal.write(session, "begun")
        journal.write(session, "coin", value=100)
        stopped = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
        (STATE / f"turn-{self.turn}").write_text(str(os.getpid()))  # from here on it can be told to stop
        self.tell("R")
        if self.does == "crash":
            os.abort()
        if self.does == "silent":
            time.sleep(60)
        if self.does == "wait":
            while not stopped.is_set():
                self.tell(".")
                await asyncio.sleep(0.05)
        journal.write(session, "payout-done", amount=100)
        journal.write(session, "ended", kept=0, returned=100, owed=0)
        self.tell("E")
        if self.does == "linger":
            time.sleep(60)
        return 0


if __name__ == "__main__":
    supervisor.SILENT_S, supervisor.DYING_S, supervisor.TICK_S = 1.0, 0.5, 0.1
    configure("info")
    supervisor.RENEW_AFTER = int(os.environ.get("RENEW_AFTER", supervisor.RENEW_AFTER))
    panel = SimpleNamespace(listen="127.0.0.1:0")
    config: Any = SimpleNamespace(kiosk=SimpleNamespace(state=STATE), panel=panel, card=None)
    sys.exit(supervisor.Supervisor(config, supervisor.open_listeners(config), Played).run())
