"""`kiosk city audit`: whether the log is what it was, and the first signature over it.

0 when all is well; 1 when the log is broken, or entries wait too long. With --json, one JSON value
on stdout.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Final

from city import audit as log
from city import cases as book
from city.audit import Verdict
from city.audit_seals import GENESIS, Head
from city.command import city_now, common, parser_for, print_line, read_config, to_json
from city.config import Config
from city.database import Mode
from city.issuing import published_keys
from city.work import sign_as_it_is, work

WITHIN_S: Final = 60  # a gateway seals once a second


def audit(argv: Sequence[str]) -> int:
    """Raises ConfigError, DatabaseError."""
    parser = parser_for("audit", "the log that nobody can change unseen")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    verifying = common(actions.add_parser("verify", help="follow its chain and its signatures"))
    verifying.add_argument(
        "--kept",
        type=_head,
        metavar="ENTRIES:HASH",
        help="a head told earlier and kept elsewhere: it must still be there",
    )
    verifying.set_defaults(run=_verify)
    sealing = common(
        actions.add_parser(
            "seal", help="sign it as it is: once after an update from before 0012, or a new key"
        )
    )
    sealing.set_defaults(run=_seal)
    given = parser.parse_args(argv)
    run: Callable[[Config, argparse.Namespace], int] = given.run
    return run(read_config(given), given)


def _verify(config: Config, given: argparse.Namespace) -> int:
    keys = published_keys(config)
    verdict = work(config, Mode.READ, lambda connection: log.verify(connection, given.kept, keys))
    if verdict.broken:
        at = city_now(config)
        work(
            config,
            Mode.DECIDE,
            lambda connection: book.open_case(connection, book.AUDIT_BROKEN, at),
        )
    found = {
        "entries": verdict.head.entries,
        "head": verdict.head.hash,
        "broken": verdict.broken,
        "waiting": verdict.waiting,
        "waits_s": verdict.waits_s,
        "unsigned": verdict.unsigned,
    }
    print_line(to_json(found) if given.json else _said(verdict))
    return 1 if verdict.broken or verdict.unsigned or verdict.waits_s > WITHIN_S else 0


def _said(verdict: Verdict) -> str:
    text = f"broken at entry {verdict.broken}; sound before: " if verdict.broken else "sound: "
    late = (
        f"; {verdict.waiting} entries wait for a signature, the oldest for {verdict.waits_s} s"
        if verdict.waiting
        else ""
    )
    none = "; no signature: see `kiosk city audit seal`" if verdict.unsigned else ""
    return f"{text}{verdict.head.entries} entries, head {_written(verdict.head)}{late}{none}"


def _seal(config: Config, given: argparse.Namespace) -> int:
    head = sign_as_it_is(config, city_now(config))
    told = {"entries": head.entries, "head": head.hash}
    print_line(to_json(told) if given.json else f"signed: {_written(head)}")
    return 0


def _head(text: str) -> Head:
    entries, _, digest = text.partition(":")
    if (
        not entries.isdecimal()
        or len(digest) != len(GENESIS)
        or set(digest) - set("0123456789abcdef")
    ):
        raise argparse.ArgumentTypeError("wants ENTRIES:HASH, as verify prints it")
    return Head(int(entries), digest)


def _written(head: Head) -> str:
    return f"{head.entries}:{head.hash}"
