"""What is wrong in the configuration file itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from testbed.diagnose_drill.fault import Change, Fault, Put, made, needs_root, says
from testbed.diagnose_drill.file_faults import take_away
from testbed.diagnose_drill.site import Site

CHECK: Final = "configuration"


def _text(change: Callable[[str], str]) -> Change:
    """The file as it is, with other text."""

    def build(site: Site) -> Put:
        text = site.made.kiosk_toml.read_text("utf-8")
        return Put(file=site.write("changed.toml", change(text).encode()))

    return made(build)


def _row(name: str, code: str, put: Change) -> Fault:
    return Fault(f"configuration: {name}", CHECK, f"configuration.{code}", put)


def _without(table: str) -> Callable[[str], str]:
    """Only the header is lost."""
    return lambda text: text.replace(f"[{table}]\n", "", 1)


def _without_table(table: str) -> Callable[[str], str]:
    def change(text: str) -> str:
        before, _, rest = text.partition(f"[{table}]\n")
        _, bracket, after = rest.partition("\n[")
        return before + bracket.lstrip("\n") + after

    return change


def _roots(site: Site) -> Put:
    """Root may read it and the service may not."""
    path = site.configured({})
    take_away(path)
    return Put(file=path)


FAULTS: Final = (
    Fault(
        "configuration: not readable", CHECK, "configuration.unreadable", made(_roots), needs_root
    ),
    _row("no file", "missing", made(lambda site: Put(file=Path("/nowhere/kiosk.toml")))),
    _row("a folder", "unreadable", made(lambda site: Put(file=site.folder))),
    _row("a quote is lost", "syntax", _text(lambda text: text.replace('"', "", 1))),
    _row("Latin-1", "syntax", made(lambda s: Put(file=s.write("k.toml", b'a = "\xe9"\n')))),
    _row("no [cash] header", "header", _text(_without("cash"))),
    _row("no [line] header", "header", _text(_without("line"))),
    _row("no [trust] table", "section", _text(_without_table("trust"))),
    _row("an unknown key", "key", says("panel", colour="green")),
    _row("a key is lost", "required", _text(lambda t: t.replace("city_ca", "# city_ca", 1))),
    _row("a word that is none", "value", says("kiosk", log="loud")),
    _row("a driver that is none", "value", says("card", driver="usb")),
    _row("a width that no printer has", "value", says("sheets", width=1)),
)
