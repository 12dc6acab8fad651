"""What the board says now: its journal, its units, its diagnosis; and the commands of systemd and
RAUC.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from firmware.ledger.accounts import Title
from firmware.ledger.ledger import Ledger
from firmware.link.build_version import is_version
from firmware.service import status
from firmware.service.cases import journal_path
from firmware.service.config import Config, ConfigError, load
from firmware.service.entry import Entry, JournalBroken
from firmware.service.journal import Journal
from firmware.service.till import entries
from firmware.tools import diagnose
from firmware.tools.diagnose.finding import Verdict
from firmware.tools.diagnose.system import Listener, who_listens
from firmware.tools.update.rules import Books

KIOSK: Final = "madoguchi-kiosk.service"
# Whose money it is. What the city has earned is no reason to wait.
SOMEBODYS: Final = (Title.OPEN, Title.HELD, Title.INQUIRY)
# Checks that a build can fail by itself. Devices, line and clock are no fault of it.
CHECKS_OF_A_BUILD: Final = tuple(
    "configuration panel mincho gothic screen-fonts recordings card-ca issuing-keys terms-keys "
    "journal".split()
)
LOOK_S: Final = 2.0


@dataclass(frozen=True)
class Service:
    """The kiosk's unit. `starts`: how often systemd started it again after it ended by itself."""

    active: str
    starts: int

    @property
    def runs(self) -> bool:
        return self.active in ("active", "deactivating", "reloading")

    @property
    def failed(self) -> bool:
        return self.active == "failed"


def books(config: Path) -> Books | None:
    """None when the configuration or the journal cannot be read."""
    try:
        with _journal(load(config)) as journal:
            balances = Ledger.of(entries(journal)).balances().items()
            return Books(
                sessions_open=len(journal.unfinished()),
                money_inside=sum(abs(yen) for a, yen in balances if a.title in SOMEBODYS),
                page_in_printer=journal.purge_due(),
            )
    except (ConfigError, JournalBroken, OSError):
        return None


def newest_entry(config: Path) -> int:
    """Its number in the journal; 0 when that cannot be read."""
    try:
        with _journal(load(config)) as journal:
            return journal.head().seq
    except (ConfigError, JournalBroken, OSError):
        return 0


def entries_since(config: Path, number: int) -> Sequence[Entry]:
    """Nothing when the journal cannot be read: the unit's own state tells of that."""
    try:
        with _journal(load(config)) as journal:
            return journal.entries(after=number)
    except (ConfigError, JournalBroken, OSError):
        return ()


def _journal(config: Config) -> contextlib.closing[Journal]:
    return contextlib.closing(Journal(journal_path(config.kiosk.state)))


def wrong_checks(config: Path) -> tuple[str, ...]:
    """What the diagnosis finds NG of what a build can be the cause of."""
    found = diagnose.diagnose(config, CHECKS_OF_A_BUILD)
    return tuple(each.name for each in found if each.verdict is Verdict.NG)


def shows_its_screen(config: Path) -> bool:
    """Whether the kiosk answers on the panel's port."""
    try:
        return who_listens(load(config)) is Listener.KIOSK
    except ConfigError:
        return False


def wanted(config: Path) -> str | None:
    """The version that the running kiosk was told of by the city last, "" for none; None when
    nobody knows. Raises OSError.
    """
    try:
        found = status.read(load(config).kiosk.runtime)
    except ConfigError:
        return None
    told = None if found is None or status.is_silent(found) else found.report.wanted
    return told if not told or is_version(told) else None


def deaths(config: Path) -> int:
    """Of residents' processes, since the board was switched on; 0 when there is no kiosk that
    counts. Raises OSError.
    """
    try:
        found = status.read(load(config).kiosk.runtime)
    except ConfigError:
        return 0
    return found.tally.visits.get(status.End.DIED, 0) if found else 0


def bundles(config: Path) -> str:
    """Where the city's bundles are. Raises ConfigError."""
    found = load(config).updates
    if found is None:
        raise ConfigError(f"{config}: has no [updates]: bundles are not fetched")
    return found.bundles


def wait_until(ready: Callable[[], bool], seconds: float) -> bool:
    """Whether it became so in time."""
    end = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > end:
            return False
        time.sleep(LOOK_S)
    return True


def service() -> Service:
    """Raises OSError."""
    show = ("systemctl", "show", KIOSK, "--property=ActiveState,NRestarts")
    done = subprocess.run(show, capture_output=True, text=True, timeout=60, check=False)
    return read_service(dict(line.split("=", 1) for line in done.stdout.split()))


def read_service(shown: Mapping[str, str]) -> Service:
    """`shown`: properties as systemd prints them."""
    return Service(shown.get("ActiveState", ""), int(shown.get("NRestarts", 0)))


def run(*words: str) -> bool:
    """A command of the system; it may take as long as the person who is being served. Whether it
    went well. Raises OSError.
    """
    return subprocess.run(words, check=False).returncode == 0
