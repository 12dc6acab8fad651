"""`kiosk provision request|accept|check` turns a blank board into a kiosk that the city knows.

`request` can be repeated: what is there stays. It checks the configuration (with --fleet it writes
this kiosk's first), makes the key of the line and the journal, and leaves a folder for the city:
`ID.csr`, and `ID.measured` with what this board consists of. The city answers with `kiosk city
kiosks sign`. `accept` puts the certificate and the signed measurement in their places. `check`
compares the board with what was signed, item by item.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from firmware.service import attestation, fleet, line_key
from firmware.service.cases import create_journal, journal_was_made
from firmware.service.config import load
from firmware.service.line_key import ProvisionError


def main(argv: Sequence[str] | None = None) -> int:
    """0; 1 when `check` finds an item that is not as it was signed. Raises ProvisionError,
    ConfigError, JournalBroken, AttestationError, OSError.
    """
    parser = argparse.ArgumentParser(prog="kiosk provision", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    request = actions.add_parser("request", help="make what the board needs; ask the city")
    request.add_argument("--fleet", type=Path, metavar="FILE", help="configurations of all kiosks")
    request.add_argument("--kiosk", metavar="ID", help="which of the fleet this board is")
    request.add_argument(
        "--tpm", action="store_true", help="the key must be sealed by the TPM, or none is made"
    )
    request.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="for the city")
    request.set_defaults(run=_request)
    accept = actions.add_parser("accept", help="take the city's answer")
    accept.add_argument("folder", type=Path, help="with ID.pem, and ID.signed")
    accept.set_defaults(run=_accept)
    check = actions.add_parser("check", help="compare the board with what was signed")
    check.set_defaults(run=_check)
    for action in (request, accept, check):
        action.add_argument("--config", required=True, type=Path, metavar="FILE")
    given = parser.parse_args(argv)
    return int(given.run(given))


def _request(given: argparse.Namespace) -> int:
    if given.fleet:
        if not given.kiosk:
            raise ProvisionError("--kiosk: which one of the fleet is this board?")
        fleet.write_configuration(given.fleet, given.kiosk, given.config)
    config = load(given.config)
    _done("configuration", given.config)
    key = line_key.make_or_find(config.line.key, tpm=given.tpm)
    _done("key", config.line.key)
    _journal(config.kiosk.state)
    given.out.mkdir(parents=True, exist_ok=True)
    asked = given.out / f"{config.kiosk.id}.csr"
    asked.write_bytes(line_key.request(config.kiosk.id, key))
    _done("request", asked)
    if config.attestation:
        measured = attestation.measure(config, given.config)
        found = asked.with_suffix(".measured")
        found.write_bytes(attestation.written(measured))
        _done("measurement", found)
    return 0


def _accept(given: argparse.Namespace) -> int:
    config = load(given.config)
    answer = given.folder / f"{config.kiosk.id}.pem"
    certificate = line_key.fitting(answer.read_bytes(), config.kiosk.id, config.line.key)
    _place(config.line.certificate, certificate)
    _done("certificate", config.line.certificate)
    if config.attestation:
        place = config.attestation.signed[-1]
        _place(place, (given.folder / f"{config.kiosk.id}.signed").read_bytes())
        _done("measurement", place)
        if item := attestation.trouble(config, given.config):
            raise ProvisionError(f"{item}: is not as it was signed")
    _done("ready", f"kiosk diagnose --config {given.config}")
    return 0


def _check(given: argparse.Namespace) -> int:
    config = load(given.config)
    if config.attestation is None:
        raise ProvisionError(f"{given.config}: has no [attestation]")
    found = attestation.compare(config, given.config)
    for item, good in found.items():
        sys.stdout.write(f"{'OK' if good else 'NG'}  {item}\n")
    return 0 if all(found.values()) else 1


def _journal(state: Path) -> None:
    if journal_was_made(state):
        _done("journal", state)
        return
    _done("journal", create_journal(state))
    for path in state.glob("journal*"):
        _own(path)


def _place(path: Path, content: bytes) -> None:
    """Whole or not at all, and its folder's owner's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.chmod(0o644)
    _own(part)
    part.replace(path)


def _own(path: Path) -> None:
    """What root makes in a service's folder is the service's."""
    folder = path.parent.stat()
    if os.geteuid() == 0:
        os.chown(path, folder.st_uid, folder.st_gid)


def _done(what: str, detail: object) -> None:
    sys.stdout.write(f"{what:14}{detail}\n")
