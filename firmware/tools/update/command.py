"""`kiosk update` says whether a build may be installed, started and kept; RAUC and systemd act.

RAUC calls `may-install` before it writes and `installed` after it. `madoguchi-gate.service` calls
`started` at every boot. Timers call `restart` at night, `trial` every minute, and `follow`, which
lets RAUC install what the city wants this kiosk to have.

Exit status 0: yes, or done. 1: no, and the lines say why. 2: the command is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from msgspec.structs import asdict, replace

from firmware.link.build_version import is_newer
from firmware.service import image_build as image
from firmware.service import update_state as state
from firmware.service.image_build import BuildUnreadable, ImageBuild
from firmware.service.update_state import UpdateState
from firmware.tools.update import board
from firmware.tools.update.rules import OF_THE_BUNDLE, Act, Known, Rule, refusals
from firmware.tools.update.trial import Verdict, fault, judge

YES, NO = 0, 1
CONFIG: Final = Path("/etc/madoguchi/kiosk.toml")
READY_S: Final = 240.0  # from the gate's start until the kiosk shows its screen


class Updates:
    """One command's view of the board."""

    def __init__(self, config: Path, folder: Path, running: ImageBuild) -> None:
        self.config = config
        self.folder = folder
        self.running = running
        self.state = state.load(folder, running.version)

    @cached_property
    def wanted(self) -> str | None:
        """Asked once: a kiosk that has been stopped does not say it any more."""
        return board.wanted(self.config)

    def keep(self, new: UpdateState) -> None:
        self.state = new
        state.save(self.folder, new)

    def keep_if_possible(self, new: UpdateState) -> None:
        """A full disk: the board is to start and to show that."""
        try:
            self.keep(new)
        except OSError as error:
            sys.stderr.write(f"kiosk update: {error}\n")

    def may(self, act: Act) -> bool:
        return not self.objections(act)

    def objections(self, act: Act, offered: ImageBuild | None = None) -> Sequence[Rule]:
        """Says on standard error why not."""
        known = Known(
            running=self.running,
            books=board.books(self.config),
            kiosk_runs=board.service().runs,
            offered=offered,
            floor=self.state.floor,
            rejected=frozenset(self.state.rejected),
            on_trial=self.state.on_trial,
            staged=self.state.staged,
            followed=self.state.followed,
            wanted=self.wanted,
        )
        found = refusals(act, known)
        for rule in found:
            sys.stderr.write(f"kiosk update: {rule.code}: {rule.text}\n")
        return found


def main(argv: Sequence[str] | None = None) -> int:
    """Raises BuildUnreadable, ConfigError, OSError."""
    given = _parser().parse_args(argv)
    updates = Updates(given.config, given.state, image.read(given.image))
    act: Callable[[Updates, argparse.Namespace], int] = given.act
    return act(updates, given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kiosk update", description=__doc__)
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    for name, (act, text) in ACTIONS.items():
        action = actions.add_parser(name, help=text)
        action.set_defaults(act=act)
        action.add_argument("--config", type=Path, default=CONFIG, metavar="FILE")
        action.add_argument("--state", type=Path, default=state.FOLDER, metavar="FOLDER")
        action.add_argument("--image", type=Path, default=image.INSTALLED, metavar="FILE")
        if name in ("may-install", "installed"):
            action.add_argument("bundle", type=Path, help="the folder of the mounted bundle")
        if name == "started":
            action.add_argument("--ready", type=float, default=READY_S, metavar="SECONDS")
    return parser


def _status(updates: Updates, _: argparse.Namespace) -> int:
    print(json.dumps({"running": asdict(updates.running)} | asdict(updates.state)))
    return YES


def _may_install(updates: Updates, given: argparse.Namespace) -> int:
    try:
        offered = image.read(given.bundle / image.FILE)
    except BuildUnreadable as error:
        sys.stderr.write(f"kiosk update: {error}\n")
        return NO
    return YES if _may_be_installed(updates, offered) else NO


def _may_be_installed(updates: Updates, offered: ImageBuild) -> bool:
    """What is wrong with the bundle itself is kept: somebody has to look at it."""
    found = [rule.code for rule in updates.objections(Act.INSTALL, offered)]
    lasting = next((code for code in found if code in OF_THE_BUNDLE), "")
    if lasting:
        _note_refusal(updates, offered.version, lasting)
    return not found


def _note_refusal(updates: Updates, version: str, why: str) -> None:
    if (updates.state.refused, updates.state.why) != (version, why):
        updates.keep_if_possible(replace(updates.state, refused=version, why=why))


def _installed(updates: Updates, given: argparse.Namespace) -> int:
    """What a person installs is not the city's to take back."""
    version = image.read(given.bundle / image.FILE).version
    followed = version if updates.state.followed == version else ""
    updates.keep(replace(updates.state, staged=version, followed=followed, refused="", why=""))
    return YES


def _follow(updates: Updates, _: argparse.Namespace) -> int:
    """Nothing as long as nobody knows what the city wants."""
    known, running = updates.state, updates.running
    if updates.wanted is None:
        return YES
    if known.followed != updates.wanted and is_newer(known.followed, running.version):
        return YES if _withdraw(updates) else NO
    if updates.wanted in ("", running.version, known.staged):
        return YES
    return YES if _fetch(updates, updates.wanted) else NO


def _fetch(updates: Updates, version: str) -> bool:
    """The rules are asked before anything is fetched, and again by RAUC, of the bundle itself."""
    board_model = updates.running.board
    place = board.bundles(updates.config).rstrip("/")
    if not _may_be_installed(updates, replace(updates.running, version=version)):
        return False
    updates.keep(replace(updates.state, followed=version))
    if board.run("rauc", "install", f"{place}/madoguchi-{board_model}-{version}.raucb"):
        return True
    # RAUC has called this command meanwhile.
    updates.state = state.load(updates.folder, updates.running.version)
    updates.keep(replace(updates.state, followed=""))
    if updates.state.refused != version:
        _note_refusal(updates, version, "not-installed")
    return False


def _withdraw(updates: Updates) -> bool:
    """Not even a power cut may start it now. After a cut within this function the board starts
    either build; it is not taken for one that fell back, and the next call goes on.
    """
    sys.stderr.write(f"kiosk update: version {updates.state.followed} is wanted no more\n")
    updates.keep(replace(updates.state, staged=""))
    if not board.run("rauc", "status", "mark-bad", "other"):
        return False
    updates.keep(replace(updates.state, followed=""))
    return True


def _restart(updates: Updates, _: argparse.Namespace) -> int:
    """Asked twice: somebody may come between the first answer and the end of the service, and is
    served to the end.
    """
    if not updates.may(Act.RESTART):
        return NO
    wrong = board.wrong_checks(updates.config)
    board.run("systemctl", "stop", board.KIOSK)
    if not updates.may(Act.RESTART):
        board.run("systemctl", "start", board.KIOSK)
        return NO
    updates.keep(replace(updates.state, wrong_before=wrong))
    return YES if board.run("systemctl", "reboot") else NO


def _started(updates: Updates, given: argparse.Namespace) -> int:
    """At every boot. A build that is on trial must show its screen in time, and find nothing wrong
    that was right before. No other build is ever judged: it is the way back.
    """
    before = updates.state
    updates.keep_if_possible(
        at_start(before, updates.running.version, board.newest_entry(updates.config))
    )
    for version in updates.state.rejected.keys() - before.rejected.keys():
        why = updates.state.rejected[version]
        sys.stderr.write(f"kiosk update: version {version} did not come up ({why}): fell back\n")
    if not updates.state.on_trial:
        return YES
    failing = _failing(updates, given.ready)
    if failing != updates.state.failing:
        updates.keep_if_possible(replace(updates.state, failing=failing))
    return NO if failing else YES


def _failing(updates: Updates, ready_s: float) -> str:
    """Why this build does not come up, as a code; "" when it does."""
    if not board.wait_until(lambda: board.shows_its_screen(updates.config), ready_s):
        sys.stderr.write(f"kiosk update: no screen within {ready_s:.0f} s\n")
        return "no-screen"
    wrong = sorted(set(board.wrong_checks(updates.config)) - set(updates.state.wrong_before))
    for name in wrong:
        sys.stderr.write(f"kiosk update: {name} is NG, and was not before\n")
    return f"check.{wrong[0]}" if wrong else ""


def at_start(known: UpdateState, running: str, newest: int) -> UpdateState:
    """What a boot of `running` changes. `newest`: number of the journal's newest entry.

    The boot loader takes the newest build that it may. When that is not the one that was to be
    tried, the other one did not come up.
    """
    tried = known.staged or known.on_trial
    if tried and tried != running:
        why = known.failing or "no-start"
        known = replace(
            known, staged="", on_trial="", failing="", rejected=known.rejected | {tried: why}
        )
    if running != known.on_trial and is_newer(running, known.floor):
        return replace(known, staged="", on_trial=running, since=newest, failing="")
    return known


def _trial(updates: Updates, _: argparse.Namespace) -> int:
    """Whether the build on trial is trusted now, or given up."""
    if not updates.state.on_trial:
        return YES
    unit = board.service()
    entries = board.entries_since(updates.config, updates.state.since)
    deaths = board.deaths(updates.config)
    verdict = judge(entries, unit.starts, failed=unit.failed, deaths=deaths)
    if verdict is Verdict.GOOD:
        updates.keep(replace(updates.state, floor=updates.state.on_trial, on_trial=""))
        print(f"version {updates.running.version} is trusted")
    if verdict is not Verdict.BAD:
        return YES
    if not updates.may(Act.FALL_BACK):
        return NO
    why = fault(entries, unit.starts, failed=unit.failed, deaths=deaths)
    return YES if _fall_back(updates, why) else NO


def _fall_back(updates: Updates, why: str) -> bool:
    """The next start finds that the build on trial does not run, and notes that it fell back."""
    sys.stderr.write(f"kiosk update: version {updates.state.on_trial} is given up: {why}\n")
    updates.keep_if_possible(replace(updates.state, failing=why))
    return board.run("rauc", "status", "mark-bad", "booted") and board.run("systemctl", "reboot")


ACTIONS: Final = {
    "status": (_status, "what is running, installed, on trial, and was rejected"),
    "may-install": (_may_install, "whether this bundle may be installed now"),
    "installed": (_installed, "remember that this bundle was installed"),
    "follow": (_follow, "install what the city wants this kiosk to have"),
    "restart": (_restart, "start the build that was installed, if nobody is disturbed"),
    "started": (_started, "the health gate of a boot"),
    "trial": (_trial, "whether the first journeys of a new build went well"),
}
