"""What a sheet needs of an IPP printer: a raster format that it takes, and the job's ticket."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Final, NamedTuple, TypeAlias

from hal.printer import pwg_raster, urf
from hal.printer.contract import Bitmap
from hal.printer.ipp_message import Attribute, Attributes, Resolution, Tag, attribute

MEDIA: Final = "iso_a4_210x297mm"
ONE_SIDED, TWO_SIDED = "one-sided", "two-sided-long-edge"
USER: Final = "madoguchi"  # and the name of every job: nothing about anybody
ASKED_PRINTER: Final = (
    "printer-state",
    "printer-state-reasons",
    "printer-is-accepting-jobs",
    "printer-input-tray",
    "operations-supported",
    "document-format-supported",
    "job-creation-attributes-supported",
    "media-supported",
    "media-ready",
    "sides-supported",
    "job-sheets-supported",
    "print-color-mode-supported",
    "print-scaling-supported",
    "pwg-raster-document-resolution-supported",
    "pwg-raster-document-sheet-back",
    "pwg-raster-document-type-supported",
    "urf-supported",
)
# What a printer might do by its own default: asked for where it takes the attribute with a job.
DEFAULTS_UNDONE: Final = (
    ("print-scaling", "none"),
    ("print-color-mode", "monochrome"),
    ("job-sheets", "none"),  # no banner, which would carry a name and be counted
)


class Sheet(NamedTuple):
    """How a sheet is written for this printer."""

    mime_type: str
    document: Callable[[Sequence[Bitmap]], bytes]


class Unsuited(NamedTuple):
    """What the printer lacks for the kiosk's sheets."""

    lacks: str


Choice: TypeAlias = Sheet | Unsuited


def choose(printer: Attributes, dpi: int, duplex: bool) -> Choice:
    """PWG raster where the printer takes it: 1 bit a dot. Otherwise URF, the older one of the two
    that AirPrint printers take.
    """
    lacks = _lacks(
        printer,
        ("media-supported", {MEDIA}),
        ("sides-supported", {TWO_SIDED if duplex else ONE_SIDED}),
    )
    if lacks:
        return Unsuited(lacks)
    pwg = _pwg(printer, dpi, duplex)
    if isinstance(pwg, Sheet):
        return pwg
    other = _urf(printer, dpi, duplex)
    return other if isinstance(other, Sheet) else Unsuited(f"{pwg.lacks}; {other.lacks}")


def ticket(printer: Attributes, sides: int) -> tuple[Attribute, ...]:
    taken = printer.get("job-creation-attributes-supported", ())
    return (
        attribute(Tag.INTEGER, "copies", 1),
        attribute(Tag.KEYWORD, "media", MEDIA),
        attribute(Tag.KEYWORD, "sides", TWO_SIDED if sides > 1 else ONE_SIDED),
        *(
            attribute(Tag.KEYWORD, name, value)
            for name, value in DEFAULTS_UNDONE
            if value in printer.get(f"{name}-supported", ()) and (not taken or name in taken)
        ),
    )


def names(asked: Sequence[Attribute]) -> Set[str]:
    return {one.name for one in asked}


def _pwg(printer: Attributes, dpi: int, duplex: bool) -> Choice:
    types = printer.get("pwg-raster-document-type-supported", ())
    lacks = _lacks(
        printer,
        ("document-format-supported", {pwg_raster.MIME_TYPE}),
        ("pwg-raster-document-resolution-supported", {Resolution(dpi, dpi)}),
        ("pwg-raster-document-type-supported", set(pwg_raster.COLOURS)),
    )
    if lacks:
        return Unsuited(lacks)
    values = printer.get("pwg-raster-document-sheet-back", ("normal",))
    back = str(values[0]) if len(values) == 1 else ""
    if duplex and back not in pwg_raster.BACKS:
        return Unsuited("pwg-raster-document-sheet-back is not known")
    colour = next(colour for colour in pwg_raster.COLOURS if colour in types)
    return Sheet(pwg_raster.MIME_TYPE, lambda sides: pwg_raster.document(sides, dpi, colour, back))


def _urf(printer: Attributes, dpi: int, duplex: bool) -> Choice:
    values = {str(value) for value in printer.get("urf-supported", ())}
    lacks = _lacks(
        printer, ("document-format-supported", {urf.MIME_TYPE}), ("urf-supported", {urf.GREY})
    )
    if lacks:
        return Unsuited(lacks)
    if not urf.prints(values, dpi):
        return Unsuited(f"urf-supported without {dpi} dpi")
    back = next((urf.BACKS[value] for value in sorted(values) if value in urf.BACKS), "")
    if duplex and not back:
        return Unsuited("urf-supported without how the back is turned")
    return Sheet(urf.MIME_TYPE, lambda sides: urf.document(sides, dpi, back))


def _lacks(printer: Attributes, *wanted: tuple[str, Set[object]]) -> str:
    """The first attribute that has none of its values, or ""."""
    for name, values in wanted:
        if not values & set(printer.get(name, ())):
            return f"{name} without {' or '.join(map(str, sorted(values, key=str)))}"
    return ""
