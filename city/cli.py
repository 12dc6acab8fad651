"""`kiosk city`, or `python -m city`: the city's gateway, and what its operator does with it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

# Action: the module whose `main(argv)` it is (or module:function), and what it does.
ACTIONS: Mapping[str, tuple[str, str]] = {
    "serve": ("city.cli:serve", "the gateway itself; `kiosk city --config FILE` is the same"),
    "enroll": ("city.enroll", "link a card to a resident"),
    "use": ("city.use_command", "register cards of people who live elsewhere (利用登録)"),
    "check": ("city.check_command", "what the city's data says: now, in 400 days, in pictures"),
    "words": ("city.words_command", "what kiosks say in the city's own words, to be recorded"),
    "migrate": ("city.command:migrate", "bring the database's schema up to this build's"),
    "audit": ("city.audit_command:audit", "verify the log, sign it"),
    "cases": ("city.command:cases", "anomalies at the city's end"),
    "kiosks": (
        "city.kiosk_command",
        "sign, list, renew and revoke certificates of kiosks; their journals",
    ),
    "fleet": ("city.fleet_command", "how the kiosks are, as each told last"),
    "builds": ("city.build_command", "which builds of the kiosk may serve, and which run where"),
    "rollout": ("city.rollout_command", "let a build go out to the kiosks, ring by ring"),
    "orders": ("city.order_command", "issued sheets: look one up, declare it void"),
    "retention": ("city.retention.command", "how long what is kept, and its deletion"),
    "transparency": ("city.transparency.command", "the public figures: a page, JSON and CSV"),
    "sign-terms": ("city.terms", "sign what the city's data says of its forms"),
    "openapi": ("city.kiosk_command:describe", "the gateway's own description"),
    "verification": ("city.verification.program", "the page on which anybody checks a sheet"),
}


def main(argv: Sequence[str]) -> int:
    """What the action returns. Raises what it raises: errors of the city's own types are
    one line.
    """
    words = list(argv)
    if words and words[0] in ACTIONS:
        module, _, function = ACTIONS[words[0]][0].partition(":")
        program: Callable[[Sequence[str]], int] = getattr(import_module(module), function or "main")
        return program(words[1:])
    return serve(words)


def serve(argv: Sequence[str]) -> int:
    """The gateway, in the foreground: 0 after a signal, 1 with one line when it cannot run."""
    actions = "\n".join(f"  {name:14}{text}" for name, (_, text) in ACTIONS.items())
    parser = argparse.ArgumentParser(
        prog="kiosk city",
        description="The city's gateway.",
        epilog=f"actions:\n{actions}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
    )
    given = parser.parse_args(argv)

    from city.gateway import main as run  # wrong words are answered without waiting for this

    return run(given.config)


def program() -> int:
    """For `python -m city`: one line instead of a traceback for what is foreseen."""
    try:
        return main(sys.argv[1:])
    except Exception as error:
        if not isinstance(error, OSError) and type(error).__module__.partition(".")[0] not in (
            "city",
            "firmware",
        ):
            raise
        sys.stderr.write(f"city: {error}\n")
        return 2
