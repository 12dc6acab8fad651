"""`kiosk city kiosks sign|list|renew|revoke|admit|forget-journal` and `kiosk city openapi`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection

from city import audit, journals, kiosk_papers, kiosks, openapi
from city.cards import read_certificates
from city.clock import starting
from city.config import Config, load
from city.database import Mode
from city.handlers import seconds
from city.work import work


def describe(argv: Sequence[str]) -> int:
    """The gateway's OpenAPI document on standard output."""
    argparse.ArgumentParser(
        prog="kiosk city openapi", description="what the gateway serves"
    ).parse_args(argv)
    sys.stdout.write(json.dumps(openapi.document(), ensure_ascii=False, indent=1) + "\n")
    return 0


def main(argv: Sequence[str]) -> int:
    """0; 1 when there is no such kiosk or certificate. Raises ConfigError, DatabaseError."""
    parser = argparse.ArgumentParser(
        prog="kiosk city kiosks", description="whose certificates the gateways take"
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, run, text, what in (
        ("list", _list, "certificates seen or given: kiosk, fingerprint, last day, state", None),
        (
            "revoke",
            _revoke,
            "take none of a kiosk's certificates any more, or not this one",
            "KIOSK|FINGERPRINT",
        ),
        ("admit", _admit, "list a new certificate of a kiosk that had one revoked", "CERT.pem"),
        (
            "forget-journal",
            _forget_journal,
            "a kiosk has been given a new journal: take that one",
            "KIOSK",
        ),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument(
            "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
        )
        if what:
            action.add_argument("which", metavar=what)
        action.set_defaults(run=run)
    for name, run, text, add in (
        (
            "sign",
            kiosk_papers.sign,
            "sign what boards ask for (kiosk provision)",
            kiosk_papers.add_sign,
        ),
        (
            "renew",
            kiosk_papers.renew,
            "a new certificate for the key a kiosk has",
            kiosk_papers.add_renew,
        ),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument(
            "--config", required=True, type=Path, metavar="FILE", help="the gateway's TOML"
        )
        add(action)
        action.set_defaults(run=run)
    given = parser.parse_args(argv)
    do: Callable[[Config, argparse.Namespace], int] = given.run
    return do(load(given.config), given)


def _list(config: Config, _: argparse.Namespace) -> int:
    found = work(config, Mode.READ, kiosks.listed)
    sys.stdout.write("".join("\t".join(row) + "\n" for row in found) or "none yet\n")
    return 0


def _revoke(config: Config, given: argparse.Namespace) -> int:
    at = seconds(starting(config.clock.start)())

    def change(connection: Connection) -> int:
        count = kiosks.revoke(connection, given.which)
        if count:
            audit.append(connection, "kiosk-revoked", at, which=given.which, certificates=count)
        return count

    count = work(config, Mode.DECIDE, change)
    if not count:
        sys.stderr.write(f"city: no good certificate of {given.which}\n")
        return 1
    sys.stdout.write(f"{count} revoked; no gateway takes it in {kiosks.REFRESH_S:.0f} seconds\n")
    return 0


def _admit(config: Config, given: argparse.Namespace) -> int:
    at = seconds(starting(config.clock.start)())
    shown = kiosks.read(read_certificates(Path(given.which))[0].public_bytes(Encoding.DER))
    if shown is None:
        sys.stderr.write(f"city: {given.which}: names no kiosk\n")
        return 1

    def change(connection: Connection) -> None:
        kiosks.admit(connection, shown)
        audit.append(
            connection, "kiosk-admitted", at, kiosk=shown.kiosk, certificate=shown.fingerprint
        )

    work(config, Mode.DECIDE, change)
    sys.stdout.write(f"{shown.kiosk}\t{shown.fingerprint}\n")
    return 0


def _forget_journal(config: Config, given: argparse.Namespace) -> int:
    at = seconds(starting(config.clock.start)())

    def change(connection: Connection) -> bool:
        known = journals.forget(connection, given.which)
        if known:
            audit.append(connection, "journal-forgotten", at, kiosk=given.which)
        return known

    if not work(config, Mode.DECIDE, change):
        sys.stderr.write(f"city: no journal of {given.which} is known\n")
        return 1
    sys.stdout.write(f"the next journal that {given.which} tells of is its journal\n")
    return 0
