"""The coin unit: asked through the kiosk's own driver, and where that fails, everybody on the bus.

No coin moves. Which devices answer tells a unit without power from one that is unplugged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from firmware.service import config as kiosk_config
from firmware.service import devices
from firmware.tools.diagnose.errors import look_at_serial
from firmware.tools.diagnose.finding import Wrong, wrong
from hal.cash import discovery
from hal.cash.contract import CashStatus, CoinFault
from hal.cash.frame import Checksum
from hal.cash.wire import CctalkWire
from hal.faults import DeviceFault, Reason

REPLY_S: Final = 0.2
REASONS: Final[Mapping[Reason, str]] = {
    Reason.SILENT: "coins.silent",
    Reason.GARBLED: "coins.garbled",
    Reason.REFUSED: "coins.refused",
    Reason.CONFIGURATION: "coins.configuration",
    Reason.COIN_JAM: "coins.jam",
    Reason.HOPPER_EMPTY: "coins.low",
    Reason.EVENTS_LOST: "coins.events-lost",
    Reason.NOT_CONNECTED: "device.gone",
}
# What the ccTalk driver says of a unit that is not what the configuration says.
WORDS: Final = (
    (r"answers with checksum", "coins.checksum"),
    (r"two devices|more than one answer", "coins.clash"),
    (r"is not a (hopper|coin acceptor)", "coins.other-device"),
    (r"the hopper at address \d+ holds", "coins.other-coin"),
    (r"acceptor does not know", "coins.unknown-coin"),
)


def coins(config: kiosk_config.Config) -> str:
    section = config.cash
    if not isinstance(section, kiosk_config.Cash):
        return _start(section)
    look_at_serial(section.port)
    try:
        return _start(section)
    except DeviceFault as fault:
        raise _explained(section, fault) from None


def _start(section: kiosk_config.CashSection) -> str:
    """What the unit says of itself. Raises DeviceFault, Wrong."""
    unit = devices.coin_unit(section)
    faults: list[Reason] = []
    try:
        missed = unit.start(
            lambda event: faults.append(event.reason) if isinstance(event, CoinFault) else None
        )
        if missed.lost:
            faults.append(Reason.EVENTS_LOST)
        status = unit.status()
    finally:
        unit.close()
    return _told(status, faults)


def _told(status: CashStatus, faults: list[Reason]) -> str:
    if faults:
        raise wrong(REASONS.get(faults[0], "coins.trouble"), faults[0].value)
    if not status.ready:
        raise wrong("coins.trouble", "it does not say that it is ready")
    low = sorted(hopper.value for hopper in status.hoppers if not hopper.least)
    if low:
        raise wrong("coins.low", f"ready, change low: {_yen(low)}")
    return f"ready, change {_yen(sorted(hopper.value for hopper in status.hoppers))}"


def _explained(section: kiosk_config.Cash, fault: DeviceFault) -> Wrong:
    """The driver's own words, or who is on the bus."""
    told = f"{fault.reason.value} ({fault.detail})"
    named = next((code for words, code in WORDS if re.search(words, fault.detail)), "")
    if named:
        return wrong(named, fault.detail)
    if fault.reason is not Reason.SILENT:
        return wrong(REASONS.get(fault.reason, "coins.trouble"), told)
    found = _on_the_bus(section)
    listed = f"on the bus: {', '.join(map(str, found)) or 'nobody'}"
    hoppers = [hopper.address for hopper in section.hoppers]
    wanted = f"acceptor at {section.acceptor}, hoppers at {', '.join(map(str, hoppers))}"
    if not found:
        return wrong("coins.silent", f"{section.port}: {listed}", wanted)
    if section.acceptor not in found:
        return wrong("coins.no-acceptor", f"no answer from {section.acceptor}; {listed}", wanted)
    if missing := [address for address in hoppers if address not in found]:
        detail = f"no answer from {', '.join(map(str, missing))}; {listed}"
        return wrong("coins.no-hopper", detail, wanted)
    return wrong("coins.other-device", f"it is there, and does not know the question: {told}")


def _on_the_bus(section: kiosk_config.Cash) -> tuple[int, ...]:
    """Addresses of everybody who answers."""
    wire = CctalkWire("cash", section.port, REPLY_S, Checksum(section.checksum))
    try:
        return discovery.addresses(wire)
    except DeviceFault:
        return ()
    finally:
        wire.close()


def _yen(values: list[int]) -> str:
    return ", ".join(f"{value} yen" for value in values) or "none"
