"""A kiosk with a virtual device in the place of a real one never serves, and never takes money.

A technician puts the virtual far end of a missing or broken device there for a test (`kiosk dock`),
and `kiosk.under_test` names the tables. Two things must then hold, or the kiosk does not start:

- Its certificate is of a rehearsal's authority. A city's gateway admits only its own authority's
  kiosks, so this kiosk cannot speak to the city at all, whatever address it is given.
- Coin unit and payment terminal are virtual too: each is a pseudo-terminal, behind which no
  hardware can be.

What cannot be read or is not known is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from firmware.service.config import Cash, Config

DEVICES: Final = ("card", "sheets", "receipts", "cash", "cashless", "speaker")
AUTHORITY: Final = "rehearsal "  # how the names of a rehearsal's authorities begin (city/pki.py)
PSEUDO_TERMINALS: Final = Path("/dev/pts")


def trouble(config: Config) -> str:
    """One line: why this kiosk must not start; "" when it may."""
    named = config.kiosk.under_test
    if not named:
        return ""
    if strange := sorted({*named} - {*DEVICES}):
        return f"no [{strange[0]}]; there are {', '.join(DEVICES)}"
    return _line_trouble(config.line.certificate) or _money_trouble(config)


def _line_trouble(certificate: Path) -> str:
    try:
        issuer = x509.load_pem_x509_certificate(certificate.read_bytes()).issuer
    except (OSError, ValueError):
        return f"{certificate} cannot be read, so nothing says that it is a rehearsal's"
    names = [str(each.value) for each in issuer.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if len(names) == 1 and names[0].startswith(AUTHORITY):
        return ""
    return f"{certificate} is not of a rehearsal's authority: with it the city would be served"


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
    return bool(wire) and PSEUDO_TERMINALS in Path(wire).resolve().parents
