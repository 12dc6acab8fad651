"""The kiosk's configuration: TOML, typed, an unknown key is an error.

Every device names a driver and an address. There is no switch for "simulated": a driver does not
know what is at the other end of the wire.

The comment above each key, and the text of each class, are the sentences of docs/configuration.md.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from firmware.panel.size import PanelSize
from firmware.sheets.guard_style import GuardStyle, Halftone, default_style, require_sane
from hal.faults import DeviceFault
from hal.printer.profiles import profile

ObjectId = Annotated[str, Meta(pattern=r"^[0-2](\.(0|[1-9]\d{0,9}))+$", description="OID")]
Port = Annotated[str, Meta(pattern=r"^[^:\s]+:\d{1,5}$", description="host:port")]


A4_INCHES = 210 / 25.4  # across


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections."""


class Kiosk(Section, frozen=True, kw_only=True):
    """This kiosk."""

    # The common name of the kiosk's certificate; the city knows the kiosk by it.
    id: str
    # The folder of the journal. `kiosk journal create` makes the journal, once. Nothing personal is
    # in it.
    state: Path
    # The folder of what is only there while the kiosk runs: its status (`kiosk status`) and, in its
    # folder `panel`, the key that the panel's browser needs.
    runtime: Path = Path("/run/madoguchi")
    # The languages that the first screen offers, in this order.
    languages: tuple[str, ...] = ("ja", "ja-easy", "en")
    # How much is logged, as JSON lines on standard error.
    log: Literal["debug", "info", "warning"] = "info"
    # Whom to call about this machine, on the screen while the kiosk is closed. Without it the
    # city's own number is shown.
    phone: str = ""
    # All waiting times for a person are multiplied by this. Limits that wait for devices keep their
    # own.
    pace: Annotated[float, Meta(ge=0.01, le=10)] = 1.0


Side: TypeAlias = Literal["left", "right", "below"]


class CabinetSection(Section, frozen=True, kw_only=True):
    """On which side of the screen each device is, for somebody who stands in front: "left", "right"
    or "below". The pictures and words of the screens say it.
    """

    # The card reader.
    card: Side = "right"
    # The slot for coins.
    coins: Side = "right"
    # The tray where coins come out.
    change: Side = "right"
    # The outlet of the certificates.
    sheets: Side = "below"
    # The outlet of the receipts.
    receipt: Side = "left"


class PanelSection(Section, frozen=True, kw_only=True):
    """The touch screen: where its page is served, and how large it is."""

    # The address of the page. Anything but loopback is refused.
    listen: Port = "127.0.0.1:8080"
    # The width of the visible area in millimetres, as the panel stands in the cabinet. Text and
    # buttons follow from it and must not be too small, so measure it.
    width_mm: Annotated[float, Meta(ge=100, le=1000)] = 345
    # Its height in millimetres; greater than the width where the panel stands upright.
    height_mm: Annotated[float, Meta(ge=80, le=1000)] = 194
    # Where the devices are.
    cabinet: CabinetSection = CabinetSection()

    @property
    def size(self) -> PanelSize:
        return PanelSize(self.width_mm, self.height_mm)

    @property
    def sides(self) -> dict[str, str]:
        """On which side of the screen each device is."""
        return msgspec.structs.asdict(self.cabinet)


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


SheetsPrinter: TypeAlias = EscposSection | IppSection


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


class Cash(Section, frozen=True, kw_only=True):
    """Coin acceptor and hoppers: ccTalk on one serial line, see [coins.md](coins.md)."""

    # The only driver there is.
    driver: Literal["cctalk"] = "cctalk"
    # The serial device.
    port: str
    # How all devices on the wire protect their frames: by an 8-bit sum or a 16-bit CRC.
    checksum: Literal["sum", "crc"] = "sum"
    # The coin acceptor's address on the bus.
    acceptor: Annotated[int, Meta(ge=2, le=255)] = 2
    # One table for each hopper.
    hoppers: tuple[HopperSection, ...]


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


class LineSection(Section, frozen=True, kw_only=True):
    """The dedicated line to the city, see [line.md](line.md)."""

    # `https://host:port` of the city's gateway.
    city: str
    # The only CA that is trusted for the city (PEM).
    city_ca: Path
    # The kiosk's own certificate (PEM).
    certificate: Path
    # Its private key (PEM).
    key: Path
    # Calls go through this network interface or not at all.
    interface: str | None = None
    # Seconds for one call. An order has 30.
    deadline_s: float = 15
    # Seconds by which the city's clock may differ from this board's; with more the kiosk is out of
    # service. 0: not compared.
    clock_s: Annotated[int, Meta(ge=0)] = 3600
    # So many days before its certificate ends, the kiosk asks for a new one. The folder of the
    # certificate must be writable.
    renew_days: Annotated[int, Meta(ge=1, le=365)] = 60


class TrustSection(Section, frozen=True, kw_only=True):
    """Whom the kiosk believes: the authorities of the cards, and the city's keys."""

    # Every generation of the cards' CA that is still in use (PEM or DER).
    card_ca: tuple[Path, ...]
    # The city's public Ed25519 keys (PEM) that sign documents and sheet codes; two while one is
    # replaced.
    issuing_keys: tuple[Path, ...]
    # The city's public Ed25519 keys (PEM) that sign the terms of the forms; two while one is
    # replaced.
    terms_keys: tuple[Path, ...]
    # The oldest edition of the signed terms that is taken. Older ones are refused although they are
    # properly signed.
    terms_edition: Annotated[int, Meta(ge=1)] = 1
    # Whether cards of `O=JPKI-TEST` are taken; never in production.
    allow_test_cards: bool = False
    # The certificate policies of phones, as OIDs. Without any, phones are refused, whatever the
    # city says.
    phone_policies: tuple[ObjectId, ...] = ()


class AttestationSection(Section, frozen=True, kw_only=True):
    """What was signed of this kiosk, see [deployment.md](deployment.md#attestation). At each start
    the kiosk measures itself, and serves nobody when an item differs.
    """

    # Signed measurements. Together they hold every item; one may be of the build, another of this
    # place.
    signed: tuple[Path, ...]
    # Public Ed25519 keys (PEM) of those who sign them.
    keys: tuple[Path, ...]


class Fonts(Section, frozen=True, kw_only=True):
    """The fonts of the paper."""

    # The one font of certificates. It must be the city's: every glyph of a document is compared
    # with it.
    mincho: Path = Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf")
    # The font of receipts.
    gothic: Path = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


class Voice(Section, frozen=True, kw_only=True):
    """The recorded voice, see [voice.md](voice.md)."""

    # The folder of the recordings, which `kiosk voice` fills.
    recordings: Path
    # Percent of the speaker's full volume.
    volume: Annotated[int, Meta(ge=0, le=100)] = 80
    # Languages whose recordings must all be there before the kiosk starts; not said: every one of
    # `kiosk.languages` that has a voice. Another one speaks as soon as all of its recordings are
    # there. What has no voice is shown, and the voice speaks English.
    languages: tuple[str, ...] | None = None


class Config(Section, frozen=True, kw_only=True):
    kiosk: Kiosk
    panel: PanelSection
    card: VpcdCard | PcscCard
    sheets: SheetsPrinter
    receipts: EscposReceipts
    cash: Cash
    speaker: AlsaSection | NetworkSpeakerSection
    line: LineSection
    trust: TrustSection
    voice: Voice
    fonts: Fonts = Fonts()
    cashless: Cashless | None = None
    attestation: AttestationSection | None = None


class ConfigError(Exception):
    """One line: which file, which key, what is wrong."""


def _with_credential(line: LineSection) -> LineSection:
    """With the key that systemd hands to the service alone (LoadCredential=), where it does."""
    given = Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent")) / line.key.name
    return msgspec.structs.replace(line, key=given) if given.is_file() else line


def load(path: Path) -> Config:
    """Read and check. Relative paths count from the file's folder. Raises ConfigError."""
    base = path.parent.absolute()

    def convert(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str):
            return base / value
        raise NotImplementedError(f"no {kind.__name__} in a configuration")

    try:
        document = tomllib.loads(path.read_text("utf-8"))
        sheets = document.get("sheets")
        if isinstance(sheets, dict):
            sheets.setdefault("driver", "escpos")
        config = msgspec.convert(document, Config, dec_hook=convert)
        return msgspec.structs.replace(config, line=_with_credential(config.line))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
