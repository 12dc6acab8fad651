"""What all handlers have in common, and the check that every command has exactly one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from firmware.flow import commands
from firmware.service.workplace import Workplace

Table = Mapping[type[commands.Command], Callable[[Any, Any], None]]


@dataclass
class Handler:
    """Carries out the commands of one subject. `table`: which method answers which command."""

    place: Workplace
    table: ClassVar[Table] = {}

    def close(self) -> None:
        """The process ends: nothing is begun any more."""


def check_complete(
    handlers: Iterable[type[Handler]], kinds: Iterable[type[commands.Command]]
) -> None:
    """Raises TypeError unless each kind of command is in exactly one table."""
    answered = [kind for handler in handlers for kind in handler.table]
    wrong = [kind.__name__ for kind in kinds if answered.count(kind) != 1]
    if wrong:
        raise TypeError(f"not handled once: {', '.join(wrong)}")
