"""`kiosk update` is killed at every step of a build's way, alone and together with the power.

The steps are found, not listed: each file that is opened for writing, each renaming, and each
command of the image's own script. What must hold after each of them: one of the two builds can be
started, and no entry of the boot loader names a slot that is not whole. Then the way goes on, and
ends as it would have ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from updated_board import Build, UpdatedBoard

from firmware.service.update_state import UpdateState

OLD: Final = Build("20")
BUILDS: Final = {
    "good": Build("21"),
    "does not start": Build("21", starts=False),
    "has no screen": Build("21", screen=False),
    "dies": Build("21", dies=True),
}
END: Final = {
    "good": UpdateState(floor="21", followed="21"),
    "does not start": UpdateState(floor="20", followed="21", rejected={"21": "no-start"}),
    "has no screen": UpdateState(floor="20", followed="21", rejected={"21": "no-screen"}),
    "dies": UpdateState(floor="20", followed="21", rejected={"21": "service-ended"}),
}
SAMPLE: Final = 24  # one step in so many, where not all are wanted
# Before each command of the script: one step more, and the end when it is the one.
TRAP: Final = """set -T; step() { printf . >>"$STEPS"; read -r done <"$STEPS"
[ ${#done} != "$LAST" ] || kill -9 0; }; trap 'step || :' DEBUG; s=$1; shift; . "$s" """
COUNTED: Final = frozenset({"open", "os.rename", "os.remove"})


def way(board: UpdatedBoard, wanted: str = "21") -> None:
    """The build comes in the first night, and residents on the next day."""
    for _ in range(2):
        board.told(wanted)
        board.night()
        board.day()


def whole(board: UpdatedBoard) -> None:
    """What holds at every moment."""
    entries = board.entries().values()
    assert entries, "nothing to start"
    for version, slot, _ in entries:
        assert board.is_whole(slot, version), f"{version} in {slot} is chosen and not whole"


def stepping(folder: Path, last: int, begin: Callable[[UpdatedBoard], None]) -> Path:
    """The way, in a process group of its own that is killed before the step number `last`. The
    file with a dot for each step.
    """
    steps = folder.with_name("steps")
    steps.write_bytes(b"")
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        _walk(folder, steps, last, begin)
    os.waitpid(child, 0)
    return steps


def _walk(folder: Path, steps: Path, last: int, begin: Callable[[UpdatedBoard], None]) -> None:
    """Never returns."""
    code = 1
    try:
        board = UpdatedBoard(folder, {"20": OLD, "21": BUILDS[folder.name]}, folder.parent)
        board.running = OLD
        board.shell = ("bash", "-c", TRAP, "boot-slots")
        board.environment = {"STEPS": str(steps), "LAST": str(last)}
        dots = os.open(steps, os.O_RDWR | os.O_APPEND)

        def counted(event: str, given: tuple[object, ...]) -> None:
            writes = event != "open" or (isinstance(given[2], int) and given[2] & 3)
            if event in COUNTED and writes and str(given[0]).startswith(str(folder)):
                os.write(dots, b".")
                if os.fstat(dots).st_size == last:
                    os.killpg(0, signal.SIGKILL)

        sys.addaudithook(counted)
        begin(board)
        code = 0
    finally:
        os._exit(code)


@pytest.mark.parametrize("kind", BUILDS)
def test_killed_at_any_step(kind: str, tmp_path: Path, all_wanted: bool) -> None:
    BUILDS[kind].bundle(tmp_path)
    fresh = tmp_path / "fresh"
    UpdatedBoard.made(fresh, tmp_path, OLD).lay(Build("19"), "b")
    place = tmp_path / kind

    def again() -> None:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(fresh, place)

    again()
    count = stepping(place, 0, way).stat().st_size
    assert count > 40
    first = 1 + list(BUILDS).index(kind) * (SAMPLE // len(BUILDS))
    for last in range(1, count + 1) if all_wanted else range(first, count + 1, SAMPLE):
        again()
        assert stepping(place, last, way).stat().st_size == last
        board = UpdatedBoard(place, {"20": OLD, "21": BUILDS[kind]}, tmp_path)
        whole(board)
        # Killed together with the power, or alone. A gate that is killed fails: the board starts
        # again.
        if last % 2 or (place / "booting").exists():
            board.power_on()
        else:
            board.running = board.builds[board.report().version]  # type: ignore[union-attr]
        way(board)
        whole(board)
        assert board.state == END[kind] or _is_allowed(kind, board.state), last


def _is_allowed(kind: str, state: UpdateState) -> bool:
    """The reason is lost when the cut falls before it was written."""
    return kind != "good" and state.rejected.keys() == {"21"} and state.floor == "20"
