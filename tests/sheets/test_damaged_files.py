"""Files that are damaged anywhere: refused with a reason, or harmless: every letter is still there
once.
"""

from __future__ import annotations

import os
import random
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pypdfium2 as pdfium
import pytest
from sheet_cases import RIGHT, Case

from firmware.sheets.admit import Admitted, RefusedDocument

TIMES = int(os.environ.get("DAMAGED_FILES", "60"))
STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)


def damaged(data: bytes, dice: random.Random) -> bytes:
    """Bits turned, bytes lost, doubled, exchanged, or cut."""
    out = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 4, 20))):
        at = dice.randrange(len(out))
        size = dice.choice((1, 1, 2, 16, 300))
        match dice.randrange(5):
            case 0:
                out[at] ^= 1 << dice.randrange(8)
            case 1:
                del out[at : at + size]
            case 2:
                out[at:at] = out[at : at + size]
            case 3:
                out[at : at + size] = dice.randbytes(size)
            case 4 if dice.random() < 0.1:
                del out[at:]
    return bytes(out)


def unpacked(data: bytes) -> bytes:
    """The same file with its streams as they are when unpacked, so that damage reaches what is in
    them.
    """

    def unpack(match: re.Match[bytes]) -> bytes:
        try:
            return b"stream\n" + zlib.decompress(match[1]) + b"\nendstream"
        except zlib.error:
            return match[0]

    return (
        STREAM.sub(unpack, data)
        .replace(b"/Filter/FlateDecode", b"")
        .replace(b"/Filter /FlateDecode", b"")
    )


def files(case: Case, seed: int) -> Iterator[bytes]:
    dice = random.Random(seed)
    for _ in range(TIMES):
        yield damaged(case.pdf, dice)
        yield damaged(unpacked(case.pdf), dice)


def letters(data: bytes) -> Counter[str]:
    """Of the whole file, in no order. pdfium repairs what other readers do not open."""
    found = pdfium.PdfDocument(data)
    text = "".join(page.get_textpage().get_text_range() for page in found)
    found.close()
    return Counter("".join(text.split()))


@pytest.mark.parametrize("name", ["juminhyo-two-of-three", "inkan", "kazei"])
def test_a_damaged_file_is_refused_or_has_every_letter_still(name: str) -> None:
    case = RIGHT[name]()
    whole = letters(case.pdf)
    assert isinstance(case.run(), Admitted)
    refused = 0
    for data in files(case, seed=7):
        found = replace(case, pdf=data).run()
        if isinstance(found, RefusedDocument):
            refused += 1
        else:
            assert letters(data) == whole
    assert refused > TIMES / 4
