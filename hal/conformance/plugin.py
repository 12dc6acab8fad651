"""The pytest plugin: the marker `feature`, and fixtures for devices and faults. It is loaded where
`--bench FILE` is given (`option.py`).

What the bench lacks is skipped by name: a device without a table, a feature that the model does not
have, a fault that nobody can put in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hal.conformance import bench as benches
from hal.conformance.bench import BenchError, Hands, Table

TESTBED = "madoguchi_testbed"  # the plugin with virtual far ends, as its entry point has it
SUITE = Path(__file__).parent
pytest.register_assert_rewrite(
    *(f"hal.conformance.{each.stem}" for each in SUITE.glob("must_*.py"))
)
Broken = Callable[[str], AbstractContextManager[None]]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "feature(name): needs a feature of the bench's device")
    config.addinivalue_line("markers", "device(name): needs this table of the bench")
    file = config.getoption("--bench")
    try:
        benches.read(file)
        virtual = benches.uses_far_ends(file)
    except BenchError as error:
        raise pytest.UsageError(str(error)) from None
    if virtual and not config.pluginmanager.has_plugin(TESTBED):
        raise pytest.UsageError(f"{file}: far_ends: pip install 'madoguchi[testbed]' brings them")
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = [str(SUITE)]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    """The suite's files have names of their own."""
    if file_path.parent == SUITE and file_path.stem.startswith("must_"):
        found: pytest.Module = pytest.Module.from_parent(parent, path=file_path)
        return found
    return None


@pytest.fixture(scope="session")
def bench(pytestconfig: pytest.Config, request: pytest.FixtureRequest) -> Mapping[str, Table]:
    """The tables of the bench file."""
    file = pytestconfig.getoption("--bench")
    tables = benches.read(file)
    if not benches.uses_far_ends(file):
        return tables
    addresses = request.getfixturevalue("far_ends").addresses
    return {name: benches.placed(table, addresses) for name, table in tables.items()}


@pytest.fixture(scope="session")
def hands(
    bench: Mapping[str, Table], pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> Hands:
    """Who puts faults in: by what the bench file says, else the virtual far ends. A project with
    far ends of its own gives another one.
    """
    virtual = benches.uses_far_ends(pytestconfig.getoption("--bench"))
    return Hands(bench, request.getfixturevalue("far_ends") if virtual else None)


@pytest.fixture
def table(request: pytest.FixtureRequest, bench: Mapping[str, Table]) -> Table:
    """The device that this test is about."""
    name = _device(request)
    if name not in bench:
        pytest.skip(f"no [{name}] in the bench file")
    found = bench[name]
    for mark in request.node.iter_markers("feature"):
        if mark.args[0] not in found.features:
            pytest.skip(f"[{name}] without the feature {mark.args[0]}")
    return found


@pytest.fixture
def driver(request: pytest.FixtureRequest, table: Table) -> Iterator[Any]:
    """A new driver, closed afterwards."""
    made = benches.make(_device(request), table)
    yield made
    made.close()


@pytest.fixture
def broken(request: pytest.FixtureRequest, hands: Hands, table: Table) -> Broken:
    """`with broken("paper-out"):` the fault is there, and taken out afterwards."""
    del table
    name = _device(request)

    @contextmanager
    def put(fault: str) -> Iterator[None]:
        if not hands.can(name, fault):
            pytest.skip(f"[{name}] nobody can put in {fault}")
        hands.switch(name, fault, True)
        try:
            yield
        finally:
            hands.switch(name, fault, False)

    return put


@pytest.fixture
def in_time(table: Table) -> Callable[[Callable[[], Any]], Any]:
    """Calls, and fails when the call has taken longer than the bench's deadline."""

    def call(work: Callable[[], Any]) -> Any:
        began = time.monotonic()
        try:
            return work()
        finally:
            took = time.monotonic() - began
            assert took <= table.deadline_s, f"{took:.1f} s, the bench allows {table.deadline_s}"

    return call


def _device(request: pytest.FixtureRequest) -> str:
    mark = request.node.get_closest_marker("device")
    assert mark is not None, "a test of this suite says which device it is about"
    return str(mark.args[0])
