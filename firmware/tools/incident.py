"""`kiosk incident --out FILE` writes what an engineer needs to look into an incident, in one file.

It holds builds, the configuration without secrets, the status, the open cases, the newest
exchanges with each device and the flight record. Nothing personal is in any of them. It may be
written beside a running kiosk. `kiosk replay FILE` explains it. 0: written, with all parts;
1: written, but a part could not be read; 2: not written.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import time
import tomllib
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from firmware.service import status
from firmware.service.build import build
from firmware.service.cases import list_cases
from firmware.service.config import Config, load
from firmware.service.entry import JournalBroken
from firmware.service.exchange_record import Recorded, read_exchanges
from firmware.service.flight_record import Step, What, read_all
from firmware.tools.cli import CommandError

KIND: Final = "madoguchi-incident"
VERSION: Final = 2
READS: Final = (1, 2)  # of version 1: nothing of how a process ended
MANIFEST: Final = "incident.json"
FLIGHT: Final = "flight.json"
EXCHANGES: Final = "exchanges.json"
LEFT_OUT: Final = "(left out)"
MOST_BYTES: Final = 64 * 2**20  # of one part: a bundle is a few megabytes at most
_USER: Final = re.compile(r"(?<=//)[^/@\s]*@")
_SECRET: Final = re.compile(r"passw|secret|token|credential|pin$", re.IGNORECASE)


class BundleError(Exception):
    """One line: why this file is no incident that can be read, and what to do."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a bundle says of itself. `parts`: name -> what it is, or why it could not be read."""

    kind: str
    version: int
    made: float  # seconds since 1970
    kiosk: str
    build: str
    parts: dict[str, str]


class Incident(NamedTuple):
    """What `kiosk replay` reads of a bundle."""

    manifest: Manifest
    steps: Sequence[Step]
    exchanges: Sequence[Recorded]


def main(argv: Sequence[str]) -> int:
    """Raises CommandError, ConfigError."""
    parser = argparse.ArgumentParser(prog="kiosk incident", description=__doc__)
    parser.add_argument(
        "--config", required=True, type=Path, metavar="FILE", help="TOML configuration"
    )
    parser.add_argument("--out", required=True, type=Path, metavar="FILE", help="a new zip file")
    given = parser.parse_args(argv)
    manifest, missed = write(given.out, load(given.config), given.config)
    sys.stdout.write(f"{given.out}: incident of {manifest.kiosk}, {manifest.build}\n")
    sys.stdout.writelines(f"  {name:<15} {what}\n" for name, what in manifest.parts.items())
    return 1 if missed else 0


def write(out: Path, config: Config, source: Path) -> tuple[Manifest, bool]:
    """The bundle, and whether a part is missing. Raises CommandError."""
    parts: dict[str, object] = {}
    told: dict[str, str] = {}
    missed = False
    for name, gather in PARTS.items():
        try:
            parts[name], told[name] = gather(config, source)
        except (OSError, JournalBroken) as error:
            told[name], missed = f"NOT IN IT: {error}", True
    manifest = Manifest(
        kind=KIND,
        version=VERSION,
        made=time.time(),
        kiosk=config.kiosk.id,
        build=build(),
        parts=told,
    )
    try:
        with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
            for name, part in parts.items():
                bundle.writestr(name, json.dumps(part, indent=1, ensure_ascii=False))
    except FileExistsError:
        raise CommandError(f"{out} is there already: give another name") from None
    return manifest, missed


# What zipfile raises of bytes that are no ZIP archive any more: also for a method of compression
# that it does not know, and for a part that is said to be encrypted. The RecursionError of a part
# that is nested without end is a RuntimeError.
DAMAGED: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def read(bundle: Path) -> Incident:
    """Raises BundleError."""
    try:
        with zipfile.ZipFile(bundle) as opened:
            manifest = _manifest(bundle, _part(opened, MANIFEST))
            steps = msgspec.json.decode(_part(opened, FLIGHT), type=list[Step])
            wires = _part(opened, EXCHANGES) if EXCHANGES in opened.namelist() else b"[]"
            exchanges = msgspec.json.decode(wires, type=list[Recorded])
    except FileNotFoundError:
        raise BundleError(f"{bundle}: no such file") from None
    except DAMAGED:
        raise BundleError(
            f"{bundle} is truncated, damaged or no incident: copy it again from the kiosk"
        ) from None
    except KeyError:
        raise BundleError(
            f"{bundle} has no flight record: write an incident with `kiosk incident`"
        ) from None
    except (msgspec.MsgspecError, OSError, EOFError, ValueError) as error:
        raise BundleError(
            f"{bundle} cannot be read ({error}): write it again with `kiosk incident`"
        ) from None
    return Incident(manifest, steps, exchanges)


def _part(opened: zipfile.ZipFile, name: str) -> bytes:
    if opened.getinfo(name).file_size > MOST_BYTES:
        raise ValueError(f"{name} is too large")
    return opened.read(name)


def _manifest(bundle: Path, data: bytes) -> Manifest:
    manifest = msgspec.json.decode(data, type=Manifest)
    if manifest.kind != KIND:
        raise ValueError(f"it is of kind {manifest.kind!r}")
    if manifest.version not in READS:
        raise BundleError(
            f"{bundle} is of version {manifest.version}, this build reads up to {VERSION}: "
            f"use the build that wrote it, {manifest.build}"
        )
    return manifest


# -- the parts: what goes into the file, and what is said of it


def _versions(_config: Config, _source: Path) -> tuple[object, str]:
    facts = {"build": build(), "python": platform.python_version(), "system": platform.platform()}
    return facts, f"build {facts['build']}, Python {facts['python']}, {facts['system']}"


def _configuration(_config: Config, source: Path) -> tuple[object, str]:
    """As it stands in the file. A configuration names files of keys; no key is in it."""
    document = tomllib.loads(source.read_text("utf-8"))
    return without_secrets(document), "the configuration, without secrets and drivers' options"


def without_secrets(value: Any, key: str = "") -> Any:
    """Options of others' drivers, what is named like a secret, and users of addresses go."""
    if _SECRET.search(key):
        return LEFT_OUT
    if key == "options" and isinstance(value, Mapping):
        return dict.fromkeys(value, LEFT_OUT)
    if isinstance(value, Mapping):
        return {name: without_secrets(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [without_secrets(each) for each in value]
    return _USER.sub("", value) if isinstance(value, str) else value


def _status(config: Config, _source: Path) -> tuple[object, str]:
    found = status.read(config.kiosk.runtime)
    if found is None:
        return None, "none: the kiosk has not run since the board was switched on"
    return msgspec.to_builtins(found), f"status and counts: {found.report.availability.value}"


def _cases(config: Config, _source: Path) -> tuple[object, str]:
    found = list_cases(config.kiosk.state)
    return [asdict(case) for case in found], f"{len(found)} open cases"


def _exchanges(config: Config, _source: Path) -> tuple[object, str]:
    found = read_exchanges(config.kiosk.state)
    return [asdict(each) for each in found], f"{len(found)} exchanges: kinds, lengths, results"


def _flight(config: Config, _source: Path) -> tuple[object, str]:
    found = read_all(config.kiosk.state)
    cases = len([step for step in found if step.what is What.CASE])
    text = f"{len(found)} steps of events and commands, and the record of {cases} cases"
    return [asdict(step) for step in found], text


PARTS: Final[Mapping[str, Callable[[Config, Path], tuple[object, str]]]] = {
    "versions.json": _versions,
    "config.json": _configuration,
    "status.json": _status,
    "cases.json": _cases,
    EXCHANGES: _exchanges,
    FLIGHT: _flight,
}
