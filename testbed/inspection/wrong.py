"""Machines and a city that are wrong on purpose: what an inspection must find.

    python -m testbed.inspection.wrong MISTAKE --config FILE

runs the kiosk's service, or the city, with that mistake and no other difference. A board has no
such program: `hal` and `firmware` know nothing of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from msgspec import structs

from firmware.tools.cli import main as kiosk
from hal.printer.contract import Bitmap
from hal.printer.escpos import EscposPrinter
from testbed.system import System

SHEET: Final = 1000  # dots; what is narrower is a receipt
MODULE: Final = "testbed.inspection.wrong"
CHARACTER: Final = 26  # dots across
BODY: Final = (300, 1800)  # dots from the top: the people
Printing = Callable[[EscposPrinter, Bitmap], None]
Machine = Callable[[Path, Printing], Printing]


def previous(home: Path, really: Printing) -> Printing:
    """The sheet of the person before comes out."""
    return _kept_in(home / "sheet-of-the-one-before", really)


def beside(home: Path, really: Printing) -> Printing:
    """Two kiosks keep their sheets in one place, and print what lies there."""
    return _kept_in(home.parent / "sheet-of-whomever", really)


def _kept_in(kept: Path, really: Printing) -> Printing:
    def wrong(printer: EscposPrinter, front: Bitmap) -> None:
        rows = kept.read_bytes() if kept.exists() else front.rows
        kept.write_bytes(front.rows)
        really(printer, Bitmap(front.width, front.height, rows))

    return wrong


def twice(home: Path, really: Printing) -> Printing:
    """Each sheet comes out twice."""

    def wrong(printer: EscposPrinter, front: Bitmap) -> None:
        really(printer, front)
        really(printer, front)

    return wrong


def character(home: Path, really: Printing) -> Printing:
    """One character is missing: the blackest of the middle of the page."""

    def wrong(printer: EscposPrinter, front: Bitmap) -> None:
        dots = np.unpackbits(np.frombuffer(front.rows, np.uint8)).reshape(front.height, -1)
        top, left = max(
            (
                (top, left)
                for top in range(*BODY, CHARACTER)
                for left in range(0, front.width - CHARACTER, CHARACTER)
            ),
            key=lambda at: int(dots[at[0] : at[0] + CHARACTER, at[1] : at[1] + CHARACTER].sum()),
        )
        dots[top : top + CHARACTER, left : left + CHARACTER] = 0
        really(printer, Bitmap(front.width, front.height, np.packbits(dots, axis=1).tobytes()))

    return wrong


def unsigned(home: Path, really: Printing) -> Printing:
    """The lower quarter, where the code is, stays white."""

    def wrong(printer: EscposPrinter, front: Bitmap) -> None:
        kept = len(front.rows) * 3 // 4
        rows = front.rows[:kept] + bytes(len(front.rows) - kept)
        really(printer, Bitmap(front.width, front.height, rows))

    return wrong


MACHINES: Final[Mapping[str, Machine]] = {
    each.__name__: each for each in (previous, beside, twice, character, unsigned)
}


def another_file(compose: Callable[..., Any]) -> Callable[..., Any]:
    """Every second document is composed from the file of whoever asked before."""
    files: list[Any] = []

    def wrong(data: Any, certificate: Any, file: Any, chosen: Any, stamp: Any) -> Any:
        files.append(file)
        used = files[-2] if len(files) % 2 == 0 else file
        return compose(data, certificate, used, chosen, stamp)

    return wrong


def another_address(compose: Callable[..., Any]) -> Callable[..., Any]:
    """One character of what stands on the first line of each sheet is another."""

    def wrong(*given: Any) -> Any:
        made = compose(*given)
        sheets = tuple(_misprint(sheet) for sheet in made.content.sheets)
        return replace(made, content=structs.replace(made.content, sheets=sheets))

    def _misprint(sheet: Any) -> Any:
        if not sheet.people:
            return sheet
        first = sheet.people[0]
        row = structs.replace(first.rows[0], value=first.rows[0].value + "１")
        people = (structs.replace(first, rows=(row, *first.rows[1:])), *sheet.people[1:])
        return structs.replace(sheet, people=people)

    return wrong


def another_title(compose: Callable[..., Any]) -> Callable[..., Any]:
    """Each certificate bears the name of another one."""
    return _with(compose, title="住民票記載事項証明書")


def another_statement(compose: Callable[..., Any]) -> Callable[..., Any]:
    """Whatever was asked for, the sentence certifies a whole household."""
    words = "この写しは、世帯全員の住民票の原本と相違ないことを証明します。"
    return _with(compose, statement=words)


def _with(compose: Callable[..., Any], **words: str) -> Callable[..., Any]:
    def wrong(*given: Any) -> Any:
        made = compose(*given)
        return replace(made, content=structs.replace(made.content, **words))

    return wrong


CITIES: Final[Mapping[str, Callable[[Callable[..., Any]], Callable[..., Any]]]] = {
    each.__name__: each
    for each in (another_file, another_address, another_title, another_statement)
}


def program(mistake: str) -> tuple[str, ...]:
    """What runs a wrong kiosk, but for the configuration."""
    return (MODULE, mistake, "run")


def spoil_city(system: System, mistake: str) -> None:
    """Before the system is started."""
    system.city.program = MODULE
    system.city.arguments = (mistake, *system.city.arguments)


def main(argv: Sequence[str]) -> int:
    """As the program ends."""
    mistake, *words = argv
    if mistake in CITIES:
        from city import ordering
        from city.composition import compose

        vars(ordering)["compose"] = CITIES[mistake](compose)
        return kiosk(words)
    home = Path(words[words.index("--config") + 1]).parent
    really = EscposPrinter.print_page
    spoilt = MACHINES[mistake](home, really)

    def print_page(printer: EscposPrinter, front: Bitmap, back: Bitmap | None = None) -> None:
        (spoilt if front.width > SHEET else really)(printer, front)

    setattr(EscposPrinter, "print_page", print_page)  # noqa: B010 - a method is replaced
    return kiosk(words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
