"""The kiosk's configuration: TOML, typed, an unknown key is an error.

Every device names a driver and an address. There is no switch for "simulated": what is at the other end of the
wire is the wire's affair.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Port = Annotated[str, Meta(pattern=r"^[^:\s]+:\d{1,5}$", description="host:port")]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections."""


class Kiosk(Section, frozen=True, kw_only=True):
    """`id` must be the common name of the kiosk's certificate; `state` holds the journal and nothing personal."""

    id: str
    state: Path
    languages: tuple[str, ...] = ("ja", "en")
    log: Literal["debug", "info", "warning"] = "info"
    pace: Annotated[float, Meta(ge=0.01, le=10)] = 1.0  # the waiting times for a person, times this


class Panel(Section, frozen=True, kw_only=True):
    """Where the page is served: loopback only."""

    listen: Port = "127.0.0.1:8080"


class VpcdCard(Section, frozen=True, kw_only=True, tag_field="driver", tag="vpcd"):
    """A reader made of a socket: the kiosk listens, a card program connects (the virtual reader's protocol).

    `cable`: host:port that must be connectable for the reader to count as plugged in.
    """

    listen: Port
    cable: Port | None = None


class PcscCard(Section, frozen=True, kw_only=True, tag_field="driver", tag="pcsc"):
    """A PC/SC reader by its name, as `pcsc_scan` or `kiosk diagnose` shows it."""

    reader: str


class EscposPrinter(Section, frozen=True, kw_only=True):
    """`address`: host:port, serial:/dev/ttyUSB0?baud=115200, or a device file. `width` in dots."""

    driver: Literal["escpos"] = "escpos"
    address: str
    width: Annotated[int, Meta(ge=128, le=4096)]
    height: Annotated[int, Meta(ge=128, le=8192)] = 2339  # dots of one page; A4 at 203 dpi
    dpi: Literal[180, 203, 300] = 203
    outlet_sensor: bool = False
    page_deadline_s: Annotated[float, Meta(gt=0, le=120)] = 60  # well below the journey's own limit


class Hopper(Section, frozen=True, kw_only=True):
    address: Annotated[int, Meta(ge=2, le=255)]
    value: Annotated[int, Meta(ge=1, le=500)]


class Cash(Section, frozen=True, kw_only=True):
    """ccTalk on a serial device."""

    driver: Literal["cctalk"] = "cctalk"
    port: str
    acceptor: int = 2
    hoppers: tuple[Hopper, ...]


class AlsaSpeaker(Section, frozen=True, kw_only=True, tag_field="driver", tag="alsa"):
    device: str = "default"


class NetworkSpeaker(Section, frozen=True, kw_only=True, tag_field="driver", tag="network"):
    address: Port


class Line(Section, frozen=True, kw_only=True):
    """The dedicated line. `interface` binds it to one network interface, so that it never takes another way."""

    city: str  # https://host:port
    city_ca: Path
    certificate: Path
    key: Path
    interface: str | None = None
    deadline_s: float = 15
    renew_days: Annotated[int, Meta(ge=1, le=365)] = 60  # before the certificate's end, a new one is asked for


class Trust(Section, frozen=True, kw_only=True):
    """Certificate authorities of the cards, and the city's issuing keys (Ed25519, PEM; two while one is replaced)."""

    card_ca: tuple[Path, ...]
    issuing_keys: tuple[Path, ...]
    allow_test_cards: bool = False


class Fonts(Section, frozen=True, kw_only=True):
    """`mincho`: the city's, against which every glyph of a document is compared. `gothic`: of receipts."""

    mincho: Path = Path("/usr/share/fonts/truetype/ipamj/ipamjm.ttf")
    gothic: Path = Path("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")


class Voice(Section, frozen=True, kw_only=True):
    """Where the recordings are."""

    recordings: Path
    volume: Annotated[int, Meta(ge=0, le=100)] = 80


class Config(Section, frozen=True, kw_only=True):
    kiosk: Kiosk
    panel: Panel
    card: VpcdCard | PcscCard
    sheets: EscposPrinter
    receipts: EscposPrinter
    cash: Cash
    speaker: AlsaSpeaker | NetworkSpeaker
    line: Line
    trust: Trust
    voice: Voice
    fonts: Fonts = Fonts()


class ConfigError(Exception):
    """One line: which file, which key, what is wrong."""


def load(path: Path) -> Config:
    """Read and check. Relative paths count from the file's folder. Raises ConfigError."""
    base = path.parent.absolute()

    def convert(kind: type, value: object) -> object:
        if kind is Path and isinstance(value, str):
            return base / value
        raise NotImplementedError(f"no {kind.__name__} in a configuration")

    try:
        return msgspec.toml.decode(path.read_bytes(), type=Config, dec_hook=convert)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from None
