"""What is asked: gateways of our own on a database of our own, all on loopback, or some that run
already.

Either way the certificates of the kiosks and the cards are made here, by the rehearsal's
authorities; a gateway that does not take test cards is none to be loaded.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Engine

from city import config as city_config
from city import database, municipality, pki, terms
from city.clock import starting
from firmware.service import toml
from hal.sim.card.pki import CardCa, load_card_ca, make_card_ca
from testbed.load import postgres
from testbed.load.gateway import CALLS, Report
from testbed.ports import HOST
from testbed.process import Process
from testbed.rehearsal import CITY_DATA, OPENING

READ_CONNECTIONS = 2


class LoadError(Exception):
    """One line: what is missing, or may not be loaded."""


@dataclass(frozen=True)
class Target:
    """`urls` is empty while gateways are ours to start; `server` is the database server's process,
    where it is ours.
    """

    folder: Path
    config: Path
    keys: pki.Files
    cards: CardCa = field(repr=False)
    urls: tuple[str, ...] = ()
    gateways: int = 1
    server: int = 0

    def now(self) -> datetime:
        return starting(self.loaded().clock.start)()

    def loaded(self) -> city_config.Config:
        return city_config.load(self.config)

    def city(self) -> municipality.Municipality:
        return municipality.load(self.loaded().gateway.city)

    def engine(self) -> Engine:
        return database.connect(self.loaded().gateway.database, READ_CONNECTIONS)


@contextmanager
def make_target(
    folder: Path, gateways: int, url: str, own_server: bool, limits: Mapping[str, int]
) -> Iterator[Target]:
    """Keys and configuration of `gateways` to be started, on `url`, a server of our own, or SQLite.

    A database of another's is brought up to this build's schema. Raises NoPostgres, DatabaseError,
    OSError.
    """
    if own_server:
        with (
            postgres.running() as server,
            make_target(folder, gateways, server.url(server.create()), False, limits) as target,
        ):
            yield replace(target, server=server.process.pid)
        return
    keys = pki.make(folder / "pki", ())
    home = folder / "cards" / "ca"
    cards = make_card_ca(home)
    (home / "ca.pem").write_bytes(cards.certificate.public_bytes(Encoding.PEM))
    config = folder / "city.toml"
    config.write_text(
        toml.dumps(
            {
                "gateway": {
                    "listen": f"{HOST}:0",
                    "database": url or f"sqlite:///{folder / 'city.sqlite'}",
                    "city": CITY_DATA,
                    **limits,
                },
                "tls": {
                    "certificate": keys.gateway,
                    "key": keys.gateway_key,
                    "kiosk_ca": keys.kiosk_ca,
                },
                "issuing": {"key": keys.issuing_key},
                "terms": {"file": folder / "form-terms.json", "key": keys.terms},
                "cards": {"ca": [home / "ca.pem"], "allow_test": True},
                "clock": {"start": OPENING},
            }
        )
    )
    target = Target(folder, config, keys, cards, gateways=gateways)
    signed = terms.sign(target.city(), terms.load_terms_key(keys.terms_key))
    target.loaded().terms.file.write_bytes(signed)
    database.migrate(target.loaded().gateway.database)
    yield target


def find_target(urls: Sequence[str], config: Path, folder: Path) -> Target:
    """Gateways that run, by their configuration; its authorities' keys lie beside their
    certificates, as the rehearsal makes them. New kiosk keys go to `folder`.

    Raises LoadError, ConfigError.
    """
    for url in urls:
        if not _loopback(urlsplit(url).hostname or ""):
            raise LoadError(f"{url}: only gateways on loopback are loaded")
    loaded = city_config.load(config)
    if not loaded.cards.allow_test:
        raise LoadError(f"{config}: this city takes no test cards; it is none to be loaded")
    theirs = pki.Files(loaded.tls.kiosk_ca.parent)
    keys = pki.Files(folder / "pki")
    keys.folder.mkdir()
    try:
        cards = load_card_ca(loaded.cards.ca[0].parent)
        for name in ("city_ca", "gateway", "kiosk_ca", "kiosk_ca_key", "issuing", "terms"):
            source = getattr(theirs, name)
            (keys.folder / source.name).write_bytes(source.read_bytes())
    except OSError as error:
        raise LoadError(f"{error.filename}: {error.strerror}: not a rehearsal's keys") from None
    return Target(folder, config, keys, cards, tuple(urls))


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


# -- gateways of our own


class Gateways:
    """`async with` starts them; `urls` tells where they are, `reports` afterwards what they did."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._processes: list[Process] = []
        self.urls = target.urls
        self.reports: list[Report] = []
        self.calls: Path | None = None  # what the first of them had typeset

    async def __aenter__(self) -> Gateways:
        """Raises ProcessDead."""
        if self.urls:
            return self
        configuration = msgspec.toml.decode(self._target.config.read_bytes())
        ports = _free_ports(self._target.gateways)
        for n, port in enumerate(ports):
            configuration["gateway"]["listen"] = f"{HOST}:{port}"
            own = self._config(n)
            own.write_text(toml.dumps(configuration))
            arguments = (str(own), str(self._report(n)))
            process = Process(
                f"gateway {n}",
                arguments,
                "city ready",
                own.with_suffix(".log"),
                "testbed.load.gateway",
            )
            self._processes.append(process)
        try:
            for process in self._processes:
                await process.start()
        except BaseException:
            await self._stop()
            raise
        self.urls = tuple(f"https://{HOST}:{port}" for port in ports)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()
        for n in range(len(self._processes)):
            if (report := self._report(n)).exists():
                self.reports.append(msgspec.json.decode(report.read_bytes(), type=Report))
                report.unlink()
                self.calls = self.calls or report.with_suffix(CALLS)

    async def _stop(self) -> None:
        for process in self._processes:
            await process.stop()

    def _config(self, n: int) -> Path:
        return self._target.folder / f"city-{n}.toml"

    def _report(self, n: int) -> Path:
        return self._target.folder / f"report-{n}.json"


def _free_ports(count: int) -> list[int]:
    """All held until the last is found, so that no two are the same."""
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    ports = [sock.getsockname()[1] for sock in held]
    for sock in held:
        sock.close()
    return ports


def busy_cpu() -> float:
    """Processor seconds for which this machine's cores have been busy since it started."""
    line = Path("/proc/stat").read_text().splitlines()[0]
    values = [int(value) for value in line.split()[1:9]]
    idle = values[3]
    waiting_for_disks = values[4]
    return (sum(values) - idle - waiting_for_disks) / os.sysconf("SC_CLK_TCK")


def cpu_of_tree(pid: int) -> float:
    """Processor seconds of a process, its children, and those it has outlived; 0.0 for none."""
    if not pid:
        return 0.0
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid:
            total += sum(int(value) for value in fields[11:15])
        elif int(fields[1]) == pid:
            total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")
