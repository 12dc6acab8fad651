"""Everything outside of the boards: the city's gateway, and at each board the card reader's far
end, the printers and the coin unit.
"""

from __future__ import annotations

import asyncio
import sys
import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol, cast

from container import BoardError, run

from city import pki
from firmware.service import toml
from hal.sim.bench import Bench, Wiring
from hal.sim.line import LineRelay
from testbed import customer
from testbed.customer import Errand, Journey, Watcher
from testbed.erasure.people import PEOPLE, Needle, prepare_people
from testbed.process import Process
from testbed.rehearsal import HOPPERS, KIOSK, Rehearsal, prepare
from testbed.screen import Seen
from testbed.system import System

BRIDGE, HERE, NET = "fleet-test0", "10.77.0.1", "10.77.0"
EYES, READER = 8081, 7000  # ports of a board
STAGE_S = 300.0
ATTESTED = "kiosk-3"  # a bad build would be closed by its measurement, and not by what it does
ENDS = ("cable", "line", "sheets", "receipts", "speaker")


@dataclass(frozen=True)
class Stand:
    """Where one board stands: its address, and the bench in front of it."""

    kiosk: str
    address: str
    wiring: Wiring
    bench: Bench
    eyes: LineRelay  # the panel wants to be asked for as an address of loopback

    async def serve(
        self, made: Rehearsal, resident: str, certificate: str, onlooker: Onlooker | None = None
    ) -> Journey:
        """One whole journey. Raises JourneyFailed."""
        customer.STAGE_S = customer.PAY_S = STAGE_S
        self.bench.load_paper()
        system = cast(System, SimpleNamespace(rehearsal=made, bench=self.bench))
        watcher = Watched("http://{}:{}".format(*self.eyes.address))
        watcher.onlooker = onlooker
        async with watcher.watching():
            journey = Journey(system, Errand(resident, certificate, Path()), watcher)
            await journey.run()
        return journey


class Onlooker(Protocol):
    async def at(self, screen: str) -> None:
        """Before anything is done on this screen."""


class Hold:
    """Somebody who stands there and thinks, until `go`."""

    def __init__(self) -> None:
        self.there, self.go = asyncio.Event(), asyncio.Event()

    async def at(self, screen: str) -> None:
        if screen == "certificates":
            self.there.set()
            await self.go.wait()


class Watched(Watcher):
    onlooker: Onlooker | None = None

    async def next(self, timeout_s: float) -> Seen:
        seen = await super().next(timeout_s)
        if self.onlooker:
            await self.onlooker.at(seen.name)
        return seen


@dataclass(frozen=True)
class Town:
    rehearsal: Rehearsal
    needles: Sequence[Needle]
    stands: dict[str, Stand]

    async def word(self, *words: object, code: int = 0) -> str:
        """`kiosk city …` at the city. Raises BoardError when it does not end as it should."""
        command = (sys.executable, "-m", "firmware.tools", "city", *map(str, words))
        config = ("--config", str(self.rehearsal.city_toml))
        process = await asyncio.create_subprocess_exec(
            *command, *config, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        said, wrong = await process.communicate()
        if process.returncode != code:
            raise BoardError(
                f"city {' '.join(map(str, words))}: {process.returncode}: {wrong.decode()}"
            )
        return said.decode()

    @property
    def ca_key(self) -> Path:
        return self.rehearsal.folder / "pki/kiosk-ca.key"

    @property
    def authorities(self) -> tuple[object, ...]:
        return ("--ca-key", self.ca_key, "--attest", self.fleet_key)

    @property
    def fleet_key(self) -> Path:
        """It signs measurements; `write_stick` makes it."""
        return self.rehearsal.run / "fleet.key"


def rehearse(folder: Path, out: Path) -> tuple[Rehearsal, Sequence[Needle]]:
    """Two residents with unmistakable names."""
    pki.make(folder / "pki", (KIOSK,), ("127.0.0.1", "localhost", HERE))
    return prepare_people(prepare(folder, out, people=PEOPLE))


def make_bridge() -> None:
    remove_bridge()
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{HERE}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


def remove_bridge() -> None:
    try:
        run("ip", "link", "del", BRIDGE)
    except BoardError:
        return


@asynccontextmanager
async def town(
    rehearsal: Rehearsal, needles: Sequence[Needle], kiosks: tuple[str, ...]
) -> AsyncIterator[Town]:
    words = ("city", "--config", str(rehearsal.city_toml))
    city = Process("city", words, "city ready", rehearsal.run / "city.log")
    async with AsyncExitStack() as stack:
        stack.callback(remove_bridge)
        make_bridge()
        stands = {}
        for number, kiosk in enumerate(kiosks, 1):
            address = f"{NET}.{10 + number}"
            ports = {name: (HERE, 7000 + 10 * number + n) for n, name in enumerate(ENDS)}
            wiring = Wiring(
                reader=(address, READER),
                city=rehearsal.wiring.city,
                coins=rehearsal.run / f"coins-{kiosk}",
                **ports,
            )
            bench = await stack.enter_async_context(Bench(wiring, rehearsal.cards, HOPPERS))
            eyes = LineRelay(("127.0.0.1", 0), (address, EYES))
            await eyes.start()
            stack.push_async_callback(eyes.stop)
            stands[kiosk] = Stand(kiosk, address, wiring, bench, eyes)
        stack.push_async_callback(city.stop)
        await city.start()
        yield Town(rehearsal, needles, stands)


def write_stick(town: Town, stick: Path) -> None:
    """What the technician takes along: the fleet file, keys, and what each place needs."""
    keys = stick / "keys"
    keys.mkdir(parents=True)
    common = tomllib.loads(town.rehearsal.kiosk_toml.read_text())
    for name in ("certificate", "key"):  # the board makes its own
        del common["line"][name]
    common = _on_board(common, keys)
    del common["kiosk"]["id"]
    common["kiosk"] |= {"state": "/var/lib/madoguchi", "runtime": "/run/madoguchi"}
    common["line"] |= {
        "certificate": "/var/lib/madoguchi/line/line.pem",
        "key": "/etc/credstore/madoguchi-line.key",
    }
    common["kiosk"]["pace"] = 4.0  # people wait for a busy machine
    common["panel"]["listen"] = "127.0.0.1:8080"
    common["cash"]["port"] = "/dev/ttyUSB0"
    common["voice"]["recordings"] = "/usr/share/madoguchi/voice"
    common["updates"] = {"bundles": "/mnt/bundles"}
    own = {kiosk: _place(stand, stick / kiosk) for kiosk, stand in town.stands.items()}
    if ATTESTED in own:
        own[ATTESTED]["attestation"] = {
            "signed": ["/var/lib/madoguchi/line/kiosk.signed"],
            "keys": ["/etc/madoguchi/keys/fleet.pem"],
        }
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", town.fleet_key)
    run("openssl", "pkey", "-in", town.fleet_key, "-pubout", "-out", keys / "fleet.pem")
    (stick / "fleet.toml").write_text(toml.dumps({"all": common, "kiosks": own}))
    for name in ("request", "bundles"):
        (stick / name).mkdir()


def _on_board(value: Any, keys: Path) -> Any:
    """Files of this machine go to `keys`, and are named as they are on the board."""
    if isinstance(value, list):
        return [_on_board(each, keys) for each in value]
    if isinstance(value, dict):
        return {name: _on_board(each, keys) for name, each in value.items()}
    if isinstance(value, str) and Path(value).is_file():
        name = "-".join(Path(value).parts[-2:])
        (keys / name).write_bytes(Path(value).read_bytes())
        return f"/etc/madoguchi/keys/{name}"
    return value


def _place(stand: Stand, folder: Path) -> dict[str, Any]:
    """One kiosk's own part of the fleet file; in `folder` what its network needs."""
    folder.mkdir()
    (folder / "line.network").write_text(
        f"[Match]\nName=host0\n[Network]\nAddress={stand.address}/24\n"
    )
    (folder / "line.conf").write_text(
        f"[Service]\nIPAddressAllow={HERE}/32\nSocketBindAllow=ipv4:tcp:{READER}\n"
    )
    at = {name: "{}:{}".format(*getattr(stand.wiring, name)) for name in ENDS}
    return {
        "card": {"listen": f"0.0.0.0:{READER}", "cable": at["cable"]},
        "line": {"city": f"https://{at['line']}"},
        "sheets": {"address": at["sheets"]},
        "receipts": {"address": at["receipts"]},
        "speaker": {"address": at["speaker"]},
    }
