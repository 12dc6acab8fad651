from __future__ import annotations

from collections.abc import Iterator

import pytest
from terminal_rig import Rig


@pytest.fixture
def terminal() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()
