"""Whose rights and limits the checks have: those of the service, wherever they can be had.

Root may read and open everything, so what only the service's user meets would not be seen.
"""

from __future__ import annotations

import grp
import os
import pwd
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware.tools.diagnose.finding import Verdict, wrong

UNITS: Final = tuple(
    Path(folder) / "madoguchi-kiosk.service"
    for folder in ("/etc/systemd/system", "/run/systemd/system", "/usr/lib/systemd/system")
)
LIMITS: Final = {
    "LimitMEMLOCK": resource.RLIMIT_MEMLOCK,
    "LimitCORE": resource.RLIMIT_CORE,
}


@dataclass(frozen=True)
class Account:
    """The service's user. `limits`: of the unit, by the kernel's number. `name` "": stay as we are.
    `groups`: those that the unit adds.
    """

    name: str = ""
    groups: tuple[str, ...] = ()
    limits: tuple[tuple[int, int], ...] = ()

    def take(self) -> None:
        """This process has no other rights from here on. Raises OSError, KeyError."""
        if not self.name or os.geteuid() != 0:
            return
        user = pwd.getpwnam(self.name)
        for number, value in self.limits:
            resource.setrlimit(number, (value, value))
        os.setgroups([user.pw_gid, *(grp.getgrnam(group).gr_gid for group in self.groups)])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)

    def look(self) -> str:
        """Raises Wrong."""
        if os.geteuid() != 0:
            return f"{pwd.getpwuid(os.geteuid()).pw_name}, who started this"
        if not self.name:
            raise wrong("account.root", "root", verdict=Verdict.UNKNOWN)
        try:
            pwd.getpwnam(self.name)
        except KeyError:
            raise wrong("account.missing", self.name) from None
        missing = [group for group in self.groups if not _exists(group)]
        if missing:
            raise wrong("account.group", f"no group {', '.join(missing)}")
        return f"{self.name}, groups {', '.join(self.groups) or 'its own'}"


def _exists(group: str) -> bool:
    try:
        grp.getgrnam(group)
    except KeyError:
        return False
    return True


def account(user: str = "", units: tuple[Path, ...] = UNITS) -> Account:
    """`user`, or else that of the installed unit. Never raises."""
    said = next((_settings(unit) for unit in units if unit.is_file()), {})
    limits = tuple((number, _limit(said[key])) for key, number in LIMITS.items() if key in said)
    if user:
        return Account(user, (), limits)
    return Account(said.get("User", ""), tuple(said.get("SupplementaryGroups", "").split()), limits)


def _settings(unit: Path) -> Mapping[str, str]:
    """The last value of each key of the unit."""
    try:
        lines = unit.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.partition("=") for line in lines if not line.startswith(("#", ";")))
    return {key.strip(): value.strip() for key, sign, value in pairs if sign}


def _limit(value: str) -> int:
    return int(value) if value.isdecimal() else resource.RLIM_INFINITY
