"""Bundles for the fleet: a good newer build, one that never comes up, one that is healthy and then
dies when somebody is served, one for another board, and one of a stranger.

python -m fleet_builds KEYS BUNDLE OUT        BUNDLE as `scripts/image` made it

All are in RAUC's format `plain`: its `verity` needs the kernel's device mapper, which the kernel
below the containers may lack. The signature, the hooks and what is written are the same.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from container import run

PACKAGE = "opt/madoguchi/builds/*/lib/python3*/site-packages"
# Appended to the place where a document is admitted: the resident's process ends, before any money.
DIES = """

def admit(*_: object, **__: object) -> None:  # type: ignore[no-redef]
    import os

    os._exit(7)
"""
FAST = "--mksquashfs-args=-noD -noI -noF -noX"


def make(keys: Path, bundle: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as folder:
        work = Path(folder)
        run("unsquashfs", "-q", "-d", work / "first", bundle)
        told = json.loads((work / "first/build.json").read_text())
        first = int(told["version"])
        good = succeed(work / "first", work / "good", str(first + 1), lambda _: None)
        pack(keys, good, out / "good.raucb")
        pack(keys, dead(good, work / "dead", str(first + 2)), out / "dead.raucb")
        sick = succeed(work / "first", work / "sick", str(first + 3), dies_when_served)
        pack(keys, sick, out / "sick.raucb")
        small(good, work / "small")
        pack(keys, work / "small", out / "other-board.raucb", "madoguchi-raspberry-pi")
        pack(stranger(work / "stranger"), work / "small", out / "stranger.raucb")
    (out / "made").write_text(str(first))


def succeed(old: Path, new: Path, version: str, change: Callable[[Path], None]) -> Path:
    """The same root with another version, and with `change`."""
    new.mkdir()
    build = f"0.1.0+g{version[-7:]}"
    for name in ("hook", "manifest.raucm", "a.efi", "b.efi"):
        shutil.copy(old / name, new / name)
    told = json.loads((old / "build.json").read_text()) | {"version": version, "build": build}
    release = ""
    with changed(old / "root.img", new / "root.img") as root:
        (root / "usr/lib/madoguchi/build.json").write_text(json.dumps(told))
        path = root / "usr/lib/os-release"
        release = re.sub(r"\d{14}", version, path.read_text())
        release = re.sub(r"0\.1\.0\+g[0-9a-f]{7}", build, release)
        path.write_text(release)
        for metadata in root.glob(f"{PACKAGE}/madoguchi-[0-9]*.dist-info/METADATA"):
            told_there = metadata.read_text().split("\n")
            metadata.write_text(
                "\n".join(
                    f"Version: {build}" if line.startswith("Version: ") else line
                    for line in told_there
                )
            )
        change(root)
    (new / "build.json").write_text(json.dumps(told))
    said = run("veritysetup", "format", new / "root.img", new / "hash.img")
    kernels(new, re.search(r"Root hash:\s*(\w+)", said)[1], release)  # type: ignore[index]
    return new


@contextmanager
def changed(old: Path, new: Path) -> Iterator[Path]:
    """What is written in the folder that is given goes into the new file system as well."""
    with tempfile.TemporaryDirectory(dir=new.parent.parent) as folder:
        lower, upper, inner, merged = (Path(folder) / n for n in ("low", "up", "in", "all"))
        for each in (lower, upper, inner, merged):
            each.mkdir()
        run("mount", "-t", "squashfs", "-o", "loop,ro", old, lower)
        layers = f"lowerdir={lower},upperdir={upper},workdir={inner}"
        try:
            run("mount", "-t", "overlay", "-o", layers, "overlay", merged)
            try:
                yield merged
                words = "-quiet -no-progress -noappend -comp zstd -Xcompression-level 1".split()
                run("mksquashfs", merged, new, *words)
            finally:
                run("umount", merged)
        finally:
            run("umount", lower)


def dies_when_served(root: Path) -> None:
    [module] = root.glob(f"{PACKAGE}/firmware/sheets/admit.py")
    with module.open("a") as file:
        file.write(DIES)
    # the image's Python does not compare its bytecode with the source
    for compiled in module.parent.glob("__pycache__/admit.*"):
        compiled.unlink()


def kernels(tree: Path, root_hash: str, release: str | None) -> None:
    """Their sections keep their length: hashes and versions are as long as before."""
    for slot in ("a", "b"):
        kernel, part = tree / f"{slot}.efi", tree / "part"
        run("objcopy", "-O", "binary", "-j", ".cmdline", kernel, part)
        part.write_text(re.sub("roothash=[0-9a-f]*", f"roothash={root_hash}", part.read_text()))
        run("objcopy", "--update-section", f".cmdline={part}", kernel)
        if release is not None:
            part.write_text(release)
            run("objcopy", "--update-section", f".osrel={part}", kernel)
        part.unlink()


def dead(good: Path, new: Path, version: str) -> Path:
    """A good signature, and kernels that know another root."""
    shutil.copytree(good, new, copy_function=_link)
    for name in ("a.efi", "b.efi", "build.json", "manifest.raucm"):
        (new / name).unlink()
        shutil.copy(good / name, new / name)
    told = json.loads((good / "build.json").read_text())
    build = f"0.1.0+g{version[-7:]}"
    (new / "build.json").write_text(json.dumps(told | {"version": version, "build": build}))
    run("objcopy", "-O", "binary", "-j", ".osrel", new / "a.efi", new / "part")
    release = (new / "part").read_text().replace(told["version"], version)
    (new / "part").unlink()
    kernels(new, "0" * 64, release.replace(told["build"], build))
    return new


def _link(old: str, new: str) -> None:
    Path(new).hardlink_to(old)


def small(good: Path, new: Path) -> None:
    """Whoever refuses it must do so before its content matters."""
    new.mkdir()
    for name in ("root.img", "hash.img", "a.efi", "b.efi"):
        (new / name).write_bytes(bytes(4096))
    for name in ("hook", "build.json", "manifest.raucm"):
        shutil.copy(good / name, new / name)


def pack(keys: Path, tree: Path, out: Path, compatible: str = "madoguchi-x86-64") -> None:
    version = json.loads((tree / "build.json").read_text())["version"]
    (tree / "manifest.raucm").write_text(
        f"[update]\ncompatible={compatible}\nversion={version}\n[hooks]\nfilename=hook\n"
        "[image.hash]\nfilename=hash.img\n[image.root]\nfilename=root.img\nhooks=post-install\n"
    )
    (tree / "hook").chmod(0o755)
    out.unlink(missing_ok=True)
    signer = (f"--cert={keys / 'update.pem'}", f"--key={keys / 'update.key'}")
    run("rauc", "bundle", *signer, FAST, tree, out)


def stranger(folder: Path) -> Path:
    folder.mkdir()
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=stranger".split()
    files = ("-keyout", folder / "update.key", "-out", folder / "update.pem")
    run(*words, *files)
    return folder


if __name__ == "__main__":
    make(*(Path(word).absolute() for word in sys.argv[1:4]))
