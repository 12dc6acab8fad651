"""Each file and folder of a site × each way in which it can be wrong, generated.

What must hold for all of them: the kiosk does not start with it, or closes itself; the last line
on the screen and `kiosk status` name the item; and once it is put right the next start goes well,
which `madoguchi-screen` makes every half minute. Where the kiosk starts all the same, `HARMLESS`
says why it may.

The starts are those of the production program up to the first resident, each in a process with the
rights of a service's user.
"""

from __future__ import annotations

import gc
import os
import secrets
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import _lru_cache_wrapper
from pathlib import Path
from typing import Any

import pytest

from firmware.service import start_trouble, supervisor, toml
from firmware.service.config import load
from firmware.tools.cli import main as kiosk
from testbed.demo import FOLDER
from testbed.rehearsal import prepare

NOBODY = 65_534
START, CLOSED, REFUSED = 0, 3, 2
TRUSTED = ("card_ca", "issuing_keys", "terms_keys")
ALONE = "ja"  # one language is enough to be copied


class ToTheFirstResident:
    """In place of the supervisor's loop; a kiosk that would close itself says why."""

    def __init__(self, _: object, listeners: Any, *__: object, **___: object) -> None:
        listeners.panel.close()

    def run(self, *, storage: str = "", **_: object) -> int:
        if storage:
            print(storage, file=sys.stderr)
        return CLOSED if storage else START


class Site:
    """All files are its own, and of the user `NOBODY`; the paths are those of the configuration."""

    def __init__(self, top: Path) -> None:
        made = prepare(FOLDER, top / "run", seldom=False, spoken=(ALONE,))
        self.config = made.kiosk_toml
        told = tomllib.loads(self.config.read_text())
        fonts = load(self.config).fonts
        told["fonts"] = {"mincho": str(fonts.mincho), "gothic": str(fonts.gothic)}
        recordings = Path(told["voice"]["recordings"])
        shutil.copytree(recordings / ALONE, top / "voice" / ALONE)
        told["voice"] = {"recordings": str(top / "voice"), "languages": [ALONE]}
        told = _own_files(told, top / "site")
        self.config.write_text(toml.dumps(told))
        self.items = _items(told, self.config)
        for path in (top, *top.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        top.chmod(0o755)

    def start(self, fresh: bool = False) -> tuple[int, str]:
        """What the program returns, and what it says. `fresh`: what an earlier start has read is
        read anew.
        """
        return in_a_process(lambda: self._start(fresh))

    def _start(self, fresh: bool) -> int:
        for each in gc.get_objects() if fresh else ():
            if isinstance(each, _lru_cache_wrapper) and each.__module__.startswith("firmware"):
                each.cache_clear()
        return supervisor.main(self.config)

    def status(self) -> tuple[int, str]:
        return in_a_process(lambda: kiosk(["status", "--config", str(self.config)]))


def _own_files(value: Any, folder: Path) -> Any:
    folder.mkdir(exist_ok=True)
    if isinstance(value, list):
        return [_own_files(each, folder) for each in value]
    if isinstance(value, dict):
        return {name: _own_files(each, folder) for name, each in value.items()}
    if isinstance(value, str) and Path(value).is_file():
        copy = folder / "-".join(Path(value).parts[-2:])
        shutil.copy(value, copy)
        return str(copy)
    return value


def _items(told: Mapping[str, Any], config: Path) -> Mapping[str, Path]:
    state, runtime = Path(told["kiosk"]["state"]), Path(told["kiosk"]["runtime"])
    voice = Path(told["voice"]["recordings"])
    return {
        "configuration": config,
        **{f"line.{name}": Path(told["line"][name]) for name in ("city_ca", "certificate", "key")},
        **{f"trust.{name}": Path(told["trust"][name][0]) for name in TRUSTED},
        **{f"fonts.{name}": Path(told["fonts"][name]) for name in ("mincho", "gothic")},
        "recordings": voice,
        "one recording": min((voice / ALONE).glob("*.wav")),
        "state": state,
        "journal": state / "journal.sqlite",
        "head of the journal": state / "journal.head",
        "runtime": runtime,
        "status": runtime / "status.json",
        "folder of the panel's key": runtime / "panel",
    }


def in_a_process(work: Callable[[], int]) -> tuple[int, str]:
    """With the rights of `NOBODY`: what it returns, and what it says."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        code = 99
        try:
            os.dup2(write, 1)
            os.dup2(write, 2)
            sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
            os.chdir("/")
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            code = work()
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        said = pipe.read().strip()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), said


# -- the ways in which an item can be wrong: `aside` is what stood there


def empty(path: Path, aside: Path) -> None:
    path.mkdir() if aside.is_dir() else path.touch()


def garbage(path: Path, aside: Path) -> None:
    path.write_bytes(secrets.token_bytes(5_000))


def torn(path: Path, aside: Path) -> None:
    path.write_bytes(aside.read_bytes()[: aside.stat().st_size // 2])


def another_owner(path: Path, aside: Path) -> None:
    _copy(path, aside)
    os.chown(path, 0, 0)
    path.chmod(0o700 if path.is_dir() else 0o600)


def no_rights(path: Path, aside: Path) -> None:
    _copy(path, aside)
    os.chown(path, NOBODY, NOBODY)
    path.chmod(0)


def _copy(path: Path, aside: Path) -> None:
    shutil.copytree(aside, path) if aside.is_dir() else shutil.copy(aside, path)


WAYS: Mapping[str, Callable[[Path, Path], object]] = {
    "absent": lambda path, aside: None,
    "empty": empty,
    "garbage": garbage,
    "torn": torn,
    "another's": another_owner,
    "without rights": no_rights,
    "a link to nothing": lambda path, _: path.symlink_to("/nowhere/at-all"),
    "a link to itself": lambda path, _: path.symlink_to(path),
    "a folder": lambda path, _: path.mkdir(),
}
FOLDERS = {"recordings", "state", "runtime", "folder of the panel's key"}
ITEMS = (
    *("configuration", "line.city_ca", "line.certificate", "line.key"),
    *("trust.card_ca", "trust.issuing_keys", "trust.terms_keys", "fonts.mincho", "fonts.gothic"),
    *("recordings", "one recording", "state", "journal", "head of the journal", "runtime"),
    *("status", "folder of the panel's key"),
)
# What is named where it is not the item itself.
NAMED_BY = {"one recording": "recordings", "journal": "state"}
# The kiosk starts with these, and why it may.
HARMLESS = {
    **dict.fromkeys((("status", way) for way in WAYS), "it is written anew, or the log says not"),
    **dict.fromkeys(
        ((item, way) for item in ("runtime", "folder of the panel's key") for way in WAYS
         if way in ("absent", "empty")),
        "it is made anew",
    ),
    ("head of the journal", "torn"): "it has two slots, and half of it is one of them",
}  # fmt: skip


CASES = [
    pytest.param(item, way, id=f"{item}-{way}")
    for item in ITEMS
    for way in WAYS
    if not (item in FOLDERS and way in ("torn", "a folder"))
]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    if os.geteuid():
        pytest.skip("only root may give files to another user")
    with tempfile.TemporaryDirectory(prefix="site-") as top, pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor, "Supervisor", ToTheFirstResident)
        patch.setattr(supervisor, "configure", lambda _: None)
        made = Site(Path(top))
        patch.setattr(start_trouble, "RUNTIME", made.items["runtime"])  # where units have it
        lock = supervisor.lock_state
        patch.setattr(supervisor, "lock_state", lambda _: None)
        # Once in this process, which may read Python's own files: a module is imported by then.
        assert supervisor.main(made.config) == START
        kiosk(["status", "--config", str(made.config)])
        patch.setattr(supervisor, "lock_state", lock)
        for path in Path(top).rglob("*"):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        yield made


@pytest.mark.parametrize(("item", "way"), CASES)
def test_a_wrong_item_is_named_and_the_next_start_after_it_goes_well(
    item: str, way: str, site: Site
) -> None:
    path = site.items[item]
    aside = path.with_name(f"{path.name}.aside")
    path.rename(aside)
    try:
        WAYS[way](path, aside)
        if path.exists() and not path.is_symlink() and way not in ("another's", "without rights"):
            os.chown(path, NOBODY, NOBODY)
        code, said = site.start(fresh=item.startswith("fonts"))
        told = site.status()[1]
    finally:
        _clear(path)
        aside.rename(path)
    if (item, way) in HARMLESS:
        assert code == START, said
    else:
        assert code in (REFUSED, CLOSED), f"it started with {path}"
        name = str(site.items[NAMED_BY.get(item, item)])
        assert name in said.splitlines()[-1]
        assert name in told or code == CLOSED or item == "runtime", "the status lies in it"
    assert site.start() == (START, "")


def _clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def test_every_file_that_the_configuration_names_is_tried(site: Site) -> None:
    def named(value: Any) -> set[str]:
        if isinstance(value, dict):
            return {name for each in value.values() for name in named(each)}
        if isinstance(value, list):
            return named(value[0]) if value else set()
        is_path = isinstance(value, str) and Path(value).is_absolute()
        return {value} if is_path and (Path(value).is_file() or Path(value).is_dir()) else set()

    told = tomllib.loads(site.config.read_text())
    assert named(told) <= {str(path) for path in site.items.values()}
