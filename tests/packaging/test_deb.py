"""Builds as Debian packages: two beside one another, one current, and away again. The real dpkg, in
a root of its own.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from test_install import PREFIX, ROOT, Target, role_words

FORCED = ("script-chrootless", "depends", "not-root", "bad-path")


class Packaged(Target):
    """Packages of the builds, and another root to install them in."""

    def __init__(self, folder: Path, role: str) -> None:
        super().__init__(folder, role)
        self.packages, self.made = folder / "packages", self.root
        for build in ("1", "2"):
            share = self.prefix / "builds" / build / "share"
            shutil.copy(ROOT / "scripts/install", share / "install")
            words = [*role_words(role), "--out", self.packages, "--root", self.root, build]
            subprocess.run([ROOT / "scripts/deb", *words], check=True, timeout=300)
        self.root = folder / "board"
        self.prefix = self.root / PREFIX[role].removeprefix("/")
        for name in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates"):
            (self.root / name).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()

    def dpkg(self, *words: str) -> int:
        """With its scripts, which are told the root; what it depends on is not there. Anybody may
        do it in a root of their own, and the machine's own log hears nothing.
        """
        forced = [f"--force-{what}" for what in FORCED]
        where = [f"--root={self.root}", f"--log={self.root}.log"]
        return subprocess.run(
            ["dpkg", *where, *forced, *words], capture_output=True, timeout=300, check=False
        ).returncode

    def install(self, build: str) -> int:
        [package] = self.packages.glob(f"madoguchi-{self.role}-{build}_*.deb")
        return self.dpkg("--install", str(package))

    def remove(self, build: str) -> int:
        return self.dpkg("--remove", f"madoguchi-{self.role}-{build}")

    @property
    def builds(self) -> list[str]:
        return self.run("--list").stdout.splitlines()


@pytest.fixture(params=PREFIX)
def packaged(request: pytest.FixtureRequest, tmp_path: Path) -> Packaged:
    return Packaged(tmp_path, request.param)


def test_from_the_first_package_to_none(packaged: Packaged) -> None:
    assert packaged.install("1") == 0
    assert packaged.builds == ["1 current"]
    assert packaged.install("2") == 0
    assert packaged.builds == ["1", "2 current"]
    assert packaged.install("2") == 0, "again"
    assert packaged.builds == ["1", "2 current"]
    assert packaged.remove("2") != 0, "the current one stays while there is another"
    assert packaged.builds == ["1", "2 current"]
    packaged.use("1")
    assert packaged.remove("2") == 0
    assert packaged.builds == ["1 current"]
    kept = packaged.root / f"etc/{packaged.prefix.name}/kiosk.toml"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("kept")
    assert packaged.remove("1") == 0
    left = {name for name in packaged.files() if "madoguchi" in name and "dpkg" not in name}
    assert left == {str(kept.relative_to(packaged.root))}
    assert not packaged.prefix.exists()


@pytest.mark.parametrize("words", [["--root", "/"], ["--what"], ["1"], ["--root", "/etc", "1"]])
def test_wrong_words_are_one_line(words: list[str]) -> None:
    done = subprocess.run(
        [ROOT / "scripts/deb", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
