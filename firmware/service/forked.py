"""Work with a device, done in a forked child with a deadline: no device can hold up or end the
supervisor.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import time
from collections.abc import Callable

from firmware.service import notify
from firmware.service.harden import harden
from firmware.service.log import log


def forked(work: Callable[[], bytes], deadline_s: float) -> bytes:
    """What the work answers, or b"" when it broke or took longer. Never raises."""
    read, write = os.pipe()
    gc.collect()  # no connection to the journal may be carried into a child
    try:
        pid = os.fork()
    except OSError as error:
        log("error", where="fork", what=error.strerror or "")
        os.close(read)
        os.close(write)
        return b""
    if pid == 0:
        os.close(read)
        os._exit(_be_child(work, write))
    os.close(write)
    log("recovery.begun", child=pid)
    output = _listen(read, deadline_s)
    os.close(read)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _reap(pid)
    log("recovery.ended", child=pid, answered=bool(output))
    return output


def _be_child(work: Callable[[], bytes], write: int) -> int:
    """Its whole life. What it writes counts only when it is whole."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        harden()
        answer = work()
        with os.fdopen(write, "wb") as out:
            out.write(answer)
    except BaseException as error:
        log("error", where="recovery", what=type(error).__name__)
        return 1
    return 0


def _listen(read: int, deadline_s: float) -> bytes:
    """All that the child writes until it is gone, or b"" when that takes too long. The watchdog is
    notified meanwhile.
    """
    deadline = time.monotonic() + deadline_s
    notify.send(f"EXTEND_TIMEOUT_USEC={round(2 * deadline_s * 1e6)}")
    output = b""
    while time.monotonic() < deadline:
        notify.send("WATCHDOG=1")
        if not select.select([read], [], [], min(1.0, deadline_s))[0]:
            continue
        piece = os.read(read, 65_536)
        if not piece:
            return output
        output += piece
    return b""


def _reap(pid: int) -> None:
    """One that hangs in the kernel is left to the supervisor, which reaps whatever dies later."""
    for _ in range(20):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                time.sleep(0.05)
                continue
        return
