"""A child of the supervisor: what is known of it, and its whole life from the fork on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from firmware.service.config import Config
from firmware.service.exchange_record import record_exchanges
from firmware.service.harden import harden
from firmware.service.listeners import Listeners
from firmware.service.log import log
from firmware.service.pipe import Send, WordReader


@dataclass
class Child:
    pid: int
    go: int  # write one byte: your turn
    news: int  # read its bytes
    # a resident; otherwise it shows why the kiosk is closed, or is the technician's
    serves: bool = True
    technician: bool = False
    active: bool = False
    last_word_at: float = 0.0  # monotonic seconds of the last word
    ended: float = 0.0  # of ENDED
    signalled: int = 0  # the last signal sent to it
    reader: WordReader = field(default_factory=WordReader)


class Served(Protocol):
    """A child's program: what `Resident` is to the supervisor."""

    def run(self) -> Coroutine[Any, Any, int]: ...


Serve = Callable[[Config, Listeners, Send], Served]
Close = Callable[..., Served]  # as `Closed`


def be_child(config: Config, listeners: Listeners, go: int, news: int, serve: Serve) -> int:
    """The child's whole life. Returns its exit code; never raises."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until the resident's own loop takes it
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides
        harden()
        if not os.read(go, 1):
            return 0

        record_exchanges(config)

        def send(word: str) -> None:
            os.write(news, word.encode() + b"\n")

        return asyncio.run(serve(config, listeners, send).run())
    except BaseException as error:
        log("error", where="child", what=type(error).__name__)
        return 1
