"""Names of devices, payment terminal, speaker, key switch, and what was recorded of the exchanges
with each.

Each device is asked through its own driver; nothing is printed, paid or moved.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections import Counter
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Final

from firmware.service import config as kiosk_config
from firmware.service import devices
from firmware.service.exchange_record import read_exchanges
from firmware.tools.diagnose.errors import look_at_serial, of_network
from firmware.tools.diagnose.finding import Wrong, wrong
from hal.cashless.frame import ENQ
from hal.cashless.wire import BAUD
from hal.faults import DeviceFault, Reason
from hal.serial_line import PORT_ERRORS, close_line, open_line, read_some

HEARD, KNOCK_S = 16, 1.0
FAILED: Final = frozenset(reason.value for reason in Reason)
NUMBERED: Final = re.compile(r"/dev/(?:ttyUSB|ttyACM|usb/lp)\d+")
STEADY: Final = ("/dev/madoguchi", "/dev/serial/by-path", "/dev/usb/by-path", "/dev/serial/by-id")
CASHLESS: Final[Mapping[Reason, str]] = {
    Reason.SILENT: "cashless.silent",
    Reason.GARBLED: "cashless.garbled",
    Reason.NOT_CONNECTED: "device.gone",
}
SERVICE_KEY: Final[Mapping[Reason, str]] = {
    Reason.CONFIGURATION: "key.contacts",
    Reason.SILENT: "key.silent",
    Reason.GARBLED: "key.garbled",
    Reason.REFUSED: "key.refused",
    Reason.NOT_CONNECTED: "device.gone",
}
# What aplay says on its last line.
APLAY: Final = (
    (r"busy", "speaker.busy"),
    (r"No such|Unknown PCM|Invalid argument|cannot find card", "speaker.no-card"),
    (r"[Pp]ermission", "device.not-permitted"),
)


def names(config: kiosk_config.Config) -> str:
    """A number such as ttyUSB0 goes to whichever device was plugged in first."""
    addresses = (
        getattr(section, key, "")
        for section in (
            config.sheets,
            config.receipts,
            config.cash,
            config.cashless,
            config.service_key,
        )
        for key in ("address", "port")
    )
    moving = [found[0] for address in addresses if (found := NUMBERED.search(str(address)))]
    if moving:
        names = ", ".join(f"{name}{_steady(Path(name))}" for name in moving)
        raise wrong("names.moving", f"{names}: such a number moves")
    return "none that moves"


def _steady(device: Path) -> str:
    """The name of the socket that this device is plugged into now, where udev gave it one."""
    links = (link for folder in STEADY for link in sorted(Path(folder).glob("*")))
    with contextlib.suppress(OSError):
        return next((f" (now {link})" for link in links if link.resolve() == device), "")
    return ""


def cashless(config: kiosk_config.Config) -> str:
    """Asked for its state only: nothing is charged."""
    section = config.cashless
    if section is None:
        return "none configured: coins only"
    look_at_serial(section.address)
    terminal = devices.payment_terminal(section)
    try:
        ready = terminal.is_ready()
    except DeviceFault as fault:
        terminal.close()
        raise _silent_terminal(section.address, fault) from None
    finally:
        terminal.close()
    if not ready:
        raise wrong("cashless.not-ready", "it says that it is not ready")
    return "ready"


def _silent_terminal(path: str, fault: DeviceFault) -> Wrong:
    """Whoever is not called a terminal by the driver may be another device: is anything heard?"""
    code = CASHLESS.get(fault.reason, "cashless.trouble")
    told = f"{path}: {fault.reason.value} {fault.detail}".rstrip()
    if fault.reason is Reason.NOT_CONNECTED:
        received = _knock(path)
        told = f"{told}; received {received.hex(' ') or 'nothing'}"
        code = "cashless.garbled" if received else "cashless.silent"
    return wrong(code, told)


def _knock(path: str) -> bytes:
    """What comes in answer to the terminal's first byte."""
    try:
        port = open_line(path, BAUD)
    except PORT_ERRORS:
        return b""
    try:
        port.write(bytes([ENQ]))
        return read_some(port, HEARD, time.monotonic() + KNOCK_S)
    except PORT_ERRORS:
        return b""
    finally:
        close_line(port)


def speaker(config: kiosk_config.Config) -> str:
    section = config.speaker
    if isinstance(section, kiosk_config.AlsaSection) and shutil.which("aplay") is None:
        raise wrong("speaker.no-aplay", "aplay is not installed")
    driver = devices.speaker(section)
    try:
        driver.check()
    except DeviceFault as fault:
        raise _silent_speaker(section, fault) from None
    finally:
        driver.close()
    return "takes sound"


def _silent_speaker(section: kiosk_config.SpeakerSection, fault: DeviceFault) -> Wrong:
    told = f"{fault.reason.value} ({fault.detail})"
    if isinstance(section, kiosk_config.NetworkSpeakerSection):
        error = fault.__cause__
        if isinstance(error, OSError):
            return of_network(section.address, error)
        return wrong("speaker.trouble", f"{section.address}: {told}")
    if fault.reason is Reason.SILENT:
        return wrong("speaker.silent", told)
    words = (code for words, code in APLAY if re.search(words, fault.detail))
    return wrong(next(words, "speaker.trouble"), told)


def service_key(config: kiosk_config.Config) -> str:
    """How the technician's key stands: a contact that nobody can read opens no screen."""
    section = config.service_key
    if section is None:
        return "none configured: no technician's screens"
    if isinstance(section, kiosk_config.ModbusKeySection):
        look_at_serial(section.port)
    switch = devices.service_key(section)
    try:
        return "turned" if switch.turned() else "not turned"
    except DeviceFault as fault:
        told = f"{fault.reason.value} ({fault.detail})"
        raise wrong(SERVICE_KEY.get(fault.reason, "key.trouble"), told) from None
    finally:
        switch.close()


def exchanges(config: kiosk_config.Config) -> str:
    """What the residents' processes recorded: how many, and how many without an answer that is
    well.
    """
    lines = []
    for device, found in groupby(
        sorted(read_exchanges(config.kiosk.state), key=lambda each: each.exchange.device),
        lambda each: each.exchange.device,
    ):
        recorded = list(found)
        lost = Counter[str]()
        for each in recorded:
            if each.exchange.result in FAILED:
                lost[each.exchange.result] += each.times
        times = sum(each.times for each in recorded)
        failures = "".join(f", {result} x{n}" for result, n in sorted(lost.items()))
        lines.append(f"{device} {times}{failures}")
    return f"{'; '.join(lines) or 'none yet'} (kiosk exchanges)"
