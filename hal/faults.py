"""The one exception that leaves a driver.

A driver translates every error of its library, its wire and its device into a `DeviceFault` with a
reason from the table below; nothing else crosses the hardware abstraction layer.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a device did not do what it was asked. The value is what logs, cases and diagnostics
    show.
    """

    # the wire is not there: no port, connection refused, reader unplugged
    NOT_CONNECTED = "not-connected"
    SILENT = "silent"  # the wire is there and nothing answers within the deadline
    GARBLED = "garbled"  # an answer that is not of the protocol
    REFUSED = "refused"  # the device answered that it will not
    CONFIGURATION = "configuration"  # the device is not what the configuration says
    DENIED = "denied"  # the system's policy does not let this program use the device
    SERVICE_DOWN = "service-down"  # the program that serves the device (pcscd) is not running
    # card
    REMOVED = "removed"  # the card left during an exchange; what was sent may have been executed
    MUTE = "mute"  # a card is there and does not answer reset
    IN_USE = "in-use"  # another program holds the card
    # printer
    BUSY = "busy"  # it is there, and serves another connection or still holds the last one
    PAPER_OUT = "paper-out"
    COVER_OPEN = "cover-open"
    JAM = "jam"
    PRINTER_ERROR = "printer-error"
    UNCERTAIN = "uncertain"  # sent, not confirmed: paper may or may not have come out
    # cash
    HOPPER_EMPTY = "hopper-empty"
    EVENTS_LOST = "events-lost"  # more credits happened than the acceptor remembers
    COIN_JAM = "coin-jam"


class DeviceFault(Exception):
    """`device` is the configuration's section name, `detail` never holds anything about
    a person.
    """

    def __init__(self, device: str, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{device}: {reason.value}" + (f" ({detail})" if detail else ""))
        self.device = device
        self.reason = reason
        self.detail = detail
