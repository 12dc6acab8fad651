"""Text for technicians, in a printer's own characters: python-escpos makes the bytes in memory, and
our wire sends them.

Nothing else of the library is used: its connections have no deadline, its status reads silence as
"paper adequate", and its pictures are dithered. It has no Japanese, so only ASCII is taken;
receipts and claim slips are drawn as dots.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from hal.faults import DeviceFault, Reason

ANY_MODEL: Final = "default"


@dataclass(frozen=True)
class TextLine:
    """`text` is printable ASCII."""

    text: str
    bold: bool = False
    centre: bool = False
    large: bool = False


@dataclass(frozen=True)
class ServiceText:
    """ESC/POS commands that `write` made; printed by `EscposPrinter.print_text`."""

    commands: bytes


def write(device: str, lines: Iterable[TextLine], profile: str = "") -> ServiceText:
    """For the model of this profile, or for any. Raises DeviceFault: REFUSED for text that no
    printer can be relied on to have, CONFIGURATION when the library cannot be used.
    """
    given = list(lines)
    for line in given:
        if not (line.text.isascii() and (line.text.isprintable() or not line.text)):
            raise DeviceFault(device, Reason.REFUSED, "a service text is printable ASCII")
    try:
        paper = library_printer(profile or ANY_MODEL)
        for line in given:
            paper.set(
                align="center" if line.centre else "left",
                bold=line.bold,
                double_width=line.large,
                double_height=line.large,
                normal_textsize=not line.large,
            )
            paper.text(f"{line.text}\n")
        return ServiceText(bytes(paper.output))
    except Exception as error:  # the library's own kinds, and those of what it imports
        raise DeviceFault(
            device, Reason.CONFIGURATION, f"no text can be made: {type(error).__name__}: {error}"
        ) from error


def library_printer(profile: str = ANY_MODEL) -> Any:
    """A printer of the library's that only collects bytes."""
    with _clean_import():
        from escpos.printer import Dummy
    return Dummy(profile=profile)


@contextmanager
def _clean_import() -> Iterator[None]:
    """Importing the library makes a temporary folder with a copy of its profiles, and adds a
    handler to the root logger. Neither stays.
    """
    before, root = tempfile.tempdir, logging.getLogger()
    handlers = list(root.handlers)
    with tempfile.TemporaryDirectory(prefix="madoguchi-") as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = before
            root.handlers[:] = handlers
