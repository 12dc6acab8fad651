"""Bundles that a board must not stay with: one of a stranger, and one whose kernel finds no root.

python -m bundles KEYS BUNDLE OUT VERSION        `KEYS` as `scripts/image` has them
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def foreign(keys: Path, bundle: Path, out: Path) -> None:
    """The same build, signed with a key that the board does not know."""
    with tempfile.TemporaryDirectory() as folder:
        key, certificate, both = (Path(folder) / name for name in ("key", "pem", "both"))
        words = "req -x509 -newkey rsa:2048 -nodes -days 3650 -subj".split()
        files = ("-keyout", str(key), "-out", str(certificate))
        _run("openssl", *words, "/CN=a stranger", *files)
        both.write_bytes((keys / "update.pem").read_bytes() + certificate.read_bytes())
        signer = (f"--cert={certificate}", f"--key={key}", f"--keyring={both}")
        _run("rauc", "resign", *signer, str(bundle), str(out))


def dead(keys: Path, bundle: Path, out: Path, version: str) -> None:
    """A good signature, and kernels that know another root: the first block that is read is not the
    one that they expect.
    """
    certificate = keys / "update.pem"
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        tree = Path(folder) / "bundle"
        _run("rauc", "extract", f"--keyring={certificate}", str(bundle), str(tree))
        line = Path(folder) / "cmdline"
        for slot in ("a", "b"):
            kernel = tree / f"{slot}.efi"
            _run("objcopy", "-O", "binary", "-j", ".cmdline", str(kernel), str(line))
            line.write_text(re.sub("roothash=[0-9a-f]*", "roothash=" + "0" * 64, line.read_text()))
            _run("objcopy", "--update-section", f".cmdline={line}", str(kernel))
        build = tree / "build.json"
        build.write_text(json.dumps(json.loads(build.read_text()) | {"version": version}))
        manifest = tree / "manifest.raucm"
        told = re.sub("^version=.*", f"version={version}", manifest.read_text(), flags=re.M)
        manifest.write_text(told)
        signer = (f"--cert={certificate}", f"--key={keys / 'update.key'}")
        _run("rauc", "bundle", *signer, str(tree), str(out))


def _run(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)


if __name__ == "__main__":
    _keys, _bundle, _out = map(Path, sys.argv[1:4])
    _out.mkdir(parents=True, exist_ok=True)
    for _name in ("new.raucb", "foreign.raucb", "dead.raucb"):
        (_out / _name).unlink(missing_ok=True)
    (_out / "new.raucb").hardlink_to(_bundle)
    foreign(_keys, _bundle, _out / "foreign.raucb")
    dead(_keys, _bundle, _out / "dead.raucb", sys.argv[4])
