"""An executor between stand-ins of its devices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from service.executor_bench import Bench


@pytest.fixture
def bench(tmp_path: Path, mocker: MockerFixture) -> Iterator[Bench]:
    bench = Bench(tmp_path, mocker)
    yield bench
    bench.close()
