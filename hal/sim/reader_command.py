"""`kiosk sim reader`: the cable of a socket reader, worked from standard input."""

from __future__ import annotations

from collections.abc import Sequence

from hal.sim.line_command import serve_reader


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until Ctrl-C or SIGTERM: 0; or 2 when the port or the socket cannot be had."""
    return serve_reader(argv)
