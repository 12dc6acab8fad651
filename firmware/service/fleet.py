"""One file for many kiosks: what all have in common, and what each has of its own.

[all.panel]                      # as in kiosk.toml, for every kiosk
listen = "127.0.0.1:8080"
[kiosks.kiosk-7.cash]            # what differs; `kiosk.id` is the name of the table
port = "/dev/madoguchi/coins"
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from firmware.service import toml
from firmware.service.config import ConfigError, load


def configuration(fleet: Path, kiosk: str) -> dict[str, Any]:
    """Of one kiosk. Raises ConfigError."""
    try:
        document = tomllib.loads(fleet.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{fleet}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{fleet}: {error}") from None
    if unknown := document.keys() - {"all", "kiosks"}:
        raise ConfigError(f"{fleet}: {sorted(unknown)[0]}: only [all] and [kiosks.ID] are known")
    own = document.get("kiosks", {}).get(kiosk)
    if own is None:
        raise ConfigError(f"{fleet}: has no kiosks.{kiosk}")
    return toml.merge(toml.merge(document.get("all", {}), own), {"kiosk": {"id": kiosk}})


def write_configuration(fleet: Path, kiosk: str, path: Path) -> None:
    """This kiosk's configuration, checked before it is in its place; what is there already must be
    the same. Raises ConfigError, OSError.
    """
    content = toml.dumps(configuration(fleet, kiosk))
    if path.exists():
        if path.read_text("utf-8") != content:
            raise ConfigError(f"{path}: is there and says something else than {fleet}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(content, "utf-8")
    part.chmod(0o644)
    try:
        load(part)
    except ConfigError as error:
        part.unlink()
        raise ConfigError(str(error).replace(str(part), f"{fleet}: {kiosk}")) from None
    part.replace(path)
