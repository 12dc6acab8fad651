"""The configuration's tables of devices: each names a driver and an address.

The comment above each key, and the text of each class, are the sentences of docs/configuration.md.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from firmware.sheets.guard_style import GuardStyle, Halftone, default_style, require_sane
from hal.faults import DeviceFault
from hal.printer.profiles import profile

Port = Annotated[str, Meta(pattern=r"^[^:\s]+:\d{1,5}$", description="host:port")]
INSTALLED: Final = "package.module:Class"  # the tag of a driver that is not the kiosk's own
A4_INCHES = 210 / 25.4  # across


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections."""


class DriverSection(Section, frozen=True, kw_only=True, tag_field="driver", tag=INSTALLED):
    """A driver that is installed beside the kiosk: the name of an entry point, or a class by its
    module ([hal.md](hal.md)).
    """

    # Filled in by the kiosk: what `driver` says.
    name: str = ""
    # The driver's own options, a table of its own. The driver says which there are, and the kiosk
    # checks them.
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class VpcdCard(Section, frozen=True, kw_only=True, tag_field="driver", tag="vpcd"):
    """A reader made of a socket, in the protocol of the virtual reader: the kiosk listens, and a
    card program connects.
    """

    # Where card programs connect.
    listen: Port
    # A port that must accept connections for the reader to count as plugged in.
    cable: Port | None = None


class PcscCard(Section, frozen=True, kw_only=True, tag_field="driver", tag="pcsc"):
    """A PC/SC reader."""

    # The reader's name, as `kiosk diagnose` or `pcsc_scan` shows it, or its beginning. It must fit
    # one reader only; the number of the device behind the name counts for nothing.
    reader: str
    # The reader's own serial number, where two readers have one name and tell theirs.
    serial: str = ""


CardSection: TypeAlias = VpcdCard | PcscCard | DriverSection


class GuardSection(Section, frozen=True, kw_only=True):
    """The copy guard for one printer: the values of the field that was chosen on the sheet of
    `kiosk calibrate`.
    """

    # The screen of the ground, in pixels.
    ground: Halftone
    # The screen of the letters, in pixels.
    letters: Halftone
    # White pixels round the print.
    halo: Annotated[int, Meta(ge=1, le=12)] = 2

    def __post_init__(self) -> None:
        require_sane(self.ground, self.letters)


class EscposReceipts(Section, frozen=True, kw_only=True, tag_field="driver", tag="escpos"):
    """An ESC/POS printer."""

    # `host:port`, `serial:/dev/NAME?baud=115200`, or a device file.
    address: str
    # The name of a printer model (hal/printer/profiles.py), which may give the width.
    profile: str = ""
    # Dots across the paper; that of the profile when it has one.
    width: Annotated[int, Meta(ge=128, le=8192)] = 0
    # Dots per inch.
    dpi: Literal[180, 203, 300, 600] = 203
    # Whether the model answers DLE EOT 20 and sees paper that waits in the outlet.
    outlet_sensor: bool = False
    # Seconds for one page; well below the journey's own limit.
    page_deadline_s: Annotated[float, Meta(gt=0, le=120)] = 60
    # Seconds in which the printer answers a question about its state. Some models take more than
    # one.
    answer_s: Annotated[float, Meta(gt=0, le=10)] = 2
    # Seconds in which a connection must be made, and in which a page waits for a printer that is
    # busy. A printer that ends the connection behind each cut and then keeps its port for a while
    # needs 60.
    connect_s: Annotated[float, Meta(gt=0, le=90)] = 5

    def __post_init__(self) -> None:
        """Raises ValueError, which msgspec turns into its own error with the table's name."""
        known = _width(self.profile) if self.profile else None
        if known and self.width and known != self.width:
            raise ValueError(f"width: {self.width} dots, but profile {self.profile!r} has {known}")
        if not (known or self.width):
            raise ValueError("width: the dots across, or a profile that has them")
        force_setattr(self, "width", known or self.width)


class EscposSection(EscposReceipts, frozen=True, kw_only=True, tag_field="driver", tag="escpos"):
    """An ESC/POS printer. It has no command for the other side of the paper."""

    # Dots per inch. At 180 the code of a sheet would not fit into its place.
    dpi: Literal[203, 300, 600] = 203
    # Refused when true: ESC/POS printers print on one side only.
    duplex: bool = False
    # The copy guard of this printer. Without it, that of the printer's resolution is used.
    guard: GuardSection | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.duplex:
            raise ValueError('duplex: ESC/POS printers print on one side only; driver = "ipp" can')


class ReceiptsDriver(DriverSection, frozen=True, kw_only=True, tag_field="driver", tag=INSTALLED):
    """A driver that is installed beside the kiosk, see [hal.md](hal.md)."""

    # Dots across the paper.
    width: Annotated[int, Meta(ge=128, le=8192)]
    # Dots per inch.
    dpi: Literal[180, 203, 300, 600] = 203


class SheetsDriver(DriverSection, frozen=True, kw_only=True, tag_field="driver", tag=INSTALLED):
    """A driver that is installed beside the kiosk, see [hal.md](hal.md)."""

    # Dots across the paper.
    width: Annotated[int, Meta(ge=128, le=8192)]
    # Dots per inch. At 180 the code of a sheet would not fit into its place.
    dpi: Literal[203, 300, 600] = 203
    # Whether the driver sees paper that waits in the outlet.
    outlet_sensor: bool = False
    # Whether the copy guard stands on the back of each sheet too.
    duplex: bool = False
    # The copy guard of this printer. Without it, that of the printer's resolution is used.
    guard: GuardSection | None = None


class IppSection(Section, frozen=True, kw_only=True, tag_field="driver", tag="ipp"):
    """A page printer that speaks IPP, see [printing.md](printing.md). It prints the whole A4
    sheet.
    """

    # `ipp://host:631/ipp/print`, or `ipps://` with the printer's own certificate.
    address: Annotated[
        str, Meta(pattern=r"^ipps?://[^/\s]+/\S*$", description="ipp(s)://host/path")
    ]
    # The printer's own certificate or that of its CA (PEM), the only one that is trusted. `ipps://`
    # needs either this or `fingerprint`; `ipp://` takes neither.
    ca: Path | None = None
    # The SHA-256 fingerprint of the printer's own certificate, which may then be expired.
    fingerprint: Annotated[
        str, Meta(pattern=r"^(|[0-9A-Fa-f]{2}(:?[0-9A-Fa-f]{2}){31})$", description="SHA-256")
    ] = ""
    # Dots per inch.
    dpi: Literal[300, 600] = 300
    # Whether the copy guard stands on the back of each sheet too.
    duplex: bool = False
    # Seconds for one sheet; well below the journey's own limit.
    page_deadline_s: Annotated[float, Meta(gt=0, le=120)] = 60
    # The copy guard of this printer. Without it, that of the printer's resolution is used.
    guard: GuardSection | None = None

    def __post_init__(self) -> None:
        pins = (self.ca is not None) + (self.fingerprint != "")
        if pins != self.address.startswith("ipps:"):
            raise ValueError("ca: with ipps://, and only there, either ca or fingerprint")

    @property
    def width(self) -> int:
        """Dots across: the whole sheet, A4."""
        return round(A4_INCHES * self.dpi)

    @property
    def outlet_sensor(self) -> bool:
        return False


def _width(name: str) -> int | None:
    """What the profile of this name says. Raises ValueError when it cannot be used."""
    try:
        return profile("", name).width
    except DeviceFault as fault:
        raise ValueError(fault.detail) from None


SheetsPrinter: TypeAlias = EscposSection | IppSection | SheetsDriver
ReceiptsPrinter: TypeAlias = EscposReceipts | ReceiptsDriver


def guard_style(section: SheetsPrinter) -> GuardStyle:
    """The copy guard of this printer: as configured, else that of its resolution."""
    style = default_style(section.dpi)
    chosen = section.guard
    if chosen is None:
        return style
    return replace(style, ground=chosen.ground, letters=chosen.letters, halo=chosen.halo)


class HopperSection(Section, frozen=True, kw_only=True):
    """One hopper."""

    # The hopper's address on the bus.
    address: Annotated[int, Meta(ge=2, le=255)]
    # The coin that it holds, in yen.
    value: Annotated[int, Meta(ge=1, le=500)]
    # Coins that are certainly in it while its low sensor is covered.
    low: Annotated[int, Meta(ge=0, le=255)] = 10
    # What it wants to see before it pays.
    handshake: Literal["serial-number", "cipher-off"] = "serial-number"
    # Whether coins of its value that residents put in fall into it. Coins that no hopper is fed
    # with fall into the cash box.
    fed: bool = False


class Cash(Section, frozen=True, kw_only=True, tag_field="driver", tag="cctalk"):
    """Coin acceptor and hoppers: ccTalk on one serial line, see [coins.md](coins.md)."""

    # The serial device.
    port: str
    # How all devices on the wire protect their frames: by an 8-bit sum or a 16-bit CRC.
    checksum: Literal["sum", "crc"] = "sum"
    # The coin acceptor's address on the bus.
    acceptor: Annotated[int, Meta(ge=2, le=255)] = 2
    # One table for each hopper.
    hoppers: tuple[HopperSection, ...]

    def __post_init__(self) -> None:
        """Raises ValueError: all of them are on one wire."""
        seen = {self.acceptor}
        for hopper in self.hoppers:
            if hopper.address in seen:
                raise ValueError(f"hoppers: address {hopper.address} is given twice on one wire")
            seen.add(hopper.address)


class CashDriver(DriverSection, frozen=True, kw_only=True, tag_field="driver", tag=INSTALLED):
    """A driver that is installed beside the kiosk, see [hal.md](hal.md)."""

    # One table for each hopper: the books are kept by it.
    hoppers: tuple[HopperSection, ...]


CashSection: TypeAlias = Cash | CashDriver


class Cashless(Section, frozen=True, kw_only=True):
    """A payment terminal, see [cashless.md](cashless.md). Without this section only coins are
    taken.
    """

    # The only driver there is.
    driver: Literal["serial"] = "serial"
    # The serial device.
    address: str


class AlsaSection(Section, frozen=True, kw_only=True, tag_field="driver", tag="alsa"):
    """A sound card of this board."""

    # ALSA's name of it, such as `plughw:1,0`.
    device: str = "default"
    # The card whose control tells whether headphones are in, as `aplay -l` numbers or names it.
    card: str = "0"
    # The name of that control, such as `Headphone Jack` (`amixer -c CARD contents` lists them).
    # Without one nobody can tell, and names are never spoken.
    jack: str | None = None


class NetworkSpeakerSection(Section, frozen=True, kw_only=True, tag_field="driver", tag="network"):
    """A speaker that takes WAV over TCP."""

    # The speaker's address.
    address: Port


class ModbusKeySection(Section, frozen=True, kw_only=True, tag_field="driver", tag="modbus"):
    """A key switch on two inputs of a digital input module: Modbus RTU on a serial line, 8N1. Its
    contact is a changeover: one input is closed while the key is turned, the next one while it is
    not.
    """

    # The serial device.
    port: str
    # Bits per second.
    baud: Literal[4800, 9600, 19200, 38400, 57600, 115200] = 9600
    # The module's address.
    unit: Annotated[int, Meta(ge=1, le=247)] = 1
    # The number of the input that is closed while the key is turned, counted from 0.
    input: Annotated[int, Meta(ge=0, le=6)] = 0


ServiceKeySection: TypeAlias = ModbusKeySection | DriverSection
SpeakerSection: TypeAlias = AlsaSection | NetworkSpeakerSection | DriverSection
