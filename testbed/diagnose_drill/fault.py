"""One fault: how it is put into the site and taken out, and what must be said of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from testbed.diagnose_drill.site import Site


@dataclass(frozen=True)
class Put:
    """What the diagnosis is given while the fault is there. `over` the configuration, or another
    `file`; `ahead_s`: its clock; `wrapper`: the program that starts it.
    """

    over: Mapping[str, Any] = field(default_factory=dict)
    file: Path | None = None
    ahead_s: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


Change: TypeAlias = Callable[[Site], AbstractAsyncContextManager[Put]]


@dataclass(frozen=True)
class Fault:
    """`check` is the line that must name it, `code` the cause. `lacking` says why it cannot be put
    in here, or "".
    """

    name: str
    check: str
    code: str
    put: Change
    lacking: Callable[[Site], str] = lambda _: ""


def says(table: str, **values: Any) -> Change:
    """The configuration says so."""

    @asynccontextmanager
    async def put(_: Site) -> AsyncIterator[Put]:
        yield Put({table: values})

    return put


def made(build: Callable[[Site], Put]) -> Change:
    """Files or a configuration that nothing else uses: nothing is to be taken out."""

    @asynccontextmanager
    async def put(site: Site) -> AsyncIterator[Put]:
        yield build(site)

    return put


def switched(breaking: Callable[[Site, bool], Awaitable[None] | None]) -> Change:
    """Something at a far end is broken, and put right again."""

    @asynccontextmanager
    async def put(site: Site) -> AsyncIterator[Put]:
        for on in (True, False):
            done = breaking(site, on)
            if done is not None:
                await done
            if on:
                try:
                    yield Put()
                except BaseException:
                    breaking(site, False)
                    raise

    return put


def bench(fault: str) -> Change:
    """A fault that the bench knows by name."""

    async def breaking(site: Site, on: bool) -> None:
        await site.bench.switch(fault, on)

    return switched(breaking)


def needs_root(site: Site) -> str:
    return "" if site.by_root else "only root can put it in"
