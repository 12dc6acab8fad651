"""One source for the version and the commit of a build, and everybody who tells it."""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from firmware.service.build import ROOT, build, commit
from firmware.service.city_desk import CityDesk

GIT = ("git", "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run([*GIT, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_the_build_is_the_version_and_the_commit() -> None:
    found = re.fullmatch(r"(.+)\+(g[0-9a-f]{7}|unknown)", build())
    assert found and found[1] == metadata.version("madoguchi")
    if commit(ROOT):
        assert found[2] == f"g{commit(ROOT)[:7]}"


def test_the_commit_of_a_branch(clone: Path) -> None:
    assert commit(clone) == git(clone, "rev-parse", "HEAD")


def test_the_commit_of_branches_that_were_packed(clone: Path) -> None:
    git(clone, "pack-refs", "--all")
    assert not (clone / ".git/refs/heads/main").exists()
    assert commit(clone) == git(clone, "rev-parse", "HEAD")


def test_a_commit_without_a_branch(clone: Path) -> None:
    git(clone, "checkout", "-q", "--detach")
    assert commit(clone) == git(clone, "rev-parse", "HEAD")


def test_a_second_work_tree(clone: Path) -> None:
    git(clone, "worktree", "add", "-q", "-b", "other", "../other")
    git(clone.parent / "other", "commit", "-q", "--allow-empty", "-m", "second")
    assert commit(clone.parent / "other") == git(clone.parent / "other", "rev-parse", "HEAD")


@pytest.mark.parametrize("head", [None, "", "ref: refs/heads/none\n", "no commit\n", "\xff"])
def test_without_a_commit_it_is_unknown(head: str | None, tmp_path: Path) -> None:
    if head is not None:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git/HEAD").write_text(head, "latin-1")
    assert commit(tmp_path) == ""


def test_the_city_is_told_the_build() -> None:
    told: list[str] = []

    class Line:
        async def hello(self, message: Any) -> None:
            told.append(message.build)
            raise asyncio.CancelledError

    config = SimpleNamespace(trust=SimpleNamespace(phone_policies=()))
    desk = CityDesk(config, Line(), SimpleNamespace())  # type: ignore[arg-type]
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(desk.fetch_terms())
    assert told == [build()]


def test_the_log_tells_the_build_when_the_service_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from firmware.service import supervisor

    class Nobody:
        def __init__(self, *_: object, **__: object) -> None: ...

        def run(self, **_: object) -> int:
            return 0

    kiosk = SimpleNamespace(state=tmp_path, runtime=tmp_path, id="kiosk-1", log="info")
    config = SimpleNamespace(kiosk=kiosk, attestation=None)
    monkeypatch.setattr(supervisor, "load", lambda _: config)
    monkeypatch.setattr(supervisor, "Supervisor", Nobody)
    for step in (
        "configure",
        "lock_state",
        "check",
        "open_listeners",
        "open_books",
        "settle_books",
    ):
        monkeypatch.setattr(supervisor, step, lambda _: None)
    with caplog.at_level(logging.INFO, logger="madoguchi"):
        assert supervisor.main(tmp_path / "kiosk.toml") == 0
    [starting] = [entry for entry in caplog.records if entry.message == "service.starting"]
    assert starting.__dict__["facts"] == {"build": build()}
