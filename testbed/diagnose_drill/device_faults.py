"""Card reader, printers, coin unit, payment terminal, speaker."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from firmware.service import toml
from hal.cash.frame import Checksum
from testbed.diagnose_drill import far_ends
from testbed.diagnose_drill.far_ends import Reply
from testbed.diagnose_drill.fault import Change, Fault, Put, bench, made, needs_root, says, switched
from testbed.diagnose_drill.site import Site

NOBODY: Final = "127.0.0.1:1"  # a port at which nobody listens
NO_NAME: Final = "printer.invalid:9100"  # RFC 2606: it never has an address
NO_ROUTE: Final = "255.255.255.255:9100"  # the kernel connects to no broadcast address
PCSC: Final = {"driver": "pcsc", "reader": "Reader"}


def _server(table: str, reply: Reply, **more: Any) -> Change:
    """Somebody else answers at the device's address."""

    @asynccontextmanager
    async def put(_: Site) -> AsyncIterator[Put]:
        async with far_ends.on_port(reply) as address:
            yield Put({table: {"address": address, **more}})

    return put


def _bits(**answers: int) -> Change:
    return _server("sheets", far_ends.printer(**answers), outlet_sensor=False)


def _line(table: str, key: str, reply: Reply) -> Change:
    """Somebody else at the other end of the serial line."""

    @asynccontextmanager
    async def put(_: Site) -> AsyncIterator[Put]:
        with far_ends.on_line(reply) as path:
            yield Put({table: {key: path}})

    return put


def _held(table: str, key: str) -> Change:
    """Another program has the line."""

    @asynccontextmanager
    async def put(site: Site) -> AsyncIterator[Put]:
        with far_ends.on_line(far_ends.silent) as path, _lock(path):
            yield Put({table: {key: path}})

    return put


@contextmanager
def _lock(path: str) -> Iterator[None]:
    line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(line, fcntl.LOCK_EX)
        yield
    finally:
        os.close(line)


def _denied(table: str, key: str) -> Change:
    @asynccontextmanager
    async def put(_: Site) -> AsyncIterator[Put]:
        with far_ends.on_line(far_ends.silent) as path:
            Path(path).chmod(0o600)
            yield Put({table: {key: path}})

    return put


def _port(name: str, table: str, key: str, check: str) -> tuple[Fault, ...]:
    """What can be wrong with a serial line before anybody is asked."""
    plain = made(lambda site: Put({table: {key: str(site.write("plain", b""))}}))
    return (
        Fault(f"{name}: no port", check, "device.missing", says(table, **{key: "/dev/nowhere"})),
        Fault(f"{name}: no serial line", check, "device.not-serial", plain),
        Fault(f"{name}: held by another", check, "device.busy", _held(table, key)),
        Fault(
            f"{name}: not permitted",
            check,
            "device.not-permitted",
            _denied(table, key),
            needs_root,
        ),
    )


# -- card


@asynccontextmanager
async def _reader_port_taken(site: Site) -> AsyncIterator[Put]:
    host, _, port = site.base["card"]["listen"].rpartition(":")
    with socket.create_server((host, int(port))):
        yield Put()


def _pcscd(reply: Reply) -> Change:
    """Something answers at pcscd's socket."""

    @asynccontextmanager
    async def put(site: Site) -> AsyncIterator[Put]:
        async with far_ends.on_socket(site.scratch("pcscd"), reply) as path:
            yield _with_pcsc(site, path)

    return put


def _no_pcscd(site: Site) -> Put:
    path = site.scratch("pcscd.comm")
    return _with_pcsc(site, path)


def _dead_pcscd(site: Site) -> Put:
    """Its socket is left and nobody listens."""
    path = site.scratch("dead")
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    path.chmod(0o666)
    return _with_pcsc(site, path)


@asynccontextmanager
async def _denied_pcscd(site: Site) -> AsyncIterator[Put]:
    async with far_ends.on_socket(site.scratch("own"), far_ends.silent) as path:
        path.chmod(0o600)
        yield _with_pcsc(site, path)


def _no_pyscard(site: Site) -> str:
    from importlib.util import find_spec

    return "" if find_spec("smartcard") else "pyscard is not installed"


# -- printers


def _set(device: str, attribute: str, broken: object, well: object) -> Change:
    """An attribute of a far end at the bench."""

    def breaking(site: Site, on: bool) -> None:
        setattr(getattr(site.bench, device), attribute, broken if on else well)

    return switched(breaking)


def _paper(printer: str, sheets: int) -> Change:
    def breaking(site: Site, on: bool) -> None:
        getattr(site.bench, printer).load_paper(sheets if on else 200)

    return switched(breaking)


def _sheet_waits(site: Site, on: bool) -> None:
    engine = site.bench.sheets.engine
    engine.waiting = 1 if on else 0


# -- coins


def _hopper(change: Callable[[Any, bool], None]) -> Change:
    return switched(lambda site, on: change(site.bench.coins.hoppers[0], on))


def _other_coin(hopper: Any, on: bool) -> None:
    coin = b"JP500A" if on else b"JP010A"
    hopper.commands[171] = (frozenset({0}), lambda _data: coin)


def _empty(hopper: Any, on: bool) -> None:
    hopper.coins = 0 if on else 60


def _mute(*which: int) -> Change:
    """Addresses 2 (acceptor) to 5."""

    def breaking(site: Site, on: bool) -> None:
        site.bench.coins.mute(*(which if on else ()))

    return switched(breaking)


def _checksum(site: Site, on: bool) -> None:
    site.bench.coins._checksum = Checksum.CRC if on else Checksum.SUM


def _joined(site: Site, on: bool) -> None:
    """A second hopper at an address that is taken."""
    from hal.sim.coins.hopper import HopperDevice

    if on:
        site.bench.coins.join(HopperDevice(3, 10, 50, serial=0x0B_0000))
    else:
        site.bench.coins.part()


def _swapped(site: Site) -> Put:
    """The acceptor's address is that of a hopper."""
    return Put({"cash": {"acceptor": 3, "hoppers": []}})


# -- another driver


def _instead(site: Site, table: str, section: dict[str, Any]) -> bytes:
    """The configuration with this table, and none of its own keys."""
    return toml.dumps({**site.base, table: section}).encode()


def _with_ipp(site: Site, address: str) -> bytes:
    return _instead(site, "sheets", {"driver": "ipp", "address": address})


def _with_pcsc(site: Site, path: Path) -> Put:
    """The PC/SC reader, and `path` as the socket of its daemon."""
    file = site.write("pcsc.toml", _instead(site, "card", PCSC))
    return Put(file=file, environment={"PCSCLITE_CSOCK_NAME": str(path)})


def _with_alsa(site: Site) -> bytes:
    return _instead(site, "speaker", {"driver": "alsa", "device": "no-such-device"})


def _has(program: str) -> bool:
    return shutil.which(program) is not None


def _printer_row(name: str, code: str, put: Change, check: str = "sheets") -> Fault:
    return Fault(f"{check}: {name}", check, code, put)


FAULTS: Final = (
    Fault("names: ttyUSB0", "names", "names.moving", says("cash", port="/dev/ttyUSB0")),
    Fault("names: lp1", "names", "names.moving", says("receipts", address="/dev/usb/lp1")),
    # card
    Fault("card: cable out", "card", "card.not-connected", bench("reader-lost")),
    Fault("card: its port is taken", "card", "card.port-used", _reader_port_taken),
    Fault("card: pcscd stopped", "card", "card.pcscd-stopped", made(_no_pcscd), _no_pyscard),
    Fault("card: pcscd crashed", "card", "card.pcscd-stopped", made(_dead_pcscd), _no_pyscard),
    Fault("card: pcscd hangs", "card", "card.pcscd-hung", _pcscd(far_ends.silent), _no_pyscard),
    Fault(
        "card: another daemon at its socket",
        "card",
        "card.pcscd-garbled",
        _pcscd(far_ends.hang_up),
        _no_pyscard,
    ),
    Fault("card: pcscd's socket not permitted", "card", "card.denied", _denied_pcscd, needs_root),
    # printers
    _printer_row("no name", "network.dns", says("sheets", address=NO_NAME)),
    _printer_row("switched off", "network.refused", says("sheets", address=NOBODY)),
    _printer_row("no route", "network.no-route", says("sheets", address=NO_ROUTE)),
    _printer_row("mute", "printer.silent", bench("printer-mute")),
    _printer_row("hangs up at once", "network.reset", bench("printer-gone")),
    _printer_row("an echo server", "printer.echo", _server("sheets", far_ends.echo)),
    _printer_row("an FTP server", "printer.garbled", _server("sheets", lambda _: b"220 ready\r\n")),
    _printer_row("cover open", "printer.cover-open", bench("printer-cover")),
    _printer_row("paper out", "printer.paper-out", bench("paper-out")),
    _printer_row("paper low", "printer.paper-low", _paper("sheets", 3)),
    _printer_row("jam", "printer.mechanical", bench("printer-jam")),
    _printer_row("cutter", "printer.cutter", _bits(q2=0x52, q3=0x1A)),
    _printer_row("unrecoverable", "printer.unrecoverable", _bits(q2=0x52, q3=0x32)),
    _printer_row("recoverable", "printer.recoverable", _bits(q2=0x52, q3=0x52)),
    _printer_row("off line", "printer.offline", _bits(q1=0x1A)),
    _printer_row("feed button", "printer.feeding", _bits(q1=0x1A, q2=0x1A)),
    _printer_row("a sheet at the outlet", "printer.outlet", switched(_sheet_waits)),
    _printer_row(
        "no outlet sensor",
        "printer.no-sensor",
        _server("sheets", far_ends.printer(), outlet_sensor=True),
    ),
    _printer_row("device file gone", "device.missing", says("sheets", address="/dev/nowhere")),
    _printer_row(
        "serial line gone", "device.missing", says("sheets", address="serial:/dev/nowhere")
    ),
    _printer_row(
        "no port in the address",
        "printer.configuration",
        says("receipts", address="127.0.0.1"),
        "receipts",
    ),
    _printer_row("switched off", "network.refused", says("receipts", address=NOBODY), "receipts"),
    _printer_row("paper out", "printer.paper-out", bench("receipt-paper-out"), "receipts"),
    _printer_row("mute", "printer.silent", bench("receipt-mute"), "receipts"),
    _printer_row("an echo server", "printer.echo", _server("receipts", far_ends.echo), "receipts"),
    _printer_row(
        "IPP switched off",
        "network.refused",
        made(
            lambda site: Put(
                file=site.write("ipp.toml", _with_ipp(site, "ipp://127.0.0.1:1/ipp/print"))
            )
        ),
    ),
    _printer_row(
        "IPP without a name",
        "network.dns",
        made(
            lambda site: Put(
                file=site.write("ipp.toml", _with_ipp(site, "ipp://printer.invalid/ipp/print"))
            )
        ),
    ),
    # coins
    *_port("coins", "cash", "port", "coins"),
    Fault("coins: no power", "coins", "coins.silent", bench("coins-mute")),
    Fault("coins: only an echo", "coins", "coins.silent", _line("cash", "port", far_ends.echo)),
    Fault(
        "coins: noise",
        "coins",
        "coins.garbled",
        _line("cash", "port", lambda data: data + b"\x01\x00\x03\x00\x99"),
    ),
    Fault("coins: acceptor unplugged", "coins", "coins.no-acceptor", _mute(2)),
    Fault("coins: one hopper unplugged", "coins", "coins.no-hopper", _mute(4)),
    Fault("coins: the other checksum", "coins", "coins.checksum", switched(_checksum)),
    Fault("coins: another coin in a hopper", "coins", "coins.other-coin", _hopper(_other_coin)),
    Fault("coins: a hopper as acceptor", "coins", "coins.other-device", made(_swapped)),
    Fault("coins: two at one address", "coins", "coins.clash", switched(_joined)),
    Fault("coins: change empty", "coins", "coins.low", bench("hoppers-empty")),
    Fault("coins: one hopper empty", "coins", "coins.low", _hopper(_empty)),
    # the payment terminal
    *_port("cashless", "cashless", "address", "cashless"),
    Fault(
        "cashless: an echo",
        "cashless",
        "cashless.garbled",
        _line("cashless", "address", far_ends.echo),
    ),
    Fault("cashless: mute", "cashless", "cashless.silent", bench("terminal-mute")),
    Fault(
        "cashless: busy",
        "cashless",
        "cashless.not-ready",
        switched(lambda site, on: setattr(site.bench.terminal.terminal, "busy", on)),
    ),
    Fault(
        "cashless: nonsense",
        "cashless",
        "cashless.garbled",
        _line("cashless", "address", lambda _: b"\x02nonsense\x03\x00\x00"),
    ),
    # the technician's key switch
    *_port("service key", "service_key", "port", "service-key"),
    Fault("service key: mute", "service-key", "key.silent", bench("key-mute")),
    Fault("service key: a wire cut", "service-key", "key.contacts", bench("key-cut")),
    Fault("service key: shorted", "service-key", "key.contacts", bench("key-shorted")),
    Fault(
        "service key: an echo",
        "service-key",
        "key.garbled",
        _line("service_key", "port", far_ends.echo),
    ),
    Fault(
        "service key: inputs that nothing is wired to",
        "service-key",
        "key.contacts",
        says("service_key", input=4),
    ),
    # the speaker
    Fault("speaker: switched off", "speaker", "network.refused", says("speaker", address=NOBODY)),
    Fault(
        "speaker: no name", "speaker", "network.dns", says("speaker", address="speaker.invalid:1")
    ),
    Fault(
        "speaker: no sound card",
        "speaker",
        "speaker.no-card",
        made(lambda site: Put(file=site.write("alsa.toml", _with_alsa(site)))),
        lambda _: "" if _has("aplay") else "aplay is not installed",
    ),
    Fault(
        "speaker: no aplay",
        "speaker",
        "speaker.no-aplay",
        made(
            lambda site: Put(
                file=site.write("alsa.toml", _with_alsa(site)), environment={"PATH": "/nowhere"}
            )
        ),
    ),
)
