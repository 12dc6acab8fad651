"""A kiosk with a virtual device in the place of a real one never serves, and never takes money.

A technician puts the virtual far end of a missing or broken device there for a test (`kiosk dock`),
and `kiosk.under_test` names the tables. Two things must then hold, or the kiosk does not start:

- Its certificate is of a rehearsal's authority. A city's gateway admits only its own authority's
  kiosks, so this kiosk cannot speak to the city at all, whatever address it is given.
- Coin unit and payment terminal are virtual too: each is a pseudo-terminal, behind which no
  hardware can be.

What cannot be read or is not known is refused. The other way round, a kiosk with a city's
certificate does not start while one of its devices is certainly virtual: a socket in the place of a
card reader, a pseudo-terminal, or an address on this board's own loopback.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from firmware.service.config import Cash, Config, EscposReceipts
from firmware.service.device_sections import ModbusKeySection, NetworkSpeakerSection, VpcdCard

DEVICES: Final = ("card", "sheets", "receipts", "cash", "cashless", "speaker")
AUTHORITY: Final = "rehearsal "  # how the names of a rehearsal's authorities begin (city/pki.py)
SOCKET_READER: Final = "vpcd"
PSEUDO_TERMINALS: Final = Path("/dev/pts")


def trouble(config: Config) -> str:
    """One line: why this kiosk must not start; "" when it may."""
    named = config.kiosk.under_test
    if not named:
        return _virtual_trouble(config)
    if strange := sorted({*named} - {*DEVICES}):
        return f"no [{strange[0]}]; there are {', '.join(DEVICES)}"
    return _line_trouble(config.line.certificate) or _money_trouble(config)


def _line_trouble(certificate: Path) -> str:
    rehearsed = _is_rehearsed(certificate)
    if rehearsed is None:
        return f"{certificate} cannot be read, so nothing says that it is a rehearsal's"
    if rehearsed:
        return ""
    return f"{certificate} is not of a rehearsal's authority: with it the city would be served"


def _is_rehearsed(certificate: Path) -> bool | None:
    """None where it cannot be read."""
    try:
        issuer = x509.load_pem_x509_certificate(certificate.read_bytes()).issuer
    except (OSError, ValueError):
        return None
    names = [str(each.value) for each in issuer.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return len(names) == 1 and names[0].startswith(AUTHORITY)


def _virtual_trouble(config: Config) -> str:
    """A certificate that cannot be read stops the start elsewhere (`preflight`)."""
    if _is_rehearsed(config.line.certificate) is not False:
        return ""
    for table, wire in _wires(config).items():
        if wire == SOCKET_READER or _is_virtual(wire) or _is_on_loopback(wire):
            return (
                f"[{table}] is a virtual device ({wire}), and does not serve a city: give the real "
                "one, or use kiosk dock for a test"
            )
    return ""


def _wires(config: Config) -> dict[str, str]:
    """Where each device is, of the kiosk's own drivers."""
    found = {"card": SOCKET_READER} if isinstance(config.card, VpcdCard) else {}
    for table, section in (("sheets", config.sheets), ("receipts", config.receipts)):
        if isinstance(section, EscposReceipts):
            found[table] = section.address
    if isinstance(config.speaker, NetworkSpeakerSection):
        found["speaker"] = config.speaker.address
    if isinstance(config.cash, Cash):
        found["cash"] = config.cash.port
    if config.cashless:
        found["cashless"] = config.cashless.address
    if isinstance(config.service_key, ModbusKeySection):
        found["service_key"] = config.service_key.port
    return found


def _is_on_loopback(wire: str) -> bool:
    host, _, port = wire.rpartition(":")
    try:
        return port.isdecimal() and ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _money_trouble(config: Config) -> str:
    """Real coins and real cards are never taken."""
    cash = config.cash
    wires = {"cash": cash.port if isinstance(cash, Cash) else ""}
    if config.cashless:
        wires["cashless"] = config.cashless.address
    for table, wire in wires.items():
        if table not in config.kiosk.under_test or not _is_virtual(wire):
            return f"[{table}] must be virtual too: real money is never taken under test"
    return ""


def _is_virtual(wire: str) -> bool:
    file = wire.removeprefix("serial:").partition("?")[0]
    return bool(file) and PSEUDO_TERMINALS in Path(file).resolve().parents
