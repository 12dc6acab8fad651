"""`kiosk diagnose --guided`: what only a person can see, hear or put in, step by step.

The devices are asked through the drivers that the kiosk itself uses. While a kiosk runs it is not
begun, and while it is under way no kiosk starts on the same state.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TextIO

from firmware.service.config import Config, load
from firmware.service.entry import JournalBroken
from firmware.service.preflight import StartError, lock_state
from firmware.tools.diagnose.errors import said
from firmware.tools.diagnose.finding import Finding, Verdict, Wrong, causes, wrong
from firmware.tools.diagnose.guided import coins, panel, paper, sound
from firmware.tools.diagnose.guided.human import Asking, Gone, Human, Terminal
from firmware.tools.diagnose.guided.record import Done, as_record, as_text, text_path
from firmware.tools.diagnose.system import Listener, who_listens
from hal.faults import DeviceFault

CONFIG: Final = Path("/etc/madoguchi/kiosk.toml")
RUNNING: Final = "the kiosk is running and keeps its devices: systemctl stop madoguchi-kiosk"
EXIT_CODES: Final = """exit codes: 0 every step is well; 1 at least one is not; 2 wrong usage, or a
kiosk is running; 3 none is wrong, but something was not done"""


class GuidedError(Exception):
    """One line: why it was not begun."""


@dataclass(frozen=True)
class Step:
    """`do` returns what was seen, or raises Wrong, DeviceFault, JournalBroken or Gone."""

    name: str
    title: str
    do: Callable[[Config, Asking], str]


STEPS: Final = (
    Step("sound", "音", sound.sound),
    Step("colours", "画面の色", panel.colours),
    Step("touch", "タッチ", panel.touch),
    Step("sheet", "証明書の試し刷り", paper.sheet),
    Step("coins", "硬貨", coins.coins),
)
NAMES: Final = tuple(step.name for step in STEPS)


def walk(config: Config, human: Human, names: Sequence[str] = NAMES) -> Iterator[Done]:
    """One step after the other. When nobody answers any more, the rest is not checked."""
    gone = ""
    for step in STEPS:
        if step.name not in names:
            continue
        if gone:
            yield Done(step.title, _stopped(step.name, gone))
            continue
        asking, began = Asking(human), time.monotonic()
        try:
            found = _found(step, config, asking)
        except Gone as error:
            gone = str(error)
            found = _stopped(step.name, gone)
        seconds = time.monotonic() - began
        yield Done(step.title, replace(found, seconds=seconds), tuple(asking.answers))


def _found(step: Step, config: Config, asking: Asking) -> Finding:
    """Raises Gone."""
    try:
        return Finding(step.name, Verdict.OK, step.do(config, asking))
    except Wrong as error:
        found = error
    except DeviceFault as fault:
        found = wrong("guided.device", f"{fault.reason.value} {fault.detail}".rstrip())
    except OSError as error:
        found = wrong("guided.device", said(error))
    except JournalBroken as error:
        found = wrong("guided.journal", str(error))
    return Finding(step.name, found.verdict, found.detail, found.remedy, found.code, found.expected)


def _stopped(name: str, why: str) -> Finding:
    cause = causes()["guided.stopped"]
    return Finding(name, Verdict.NOT_CHECKED, why, cause.remedy, cause.code, cause.expected)


def main(argv: Sequence[str], human: Human | None = None) -> int:
    """`human` is somebody at the terminal, unless given. Raises GuidedError, ConfigError."""
    given = _parser().parse_args(argv)
    config = load(given.config)
    _require_files(given.record)
    _require_idle(config)
    logging.getLogger().addHandler(logging.NullHandler())  # the findings hold what drivers log
    human = human or _terminal(given.by)
    began, done = datetime.now(UTC), list[Done]()
    names = [name for name in NAMES if name not in given.skip]
    try:
        for step in walk(config, human, [name for name in names if name in (given.only or names)]):
            done.append(step)
            _write(step, sys.stdout)
    finally:
        if given.record:
            _file(given.record, config, human.name, began, done)
    return _exit_code(done)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kiosk diagnose --guided",
        description="guided steps for a person: sound, panel, test sheet, coins",
        epilog=EXIT_CODES,
    )
    parser.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help="default: %(default)s"
    )
    parser.add_argument(
        "--record", type=Path, metavar="FILE", help="a new file (JSON), and FILE.txt to be read"
    )
    parser.add_argument("--by", default="", help="who answers (default: the user of this terminal)")
    for option, text in (("--only", "these steps only"), ("--skip", "all steps but these")):
        parser.add_argument(
            option,
            nargs="+",
            choices=NAMES,
            default=[],
            metavar="STEP",
            help=f"{text}: {', '.join(NAMES)}",
        )
    return parser


def _require_files(record: Path | None) -> None:
    """A record is never written over."""
    for path in (record, text_path(record)) if record else ():
        if path.exists():
            raise GuidedError(f"{path}: is there already")
        if not path.parent.is_dir():
            raise GuidedError(f"{path.parent}: no such folder")


def _require_idle(config: Config) -> None:
    """Nothing serves the panel; and the state is ours as long as this process lives."""
    if who_listens(config) is not Listener.NOBODY:
        raise GuidedError(RUNNING)
    with suppress(FileNotFoundError):  # a bench without a journal: the step for coins says so
        try:
            lock_state(config)
        except StartError:
            raise GuidedError(RUNNING) from None


def _terminal(name: str) -> Terminal:
    return Terminal(sys.stdin, sys.stdout, name) if name else Terminal(sys.stdin, sys.stdout)


def _write(step: Done, out: TextIO) -> None:
    found = step.finding
    code = f"  [{found.code}]" if found.code else ""
    out.write(f"{found.verdict}  {found.name}  {step.title}: {found.detail}{code}\n")
    if found.remedy:
        out.write(f"    → {found.remedy.ja}\n    → {found.remedy.en}\n")
    out.flush()


def _file(path: Path, config: Config, by: str, began: datetime, steps: Sequence[Done]) -> None:
    record = as_record(config, by, began, steps)
    with path.open("x", encoding="utf-8") as out:
        json.dump(record, out, ensure_ascii=False, indent=1)
        out.write("\n")
    with text_path(path).open("x", encoding="utf-8") as out:
        out.writelines(f"{line}\n" for line in as_text(record))


def _exit_code(steps: Sequence[Done]) -> int:
    verdicts = {step.finding.verdict for step in steps}
    if Verdict.NG in verdicts:
        return 1
    return 0 if verdicts <= {Verdict.OK} else 3
