"""What a process that holds somebody's data asks of the kernel, before it holds any."""

from __future__ import annotations

import ctypes
import os
import resource
import signal

from firmware.service.log import log

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4


def harden() -> None:
    """What the kernel does not give is in the log."""
    for what in ask_kernel():
        log("harden.missing", what=what)


def ask_kernel() -> list[str]:
    """No core dump, no reading by others of the same user, no swap, no life without the supervisor.
    What is refused.

    Locking memory needs a limit the unit file raises (LimitMEMLOCK).
    """
    missing = []
    libc = ctypes.CDLL(None, use_errno=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0):
        missing.append("dumpable")
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) or os.getppid() == 1:
        missing.append("parent-death-signal")
    # Only pages in use: locking what is merely mapped copies all that is shared with the
    # supervisor, 150 MiB a child.
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT):
        missing.append("mlockall")
    return missing
