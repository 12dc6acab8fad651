"""The kiosk's configuration: TOML, typed, an unknown key is an error.

Every device names a driver and an address. There is no switch for "simulated": a driver does not
know what is at the other end of the wire.

The comment above each key, and the text of each class, are the sentences of docs/configuration.md.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_type_hints

import msgspec
from msgspec import Meta

from firmware.panel.size import PanelSize
from firmware.service.config_words import allowed
from firmware.service.device_sections import INSTALLED as INSTALLED
from firmware.service.device_sections import AlsaSection as AlsaSection
from firmware.service.device_sections import CardSection as CardSection
from firmware.service.device_sections import Cash as Cash
from firmware.service.device_sections import CashDriver as CashDriver
from firmware.service.device_sections import Cashless as Cashless
from firmware.service.device_sections import CashSection as CashSection
from firmware.service.device_sections import DriverSection as DriverSection
from firmware.service.device_sections import EscposReceipts as EscposReceipts
from firmware.service.device_sections import EscposSection as EscposSection
from firmware.service.device_sections import GuardSection as GuardSection
from firmware.service.device_sections import HopperSection as HopperSection
from firmware.service.device_sections import IppSection as IppSection
from firmware.service.device_sections import ModbusKeySection as ModbusKeySection
from firmware.service.device_sections import NetworkSpeakerSection as NetworkSpeakerSection
from firmware.service.device_sections import PcscCard as PcscCard
from firmware.service.device_sections import Port as Port
from firmware.service.device_sections import ReceiptsDriver as ReceiptsDriver
from firmware.service.device_sections import ReceiptsPrinter as ReceiptsPrinter
from firmware.service.device_sections import Section as Section
from firmware.service.device_sections import ServiceKeySection as ServiceKeySection
from firmware.service.device_sections import SheetsDriver as SheetsDriver
from firmware.service.device_sections import SheetsPrinter as SheetsPrinter
from firmware.service.device_sections import SpeakerSection as SpeakerSection
from firmware.service.device_sections import VpcdCard as VpcdCard
from firmware.service.device_sections import guard_style as guard_style
from hal import drivers
from hal.drivers import Kind
from hal.panel.watch import LIMITS, Stage

ObjectId = Annotated[str, Meta(pattern=r"^[0-2](\.(0|[1-9]\d{0,9}))+$", description="OID")]


RUNTIME: Final = Path("/run/madoguchi")


class Kiosk(Section, frozen=True, kw_only=True):
    """This kiosk."""

    # The common name of the kiosk's certificate; the city knows the kiosk by it.
    id: str
    # The folder of the journal. `kiosk journal create` makes the journal, once. Nothing personal is
    # in it.
    state: Path
    # The folder of what is only there while the kiosk runs: its status (`kiosk status`) and, in its
    # folder `panel`, the key that the panel's browser needs.
    runtime: Path = RUNTIME
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
    # The tables whose device is a virtual one, for a technician's test (`kiosk dock`). Then every
    # screen and sheet says TEST, and the kiosk starts only with a rehearsal's certificate and
    # without any real money.
    under_test: tuple[str, ...] = ()


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
    # How many times longer than usual the browser may show nothing before it is started anew: 60 s
    # until its page runs, and 2 s when it has shown something. More than 1 where no graphics
    # processor draws.
    patience: Annotated[float, Meta(ge=1, le=60)] = 1.0
    # Where the devices are.
    cabinet: CabinetSection = CabinetSection()

    @property
    def limits(self) -> Mapping[Stage, float]:
        """Seconds without a picture, for `hal.panel.watch`."""
        return {stage: seconds * self.patience for stage, seconds in LIMITS.items()}

    @property
    def size(self) -> PanelSize:
        return PanelSize(self.width_mm, self.height_mm)

    @property
    def sides(self) -> dict[str, str]:
        """On which side of the screen each device is."""
        return msgspec.structs.asdict(self.cabinet)


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


class UpdatesSection(Section, frozen=True, kw_only=True):
    """Where a board that runs an image finds the builds that the city wants it to have, see
    [updates.md](updates.md#a-whole-fleet). Without it nothing is installed by the city's word.
    """

    # A folder, or an https:// address, with `madoguchi-BOARD-VERSION.raucb`.
    bundles: Annotated[str, Meta(pattern=r"^(/|https://)[!-~]*$")]


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
    card: CardSection
    sheets: SheetsPrinter
    receipts: ReceiptsPrinter
    cash: CashSection
    speaker: SpeakerSection
    line: LineSection
    trust: TrustSection
    voice: Voice
    fonts: Fonts = Fonts()
    cashless: Cashless | None = None
    service_key: ServiceKeySection | None = None
    attestation: AttestationSection | None = None
    updates: UpdatesSection | None = None


# The tables of devices whose driver may be somebody else's.
KINDS: Final[Mapping[str, Kind]] = {
    "card": Kind.CARD,
    "sheets": Kind.PRINTER,
    "receipts": Kind.PRINTER,
    "cash": Kind.CASH,
    "speaker": Kind.SPEAKER,
    "service_key": Kind.SERVICE_KEY,
}
# The driver of a table that names none.
USUAL: Final[Mapping[str, str]] = {"sheets": "escpos", "receipts": "escpos", "cash": "cctalk"}


def own_drivers(table: str) -> tuple[str, ...]:
    """The names of the kiosk's own drivers for this table."""
    sections = get_args(get_type_hints(Config)[table])
    known = (section for section in sections if section is not type(None))
    tags = (str(section.__struct_config__.tag) for section in known)
    return tuple(tag for tag in tags if tag != INSTALLED)


def _with_driver(path: Path, table: str, kind: Kind, given: Mapping[str, Any]) -> dict[str, Any]:
    """The table with a driver, and checked options where it is somebody else's. Raises
    ConfigError.
    """
    name = given.get("driver", USUAL.get(table))
    if name is None or not isinstance(name, str):
        listed = ", ".join((*own_drivers(table), *drivers.installed(kind)))
        raise ConfigError(f"{path}: [{table}] driver: one of {listed}, or package.module:Class")
    if name in own_drivers(table):
        return {**given, "driver": name}
    try:
        drivers.options(kind, name, given.get("options", {}), own_drivers(table))
    except drivers.DriverError as error:
        raise ConfigError(f"{path}: [{table}] {error}") from None
    return {**given, "driver": INSTALLED, "name": name}


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
        for table, kind in KINDS.items():
            if isinstance(document.get(table), dict):
                document[table] = _with_driver(path, table, kind, document[table])
        config = msgspec.convert(document, Config, dec_hook=convert)
        return msgspec.structs.replace(config, line=_with_credential(config.line))
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror}: name the kiosk's configuration with --config"
        ) from None
    except msgspec.MsgspecError as error:
        raise ConfigError(f"{path}: {error}{allowed(str(error), Config)}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
