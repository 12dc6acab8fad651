"""When a build may be installed, started, or given up: one table. Pure.

What cannot be read counts as an answer that forbids.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from firmware.link.build_version import is_newer
from firmware.service.image_build import ImageBuild


class Act(StrEnum):
    """What is asked for."""

    INSTALL = "install"  # write a bundle into the other slot
    RESTART = "restart"  # start the build that was installed
    FALL_BACK = "fall-back"  # leave a build on trial for the one before it


@dataclass(frozen=True)
class Books:
    """What the journal says. Amounts in yen; None: it cannot be read."""

    sessions_open: int = 0
    money_inside: int = 0
    page_in_printer: bool = False


@dataclass(frozen=True)
class Known:
    """Everything that the rules look at. `offered`: the bundle's build, where one is offered.

    `floor` is the newest version that ever served here, `rejected` are those that fell back.
    `on_trial` is the version whose first journeys are being watched, `staged` the one that waits
    to be started, or "". `followed` was installed by the city's word; `wanted` is its word now,
    None when nobody knows it.
    """

    running: ImageBuild
    books: Books | None
    kiosk_runs: bool = True
    offered: ImageBuild | None = None
    floor: str = ""
    rejected: frozenset[str] = field(default_factory=frozenset)
    on_trial: str = ""
    staged: str = ""
    followed: str = ""
    wanted: str | None = None


@dataclass(frozen=True)
class Rule:
    """`forbids` is true where the act may not be done; `text` says why, for people."""

    code: str
    acts: frozenset[Act]
    forbids: Callable[[Known], bool]
    text: str


def _offers(judge: Callable[[Known, ImageBuild], bool]) -> Callable[[Known], bool]:
    """A rule about the bundle. No bundle, no permission."""
    return lambda known: known.offered is None or judge(known, known.offered)


def _books(judge: Callable[[Books], bool]) -> Callable[[Known], bool]:
    """A rule about the journal. One that cannot be read has a rule of its own."""
    return lambda known: known.books is not None and judge(known.books)


INSTALL: Final = frozenset({Act.INSTALL})
QUIET: Final = frozenset({Act.INSTALL, Act.RESTART})
FALL_BACK: Final = frozenset({Act.FALL_BACK})

RULES: Final = (
    Rule(
        "other-board",
        INSTALL,
        _offers(lambda known, offered: offered.board != known.running.board),
        "the bundle is for another board",
    ),
    Rule(
        "not-newer",
        INSTALL,
        _offers(
            lambda known, offered: (
                not is_newer(offered.version, known.running.version)
                or not is_newer(offered.version, known.floor)
            )
        ),
        "the bundle is not newer than what has served here",
    ),
    Rule(
        "fell-back",
        INSTALL,
        _offers(lambda known, offered: offered.version in known.rejected),
        "this version was tried here and fell back",
    ),
    Rule(
        "other-journal",
        INSTALL,
        _offers(lambda known, offered: offered.journal != known.running.journal),
        "the bundle's build cannot read this kiosk's journal",
    ),
    Rule(
        "on-trial",
        INSTALL,
        lambda known: bool(known.on_trial),
        "the running build is on trial, and the other slot is the way back",
    ),
    Rule(
        "nothing-staged",
        frozenset({Act.RESTART}),
        lambda known: not known.staged,
        "no other build waits to be started",
    ),
    Rule(
        "withdrawn",
        frozenset({Act.RESTART}),
        lambda known: bool(known.staged) and known.staged == known.followed != known.wanted,
        "the city wanted this build, and does not say now that it still does",
    ),
    Rule(
        "journal-unreadable",
        QUIET,
        lambda known: known.books is None,
        "the journal cannot be read: nobody knows whether somebody is served",
    ),
    Rule(
        "being-served",
        QUIET,
        _books(lambda books: books.sessions_open > 0),
        "somebody is being served",
    ),
    # A build that fails may leave a session open, or money held: that must not keep it running.
    Rule(
        "served-now",
        FALL_BACK,
        lambda known: (
            known.kiosk_runs and known.books is not None and known.books.sessions_open > 0
        ),
        "somebody is being served",
    ),
    Rule(
        "money-inside",
        QUIET,
        _books(lambda books: books.money_inside > 0),
        "money inside belongs to somebody: close its case first (kiosk cases)",
    ),
    Rule(
        "page-in-printer",
        QUIET,
        _books(lambda books: books.page_in_printer),
        "a printer may still hold somebody's page",
    ),
)


# Time does not mend these.
OF_THE_BUNDLE: Final = frozenset({"other-board", "not-newer", "fell-back", "other-journal"})


def refusals(act: Act, known: Known) -> Sequence[Rule]:
    """Every rule that forbids it; none: it may be done."""
    return [rule for rule in RULES if act in rule.acts and rule.forbids(known)]
