"""What this kiosk consists of, measured at the start and compared with what was signed (I7).

Each item is something that has gone wrong in the field: a fix that was never deployed, a font that
was updated silently, an old table of eras, a build meant for another site.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec

from firmware.link.attestation import (
    AttestationError,
    Measured,
    read_signed,
)
from firmware.link.attestation import compare as to_signed
from firmware.link.attestation import written as written
from firmware.link.signing import SignatureError, load_public
from firmware.service.build import ROOT, build
from firmware.service.config import Config
from firmware.sheets import era
from firmware.sheets.guard import GOTHIC
from firmware.texts import fonts

PACKAGES: Final = ("firmware", "hal")
# Which kind of machine it is: one of them exists on every board.
MODELS: Final = (
    Path("/sys/firmware/devicetree/base/model"),
    Path("/sys/class/dmi/id/product_name"),
)


def measure(config: Config, path: Path, items: Iterable[str] = ()) -> Measured:
    """`path` is the file that `config` was read from; `items`: those of ITEMS, or all. Raises
    AttestationError for a file that cannot be read.
    """
    wanted = tuple(items) or tuple(ITEMS)
    try:
        found = {item: ITEMS[item](config, path) for item in wanted}
    except OSError as error:
        raise AttestationError(f"{error.filename}: {error.strerror}") from None
    return Measured(build=build(), items=found, kiosk=config.kiosk.id)


def trouble(config: Config, path: Path) -> str:
    """The first item that is not as it was signed; "" when all are, or nothing is to be attested.
    Raises AttestationError when nothing that was signed can be read.
    """
    if config.attestation is None:
        return ""
    return next((item for item, good in compare(config, path).items() if not good), "")


def compare(config: Config, path: Path) -> dict[str, bool]:
    """Every item, and whether it is as it was signed. Raises AttestationError."""
    section = config.attestation
    if section is None:
        return {}
    try:
        keys = load_public(section.keys)
        signed = [read_signed(keys, each.read_bytes()) for each in section.signed]
    except OSError as error:
        raise AttestationError(f"{error.filename}: {error.strerror}") from None
    except SignatureError as error:
        raise AttestationError(str(error)) from None
    return to_signed(signed, measure(config, path))


# -- the items


def _build(_: Config, __: Path) -> str:
    """The project's own files as they are; libraries by what pip wrote of each of their files."""
    parts = [_tree(ROOT / name, (".pyc",)) for name in PACKAGES]
    distributions = sorted(
        (each.metadata["Name"].lower(), each.version, _record(each))
        for each in metadata.distributions(path=_site())
        if each.metadata["Name"].lower() != "madoguchi"
    )
    return _digest([sys.version.split()[0], *parts, *map(list, distributions)])


def _settings(config: Config, path: Path) -> str:
    """The configuration, and the keys of those whom the kiosk believes."""
    trusted = (*config.trust.card_ca, *config.trust.issuing_keys, *config.trust.terms_keys)
    return _digest([_file(each) for each in (path, config.line.city_ca, *trusted)])


def _fonts(config: Config, _: Path) -> str:
    screen = {
        font.path for language in config.kiosk.languages for font in fonts.FONTS.get(language, ())
    }
    paper = (config.fonts.mincho, config.fonts.gothic, Path(GOTHIC))
    return _digest([_file(each) for each in (*paper, *sorted(screen - set(paper)))])


def _recordings(config: Config, _: Path) -> str:
    return _tree(config.voice.recordings)


def _eras(_: Config, __: Path) -> str:
    return _digest([[name, first.isoformat()] for name, first in era.ERAS])


def _topology(config: Config, _: Path) -> str:
    """Where this kiosk stands: the machine, the city at the other end, and what is plugged in
    where.
    """
    devices = {
        name: msgspec.to_builtins(section, enc_hook=str)
        for name in ("card", "sheets", "receipts", "cash", "cashless", "speaker")
        if (section := getattr(config, name)) is not None
    }
    line = [config.line.city, config.line.interface, config.kiosk.id]
    return _digest([platform.machine(), model(), line, devices])


ITEMS: Final[Mapping[str, Callable[[Config, Path], str]]] = {
    "build": _build,
    "settings": _settings,
    "fonts": _fonts,
    "recordings": _recordings,
    "eras": _eras,
    "topology": _topology,
}


# -- hashes


def model() -> str:
    """Which kind of machine this is; "" where it does not say."""
    for path in MODELS:
        if path.exists():
            return path.read_text("utf-8", "replace").strip("\0\n ")
    return ""


def _site() -> list[str]:
    """Where the libraries of this interpreter are."""
    return [each for each in sys.path if each.endswith("-packages")]


def _record(distribution: metadata.Distribution) -> str:
    """Its files and their hashes, without what says only where and how it was installed."""
    lines = (distribution.read_text("RECORD") or "").splitlines()
    kept = (
        line
        for line in lines
        if not line.startswith("..") and ".dist-info/" not in line and ".pyc" not in line
    )
    return hashlib.sha256("\n".join(sorted(kept)).encode()).hexdigest()


def _tree(folder: Path, without: tuple[str, ...] = ()) -> str:
    """Names and content of all files below."""
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.suffix not in without
    )
    return _digest([[str(path.relative_to(folder)), _file(path)] for path in files])


def _file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(value: Any) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()
