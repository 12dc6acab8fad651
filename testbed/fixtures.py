"""The fixtures that `pip install madoguchi[testbed]` brings for tests of drivers: virtual far ends,
their faults, and whole journeys. pytest finds them by an entry point; docs/hal.md shows them.

What they need is imported when a test asks for one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from testbed.far_ends import FarEnds


@pytest.fixture(scope="session")
def far_ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FarEnds]:
    """Virtual far ends of all wires: `addresses`, `fault`, and the bench with hands and eyes."""
    from testbed.far_ends import FarEnds

    with FarEnds(tmp_path_factory.mktemp("far-ends")) as made:
        yield made


@pytest.fixture
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., None]:
    """`scenario(FILE, sheets={...})` plays a journey on the whole system with simulated far ends,
    and these tables in the kiosk's configuration. `{sheets}` in a text becomes the far end's
    address. Fails as `kiosk scenario` does.
    """
    from testbed.scenario import with_tables

    def play(file: str | Path, **tables: dict[str, Any]) -> None:
        folder = tmp_path_factory.getbasetemp() / "rehearsal"  # keys and cards, made once
        run = tmp_path_factory.mktemp("scenario")
        asyncio.run(with_tables.play(Path(file), folder, run, tables))

    return play
