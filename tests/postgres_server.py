"""A PostgreSQL server of the tests' own (`testbed.load.postgres`), in a hurry: its data need not
last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from testbed.load import postgres
from testbed.load.postgres import Postgres as Postgres
from testbed.load.postgres import stop as stop

HASTE = {"deadlock_timeout": "200ms", "fsync": "off", "full_page_writes": "off"}


def required() -> None:
    """Skips the test when PostgreSQL is not installed; in CI it must be."""
    if reason := postgres.missing():
        (pytest.fail if os.environ.get("NOTHING_MISSING") else pytest.skip)(reason)


@contextmanager
def running(**settings: str) -> Iterator[Postgres]:
    """See `required`."""
    required()
    with postgres.running(**{**HASTE, **settings}) as server:
        yield server


def start_again(server: Postgres, **settings: str) -> Postgres:
    """After its process has ended."""
    return postgres.start_again(server, **{**HASTE, **settings})
