"""Every command has exactly one handler, and a new one is found by its table alone."""

from __future__ import annotations

from typing import ClassVar

import pytest
from service.executor_bench import Bench

from firmware.flow import commands
from firmware.service.handlers import HANDLERS
from firmware.service.handlers.base import Handler, Table, check_complete

KINDS = commands.Command.__subclasses__()


class Twice(Handler):
    def note(self, command: commands.Note) -> None:
        """As the handler that has this command already."""

    table: ClassVar[Table] = {commands.Note: note}


def test_every_command_is_handled_once() -> None:
    check_complete(HANDLERS, KINDS)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_executor_has_a_method_for_every_command(
    bench: Bench, kind: type[commands.Command]
) -> None:
    assert kind in bench.executor.methods


def test_a_command_that_nobody_handles_is_found() -> None:
    for missing in HANDLERS:
        with pytest.raises(TypeError, match=next(iter(missing.table)).__name__):
            check_complete([handler for handler in HANDLERS if handler is not missing], KINDS)


def test_a_command_with_two_handlers_is_found() -> None:
    with pytest.raises(TypeError, match="Note"):
        check_complete([*HANDLERS, Twice], KINDS)
