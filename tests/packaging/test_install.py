"""`scripts/install` once a build is laid out: builds beside one another, one of them current."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREFIX = {"kiosk": "/opt/madoguchi", "gateway": "/opt/madoguchi-city"}


def role_words(role: str) -> list[str]:
    return ["--gateway"] if role == "gateway" else []


class Target:
    """A file system with builds in it; of each only what the script looks at."""

    def __init__(self, folder: Path, role: str) -> None:
        self.root, self.role = folder / "root", role
        self.prefix = self.root / PREFIX[role].removeprefix("/")
        (self.root / "etc").mkdir(parents=True)
        for build in ("1", "2"):
            share = self.prefix / "builds" / build / "share"
            share.mkdir(parents=True)
            shutil.copytree(ROOT / "systemd", share / "systemd")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [ROOT / "scripts/install", *role_words(self.role), "--root", self.root, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    def use(self, build: str) -> None:
        done = self.run("--use", build)
        assert done.returncode == 0, done.stderr

    def files(self) -> set[str]:
        """Outside of the builds."""
        return {
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if "builds" not in path.parts and not path.is_dir()
        }


@pytest.fixture(params=PREFIX)
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    return Target(tmp_path, request.param)


def test_one_build_is_current_and_its_units_are_in_place(target: Target) -> None:
    target.use("1")
    assert (target.prefix / "current").readlink() == Path("builds/1")
    assert target.run("--list").stdout.splitlines() == ["1 current", "2"]
    units = [name for name in target.files() if name.endswith(".service")]
    assert len(units) > 1
    for name in units:
        text = (target.root / name).read_text()
        for program in re.findall(r"^ExecStart=(/opt\S+)", text, re.M):
            assert program == f"{PREFIX[target.role]}/current/bin/kiosk"


def test_another_build_brings_its_own_units(target: Target) -> None:
    target.use("1")
    [unit, *_] = sorted(target.root.glob("etc/systemd/system/madoguchi-*.service"))
    newer = target.prefix / "builds/2/share/systemd" / unit.name
    newer.write_text("# of the other build\n")
    target.use("2")
    assert unit.read_text() == "# of the other build\n"
    target.use("1")
    assert unit.read_text() != "# of the other build\n"


def test_again_changes_nothing(target: Target) -> None:
    target.use("1")
    before = {name: (target.root / name).lstat().st_mtime_ns for name in target.files()}
    kept = {name: at for name, at in before.items() if not (target.root / name).is_symlink()}
    target.use("1")
    after = {name: (target.root / name).lstat().st_mtime_ns for name in kept}
    ours = [name for name in kept if "madoguchi" in name]
    assert [name for name in ours if after[name] != kept[name]] == []


def test_away_with_everything_but_what_is_the_operators(target: Target) -> None:
    target.use("1")
    name = target.prefix.name
    for path in (f"etc/{name}/kiosk.toml", f"var/lib/{name}/journal.sqlite"):
        (target.root / path).parent.mkdir(parents=True, exist_ok=True)
        (target.root / path).write_text("kept")
    assert target.run("--uninstall").returncode == 0
    left = {found for found in target.files() if "madoguchi" in found}
    assert left == {f"etc/{name}/kiosk.toml", f"var/lib/{name}/journal.sqlite"}
    assert not target.prefix.exists()
    for folder in ("etc/polkit-1", "etc/systemd/system.conf.d"):  # a plain Debian has neither
        assert not (target.root / folder).exists()
    assert target.run("--uninstall").returncode == 0  # again


def test_one_build_goes_and_never_the_current_one(target: Target) -> None:
    target.use("1")
    assert target.run("--uninstall", "1").returncode == 2
    assert target.run("--uninstall", "2").returncode == 0
    assert target.run("--list").stdout == "1 current\n"
    assert target.run("--use", "2").returncode == 2


def test_a_boards_own_files_stay_with_the_next_build(tmp_path: Path) -> None:
    target = Target(tmp_path, "kiosk")
    (target.prefix / "builds/1/share/board").write_text("raspberry-pi\n")
    target.use("1")
    target.use("2")
    drop_in = target.root / "etc/systemd/system/madoguchi-kiosk.service.d/board.conf"
    assert drop_in.read_bytes() == (ROOT / "systemd/boards/raspberry-pi/kiosk.conf").read_bytes()


@pytest.mark.parametrize(
    "words", [["--use"], ["--board", "none"], ["--what"], ["--from", "/nonexistent"]]
)
def test_wrong_words_are_one_line(words: list[str], tmp_path: Path) -> None:
    done = Target(tmp_path, "kiosk").run(*words)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
