"""The panel's port and browser, what the kernel grants, whose rights the service has, and a file
that hangs whoever reads it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from testbed.diagnose_drill import far_ends
from testbed.diagnose_drill.fault import Change, Fault, Put, made, needs_root, says
from testbed.diagnose_drill.site import Site

FIRST_FREE: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
PRIVILEGED: Final = 80


def _panel(reply: far_ends.Reply) -> Change:
    @asynccontextmanager
    async def put(_: Site) -> AsyncIterator[Put]:
        async with far_ends.on_port(reply) as address:
            yield Put({"panel": {"listen": address}})

    return put


@asynccontextmanager
async def _deaf(_: Site) -> AsyncIterator[Put]:
    """Somebody listens and takes nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield Put({"panel": {"listen": f"127.0.0.1:{listener.getsockname()[1]}"}})


def _privileged(site: Site) -> str:
    if not site.by_root:
        return needs_root(site)
    free = int(FIRST_FREE.read_text()) <= PRIVILEGED
    return "every port is free to all here" if free else ""


def _pipe(site: Site) -> Put:
    """A file that nobody ever finishes reading, as on a network disk that is gone."""
    path = site.scratch("pipe")
    os.mkfifo(path)
    return Put({"trust": {"issuing_keys": [site.give(path)]}})


FAULTS: Final = (
    Fault("panel: another program", "panel", "panel.port-used", _panel(lambda _: b"220 mail\r\n")),
    Fault("panel: it hangs", "panel", "panel.hung", _deaf),
    Fault(
        "panel: not our address", "panel", "panel.not-ours", says("panel", listen="192.0.2.1:8080")
    ),
    Fault(
        "panel: a privileged port",
        "panel",
        "panel.privileged",
        says("panel", listen=f"127.0.0.1:{PRIVILEGED}"),
        _privileged,
    ),
    Fault(
        "browser: none",
        "browser",
        "panel.no-browser",
        made(lambda _: Put(environment={"PATH": "/nowhere"})),
    ),
    Fault(
        "memory: not locked",
        "memory",
        "memory.not-locked",
        made(lambda _: Put(wrapper=("prlimit", "--memlock=65536:65536"))),
        needs_root,
    ),
    Fault(
        "account: no such user",
        "account",
        "account.missing",
        made(lambda _: Put(arguments=("--user", "no-such-user"))),
        needs_root,
    ),
    Fault(
        "account: root",
        "account",
        "account.root",
        made(lambda _: Put(arguments=("--user", ""))),
        needs_root,
    ),
    Fault("issuing-keys: a file that hangs", "issuing-keys", "check.timeout", made(_pipe)),
)
